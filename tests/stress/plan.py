"""What a stress run does, and when: made from a seed alone, so that it can be repeated. Pure; `run.py` follows it."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from tests.stress.orders import CALM_WEIGHTS, WEIGHTS, Order, Weights, any_order

WEBS: Final = 2
WORKERS: Final = 3
SUBMITS_PER_SECOND: Final = 4.0
CALM_SUBMITS_PER_SECOND: Final = 12.0
TRANSPORTS: Final = ("sse", "websocket", "log")


@dataclass(frozen=True, slots=True)
class Watch:
    """A watcher of one job. Each of its connections is of one of the transports; `seed` decides its habits."""

    transports: tuple[str, ...]
    seed: int


@dataclass(frozen=True, slots=True)
class Submit:
    """A job. Times but `at` are seconds after it was accepted.

    With a key it is sent `copies` times at once, each again and again until there is an answer, and then repeated.
    """

    at: float
    number: int
    order: Order
    keyed: bool
    copies: int
    repeats: tuple[float, ...]
    cancels: tuple[float, ...]
    watches: tuple[Watch, ...]
    polled: bool
    multiplexed: bool
    told: bool
    """By webhooks."""


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault: `how` is kill, term, twice (SIGTERM, and once more) or freeze; for so many seconds it is away."""

    at: float
    subject: str
    how: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Plan:
    """All of one run, in the order of time."""

    seed: int
    seconds: float
    submits: tuple[Submit, ...]
    strikes: tuple[Strike, ...]


def make(seed: int, seconds: float) -> Plan:
    """The same for the same seed and length."""
    strikes = sorted(_strikes(seed, seconds), key=lambda strike: strike.at)
    submits = _submits(Random(f"{seed} submits"), seconds, SUBMITS_PER_SECOND, WEIGHTS)
    return Plan(seed, seconds, tuple(submits), tuple(strikes))


def make_calm(seed: int, seconds: float) -> Plan:
    """Many more jobs, most of them short, and no faults: for the soak."""
    submits = _submits(Random(f"{seed} submits"), seconds, CALM_SUBMITS_PER_SECOND, CALM_WEIGHTS)
    return Plan(seed, seconds, tuple(submits), ())


def _submits(random: Random, seconds: float, per_second: float, weights: Weights) -> Iterator[Submit]:
    at, number = random.expovariate(per_second), 0
    while at < seconds:
        yield _submit(random, at, number, any_order(random, weights))
        at += random.expovariate(per_second)
        number += 1


def _submit(random: Random, at: float, number: int, order: Order) -> Submit:
    keyed = random.random() < 0.6
    return Submit(
        at=at,
        number=number,
        order=order,
        keyed=keyed,
        copies=random.choice((1, 1, 5)) if keyed else 1,
        repeats=tuple(_moments(random, 0.4 if keyed else 0, 8)),
        cancels=tuple(_moments(random, 0.25, 3)) or ((random.uniform(0, 3),) if order.endless else ()),
        watches=tuple(_watch(random) for _ in range(random.choice((0, 0, 1, 1, 2)))),
        polled=random.random() < 0.1,
        multiplexed=random.random() < 0.3,
        told=random.random() < 0.3,
    )


def _moments(random: Random, likelihood: float, latest: float) -> Iterator[float]:
    """None, or one, or rarely more."""
    while random.random() < likelihood:
        yield random.uniform(0, latest)


def _watch(random: Random) -> Watch:
    some = random.sample(TRANSPORTS, random.choice((1, 1, 2, 3)))
    return Watch(tuple(some), random.randrange(2**32))


FAULTS: Final = {
    "worker": (("kill", 1.0), ("kill", 0.0), ("term", 0.5), ("twice", 0.5), ("freeze", 1.0), ("freeze", 5.0)),
    "web": (("kill", 1.0), ("kill", 0.0), ("term", 0.5), ("freeze", 2.0)),
    "valkey": (("kill", 0.5), ("term", 0.5), ("term", 2.0), ("freeze", 2.0), ("freeze", 6.0)),
}
CALM: Final = {"worker": (2.0, 12.0), "web": (4.0, 20.0), "valkey": (6.0, 20.0)}
"""Seconds between two faults of one subject."""


def _strikes(seed: int, seconds: float) -> Iterator[Strike]:
    subjects = [*(("worker", n) for n in range(WORKERS)), *(("web", n) for n in range(WEBS)), ("valkey", 0)]
    for role, n in subjects:
        yield from _strikes_on(Random(f"{seed} {role} {n}"), role, n, seconds)


def _strikes_on(random: Random, role: str, n: int, seconds: float) -> Iterator[Strike]:
    """One after the other: each is over before the next begins."""
    at = random.uniform(0, CALM[role][1])
    while at < seconds:
        how, away = random.choice(FAULTS[role])
        yield Strike(at, f"{role} {n}", how, away)
        at += away + random.uniform(*CALM[role])

"""What is submitted: requests of every sort, and how each of them may end. Pure; chosen from by `plan.py`."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Final, TypeAlias

from tests.stress.kinds import content_of

MOST_ATTEMPTS: Final = 20


@dataclass(frozen=True, slots=True)
class Order:
    """One request. `ends` are statuses, those of a failure with the error's code: `failed:timeout`.

    A job may also be cancelled if that was asked for, and be lost with its worker when no attempt is left.
    """

    kind: str
    ends: frozenset[str]
    params: dict[str, Any] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)
    upload_bytes: int = 0
    answered: bool = False
    """By the world outside, which calls back with the submission's number."""
    endless: bool = False
    """Until it is cancelled."""

    @property
    def counted(self) -> tuple[str, int] | None:
        """What the run that completes it must have told, numbered from 0: the event type, and how many."""
        if self.kind.startswith("steady"):
            return "step", self.params["steps"]
        if self.kind.startswith("talkative"):
            return "log", self.params["lines"]
        return None

    def result(self, number: int) -> Any:
        """Of one that completes, as the submission of that number; None where that cannot be known beforehand."""
        if self.upload_bytes:
            return hashlib.sha256(self.upload(number)).hexdigest()
        if self.counted:
            return self.counted[1]
        if self.answered:
            return number
        return 0 if self.kind == "program" else None

    def upload(self, number: int) -> bytes:
        """What is uploaded first."""
        return content_of(f"upload {number}", self.upload_bytes)


COMPLETED: Final = frozenset({"completed"})
BROKEN: Final = frozenset({"failed:handler_error"})


def quick(random: Random) -> Order:
    return _steady("steady", random.randint(1, 4), 0.02)


def steady(random: Random) -> Order:
    return _steady("steady", random.randint(5, 20), 0.1)


def steady_thread(random: Random) -> Order:
    return _steady("steady_thread", random.randint(5, 20), 0.1)


def steady_process(random: Random) -> Order:
    return _steady("steady_process", random.randint(5, 20), 0.1)


def delayed(random: Random) -> Order:
    return _steady("steady", 2, 0.05, delay_seconds=round(random.uniform(0.2, 3), 2))


def hurried(random: Random) -> Order:
    """Of no use any more when it does not start soon."""
    soon = {"start_within_seconds": round(random.uniform(0.05, 2), 2), "delay_seconds": random.choice((0, 0, 0.5))}
    order = _steady("steady", random.randint(1, 10), 0.1, **soon)
    return replace(order, ends=frozenset({"completed", "failed:expired"}))


def precious(random: Random) -> Order:
    """Its only attempt may be lost."""
    return _steady("steady", random.randint(5, 15), 0.1, max_attempts=1)


def late(random: Random) -> Order:
    """Each attempt takes too long."""
    fields = {"timeout_seconds": round(random.uniform(0.2, 0.6), 2), "max_attempts": 2}
    return Order("steady", frozenset({"failed:timeout"}), {"steps": 50, "seconds": 0.1}, fields)


def talkative(random: Random) -> Order:
    kind = random.choice(("talkative", "talkative_thread"))
    return Order(kind, COMPLETED, {"lines": random.randint(50, 2000), "width": random.randint(10, 1500)})


def saving(random: Random) -> Order:
    return Order("saving", COMPLETED, {"files": random.randint(1, 4), "size": random.randint(0, 200_000)})


def reading(random: Random) -> Order:
    return Order("reading", COMPLETED, upload_bytes=random.randint(1, 500_000))


def program(random: Random) -> Order:
    return Order("program", COMPLETED, {"seconds": round(random.uniform(0.1, 2), 2)})


def brood(random: Random) -> Order:
    return Order("brood", frozenset(), endless=True)


def failing(random: Random) -> Order:
    how = random.choice(("error", "retry", "failed", "exit"))
    return Order("failing", BROKEN, {"how": how, "after": round(random.uniform(0, 0.5), 2)})


def patient(random: Random) -> Order:
    """Nobody calls it back."""
    return Order("patient", frozenset({"failed:callback_timeout"}), {"seconds": round(random.uniform(0.2, 3), 2)})


def answered(random: Random) -> Order:
    """It is called back; where that took too long, it has failed for want of it."""
    return Order("answered", COMPLETED, answered=True)


def murder(random: Random) -> Order:
    return Order("murder", frozenset({"failed:worker_lost"}))


def _steady(kind: str, steps: int, seconds: float, **fields: Any) -> Order:
    return Order(kind, COMPLETED, {"steps": steps, "seconds": seconds}, {"max_attempts": MOST_ATTEMPTS} | fields)


Weights: TypeAlias = Mapping[Callable[[Random], Order], float]

WEIGHTS: Final[Weights] = {
    quick: 5,
    steady: 5,
    steady_thread: 3,
    steady_process: 1,
    delayed: 2,
    hurried: 1,
    precious: 1,
    late: 1,
    talkative: 2,
    saving: 2,
    reading: 2,
    program: 2,
    brood: 1,
    failing: 2,
    patient: 2,
    answered: 3,
    murder: 0.1,
}

CALM_WEIGHTS: Final[Weights] = {**WEIGHTS, quick: 60, steady_process: 0.3, murder: 0}


def any_order(random: Random, weights: Weights) -> Order:
    """One of them, the common ones more often."""
    (make,) = random.choices(list(weights), list(weights.values()))
    return make(random)

"""What the shell is offered after a tab: kinds, queues and ids as the service has them, if it answers quickly.

`tidings completion SHELL` prints what a shell needs to ask. Nothing that fails here may be seen.
"""

import os
from collections.abc import Callable, Iterator
from enum import StrEnum
from itertools import islice
from typing import Annotated, Any, Final

import typer

Json = dict[str, Any]

ASKED_BY: Final = "_TIDINGS_COMPLETE"
"""The variable by which shells ask typer, also for their scripts."""

PATIENCE_SECONDS: Final = 0.5
MOST_OFFERED: Final = 50


class Shell(StrEnum):
    """Those that can be helped."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(context: typer.Context, shell: Annotated[Shell, typer.Argument(show_default=False)]) -> None:
    """Print what has a shell complete commands, options, kinds and ids.

    For bash: eval "$(tidings completion bash)", in ~/.bashrc; likewise in ~/.zshrc after compinit; for fish:
    tidings completion fish >~/.config/fish/completions/tidings.fish
    """
    root = context.find_root()
    os.environ[ASKED_BY] = f"source_{shell}"
    try:
        root.command.main(args=[], prog_name=root.info_name, complete_var=ASKED_BY)
    finally:
        del os.environ[ASKED_BY]


def _offered(path: str, words: Callable[[Json], Iterator[tuple[str, str]]]) -> Callable[..., list[tuple[str, str]]]:
    """Words with their help, out of an answer of the service."""

    def offer(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
        try:
            found = words(_asked(path, context.params.get("url") or os.environ.get("TIDINGS_URL", "")))
            return list(islice((word for word in found if word[0].startswith(incomplete)), MOST_OFFERED))
        except Exception:
            return []  # whatever it is, nobody wants to read it while they type

    return offer


def _asked(path: str, url: str) -> Json:
    """One answer, without another try."""
    from app.client.asking import asked_once, read_object  # noqa: PLC0415  only a tab needs them here
    from app.client.client import BlockingWire  # noqa: PLC0415
    from app.client.faces import finished  # noqa: PLC0415
    from app.client.wire import Call  # noqa: PLC0415
    from app.settings import Settings  # noqa: PLC0415

    settings = Settings()
    where = url or f"http://127.0.0.1:{settings.port}"
    wire = BlockingWire(where, settings.api_key.get_secret_value(), PATIENCE_SECONDS, PATIENCE_SECONDS)
    with wire.http:
        return read_object(finished(asked_once(wire, Call("GET", path))), where)


def _kinds(answer: Json) -> Iterator[tuple[str, str]]:
    return ((kind["kind"], kind["description"].partition("\n")[0]) for kind in answer["kinds"])


def _queues(answer: Json) -> Iterator[tuple[str, str]]:
    return ((queue["queue"], f"{queue['waiting']} waiting, {queue['running']} running") for queue in answer["queues"])


def _job_ids(answer: Json) -> Iterator[tuple[str, str]]:
    return ((job["job_id"], f"{job['kind']}, {job['status']}") for job in answer["jobs"])


def _batch_ids(answer: Json) -> Iterator[tuple[str, str]]:
    found = {job["batch_id"]: f"of {job['kind']} and others" for job in answer["jobs"] if job["batch_id"]}
    return iter(found.items())


kind_names = _offered("/api/kinds", _kinds)
queue_names = _offered("/api/queues", _queues)
job_ids = _offered(f"/api/jobs?limit={MOST_OFFERED}", _job_ids)
batch_ids = _offered(f"/api/jobs?limit={MOST_OFFERED}", _batch_ids)

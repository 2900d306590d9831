"""The house as `docs/architecture.md` draws it: who may know whom. Walks the imports, runs nothing."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

SHAPES = {"app.shapes.batch", "app.shapes.delivery", "app.shapes.event", "app.shapes.job", "app.shapes.shape"}

WORDS = {
    "app.auth.keys",
    "app.batches",
    "app.clock",
    "app.errors",
    "app.events",
    "app.failures",
    "app.jobs",
    "app.limits",
    "app.settings",
    "app.webhooks",
    *SHAPES,
}

REDIS = {"app.bus", "app.main", "workers.main"}
"""With everything in `app.store`, the only ones that know Redis's client."""

ARQ = {"app.queue", "workers.main", "workers.worker"}

AIOHTTP = {f"workers.webhooks.{name}" for name in ("client", "dialer")}

OBSTORE = {f"app.objects.{name}" for name in ("answers", "bucket", "bucket_note", "bucket_room")}


def modules(*rooms: str) -> Iterator[tuple[str, Path]]:
    for room in rooms:
        for path in sorted((ROOT / room).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield name.removesuffix(".__init__"), path


def imported_modules(path: Path) -> set[str]:
    tree = ast.walk(ast.parse(path.read_text()))
    return {node.module for node in tree if isinstance(node, ast.ImportFrom) and node.module}


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def knows(path: Path, *names: str) -> set[str]:
    return {found for found in imports(path) if found in names or found.startswith(tuple(f"{n}." for n in names))}


def test_the_web_side_never_imports_the_workers() -> None:
    for name, path in modules("app"):
        assert not knows(path, "workers"), name


def test_handlers_know_the_vocabulary_only() -> None:
    for name, path in modules("workers/handlers"):
        assert not knows(path, "app"), name
        rooms = {module for module in imported_modules(path) if module.split(".")[0] == "workers"}
        assert all(room == "workers" or room.startswith("workers.handlers") for room in rooms), (name, rooms)


@pytest.mark.parametrize(
    ("package", "homes"), [("redis", REDIS), ("arq", ARQ), ("obstore", OBSTORE), ("aiohttp", AIOHTTP)]
)
def test_a_foreign_client_is_known_only_where_it_belongs(package: str, homes: set[str]) -> None:
    for name, path in modules("app", "workers"):
        at_home = name in homes or (package == "redis" and name.startswith("app.store"))
        assert at_home or not knows(path, package), f"{name} imports {package}"


def test_the_words_know_neither_redis_nor_http_nor_any_room() -> None:
    for name, path in modules("app"):
        if _is_word(name):
            assert not knows(path, "redis", "arq", "starlette", "uvicorn"), name
            assert all(_is_word(known) for known in knows(path, "app")), name


def _is_word(name: str) -> bool:
    """A module of the words, a part of one, or what such a one defines."""
    return any(name == word or name.startswith(f"{word}.") for word in WORDS)


def test_the_hub_knows_no_transport_and_no_door() -> None:
    for name, path in modules("app/hub"):
        assert not knows(path, "app.web", "app.bus", "redis", "starlette", "uvicorn"), name


def test_data_flows_one_way() -> None:
    for name, path in modules("app/store"):
        assert not knows(path, "app.hub", "app.web", "app.bus", "app.main"), name
    for name, path in modules("app/web"):
        assert not knows(path, "app.main", "app.cli"), name


def test_the_client_and_what_shows_a_job_know_the_service_from_outside() -> None:
    for name, path in modules("app/client", "app/display"):
        assert not knows(path, "app.store", "app.web", "app.hub", "app.cli", "app.settings"), name

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from workers.registry import HandlersError, Registry

Module = Callable[[str, str], str]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Module:
    """Writes a module that can be imported; its name."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name: str, text: str) -> str:
        path = tmp_path.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"from workers import Context, job\n{text}")
        monkeypatch.delitem(sys.modules, name, raising=False)
        return name

    return write


def handler(kind: str, function: str = "f") -> str:
    return f"@job({kind!r})\ndef {function}(ctx: Context) -> None: ...\n"


def test_the_shipped_kinds_are_always_there() -> None:
    assert {"countdown", "transcode"} <= set(Registry.load([]).limits)


def test_a_module_of_a_deployment_brings_its_kinds(module: Module) -> None:
    registry = Registry.load([module("acme_one", handler("acme"))])
    assert "acme" in registry.limits
    assert registry.find("acme")
    assert registry.find("nothing") is None


def test_a_package_brings_those_of_its_modules(module: Module) -> None:
    module("acme_all.__init__", "")
    module("acme_all.two", handler("two"))
    module("acme_all.three", handler("three"))
    assert {"two", "three"} <= set(Registry.load(["acme_all"]).limits)


def test_a_handler_seen_twice_is_one_handler(module: Module) -> None:
    first = module("acme_first", handler("first"))
    second = module("acme_second", "from acme_first import f\nagain = f\n")
    assert "first" in Registry.load([first, second, first]).limits


def test_a_kind_claimed_by_two_is_refused_with_both_names(module: Module) -> None:
    names = [module("acme_left", handler("same")), module("acme_right", handler("same", "g"))]
    with pytest.raises(HandlersError, match=r"'same' is claimed by acme_left\.f and acme_right\.g"):
        Registry.load(names)


def test_importing_a_module_registers_nothing(module: Module) -> None:
    __import__(module("acme_quiet", handler("quiet")))
    assert "quiet" not in Registry.load([]).limits


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import no_such_thing", "no_such_thing"),
        ("1 / 0", "ZeroDivisionError"),
        ("@job('x')\ndef f(): ...", "first parameter is its context"),
        ("@job('x')\ndef f(ctx, *rest): ...", "params have names"),
        ("@job('x')\ndef f(ctx, /, a: 'Missing' = 1): ...", "Missing"),
        ("@job('x', process=True)\nasync def f(ctx): ...", "plain def"),
        ("def outer():\n @job('x', process=True)\n def f(ctx): ...\n return f\nf = outer()", "top of its module"),
        ("@job('Not a kind')\ndef f(ctx): ...", "not the name of a kind"),
        ("@job('x', timeout=0)\ndef f(ctx): ...", "positive"),
        ("@job('x', max_attempts=0)\ndef f(ctx): ...", "positive"),
        ("@job('x', result_ttl=0)\ndef f(ctx): ...", "result_ttl"),
        ("@job('x', result_ttl=365 * 86_400 + 1)\ndef f(ctx): ...", "result_ttl"),
        ("@job('x', reconcile_seconds=0)\ndef f(ctx): ...", "reconcile_seconds"),
        ("def g(ctx): ...\n@job('x', reconcile=g)\nasync def f(ctx): ...", "reconcile runs where the handler does"),
        ("async def g(ctx): ...\n@job('x', reconcile=g)\ndef f(ctx): ...", "reconcile runs where the handler does"),
        ("@job('x', process=True, reconcile=lambda ctx: 1)\ndef f(ctx): ...", "found by name"),
    ],
)
def test_what_cannot_be_loaded_is_told_with_its_module_and_reason(module: Module, text: str, reason: str) -> None:
    with pytest.raises(HandlersError, match=r"acme_broken") as raised:
        Registry.load([module("acme_broken", text)])
    assert reason in str(raised.value)


def test_a_module_that_is_not_there_is_told() -> None:
    with pytest.raises(HandlersError, match="no_such_module"):
        Registry.load(["no_such_module"])


def test_a_marked_function_is_still_a_function(module: Module) -> None:
    name = module("acme_plain", "@job('plain')\ndef f(ctx: Context, a: int = 1) -> int:\n    return a + 1\n")
    assert __import__(name).f(None, a=2) == 3


def test_what_is_announced_is_what_the_author_said(module: Module) -> None:
    text = (
        "@job('told', timeout=60, max_attempts=2, queue='slow', max_running=4, result_ttl=90, process=True, "
        "memory_bytes=1 << 30, cpu_seconds=40)\n"
        "def f(ctx: Context, count: int = 3) -> None:\n"
        '    """Tell a\n    thing.\n\n    Not this."""\n'
    )
    (kind,) = [kind for kind in Registry.load([module("acme_told", text)]).kinds() if kind.kind == "told"]
    assert (kind.description, kind.timeout_seconds, kind.max_attempts, kind.queue) == ("Tell a thing.", 60, 2, "slow")
    assert (kind.max_running, kind.result_ttl_seconds) == (4, 90)
    assert (kind.memory_bytes, kind.cpu_seconds) == (1 << 30, 40)
    assert kind.params_schema["properties"] == {"count": {"default": 3, "title": "Count", "type": "integer"}}
    assert kind.params_schema["additionalProperties"] is False

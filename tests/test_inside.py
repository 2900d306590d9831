"""What our code never does, whatever it is given: run data, or hand it to a shell. Walks the source, runs nothing."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import queue
from tests.test_rooms import imports, modules

RUN_DATA = ("pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "jsonpickle", "yaml", "code")
"""Modules whose readers run what they read, or can."""

RUN_TEXT = {"eval", "exec", "compile", "__import__", "execfile"}
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}
SHELL_STARTERS = {"create_subprocess_shell", "subprocess_shell"}
NAMED_BEFORE_MADE = {"tempfile.mktemp"}

SOURCES = dict(modules("app", "workers"))


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """What is called, as it is written, and how."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def breaches(name: str, call: ast.Call) -> Iterator[str]:
    if name in RUN_TEXT | SHELLS | NAMED_BEFORE_MADE or name.rpartition(".")[2] in SHELL_STARTERS:
        yield name
    for keyword in call.keywords:
        if keyword.arg in ("shell", "allow_pickle") and not (
            isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        ):
            yield f"{name}({keyword.arg}=)"


def in_text(source: str, folder: Path) -> list[str]:
    path = folder / "source.py"
    path.write_text(source)
    found = [breach for name, call in calls(path) for breach in breaches(name, call)]
    return found + [name for name in imports(path) if name.split(".")[0] in RUN_DATA]


@pytest.mark.parametrize("name", SOURCES)
def test_nothing_is_run_that_is_data_and_no_shell_is_started(name: str) -> None:
    path = SOURCES[name]
    assert [breach for called, call in calls(path) for breach in breaches(called, call)] == []
    assert {found for found in imports(path) if found.split(".")[0] in RUN_DATA} == set()


@pytest.mark.parametrize(
    "source",
    [
        "eval('1')",
        "exec(text)",
        "os.system(line)",
        "subprocess.run(line, shell=True)",
        "subprocess.Popen(line, shell=chosen)",
        "asyncio.create_subprocess_shell(line)",
        "numpy.load(file, allow_pickle=True)",
        "from pickle import loads",
        "import marshal",
    ],
)
def test_whoever_does_is_found(source: str, tmp_path: Path) -> None:
    assert in_text(source, tmp_path)


def test_what_lies_in_the_queue_is_json() -> None:
    assert queue.decode(queue.encode({"t": 1, "f": "run", "a": ["x"], "k": {}, "et": 1})) == {
        **{"t": 1, "f": "run", "a": ["x"], "k": {}, "et": 1}
    }
    for pickled in (b"cos\nsystem\n(S'true'\ntR.", b"\x80\x04N."):
        with pytest.raises(ValueError, match=r"expected|invalid|JSON"):
            queue.decode(pickled)

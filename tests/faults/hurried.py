"""The `tidings` command with some of its constants shortened, for tests that would only wait for them to pass.

`python -m tests.faults.hurried app.bus.SILENCE_SECONDS=1 web`; so `House` starts its processes if told to hurry.
"""

import json
import sys
from collections.abc import Sequence
from importlib import import_module

from app.cli import main


def shorten(constants: Sequence[str]) -> None:
    """Raises AttributeError for one that is not there (any more)."""
    for constant in constants:
        path, _, value = constant.partition("=")
        module_name, _, name = path.rpartition(".")
        module = import_module(module_name)
        getattr(module, name)
        setattr(module, name, json.loads(value))


if __name__ == "__main__":
    *constants, command = sys.argv[1:]
    shorten(constants)
    sys.argv[1:] = [command]
    main()

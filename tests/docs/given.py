"""What pages take for granted of who follows them: files in the folder, and variables. For `tests/docs/reader.py`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tests.docs.blocks import ROOT

Env = Mapping[str, str]


def nothing(_: Path) -> Env:
    return {}


def _orders(folder: Path) -> Env:
    (folder / "orders.csv").write_text("customer,price\na,1\nb,2\na,3\n")
    return {}


def _sales(folder: Path) -> Env:
    (folder / "sales.csv").write_text("region,amount\nnorth,1\nsouth,2\nnorth,3\n")
    return {}


def _clip(folder: Path) -> Env:
    (folder / "clip.mp4").write_bytes(bytes(range(256)) * 64)
    return {}


def _receiver(folder: Path) -> Env:
    """Whoever takes JSON receives webhooks."""
    (folder / "body.json").write_text('{"kind": "countdown", "params": {"seconds": 0}}')
    return {"URL": "http://127.0.0.1:8000/api/jobs", "SECRET": "whsec_bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3"}


def _modules(folder: Path) -> Env:
    """As npm has installed them."""
    installed = ROOT / "build" / "react" / "node_modules"
    assert installed.exists(), "make test installs them"
    (folder / "node_modules").symlink_to(installed)
    return {}


GIVEN: Final[dict[str, Callable[[Path], Env]]] = {
    "docs/api.md": _clip,
    "docs/clients.md": _orders,
    "docs/how-to/react.md": _modules,
    "docs/kinds.md": _sales,
    "docs/webhooks.md": _receiver,
}

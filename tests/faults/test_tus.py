"""The public tus client uploads a file while its connection is cut and the web process is killed.

TUS_MIB=1024 does it with a larger one.
"""

import asyncio
import hashlib
import json
import os
import time
from asyncio.subprocess import PIPE
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.faults.cable import Cable
from tests.faults.house import ROOT, House, until

MIB: Final = 1 << 20
FILE_BYTES: Final = int(os.environ.get("TUS_MIB", "64")) * MIB
CLIENT: Final = Path(__file__).with_name("tus_client.cjs")
MODULES: Final = ROOT / "build" / "tus" / "node_modules"


def made(path: Path) -> str:
    """A file without repetitions; its SHA-256."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(FILE_BYTES // MIB):
            piece = os.urandom(MIB)
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


@pytest.mark.timeout(600)
async def test_the_public_client_goes_on_after_a_cut_connection_and_a_killed_web_process(
    house: House, short_path: Path, measured: Callable[[str, float], None]
) -> None:
    assert MODULES.exists(), "make test installs the client"
    sha256, uploads = made(short_path / "film.mp4"), house.data_dir / "uploads"
    web = await house.web()
    at_rest = web.most_resident_bytes
    began = time.monotonic()
    async with Cable(web.port) as cable:
        client = await asyncio.create_subprocess_exec(
            *("node", CLIENT, f"{cable.url}/api/uploads", short_path / "film.mp4"),
            env=os.environ | {"NODE_PATH": str(MODULES)},
            stdout=PIPE,
        )
        cable.let(FILE_BYTES // 3)
        await until(cable.spent, 300)
        grown = web.most_resident_bytes - at_rest
        cable.cut()
        cable.let(FILE_BYTES * 2 // 3)
        await until(cable.spent, 300)
        web.kill()
        web.stop()
        (part,) = uploads.iterdir()
        assert part.stat().st_size > FILE_BYTES // 3
        web.start()
        await web.ready()
        at_rest = web.most_resident_bytes
        cable.let(FILE_BYTES * 9)
        output, _ = await client.communicate()
        assert client.returncode == 0
        assert cable.carried < FILE_BYTES * 4 // 3, "it began anew"
    measured(f"tus-js-client, {FILE_BYTES // MIB} MiB, cut and killed: whole", time.monotonic() - began)
    grown = max(grown, web.most_resident_bytes - at_rest)
    measured("the same: MiB by which the web process grew", grown / MIB)
    assert grown < 48 * MIB

    told = json.loads(output)
    shown = (await web.api.get(told["url"].replace(cable.url, ""))).json()
    assert shown["input"] == told["input"]
    assert (shown["name"], shown["size"], shown["sha256"]) == ("film.mp4", FILE_BYTES, sha256)
    (kept,) = uploads.iterdir()
    assert f"{kept.name}.part" == part.name
    with kept.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == sha256

"""What `docs/webhooks.md` tells receivers to do, done as it stands there."""

import asyncio
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic_core import to_json
from standardwebhooks import Webhook

from tests.webhooks.receiver import receiving
from workers.webhooks.signature import signed

PAGE: Final = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text().partition("## Checking the signature")[2]
SECRET: Final = "whsec_" + "bmV3+/" * 8
OTHER: Final = "whsec_" + "b2xk" * 11
BODY: Final = '{"type":"job.completed","data":{"result":"ä"}}'.encode()


def snippet(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found, language
    return found[1]


def headers(*secrets: str, seconds_ago: int = 0) -> dict[str, str]:
    return signed("a" * 26 + "-3", int((time.time() - seconds_ago) * 1000), BODY, secrets)


def cases() -> list[tuple[dict[str, str], bytes, bool]]:
    """Headers and body, and whether they are ours, as of now."""
    return [
        (headers(SECRET), BODY, True),
        (headers(OTHER, SECRET), BODY, True),
        (headers(SECRET, OTHER), BODY, True),
        (headers(OTHER), BODY, False),
        (headers(SECRET), BODY + b" ", False),
        (headers(SECRET) | {"webhook-id": "b" * 26 + "-3"}, BODY, False),
        (headers(SECRET) | {"webhook-timestamp": str(int(time.time()) + 1)}, BODY, False),
        (headers(SECRET, seconds_ago=600), BODY, False),
        (headers(SECRET, seconds_ago=-600), BODY, False),
        (headers(SECRET) | {"webhook-signature": "v1a,abc v2 "}, BODY, False),
    ]


def test_the_python_tells_ours_from_others() -> None:
    room: dict[str, Any] = {}
    asked = cases()
    exec(snippet("python"), room)
    assert [room["verified"](SECRET, told, body) for told, body, _ in asked] == [right for _, _, right in asked]


def test_the_javascript_tells_ours_from_others() -> None:
    asked = cases()
    shown = to_json([[told, body.decode()] for told, body, _ in asked]).decode()
    program = f"{snippet('js')}\nconst cases = {shown};\n"
    program += f"console.log(cases.map(([told, body]) => verified('{SECRET}', told, Buffer.from(body))).join());"
    node = subprocess.run(["node", "--input-type=module"], input=program, capture_output=True, text=True, check=True)
    assert node.stdout.strip().split(",") == [str(right).lower() for _, _, right in asked]


@pytest.mark.parametrize("secret", [SECRET, OTHER])
def test_openssl_comes_to_the_signature_that_was_sent(secret: str, tmp_path: Path) -> None:
    (tmp_path / "body.json").write_bytes(BODY)
    told = headers(secret)
    function = snippet("sh").partition("\nnow=")[0]
    call = f"signature {secret} {told['webhook-id']} {told['webhook-timestamp']} body.json"
    shell = subprocess.run(
        ["sh", "-ec", f"{function}\n{call}"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert told["webhook-signature"] == f"v1,{shell.stdout}"


async def test_curl_sends_what_a_receiver_accepts(tmp_path: Path) -> None:
    (tmp_path / "body.json").write_bytes(BODY)
    async with receiving() as receiver:
        env = os.environ | {"URL": f"{receiver.url}/hook", "SECRET": SECRET}
        shell = await asyncio.create_subprocess_exec("sh", "-ec", snippet("sh"), cwd=tmp_path, env=env)
        assert await shell.wait() == 0
    (request,) = receiver.requests
    assert Webhook(SECRET).verify(request.body, dict(request.headers))

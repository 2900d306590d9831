"""A client that submits, repeats and cancels as the plan says, whatever happens to the processes it talks to."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from tests.stress.plan import Submit

AGAIN_SECONDS: Final = 0.1
PATIENCE_SECONDS: Final = 90.0
TAG: Final = "order-"


@dataclass
class Asked:
    """What was sent of one submission, and what was answered: the ids, and how often not as those of a repeat."""

    submit: Submit
    posts: int = 0
    job_ids: list[str] = field(default_factory=list)
    first_answers: int = 0
    cancels: int = 0
    refusals: list[str] = field(default_factory=list)

    @property
    def accepted(self) -> bool:
        """Whether a 202 came."""
        return bool(self.job_ids)


class Submitter:
    """`on_accepted` is called with the id, once for each submission; `outside` is the URL of the world outside."""

    def __init__(
        self,
        ports: Callable[[], Sequence[int]],
        client: httpx.AsyncClient,
        on_accepted: Callable[[Submit, str], None],
        outside: str,
    ) -> None:
        self.asked: dict[int, Asked] = {}
        self._ports = ports
        self._client = client
        self._on_accepted = on_accepted
        self._outside = outside

    async def carry_out(self, submit: Submit) -> None:
        """One submission with its repeats and cancels, to the end of them."""
        asked = self.asked[submit.number] = Asked(submit)
        body = await self._body(asked)
        if body is None:
            return
        await asyncio.gather(*(self._submit(asked, body) for _ in range(submit.copies)))
        if asked.accepted:
            self._on_accepted(submit, asked.job_ids[0])
            repeats = (self._later(after, self._submit(asked, body)) for after in submit.repeats)
            cancels = (self._later(after, self._cancel(asked)) for after in submit.cancels)
            await asyncio.gather(*repeats, *cancels)

    async def _later(self, seconds: float, work: Awaitable[None]) -> None:
        await asyncio.sleep(seconds)
        await work

    async def _body(self, asked: Asked) -> dict[str, Any] | None:
        order, number = asked.submit.order, asked.submit.number
        params = order.params
        if order.upload_bytes:
            content = order.upload(number)
            answer = await self._answered(asked, "PUT", "/api/uploads/input.bin", {201}, content=content)
            if answer is None:
                return None
            params = params | {"input": answer.json()["input"]}
        if order.answered:
            params = params | {"outside": self._outside, "answer": number}
        told = {"callback_url": f"{self._outside}/told"} if asked.submit.told else {}
        return {"kind": order.kind, "params": params, "tags": [f"{TAG}{number}"]} | told | order.fields

    async def _submit(self, asked: Asked, body: dict[str, Any]) -> None:
        """With a key until it is answered; without one a request that broke off is not sent again."""
        key = {"Idempotency-Key": f'"order {asked.submit.number}"'} if asked.submit.keyed else {}

        def sent() -> None:
            asked.posts += 1

        answer = await self._answered(
            asked, "POST", "/api/jobs", {202}, once=not key, on_send=sent, headers=key, json=body
        )
        if answer is not None:
            asked.first_answers += "idempotency-replayed" not in answer.headers
            asked.job_ids.append(answer.json()["job_id"])

    async def _cancel(self, asked: Asked) -> None:
        asked.cancels += 1
        await self._answered(asked, "POST", f"/api/jobs/{asked.job_ids[0]}/cancel", {200, 202})

    async def _answered(
        self,
        asked: Asked,
        method: str,
        target: str,
        good: set[int],
        *,
        once: bool = False,
        on_send: Callable[[], None] = lambda: None,
        **request: Any,
    ) -> httpx.Response | None:
        """A good answer. None for none in time, or a refusal that should not have been, which is noted."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE_SECONDS
        while loop.time() < deadline:
            if ports := self._ports():
                on_send()
                try:
                    answer = await self._client.request(
                        method, f"http://127.0.0.1:{random.choice(ports)}{target}", **request
                    )
                except httpx.TransportError:
                    answer = None
                if answer is not None and answer.status_code in good:
                    return answer
                if answer is not None and answer.status_code != 503:
                    asked.refusals.append(f"{method} {target}: {answer.status_code} {answer.text[:300]}")
                    return None
                if once:
                    return None
            await asyncio.sleep(AGAIN_SECONDS)
        asked.refusals.append(f"{method} {target}: no answer within {PATIENCE_SECONDS:.0f} s")
        return None

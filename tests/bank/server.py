"""The bank's HTTP face: `POST /charges`, `GET /charges`, `GET /charges/{id}`, and `PUT /traits` to change its ways."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.bank.callbacks import Courier
from tests.bank.ledger import Ledger, Order, OtherContent
from tests.bank.traits import Temper, Traits

STALL_SECONDS: Final = 60.0


class Bank:
    """One process of it. What becomes of a charge follows from the seed and its reference."""

    def __init__(self, ledger: Ledger, traits: Traits, seed: str) -> None:
        self._ledger = ledger
        self._seed = seed
        self._temper = Temper(traits, seed, ledger.note)

    def app(self) -> Starlette:
        """To be served."""
        routes = [
            Route("/charges", self.charge, methods=["POST"]),
            Route("/charges", self.ledger),
            Route("/charges/{id}", self.find),
            Route("/traits", self.behave, methods=["PUT"]),
        ]
        return Starlette(routes=routes, lifespan=self._lifespan, exception_handlers={ClientDisconnect: gone})

    async def charge(self, request: Request) -> Response:
        """202, and one charge per key however often it is asked for. A repeat is answered as the first time."""
        key, body = request.headers.get("Idempotency-Key"), await request.body()
        if not key:
            return problem(400, "an Idempotency-Key is needed")
        try:
            order = Order.model_validate_json(body)
        except ValidationError as error:
            return problem(422, str(error.errors(include_url=False)[0]["msg"]))
        return await self._misbehaved() or await self._charged(key, order)

    async def ledger(self, request: Request) -> Response:
        """The ledger, and what else it has done."""
        charges = [charge.told(charge.status) for charge in self._ledger.charges()]
        return JSONResponse({"charges": charges, "deeds": self._ledger.deeds()})

    async def find(self, request: Request) -> Response:
        """The truth, if it answers at all."""
        if refusal := await self._misbehaved():
            return refusal
        charge = self._ledger.find(request.path_params["id"])
        return problem(404, "no such charge") if charge is None else JSONResponse(charge.told(charge.status))

    async def behave(self, request: Request) -> Response:
        """Other traits from now on."""
        traits = Traits.model_validate_json(await request.body())
        self._temper = Temper(traits, self._seed, self._ledger.note)
        return JSONResponse(traits.model_dump())

    async def _charged(self, key: str, order: Order) -> Response:
        temper = self._temper.about(order.reference)
        outcome = "failed" if temper.would("declines") else "succeeded"
        longest = temper.traits.settle_seconds
        settles_at = time.time() + longest - temper.some(longest / 2)
        try:
            charge = self._ledger.charge(key, order, outcome, settles_at)
        except OtherContent:
            return problem(422, "the key was used for another charge")
        if charge.asked == 1:
            self._courier.carry(charge, temper)
        if self._temper.does("stalls"):
            await asyncio.sleep(STALL_SECONDS)
        if self._temper.does("stumbles"):
            return problem(500, "something went wrong")
        return JSONResponse({"id": charge.id, "status": "pending"}, 202)

    async def _misbehaved(self) -> Response | None:
        """After as long as it takes: a refusal, before anything was done."""
        temper = self._temper
        await asyncio.sleep(temper.some(temper.traits.answer_seconds))
        if not temper.does("refuses"):
            return None
        status = temper.random.choice((429, 500, 503))
        return problem(status, "not now", {"Retry-After": "1"} if status == 429 else {})

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        self._courier = Courier(self._ledger)
        yield
        await self._courier.close()
        self._ledger.close()


def gone(_request: Request, _error: Exception) -> Response:
    """A worker that was killed while it asked hears nothing, and it is no error of ours."""
    return Response(status_code=499)


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    content: dict[str, Any] = {"status": status, "detail": detail}
    return JSONResponse(content, status, headers, "application/problem+json")

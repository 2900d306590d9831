"""The kind `payment`: an amount charged through the bank, once, however often it is tried.

A run asks the bank for the charge of this job, under a key that is the same in all runs, and believes only what the
bank then answers. A callback merely wakes the job, and so does the look at the bank now and then where none comes: the
handler runs anew and asks again.
"""

import os
from typing import Annotated, Any, Final

from pydantic import Field

from workers import AsyncContext, Failed, Wait, job
from workers.handlers.bank import Charge, connected

LOOK_SECONDS: Final = float(os.environ.get("TIDINGS_BANK_POLL_SECONDS", "30"))
DEADLINE_SECONDS: Final = 3 * 86_400

Amount = Annotated[int, Field(gt=0, le=10**12, description="In minor units, such as cents.")]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="The three letters of ISO 4217, such as EUR.")]
Reference = Annotated[
    str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,140}$", description="What it is for, as the bank will show it.")
]


async def look(ctx: AsyncContext) -> dict[str, Any] | None:
    """What a callback would say, had one come; None while the charge is pending."""
    charge = await charged(ctx)
    return None if charge.status == "pending" else {"id": charge.id, "status": charge.status}


@job("payment", timeout=120, max_attempts=30, reconcile=look, reconcile_seconds=LOOK_SECONDS)
async def payment(ctx: AsyncContext, *, amount: Amount, currency: Currency, reference: Reference) -> dict[str, Any]:
    """Charge an amount through the bank, once."""
    charge = await charged(ctx)
    _compare(ctx, charge)
    match charge.status:
        case "pending":
            raise Wait(DEADLINE_SECONDS)
        case "failed":
            raise Failed(f"The bank declined charge {charge.id}: {charge.reason or 'no reason given'}", code="rejected")
    return {"charge_id": charge.id, "status": charge.status, "amount": charge.amount, "currency": charge.currency}


async def charged(ctx: AsyncContext) -> Charge:
    """The one charge of this job. Raises Retry, and Failed where there will be none."""
    order = {name: ctx.params[name] for name in ("amount", "currency", "reference")}
    async with connected() as bank:
        charge = await bank.charge(ctx.job_id, order | {"callback_url": ctx.callback_url})
    if charge.model_dump(include=set(order)) != order:
        raise Failed(f"The bank has something else as charge {charge.id}", code="mismatch")
    return charge


def _compare(ctx: AsyncContext, charge: Charge) -> None:
    """For who watches: how it stands, and whether the callback said so."""
    ctx.log(f"charge {charge.id} is {charge.status}")
    if ctx.callback is not None and not _is_true(ctx.callback, charge.model_dump()):
        ctx.log("the callback said something else and is not believed", "warning")


def _is_true(callback: Any, facts: dict[str, Any]) -> bool:
    if not isinstance(callback, dict) or not {"id", "status"} <= callback.keys():
        return False
    return all(callback[name] == facts[name] for name in facts.keys() & callback.keys())

"""What operators ask: who works, and who asks too often."""

from app.client.asking import asked_for_object
from app.client.faces import operation
from app.client.wire import Call, Json, Wire


class OperatorOperations:
    """Those of both faces that take the scope `admin`, but for holding back (`queues.py`)."""

    wire: Wire

    @operation
    async def workers(self) -> list[Json]:
        """Of each `worker`, `host`, `concurrency`, what is `running`, and its `kinds` and `queues`."""
        there: list[Json] = (await asked_for_object(self.wire, Call("GET", "/api/workers")))["workers"]
        return there

    @operation
    async def pollers(self) -> list[Json]:
        """Who was `refused` how often within the hour, the worst first: `owner`, and a `job_id` or a `batch_id`."""
        worst: list[Json] = (await asked_for_object(self.wire, Call("GET", "/api/pollers")))["pollers"]
        return worst

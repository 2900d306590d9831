"""What connections watch, as far as the hub cares: a job's channel, an owner's feed, a batch's channel."""

from typing import Any, Protocol


class Watched(Protocol):
    """The hub has it delivered to, and told what it may have missed."""

    @property
    def empty(self) -> bool: ...

    def attach(self, subscription: Any) -> None: ...

    def detach(self, subscription: Any) -> None: ...

    def deliver(self, now: float) -> None: ...

    def missed(self) -> None: ...

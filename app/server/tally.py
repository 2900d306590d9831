"""How many there are of something, in all and of each address: what occupancy is counted by."""

from collections import Counter


class Tally:
    """Those of the address "" are counted in all alone."""

    def __init__(self, most: int, most_per_address: int) -> None:
        self._most = most
        self._most_per_address = most_per_address
        self._per_address: Counter[str] = Counter()
        self.count = 0

    @property
    def full(self) -> bool:
        """Whether nobody more may come."""
        return self.count >= self._most

    def is_full_for(self, address: str) -> bool:
        """Whether none more of this address may come."""
        return self._per_address[address] >= self._most_per_address

    def add(self, address: str) -> None:
        """One more."""
        self.count += 1
        if address:
            self._per_address[address] += 1

    def remove(self, address: str) -> None:
        """One less."""
        self.count -= 1
        if address:
            self._per_address[address] -= 1
            if not self._per_address[address]:
                del self._per_address[address]

"""What is left to chance: who and what is popular, and when somebody writes."""

from itertools import accumulate
from random import Random
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Popularity(Generic[Item]):
    """Draws from items by Zipf's law: the item of rank n has the weight 1 / n ** exponent."""

    def __init__(self, items: list[Item], *, exponent: float) -> None:
        self._items = items
        self._weights = [rank**-exponent for rank in range(1, len(items) + 1)]
        self._sums = list(accumulate(self._weights))

    def one(self, random: Random) -> Item:
        """One item."""
        return random.choices(self._items, cum_weights=self._sums)[0]

    def several(self, random: Random, number: int) -> list[Item]:
        """So many different items, or all of them if there are fewer."""
        # Efraimidis and Spirakis: the highest of these keys are a sample without replacement.
        keys = [random.random() ** (1 / weight) for weight in self._weights]
        ranks = sorted(range(len(keys)), key=keys.__getitem__, reverse=True)
        return [self._items[rank] for rank in ranks[:number]]


class Turns:
    """Decides who writes: one request of so many, each at a random place among the reads."""

    def __init__(self, *, reads_per_write: float, random: Random) -> None:
        self._reads_per_write, self._random = reads_per_write, random
        self._reads = 0
        self._next_write_after = random.random() * reads_per_write
        self._writes = 0

    def is_write(self) -> bool:
        """Whether the next request is a write, which counts it."""
        if self._reads >= self._next_write_after:
            self.count_write()
            return True
        self._reads += 1
        return False

    def count_write(self) -> None:
        """Count one more write."""
        self._writes += 1
        place = self._writes + self._random.random()
        self._next_write_after = place * self._reads_per_write

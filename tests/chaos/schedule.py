"""When what breaks: the same seed, the same faults at the same times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Planned:
    """A fault, `at` so many seconds after the beginning; `pick` chooses among equals, in [0, 1)."""

    at: float
    fault: str
    pick: float


def schedule(*, seed: int, faults: Sequence[str], every: float) -> Iterator[Planned]:
    """Faults without end, one every `every` seconds, give or take a half.

    They come in rounds: each once a round, in an order of its own, so that none is left out.
    """
    random = Random(seed)
    at = 0.0
    while True:
        for fault in random.sample(faults, len(faults)):
            at += every * random.uniform(0.5, 1.5)
            yield Planned(at, fault, random.random())

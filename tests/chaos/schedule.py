"""The schedule of faults: the same seed gives the same faults at the same times."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Planned:
    """A fault, `at` seconds after the start. `pick`, in [0, 1), chooses among equal targets."""

    at: float
    fault: str
    pick: float


def schedule(*, seed: int, faults: Sequence[str], every: float) -> Iterator[Planned]:
    """An endless series of faults, one per `every` seconds, plus or minus half of that.

    They come in rounds. Each round has every fault once, in random order, so none is left out.
    """
    random = Random(seed)
    at = 0.0
    while True:
        for fault in random.sample(faults, len(faults)):
            at += every * random.uniform(0.5, 1.5)
            yield Planned(at, fault, random.random())

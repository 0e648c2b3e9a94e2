"""The latency of home timelines while the service is busy."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median, quantiles

from tests.benchmarks.figures import Figure
from tests.benchmarks.requests import HOME, Bench
from tests.chaos.checkers import good_rate
from tests.support.http_load import closed_loop, get, open_loop

CROWDS = (4, 8, 16)
PATIENCE = 5.0
LOAD = 0.7
SECONDS = 3.0


@dataclass(frozen=True)
class Waits:
    """The waiting times of one round, in ms; its requests, and how many were not answered."""

    p50: float
    p99: float
    asked: int
    refused: int


def latency(bench: Bench, *, rounds: int) -> Iterator[Figure]:
    """Waiting times in an open loop at 70 % of a closed loop's peak, as medians of rounds.

    Each round measures its own peak just before. The speed of a shared machine changes by half
    within seconds, and 70 % of its best peak is more than its whole worst peak.
    """
    people = bench.population
    port = bench.layout.port("caddy")
    message = get(HOME, token=people.token(people.few), port=port)
    crowd = max(CROWDS, key=lambda at_once: _peak(port, message, at_once))
    peaks, found = [], []
    for _ in range(rounds):
        peaks.append(_peak(port, message, crowd))
        found.append(_waits(port, message, LOAD * peaks[-1]))
    refused = sum(waits.refused for waits in found)
    yield Figure(
        "home timeline p99 at 70 % of the peak",
        median(waits.p99 for waits in found),
        "ms",
        sum(waits.asked for waits in found),
        reference=median(waits.p50 for waits in found),
        reference_name="its p50",
        ratio=median(waits.p99 / waits.p50 for waits in found),
        at_most=5,
        note=f"{rounds} rounds; peaks {min(peaks):.0f} to {max(peaks):.0f}/s with {crowd} at once; "
        f"{refused} not answered; client and service share the machine",
    )


def _peak(port: int, message: bytes, at_once: int) -> float:
    reads = closed_loop(port, [message], at_once=at_once, seconds=SECONDS, patience=PATIENCE)
    assert any(read.is_answered for read in reads)
    since = reads[0].began + 0.5
    return good_rate(reads, since=since, until=max(read.began for read in reads))


def _waits(port: int, message: bytes, rate: float) -> Waits:
    reads = open_loop(port, [message], rate=rate, seconds=SECONDS, patience=PATIENCE)
    # A request that was not answered counts as the longest wait.
    waits = [read.ended - read.began if read.is_answered else PATIENCE for read in reads]
    waited = quantiles((1000 * seconds for seconds in waits), n=100)
    refused = sum(not read.is_answered for read in reads)
    return Waits(waited[49], waited[98], len(reads), refused)

"""How long people wait for their home timeline while the service is busy."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import quantiles

from tests.benchmarks.figures import Figure
from tests.benchmarks.requests import HOME, Bench
from tests.chaos.checkers import good_rate
from tests.http_load import ask_by_turns, get, offer

CROWDS = (4, 8, 16)
PATIENCE = 5.0
LOAD = 0.7


def latency(bench: Bench, *, seconds: float) -> Iterator[Figure]:
    """The peak of a closed loop, and then waiting times at 70 % of it, by the clock."""
    people = bench.population
    port = bench.layout.port("caddy")
    token = people.token(people.few)
    message = get(HOME, token=token, port=port)
    peak, crowd = 0.0, 0
    for at_once in CROWDS:
        reads = ask_by_turns(
            port, [message], at_once=at_once, seconds=seconds / 3, patience=PATIENCE
        )
        assert any(read.is_answered for read in reads)
        since = reads[0].began + 0.5
        rate = good_rate(reads, since=since, until=max(read.began for read in reads))
        peak, crowd = max((peak, crowd), (rate, at_once))
    reads = offer(port, [message], rate=LOAD * peak, seconds=seconds, patience=PATIENCE)
    # Whom the service had no room for has waited as long as anybody would.
    waits = [read.ended - read.began if read.is_answered else PATIENCE for read in reads]
    refused = sum(not read.is_answered for read in reads)
    waited = quantiles((1000 * seconds for seconds in waits), n=100)
    p50, p99 = waited[49], waited[98]
    yield Figure(
        "home timeline p99 at 70 % of the peak",
        p99,
        "ms",
        len(reads),
        reference=p50,
        reference_name="its p50",
        ratio=p99 / p50,
        at_most=5,
        note=f"peak {peak:.0f}/s with {crowd} at once; {refused} not answered; "
        "client and service share the machine",
    )

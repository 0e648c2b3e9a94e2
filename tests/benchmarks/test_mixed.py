"""How a round of the capacity's check is judged, and what reads cost in a mix, without a server."""

from dataclasses import replace

import pytest

from operations.capacity.coefficients import DELIVERY, READS, WRITES, Coefficients, Cost
from tests.benchmarks.coefficients import Reads
from tests.benchmarks.meters import Used
from tests.benchmarks.mixed import SECONDS, SINGLE, Size, answers_a_second, figure, judged

ONE_PROCESS = Size("one process", read_apis=1, cores=2)
TWO = Size("two processes", read_apis=2, cores=2)
ROLES = (*SINGLE, "caddy")


def cost(**cpu_us: float) -> Cost:
    return Cost(n=1, cpu_us=dict.fromkeys(ROLES, 0.0) | cpu_us)


@pytest.fixture
def coefficients() -> Coefficients:
    """Each request takes a millisecond of the Read API, and half of one of the web server."""
    request = cost(**{"read-api": 1000.0, "caddy": 500.0})
    return Coefficients(
        commit="abc1234",
        machine="2 cores",
        mixing=1.0,
        home_us=1500.0,
        costs=dict.fromkeys((*READS, *WRITES), request) | {DELIVERY: cost()},
        idle_cores=dict.fromkeys(ROLES, 0.0),
        memory={},
    )


def used(**changed: float) -> Used:
    """Of SECONDS, the stack had 1.5 cores, the client and others 0.2 each."""
    cpu = {"read-api": 1.0 * SECONDS, "caddy": 0.5 * SECONDS}
    values = {"seconds": SECONDS, "client": 0.2 * SECONDS, "busy": 1.9 * SECONDS} | changed
    return Used(cpu=cpu, **values)  # type: ignore[arg-type]


def test_the_cores_that_others_use_are_not_the_stack_s(coefficients: Coefficients) -> None:
    found = judged(coefficients, TWO, used(), 1000, home_us=1500.0, is_apart=False)
    assert found.left == pytest.approx(1.6)
    assert found.client == pytest.approx(0.2)
    assert found.others == pytest.approx(0.2)
    assert found.predicted == pytest.approx(1.6 / 1.5e-3)
    assert (found.bound, found.speed) == ("machine", 1.0)
    assert found.measured == pytest.approx(1000 / SECONDS)


def test_a_client_with_cores_of_its_own_takes_none(coefficients: Coefficients) -> None:
    apart = Size("the stack on one core", read_apis=2, cores=1)
    found = judged(
        coefficients, apart, used(busy=1.7 * SECONDS), 1000, home_us=1500.0, is_apart=True
    )
    assert found.left == pytest.approx(0.8)
    assert found.others == pytest.approx(0.2)


def test_slow_cores_answer_less(coefficients: Coefficients) -> None:
    """A home read takes twice as much as when the costs were measured."""
    found = judged(coefficients, TWO, used(), 1000, home_us=3000.0, is_apart=False)
    assert found.speed == 0.5
    assert found.predicted == pytest.approx(0.8 / 1.5e-3)
    assert found.as_stored == pytest.approx(1.6 / 1.5e-3)


def test_one_process_has_one_core(coefficients: Coefficients) -> None:
    """Less what it uses without requests. What two processes use so is the machine's."""
    idle = replace(coefficients, idle_cores={**coefficients.idle_cores, "read-api": 0.1})
    rate, bound = answers_a_second(idle, ONE_PROCESS, 2.0)
    assert (round(rate), bound) == (900, "read-api")
    rate, bound = answers_a_second(idle, TWO, 2.0)
    assert (round(rate), bound) == (1200, "machine")


def test_errors_of_rounds_that_cancel_are_told(coefficients: Coefficients) -> None:
    """1,067 a second are predicted; 800 and 1,333 are measured."""
    rounds = [
        judged(coefficients, TWO, used(), round(SECONDS * rate), home_us=1500.0, is_apart=False)
        for rate in (800, 4000 / 3)
    ]
    found = figure(TWO, rounds)
    assert found.value == pytest.approx(0, abs=0.1)
    assert "wrong by 27 % on average, at most by 33 %" in found.note


def test_reads_cost_what_they_take_in_a_mix() -> None:
    """Of the Read API 1.5 times as much, and twice of the web server; too little of a worker."""
    alone = {
        "home": cost(**{"read-api": 1000.0, "caddy": 100.0}),
        "post": cost(**{"read-api": 600.0, "caddy": 100.0}),
        "home-cold": cost(**{"read-api": 2000.0, "worker": 50.0}),
    }
    mixed = cost(**{"read-api": 1200.0, "caddy": 200.0})
    reads = Reads(alone, mixed, of_the_mix=["home", "post"])
    assert reads.home_us == 1100.0
    assert reads.mixing == pytest.approx(1400 / 900)
    costs = reads.costs()
    assert costs["home"].cpu_us["read-api"] == pytest.approx(1500)
    assert costs["home"].cpu_us["caddy"] == pytest.approx(200)
    assert costs["home-cold"].cpu_us["read-api"] == pytest.approx(3000)
    assert costs["home-cold"].cpu_us["worker"] == 50.0

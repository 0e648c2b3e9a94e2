"""Whether the model of `manage.py capacity` says how much a stack of this machine can take.

A mix of reads and writes, 100 to 1, is sent through the web server in a closed loop, to stacks of
three sizes. The same functions as the command's predict the answers a second.

Where others share the processor, the same request takes 1.4 times as much some seconds later, of
all components alike. So each round knows how fast the cores were: by what a home read took just
before and just after it, with nothing but home reads, as when the costs were measured.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from random import Random
from statistics import mean

import psutil

from devstack.instances import DEFAULTS
from devstack.lifecycle import Stack
from devstack.scaling import scale
from operations.capacity.assumptions import MIX, Assumptions
from operations.capacity.coefficients import WRITES, Coefficients, load
from operations.capacity.model import busy_cores, highest_rate, rates
from tests.benchmarks.coefficients import AT_ONCE
from tests.benchmarks.crowd import Sent, send_each, send_for
from tests.benchmarks.figures import Figure
from tests.benchmarks.meters import Used, metered, processes_by_role
from tests.benchmarks.requests import Bench
from tests.benchmarks.routes import Call, People
from tests.benchmarks.servers import pin

TURNS, ROUNDS, SECONDS, SECONDS_TO_WARM = 4, 3, 3.0, 3.0
HOMES = 360
NEW_POSTS = 300
GOOD = (200, 201, 304)
MOST_ERROR = 25  # per cent
# No photos, which take a second each, and no timelines that were dropped on purpose. New posts are
# by people whom nobody follows.
LOAD = Assumptions(
    write_share=1 / 101, mean_followers=0, mix=MIX | {"home-cold": 0.0, "upload": 0.0}
)


@dataclass(frozen=True)
class Size:
    """The Read API's processes, and the cores of the whole stack."""

    name: str
    read_apis: int
    cores: int

    @property
    def processes(self) -> dict[str, int]:
        """The instances by role, of those that have more than one."""
        return {**DEFAULTS, "read-api": self.read_apis}


SIZES = (
    Size("one Read API process", read_apis=1, cores=2),
    Size("two Read API processes", read_apis=2, cores=2),
    Size("two Read API processes, the stack on one core", read_apis=2, cores=1),
)
# Roles whose process uses one core at most.
SINGLE = ("read-api", "write-api", "worker")


@dataclass(frozen=True)
class Round:
    """The answers a second in one round, and what the model says of them."""

    measured: float
    predicted: float
    bound: str
    answers: int
    left: float  # cores that the stack could have
    client: float
    others: float  # cores that processes of others had
    speed: float  # of the cores, by those when the costs were measured
    used: float  # cores that the stack had


def capacity(bench: Bench) -> Iterator[Figure]:
    """The errors of the predictions, over all rounds of a size.

    The sizes take turns, so that a slow minute is slow for all of them.
    """
    check = Check(bench, load())
    rounds: dict[Size, list[Round]] = {size: [] for size in SIZES}
    try:
        for _ in range(TURNS):
            for size in SIZES:
                rounds[size] += check.turn(size)
    finally:
        scale(bench.stack, {"read-api": DEFAULTS["read-api"]})
    for size in SIZES:
        yield _figure(size, rounds[size])


def _figure(size: Size, rounds: Sequence[Round]) -> Figure:
    measured, predicted, used, left, client, others = (
        mean(getattr(one, name) for one in rounds)
        for name in ("measured", "predicted", "used", "left", "client", "others")
    )
    bounds = ", ".join(sorted({one.bound for one in rounds}))
    errors = ", ".join(f"{100 * (one.predicted / one.measured - 1):+.0f}" for one in rounds)
    speeds = [one.speed for one in rounds]
    return Figure(
        f"mixed load, {size.name}: error of the prediction",
        100 * abs(predicted / measured - 1),
        "%",
        sum(one.answers for one in rounds),
        at_most=MOST_ERROR,
        note=f"measured {measured:.0f}/s, predicted {predicted:.0f}/s, bound by {bounds}; by round "
        f"{errors} %; the stack used {used:.2f} of {left:.2f} cores that it could have, the client "
        f"{client:.2f}, others {others:.2f}; the cores' speed {min(speeds):.2f} to "
        f"{max(speeds):.2f} of that of the costs",
    )


class Check:
    """Sends the mix to stacks of several sizes. No message that writes is sent twice."""

    def __init__(self, bench: Bench, coefficients: Coefficients) -> None:
        self.bench, self.coefficients = bench, coefficients
        self.people = People(bench.population, bench.layout.port("caddy"))
        self.homes = next(route for route in self.people.reads() if route.name == "home")
        self.messages = self._messages()

    def _messages(self) -> Iterator[bytes]:
        """The mix, at random, the same in each run."""
        shares = rates(LOAD, 1.0)
        routes = [*self.people.reads(), *self.people.writes(posts=NEW_POSTS)]
        calls = {
            route.name: map(Call.message, route.calls)
            if route.name in WRITES
            else cycle([call.message() for call in route.calls])
            for route in routes
        }
        random, weights = Random(1), [shares[name] for name in calls]
        while True:
            (kind,) = random.choices(list(calls), weights)
            yield next(calls[kind])

    def send(self, seconds: float) -> list[Sent]:
        sent = send_for(self.people.port, self.messages, at_once=AT_ONCE, seconds=seconds)
        assert all(one.status in GOOD for one in sent), Counter(one.status for one in sent)
        return sent

    def turn(self, size: Size) -> Iterator[Round]:
        """Make the stack as large, and see what it answers."""
        scale(self.bench.stack, {"read-api": size.read_apis})
        self.send(SECONDS_TO_WARM)
        before = self.home_us(size)
        for _ in range(ROUNDS):
            with (
                _pinned(self.bench.stack, size.cores) as cores,
                metered(self.bench.stack, cores) as used,
            ):
                sent = self.send(SECONDS)
            after = self.home_us(size)
            yield self.round(size, cores, sent, used, home_us=(before + after) / 2)
            before = after

    def home_us(self, size: Size) -> float:
        """The CPU microseconds of all roles for a home read now, on all cores."""
        messages = [call.message() for call in islice(cycle(self.homes.calls), HOMES)]
        with metered(self.bench.stack) as used:
            sent = send_each(self.people.port, messages, at_once=AT_ONCE)
        assert {one.status for one in sent} == {self.homes.status}
        idle = sum(_idle(self.coefficients, size).values())
        return (sum(used.cpu.values()) - idle * used.seconds) / HOMES * 1e6

    def round(
        self, size: Size, cores: Sequence[int], sent: Sequence[Sent], used: Used, *, home_us: float
    ) -> Round:
        """Predict the answers a second from the cores that the stack could have: those that neither
        the client nor anybody else used.
        """
        speed = self.coefficients.home_us / home_us
        costs = self.coefficients.at_speed(speed)
        stack = sum(used.cpu.values())
        # A client that is kept off these cores takes nothing from the stack.
        shared = set(cores) & set(psutil.Process().cpu_affinity() or cores)
        client = used.client if shared else 0.0
        left = len(cores) - (used.busy - stack) / used.seconds
        idle, processes = _idle(costs, size), size.processes
        predicted, bound = highest_rate(
            busy_cores(costs, rates(LOAD, 1.0)),
            limits={role: processes[role] - idle[role] for role in SINGLE},
            machine=left - sum(idle.values()),
        )
        return Round(
            measured=len(sent) / SECONDS,
            predicted=predicted,
            bound=bound,
            answers=len(sent),
            left=left,
            client=used.client / used.seconds,
            others=(used.busy - stack - client) / used.seconds,
            used=stack / used.seconds,
            speed=speed,
        )


def _idle(coefficients: Coefficients, size: Size) -> dict[str, float]:
    """The cores that each role of a stack uses that does nothing."""
    return {
        role: cores * size.processes.get(role, 1) for role, cores in coefficients.idle_cores.items()
    }


@contextmanager
def _pinned(stack: Stack, number: int) -> Iterator[list[int]]:
    """Let the stack have so many cores, the last ones; yields them. If some are left, this process
    has those, else it shares them.
    """
    cores = sorted(psutil.Process().cpu_affinity() or range(os.cpu_count() or 1))
    chosen = cores[-number:]
    rest = cores[:-number] or cores
    pin(psutil.Process(), rest)
    for process, _ in processes_by_role(stack):
        pin(process, chosen)
    try:
        yield chosen
    finally:
        for process in (psutil.Process(), *(process for process, _ in processes_by_role(stack))):
            pin(process, cores)

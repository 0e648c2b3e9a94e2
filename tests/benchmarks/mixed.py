"""Whether the model of `manage.py capacity` says how much a stack of this machine can take.

A mix of reads and writes, 100 to 1, is sent through the web server in a closed loop, to stacks of
three sizes. The same functions as the command's predict the answers a second.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from random import Random
from statistics import mean

import psutil

from devstack.instances import DEFAULTS
from devstack.lifecycle import Stack
from devstack.scaling import scale
from operations.capacity.assumptions import MIX, Assumptions
from operations.capacity.coefficients import WRITES, Coefficients, load
from operations.capacity.model import busy_cores, highest_rate, rates
from tests.benchmarks.crowd import Sent, send_for
from tests.benchmarks.figures import Figure
from tests.benchmarks.meters import metered, processes_by_role
from tests.benchmarks.requests import Bench
from tests.benchmarks.routes import Call, People
from tests.benchmarks.servers import pin

# Clients for each Read API process, as when the costs were measured: the longer its queue is,
# the less each wake-up costs.
AT_ONCE = 4
ROUNDS, SECONDS, SECONDS_TO_WARM = 4, 8.0, 3.0
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
    used: float  # cores that the stack had


def capacity(bench: Bench) -> Iterator[Figure]:
    """The errors of the predictions, over all rounds of a size.

    The sizes take turns: the CPU time of the same request differs by a third within a minute when
    others use the machine.
    """
    check = Check(bench, load())
    rounds: dict[Size, list[Round]] = {size: [] for size in SIZES}
    try:
        for _ in range(ROUNDS):
            for size in SIZES:
                rounds[size].append(check.round(size))
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
    return Figure(
        f"mixed load, {size.name}: error of the prediction",
        100 * abs(predicted / measured - 1),
        "%",
        sum(one.answers for one in rounds),
        at_most=MOST_ERROR,
        note=f"measured {measured:.0f}/s, predicted {predicted:.0f}/s, bound by {bounds}; by round "
        f"{errors} %; the stack used {used:.2f} of {left:.2f} cores that it could have, the client "
        f"{client:.2f}, others {others:.2f}",
    )


class Check:
    """Sends the mix to stacks of several sizes. No message that writes is sent twice."""

    def __init__(self, bench: Bench, coefficients: Coefficients) -> None:
        self.bench, self.coefficients = bench, coefficients
        self.people = People(bench.population, bench.layout.port("caddy"))
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

    def send(self, size: Size, seconds: float) -> list[Sent]:
        clients = size.read_apis * AT_ONCE
        sent = send_for(self.people.port, self.messages, at_once=clients, seconds=seconds)
        assert all(one.status in GOOD for one in sent), Counter(one.status for one in sent)
        return sent

    def round(self, size: Size) -> Round:
        """Make the stack as large, and see what it answers."""
        scale(self.bench.stack, {"read-api": size.read_apis})
        with _pinned(self.bench.stack, size.cores) as cores:
            self.send(size, SECONDS_TO_WARM)
            return self.measured(size, cores)

    def measured(self, size: Size, cores: Sequence[int]) -> Round:
        """Send the mix, and predict the answers a second from the cores that the stack could have:
        those that neither the client nor anybody else used.
        """
        with metered(self.bench.stack, cores) as used:
            sent = self.send(size, SECONDS)
        stack = sum(used.cpu.values())
        # A client that is kept off these cores takes nothing from the stack.
        shared = set(cores) & set(psutil.Process().cpu_affinity() or cores)
        client = used.client if shared else 0.0
        left = len(cores) - (used.busy - stack) / used.seconds
        idle = self.coefficients.idle_cores
        busy = busy_cores(self.coefficients, rates(LOAD, 1.0))
        processes = {**DEFAULTS, "read-api": size.read_apis}
        predicted, bound = highest_rate(
            busy,
            limits={role: processes[role] * (1 - idle[role]) for role in SINGLE},
            machine=left - sum(idle[role] * processes.get(role, 1) for role in idle),
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
        )


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

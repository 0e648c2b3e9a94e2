"""Whether the model of `manage.py capacity` says how much a stack of this machine can take.

A mix of reads and writes, 100 to 1, is sent through the web server in a closed loop, to stacks of
three sizes. The same functions as the command's predict the answers a second.

Where others share the processor, the same mix takes 1.4 times as much some seconds later, of all
components alike. So each round knows how fast the cores were: by what a home read took just before
and just after it, with nothing but home reads. Checked is what the mix costs by a home read, and
what bounds the stack.
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
from tests.benchmarks.coefficients import AT_ONCE, HOMES, Measuring
from tests.benchmarks.crowd import Sent, send_for
from tests.benchmarks.figures import Figure
from tests.benchmarks.meters import Used, metered, processes_by_role
from tests.benchmarks.requests import Bench
from tests.benchmarks.routes import Call
from tests.benchmarks.servers import pin

TURNS, ROUNDS, SECONDS, SECONDS_TO_WARM = 4, 3, 3.0, 3.0
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
        """The instances by role. Other roles have one process."""
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
    as_stored: float  # what the model says without the speed of the cores
    answers: int
    left: float  # cores that the stack could have
    client: float
    others: float  # cores that processes of others had
    used: float  # cores that the stack had
    speed: float  # of the cores, by those when the costs were measured

    @property
    def error(self) -> float:
        return 100 * (self.predicted / self.measured - 1)


def capacity(bench: Bench) -> Iterator[Figure]:
    """The errors of the predictions, over all rounds of a size; and the speed of the cores.

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
        yield figure(size, rounds[size])
    speeds = [one.speed for of_a_size in rounds.values() for one in of_a_size]
    yield Figure(
        "speed of the cores, by that when the costs of `capacity` were measured",
        mean(speeds),
        "x",
        HOMES * (len(speeds) + TURNS * len(SIZES)),
        note=f"by round {min(speeds):.2f} to {max(speeds):.2f}",
        moves_with_machine=True,
    )


def figure(size: Size, rounds: Sequence[Round]) -> Figure:
    """The error of all rounds together, and what they were like."""
    measured, predicted, as_stored, used, left, client, others = (
        mean(getattr(one, name) for one in rounds)
        for name in ("measured", "predicted", "as_stored", "used", "left", "client", "others")
    )
    bounds = ", ".join(sorted({one.bound for one in rounds}))
    errors = [abs(one.error) for one in rounds]
    return Figure(
        f"mixed load, {size.name}: error of the prediction",
        100 * abs(predicted / measured - 1),
        "%",
        sum(one.answers for one in rounds),
        at_most=MOST_ERROR,
        note=f"measured {measured:.0f}/s, predicted {predicted:.0f}/s, bound by {bounds}; single "
        f"rounds are wrong by {mean(errors):.0f} % on average, at most by {max(errors):.0f} %; "
        f"without the speed of the cores {as_stored:.0f}/s; the stack used {used:.2f} of "
        f"{left:.2f} cores that it could have, the client {client:.2f}, others {others:.2f}",
    )


class Check:
    """Sends the mix to stacks of several sizes. No message that writes is sent twice."""

    def __init__(self, bench: Bench, coefficients: Coefficients) -> None:
        self.bench, self.coefficients = bench, coefficients
        self.measuring = Measuring(bench)
        self.messages = self._messages()

    def _messages(self) -> Iterator[bytes]:
        """The mix, at random, the same in each run."""
        shares = rates(LOAD, 1.0)
        people = self.measuring.people
        routes = [*self.measuring.routes, *people.writes(posts=NEW_POSTS)]
        calls = {
            route.name: map(Call.message, route.calls)
            if route.name in WRITES
            else cycle(route.messages())
            for route in routes
        }
        random, weights = Random(1), [shares[name] for name in calls]
        while True:
            (kind,) = random.choices(list(calls), weights)
            yield next(calls[kind])

    def send(self, seconds: float) -> list[Sent]:
        port = self.measuring.people.port
        sent = send_for(port, self.messages, at_once=AT_ONCE, seconds=seconds)
        assert all(one.status in GOOD for one in sent), Counter(one.status for one in sent)
        return sent

    def turn(self, size: Size) -> Iterator[Round]:
        """Make the stack of this size, and see what it answers. Home reads have all cores."""
        scale(self.bench.stack, {"read-api": size.read_apis})
        self.send(SECONDS_TO_WARM)
        before = self.measuring.home_us()
        for _ in range(ROUNDS):
            with (
                _pinned(self.bench.stack, size.cores) as cores,
                metered(self.bench.stack, cores) as used,
            ):
                sent = self.send(SECONDS)
                is_apart = not set(cores) & set(psutil.Process().cpu_affinity() or cores)
            after = self.measuring.home_us()
            home_us = (before + after) / 2
            yield judged(
                self.coefficients, size, used, len(sent), home_us=home_us, is_apart=is_apart
            )
            before = after


def judged(
    coefficients: Coefficients,
    size: Size,
    used: Used,
    answers: int,
    *,
    home_us: float,
    is_apart: bool,
) -> Round:
    """A round of SECONDS, and what is predicted from the cores that the stack could have: those
    that neither the client nor anybody else used. `is_apart`: the client had cores of its own.
    """
    stack = sum(used.cpu.values())
    # A client that is kept off these cores takes nothing from the stack.
    client = 0.0 if is_apart else used.client
    left = size.cores - (used.busy - stack) / used.seconds
    speed = coefficients.home_us / home_us
    predicted, bound = answers_a_second(coefficients.at_speed(speed), size, left)
    return Round(
        measured=answers / SECONDS,
        predicted=predicted,
        bound=bound,
        as_stored=answers_a_second(coefficients, size, left)[0],
        answers=answers,
        left=left,
        client=used.client / used.seconds,
        others=(used.busy - stack - client) / used.seconds,
        used=stack / used.seconds,
        speed=speed,
    )


def answers_a_second(coefficients: Coefficients, size: Size, cores: float) -> tuple[float, str]:
    """What the model says of a stack that can have so many cores, and what bounds it."""
    idle = {
        role: of_one * size.processes.get(role, 1)
        for role, of_one in coefficients.idle_cores.items()
    }
    return highest_rate(
        busy_cores(coefficients, rates(LOAD, 1.0)),
        limits={role: size.processes[role] - idle[role] for role in SINGLE},
        machine=cores - sum(idle.values()),
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

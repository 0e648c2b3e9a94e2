"""Measures what one event of each kind costs every component, and writes what
`manage.py capacity` reads.
"""

import os
import platform
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import StringIO
from random import Random
from statistics import mean

from django.core.management import call_command
from django.db.models import Avg
from django.test import Client, override_settings

from core.valkey import cache_valkey
from devstack.layout import HOST, PROJECT_DIR
from media.models import Media
from operations.capacity.coefficients import DELIVERY, Coefficients, Cost
from tests.benchmarks.crowd import Sent, send_each
from tests.benchmarks.deliveries import Audience
from tests.benchmarks.figures import Figure
from tests.benchmarks.memory import memory
from tests.benchmarks.meters import Amounts, Used, metered
from tests.benchmarks.population import analyze
from tests.benchmarks.requests import Bench
from tests.benchmarks.routes import People, Route
from tests.benchmarks.stored import Stored, bytes_a_row
from tests.benchmarks.uploads import uploads_of
from tests.chaos.world import wait_until_drained
from tests.support.images import encoded
from tests.support.measured_docs import measured_commit, replace_measured
from tests.support.phone_files import scene

# Four clients for each of the two Read API processes keep them busy, as at the peak of a load. One
# at a time, each request wakes every process anew, and costs a third more.
AT_ONCE = 8
ROUNDS, A_ROUND = 8, 120
OF_A_MIX = 80  # of each kind
HOMES = 360
WRITES = 480
FOLLOWERS, BIG_POSTS = 10_000, 10
PHOTO, PHOTOS = (4032, 3024), 16
# Each instance of the Write API takes two (MEDIA_UPLOADS_AT_ONCE).
UPLOADS_AT_ONCE = 2
SECONDS_IDLE = 10.0
PAGE = PROJECT_DIR / "docs" / "capacity.md"
SECONDS_TO_DRAIN = 120.0


@dataclass
class Total:
    """What all requests of a kind took so far."""

    sent: list[Sent] = field(default_factory=list)
    cpu: Amounts = field(default_factory=lambda: defaultdict(float))
    valkey: dict[str, Amounts] = field(default_factory=dict)
    wal_bytes: float = 0.0

    def add(self, sent: Sequence[Sent], used: Used, idle: Used) -> None:
        """Add what was used, without what the components use anyway in this time."""
        self.sent += sent
        share = used.seconds / idle.seconds
        for role, cpu in used.cpu.items():
            self.cpu[role] += cpu - share * idle.cpu[role]
        for server, counts in used.valkey.items():
            total = self.valkey.setdefault(server, defaultdict(float))
            for name, count in counts.items():
                total[name] += count - share * idle.valkey[server][name]
        self.wal_bytes += used.wal_bytes - share * idle.wal_bytes

    def scale(self, factor: float) -> None:
        """Make it so many times the CPU time."""
        self.cpu = {role: factor * used for role, used in self.cpu.items()}

    def cost(self, **rest: float) -> Cost:
        n = len(self.sent)
        return Cost(
            n=n,
            cpu_us=_significant({role: used / n * 1e6 for role, used in self.cpu.items()}),
            bytes_in=mean(sent.bytes_in for sent in self.sent),
            bytes_out=mean(sent.bytes_out for sent in self.sent),
            valkey={
                server: {name: max(0.0, count) / n for name, count in counts.items()}
                for server, counts in self.valkey.items()
            },
            **rest,
        )


@dataclass(frozen=True)
class Reads:
    """What reads cost by kind, each with nothing but its like, and what those of some kinds cost in
    a mix of as many of each.
    """

    alone: Mapping[str, Cost]
    mixed: Cost
    of_the_mix: Sequence[str]

    @property
    def home_us(self) -> float:
        return self.alone["home"].cpu

    @property
    def mixing(self) -> float:
        """How many times as much CPU time the mix took."""
        return self.mixed.cpu / mean(self.alone[kind].cpu for kind in self.of_the_mix)

    def costs(self) -> dict[str, Cost]:
        """What each kind costs in the mix: each role takes as much more as it took in all."""
        factors = {
            role: self._factor(
                role, mean(self.alone[kind].cpu_us[role] for kind in self.of_the_mix)
            )
            for role in self.mixed.cpu_us
        }
        return {
            kind: replace(
                cost, cpu_us={role: used * factors[role] for role, used in cost.cpu_us.items()}
            )
            for kind, cost in self.alone.items()
        }

    def _factor(self, role: str, alone: float) -> float:
        """1 where too little is used to tell."""
        mixed = self.mixed.cpu_us[role]
        return mixed / alone if mixed and alone else 1.0


def coefficients(bench: Bench) -> Iterator[Figure]:
    """Measure all costs, write them and docs/capacity.md, and yield each kind's CPU time."""
    found = Measuring(bench).coefficients()
    found.write()
    with StringIO() as page:
        call_command("capacity", "--markdown", stdout=page)
        replace_measured(PAGE, page.getvalue().rstrip("\n"))
    yield Figure(
        "all components: a home read, with nothing but home reads",
        found.home_us,
        "us CPU",
        found.costs["home"].n,
        note=f"reads take {found.mixing:.2f} times as much with all kinds mixed, as below",
        moves_with_machine=True,
    )
    for kind, cost in found.costs.items():
        parts = sorted(cost.cpu_us.items(), key=lambda part: -part[1])
        yield Figure(
            f"all components: {kind}",
            cost.cpu,
            "us CPU",
            cost.n,
            note=", ".join(f"{role} {used:,.3g}" for role, used in parts if used >= 1),
            moves_with_machine=True,
        )


class Measuring:
    """Sends requests of one kind after the other, and meters the whole stack."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        cache_valkey().flushall()  # other parts leave it full, and evicting takes it CPU time
        self.people = People(bench.population, bench.layout.port("caddy"))
        self.routes = list(self.people.reads())
        self.drain()
        with metered(bench.stack) as self.idle:
            time.sleep(SECONDS_IDLE)

    def coefficients(self) -> Coefficients:
        reads = self.reads()
        costs = {
            **reads.costs(),
            **self.writes(reads.home_us),
            "upload": self.upload(reads.home_us),
        }
        audience = Audience.of(FOLLOWERS)
        costs[DELIVERY] = self.delivery(audience, costs["publish"], reads.home_us)
        numbers = self.bench.stack.instances
        return Coefficients(
            commit=measured_commit(),
            machine=f"{os.cpu_count()} cores, {_processor()}, Python {platform.python_version()}",
            mixing=reads.mixing,
            home_us=reads.home_us,
            costs=costs,
            idle_cores={
                role: used / self.idle.seconds / numbers.get(role, 1)
                for role, used in self.idle.cpu.items()
            },
            memory=memory(audience.follower_ids[:100]),
        )

    def drain(self) -> None:
        wait_until_drained(SECONDS_TO_DRAIN, every=0.25)

    def send(self, messages: Sequence[bytes], *statuses: int, at_once: int = AT_ONCE) -> list[Sent]:
        sent = send_each(self.people.port, messages, at_once=at_once)
        assert {one.status for one in sent} == {*statuses}, Counter(one.status for one in sent)
        return sent

    def home_us(self) -> float:
        """The CPU microseconds of all components for a home read now, among nothing but these."""
        (home,) = (route for route in self.routes if route.name == "home")
        self.drain()
        self.send(home.messages(), home.status)
        total = Total()
        with metered(self.bench.stack) as used:
            sent = self.send(home.messages(HOMES), home.status)
        total.add(sent, used, self.idle)
        return total.cost().cpu

    def reads(self) -> Reads:
        """All reads by turns, because the speed of the processor changes within seconds; and in
        each round all kinds mixed, which is what users send.
        """
        warm = [route for route in self.routes if route.before_turn is None]
        totals = {route.name: Total() for route in self.routes}
        mixed, chance = Total(), Random(1)
        for _ in range(ROUNDS + 1):
            mix = [message for route in warm for message in route.messages(OF_A_MIX)]
            chance.shuffle(mix)
            statuses = {route.status for route in warm}
            self.send(mix, *statuses)
            with metered(self.bench.stack) as used:
                sent = self.send(mix, *statuses)
            mixed.add(sent, used, self.idle)
            for route in self.routes:
                if route.before_turn is None:
                    self.send(route.messages(), route.status)
                    messages = route.messages(A_ROUND)
                else:
                    messages = route.messages()
                    route.before_turn()
                with metered(self.bench.stack) as used:
                    sent = self.send(messages, route.status)
                totals[route.name].add(sent, used, self.idle)
        return Reads(
            alone={
                route.name: totals[route.name].cost(sql=self.statements(route))
                for route in self.routes
            },
            mixed=mixed.cost(),
            of_the_mix=[route.name for route in warm],
        )

    def writes(self, home_us: float) -> dict[str, Cost]:
        """Each write until all of its consequences are there, and what it leaves."""
        costs = {}
        for route in self.people.writes(posts=WRITES + 2):
            statements = self.statements(route)
            messages = [call.message() for call in route.calls[2 : WRITES + 2]]
            analyze()  # so that no autovacuum of what went before comes in between
            total, left = self.in_full(messages, route.status, home_us)
            costs[route.name] = total.cost(
                sql=statements,
                wal_bytes=max(0.0, total.wal_bytes) / len(messages),
                rows=left.rows / len(messages),
                stored_bytes=left.bytes / len(messages),
                log_bytes=left.log_bytes / len(messages),
            )
        return costs

    def in_full(
        self, messages: Sequence[bytes], status: int, home_us: float, at_once: int = AT_ONCE
    ) -> tuple[Total, Stored]:
        """Send messages, and wait until the outbox is empty. The CPU time is that of cores as fast
        as when a home read took so many microseconds.
        """
        total, home_before = Total(), self.home_us()
        before = Stored.now()
        with metered(self.bench.stack) as used:
            sent = self.send(messages, status, at_once=at_once)
            self.drain()
        total.add(sent, used, self.idle)
        left = Stored.now() - before
        total.scale(2 * home_us / (home_before + self.home_us()))
        return total, left

    def upload(self, home_us: float) -> Cost:
        """A photo of twelve megapixels, as a phone takes it, through the API."""
        photo = encoded(scene(PHOTO), quality=85)
        messages = list(uploads_of(self.bench, [photo], PHOTOS))
        newest = Media.objects.latest("pk").pk
        total, left = self.in_full(messages, 201, home_us, UPLOADS_AT_ONCE)
        stored = Media.objects.filter(pk__gt=newest).aggregate(bytes=Avg("byte_size"))
        return total.cost(
            wal_bytes=total.wal_bytes / PHOTOS,
            rows=left.rows / PHOTOS,
            # So few rows fill no page: it is the mean of all.
            stored_bytes=bytes_a_row("media_media", database="posts"),
            object_bytes=float(stored["bytes"]),
        )

    def delivery(self, audience: Audience, publish: Cost, home_us: float) -> Cost:
        """What each follower adds to a post."""
        posts = self.people.publications([audience.author_id], BIG_POSTS)
        messages = posts.messages()
        total, _ = self.in_full(messages, posts.status, home_us)
        deliveries = BIG_POSTS * FOLLOWERS
        return Cost(
            n=deliveries,
            cpu_us=_significant(
                {
                    role: (used * 1e6 - BIG_POSTS * publish.cpu_us[role]) / deliveries
                    for role, used in total.cpu.items()
                }
            ),
            valkey={
                server: {
                    name: max(0.0, count - BIG_POSTS * publish.valkey[server][name]) / deliveries
                    for name, count in counts.items()
                }
                for server, counts in total.valkey.items()
            },
        )

    def statements(self, route: Route) -> float:
        """The SQL statements of the second of two requests, in this process."""
        client = Client(SERVER_NAME=HOST)
        with override_settings(API_ROLE="read" if route.is_read else "write"):
            route.calls[0].costs(client)
            if route.before_turn is not None:
                route.before_turn()
            return len(route.calls[1].costs(client).statements)


def _significant(cpu_us: Mapping[str, float]) -> dict[str, float]:
    """Without what is less than a hundredth of all: that is what the idle time differs by."""
    least = sum(cpu_us.values()) / 100
    return {role: used if used >= least else 0.0 for role, used in cpu_us.items()}


def _processor() -> str:
    with open("/proc/cpuinfo") as file:
        names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()

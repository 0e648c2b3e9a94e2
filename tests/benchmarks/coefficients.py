"""Measures what one event of each kind costs every component, and writes what
`manage.py capacity` reads.
"""

import os
import platform
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from itertools import cycle, islice
from random import Random
from statistics import mean

from django.core.management import call_command
from django.db.models import Avg
from django.test import Client, override_settings

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


def coefficients(bench: Bench) -> Iterator[Figure]:
    """Measure all costs, write them and docs/capacity.md, and yield each kind's CPU time."""
    measuring = Measuring(bench)
    found = measuring.coefficients()
    found.write()
    with StringIO() as page:
        call_command("capacity", "--markdown", stdout=page)
        replace_measured(PAGE, page.getvalue().rstrip("\n"))
    yield Figure(
        "all components: reads of all kinds mixed",
        measuring.mixed.cpu,
        "us CPU",
        measuring.mixed.n,
        reference=measuring.alone,
        reference_name="each kind alone",
        ratio=measuring.mixed.cpu / measuring.alone,
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
        self.people = People(bench.population, bench.layout.port("caddy"))
        self.drain()
        with metered(bench.stack) as self.idle:
            time.sleep(SECONDS_IDLE)

    def coefficients(self) -> Coefficients:
        costs = {**self.reads(), **self.writes()}
        costs["upload"] = self.upload()
        audience = Audience.of(FOLLOWERS)
        costs[DELIVERY] = self.delivery(audience, costs["publish"])
        numbers = self.bench.stack.instances
        return Coefficients(
            commit=measured_commit(),
            machine=f"{os.cpu_count()} cores, {_processor()}, Python {platform.python_version()}",
            home_us=self.home_us,
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

    def reads(self) -> dict[str, Cost]:
        """All reads by turns, because the speed of the processor changes within seconds; and after
        each round all kinds mixed. That is dearer, as one kind evicts another from the processor's
        caches; so all costs are raised to that of the mix.
        """
        routes = list(self.people.reads())
        totals = {route.name: Total() for route in routes}
        warm = [route for route in routes if route.before_turn is None]
        mixed, chance = Total(), Random(1)
        for _ in range(ROUNDS + 1):
            for route in routes:
                messages = [call.message() for call in route.calls]
                if route.before_turn is None:
                    self.send(messages, route.status)
                    messages = list(islice(cycle(messages), A_ROUND))
                else:
                    route.before_turn()
                with metered(self.bench.stack) as used:
                    sent = self.send(messages, route.status)
                totals[route.name].add(sent, used, self.idle)
            mix = [call for route in warm for call in islice(cycle(route.calls), OF_A_MIX)]
            chance.shuffle(mix)
            with metered(self.bench.stack) as used:
                sent = self.send(
                    [call.message() for call in mix], *{route.status for route in warm}
                )
            mixed.add(sent, used, self.idle)
        costs = {
            route.name: totals[route.name].cost(sql=self.statements(route)) for route in routes
        }
        self.home_us = costs["home"].cpu
        self.alone = mean(costs[route.name].cpu for route in warm)
        self.mixed = mixed.cost()
        return {kind: cost.scaled(self.mixed.cpu / self.alone) for kind, cost in costs.items()}

    def writes(self) -> dict[str, Cost]:
        """Each write until all of its consequences are there, and what it leaves."""
        costs = {}
        for route in self.people.writes(posts=WRITES + 2):
            statements = self.statements(route)
            messages = [call.message() for call in route.calls[2 : WRITES + 2]]
            analyze()  # so that no autovacuum of what went before comes in between
            total, left = self.in_full(messages, route.status)
            costs[route.name] = total.cost(
                sql=statements,
                wal_bytes=max(0.0, total.wal_bytes) / len(messages),
                rows=left.rows / len(messages),
                stored_bytes=left.bytes / len(messages),
                log_bytes=left.log_bytes / len(messages),
            )
        return costs

    def in_full(
        self, messages: Sequence[bytes], status: int, at_once: int = AT_ONCE
    ) -> tuple[Total, Stored]:
        """Send messages, and wait until the outbox is empty."""
        total = Total()
        self.drain()
        before = Stored.now()
        with metered(self.bench.stack) as used:
            sent = self.send(messages, status, at_once=at_once)
            self.drain()
        total.add(sent, used, self.idle)
        return total, Stored.now() - before

    def upload(self) -> Cost:
        """A photo of twelve megapixels, as a phone takes it, through the API."""
        photo = encoded(scene(PHOTO), quality=85)
        messages = list(uploads_of(self.bench, [photo], PHOTOS))
        newest = Media.objects.latest("pk").pk
        total, left = self.in_full(messages, 201, UPLOADS_AT_ONCE)
        stored = Media.objects.filter(pk__gt=newest).aggregate(bytes=Avg("byte_size"))
        return total.cost(
            wal_bytes=total.wal_bytes / PHOTOS,
            rows=left.rows / PHOTOS,
            # So few rows fill no page: it is the mean of all.
            stored_bytes=bytes_a_row("media_media", database="posts"),
            object_bytes=float(stored["bytes"]),
        )

    def delivery(self, audience: Audience, publish: Cost) -> Cost:
        """What each follower adds to a post."""
        posts = self.people.publications([audience.author_id], BIG_POSTS)
        total, _ = self.in_full([call.message() for call in posts.calls], posts.status)
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

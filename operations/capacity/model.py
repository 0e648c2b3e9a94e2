"""Computes what a load needs from the measured costs.

Everything is a rate times a cost: requests a second of each kind, by what one of them takes. Rows
and bytes are those of the mean rate, everything else is sized for the peak.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil

from operations.capacity.assumptions import SECONDS_A_DAY, Assumptions
from operations.capacity.coefficients import DELIVERY, READS, WRITES, Coefficients

GIB = 1024**3
DAYS_A_YEAR = 365
# The hash tags of CACHE's keys: more primaries than these cannot share the timelines, and the
# records of posts and documents of people (`SLOTS` of timeline, posts and users).
TIMELINE_SLOTS, DOCUMENT_SLOTS = 64, 8
DATABASES = 3
# A page replay lives so long in CACHE (`TTL_SECONDS` of timeline.page_replay).
REPLAY_SECONDS = 300


@dataclass(frozen=True)
class Role:
    """The servers of a role. `busy`: cores that the peak keeps busy; `processes`: cores that it
    needs, since a process uses one; `instances`: with those that may be lost.
    """

    name: str
    busy: float
    processes: int
    instances: int


@dataclass(frozen=True)
class Valkey:
    """One of the two roles of Valkey, at the peak. `nodes` counts primaries and replicas."""

    name: str
    bytes: float
    commands: float  # a second
    round_trips: float
    busy: float
    primaries: int
    nodes: int


@dataclass(frozen=True)
class Postgres:
    """All databases together. `wal_bytes` and `statements`: a second at the peak."""

    primaries: int
    replicas: int
    primary_busy: float
    replica_busy: float
    statements: float
    wal_bytes: float
    rows_a_day: float
    bytes_a_day: float
    log_bytes: float

    @property
    def bytes_a_year(self) -> float:
        return DAYS_A_YEAR * self.bytes_a_day


@dataclass(frozen=True)
class Network:
    """Bytes a second at the peak."""

    from_clients: float
    to_clients: float
    media: float
    valkey: float


@dataclass(frozen=True)
class Needs:
    """What a load needs. `mean` and `peak`: events a second by kind."""

    mean: Mapping[str, float]
    peak: Mapping[str, float]
    roles: tuple[Role, ...]
    cache: Valkey
    state: Valkey
    postgres: Postgres
    object_bytes_a_day: float
    network: Network
    rate_a_core: float  # requests a second for each core of all roles together, without room
    limits: tuple[str, ...]  # what the design cannot do yet, in words


def rates(assumptions: Assumptions, total: float) -> dict[str, float]:
    """Events a second by kind when there are `total` requests a second.

    Deliveries are no requests: there are `mean_followers` of them for each post.
    """
    shares = {
        **_shares(assumptions.mix, READS, 1 - assumptions.write_share),
        **_shares(assumptions.mix, WRITES, assumptions.write_share),
    }
    found = {kind: total * share for kind, share in shares.items()}
    return {**found, DELIVERY: found["publish"] * assumptions.mean_followers}


def _shares(mix: Mapping[str, float], kinds: Iterable[str], part: float) -> dict[str, float]:
    """The shares of some kinds, so scaled that they make up `part` of all requests."""
    kinds = list(kinds)
    whole = sum(mix[kind] for kind in kinds)
    return {kind: part * mix[kind] / whole for kind in kinds}


def busy_cores(coefficients: Coefficients, events: Mapping[str, float]) -> dict[str, float]:
    """The cores that these events a second keep busy, by role."""
    roles = sorted({role for cost in coefficients.costs.values() for role in cost.cpu_us})
    return {
        role: sum(
            rate * coefficients.costs[kind].cpu_us.get(role, 0.0) / 1e6
            for kind, rate in events.items()
        )
        for role in roles
    }


def highest_rate(
    busy: Mapping[str, float], *, limits: Mapping[str, float], machine: float
) -> tuple[float, str]:
    """The most requests a second, and what bounds them, for one machine that runs all roles.

    `busy`: the cores that one request a second keeps busy, by role. `limits`: the cores that a
    role can use. `machine`: the cores that all of them share.
    """
    bounds = {role: cores / busy[role] for role, cores in limits.items() if busy.get(role)}
    bounds["machine"] = machine / sum(busy.values())
    bound = min(bounds, key=lambda name: bounds[name])
    return bounds[bound], bound


def needs(assumptions: Assumptions, coefficients: Coefficients) -> Needs:
    """What the load needs."""
    return _Sizing(assumptions, coefficients).needs()


class _Sizing:
    """One computation: the rates and the busy cores that all of its parts need."""

    def __init__(self, assumptions: Assumptions, coefficients: Coefficients) -> None:
        self.assumed = assumptions
        self.coefficients = coefficients.at_speed(assumptions.core_speed)
        self.mean = rates(assumptions, assumptions.mean_rate)
        self.peak = rates(assumptions, assumptions.mean_rate * assumptions.peak_factor)
        self.busy = busy_cores(self.coefficients, self.peak)
        # The bytes of keys that a Valkey holds.
        self.room = assumptions.valkey_gib * GIB * assumptions.valkey_fill

    def needs(self) -> Needs:
        users = self.assumed.users * self.assumed.active_share
        cache = self.valkey("cache", self.cache_bytes(users))
        state = self.valkey("state", users * self.coefficients.memory["session"])
        postgres = self.postgres()
        return Needs(
            mean=self.mean,
            peak=self.peak,
            roles=tuple(self.roles()),
            cache=cache,
            state=state,
            postgres=postgres,
            object_bytes_a_day=SECONDS_A_DAY * self.total(self.mean, "object_bytes"),
            network=self.network(),
            rate_a_core=highest_rate(
                busy_cores(self.coefficients, rates(self.assumed, 1.0)),
                limits={},
                machine=1.0,
            )[0],
            limits=tuple(self.limits(cache, state, postgres)),
        )

    def total(self, events: Mapping[str, float], name: str) -> float:
        """The sum over these events a second of one of the numbers that a Cost has."""
        costs = self.coefficients.costs
        return sum(rate * float(getattr(costs[kind], name)) for kind, rate in events.items())

    def asked(self, server: str, name: str) -> float:
        """The same at the peak, of one of the numbers that a Cost has for each Valkey."""
        costs = self.coefficients.costs
        return sum(
            rate * costs[kind].valkey.get(server, {}).get(name, 0.0)
            for kind, rate in self.peak.items()
        )

    def roles(self) -> Iterator[Role]:
        """The processes that run this project's code, the web servers, and the object store."""
        spare = int(self.assumed.spare)
        for name in ("read-api", "write-api"):
            processes = self.processes(name)
            instances = ceil(processes / self.assumed.processes) + spare
            yield Role(name, self.busy[name], processes, instances)
        for name in ("worker", "media-worker"):
            processes = self.processes(name)
            yield Role(name, self.busy[name], processes, processes + spare)
        for name in ("caddy", "s3"):
            cores = max(1, ceil(self.busy[name] / self.assumed.utilisation))
            yield Role(name, self.busy[name], cores, ceil(cores / self.assumed.web_cores) + spare)

    def processes(self, role: str) -> int:
        """How many processes a role needs; at least one. The interpreter's lock gives each a core.

        A process that does nothing still answers the web server's checks and exports metrics.
        """
        idle = self.coefficients.idle_cores[role]
        return max(1, ceil(self.busy[role] / max(self.assumed.utilisation - idle, 0.01)))

    def cache_bytes(self, users: float) -> float:
        """What these users have, the records of new posts, and replays of unchanged pages."""
        memory, assumed = self.coefficients.memory, self.assumed
        of_a_user = (
            assumed.timeline_entries * memory["timeline_entry"] + memory["user"] + memory["viewer"]
        )
        posts = self.mean["publish"] * SECONDS_A_DAY * assumed.cached_days
        replays = self.peak["home-unchanged"] * REPLAY_SECONDS
        return users * of_a_user + posts * memory["post"] + replays * memory["page_replay"]

    def valkey(self, server: str, size: float) -> Valkey:
        """A Valkey has one main thread, so each primary has one core for commands."""
        assumed, busy, room = self.assumed, self.busy[f"valkey-{server}"], self.room
        # It is no cluster; and nothing is gained by more primaries than there are hash tags.
        most = 1 if server == "state" else max(TIMELINE_SLOTS, ceil(size / room))
        enough = (n for n in range(1, most) if _of_the_fullest(size, n) <= room)
        primaries = min(most, max(next(enough, most), ceil(busy / assumed.utilisation)))
        return Valkey(
            name=server,
            bytes=size,
            commands=self.asked(server, "commands"),
            round_trips=self.asked(server, "round_trips"),
            busy=busy,
            primaries=primaries,
            nodes=primaries * (1 + int(assumed.valkey_replicas)),
        )

    def postgres(self) -> Postgres:
        """All three databases: a primary each, and replicas for the reads that CACHE lacks."""
        each = self.assumed.database_cores * self.assumed.utilisation
        reading = max(DATABASES, ceil(self.busy["postgres-replica"] / each))
        return Postgres(
            primaries=DATABASES,
            replicas=reading + DATABASES * int(self.assumed.spare),
            primary_busy=self.busy["postgres-primary"],
            replica_busy=self.busy["postgres-replica"],
            statements=self.total(self.peak, "sql"),
            wal_bytes=self.total(self.peak, "wal_bytes"),
            rows_a_day=SECONDS_A_DAY * self.total(self.mean, "rows"),
            bytes_a_day=SECONDS_A_DAY * self.total(self.mean, "stored_bytes"),
            log_bytes=SECONDS_A_DAY * self.assumed.log_days * self.total(self.mean, "log_bytes"),
        )

    def network(self) -> Network:
        reads = sum(self.peak[kind] for kind in READS)
        return Network(
            from_clients=self.total(self.peak, "bytes_in"),
            to_clients=self.total(self.peak, "bytes_out"),
            media=reads * self.assumed.pictures_per_read * self.assumed.picture_bytes,
            valkey=sum(
                self.asked(server, name)
                for server in ("cache", "state")
                for name in ("bytes_in", "bytes_out")
            ),
        )

    def limits(self, cache: Valkey, state: Valkey, postgres: Postgres) -> Iterator[str]:
        """What more servers alone do not solve."""
        utilisation = self.assumed.utilisation
        if cache.primaries > TIMELINE_SLOTS:
            yield (
                f"CACHE needs {cache.primaries} primaries, but timelines have {TIMELINE_SLOTS} "
                "hash tags: raise SLOTS of timeline/keys.py, or --valkey-gib."
            )
        if cache.busy / utilisation > DOCUMENT_SLOTS:
            yield (
                f"CACHE needs {cache.busy / utilisation:.0f} cores, but posts' records and "
                f"people's documents have {DOCUMENT_SLOTS} hash tags: so many primaries answer for "
                "all of them. Raise SLOTS of posts/keys.py and users/keys.py."
            )
        if state.busy > utilisation:
            yield (
                f"STATE keeps {state.busy:.1f} cores busy, but is one server with one main thread: "
                "it has to be divided by purpose (sessions, limits, queue), or into shards."
            )
        if state.bytes > self.room:
            yield f"STATE has {state.bytes / GIB:.0f} GiB, but is one server: raise --valkey-gib."
        if postgres.primary_busy > DATABASES * self.assumed.database_cores * utilisation:
            yield (
                f"The primaries keep {postgres.primary_busy:.0f} cores busy, and there is one for "
                "each database: raise --database-cores, or divide a database into shards."
            )


def _of_the_fullest(size: float, primaries: int) -> float:
    """The bytes of the primary that has most, if hash tags are spread evenly: what has one tag is
    never divided, and nearly all of CACHE are timelines.
    """
    return size * ceil(TIMELINE_SLOTS / primaries) / TIMELINE_SLOTS

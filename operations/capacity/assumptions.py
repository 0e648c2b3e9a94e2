"""What is assumed of a load and of its servers: each value with its reason and its option."""

from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

DAYS_A_MONTH = 30
SECONDS_A_DAY = 86_400
REQUESTS_A_VISIT = 11
MIX_SOURCE = "a guess: its share of all"
# The shares of each kind of read among reads, and of each kind of write among writes.
MIX = {
    "home": 0.30,
    "home-next": 0.25,
    "home-unchanged": 0.15,
    "home-cold": 0.01,
    "profile-timeline": 0.09,
    "profile": 0.06,
    "post": 0.05,
    "comments": 0.07,
    "likers": 0.02,
    "like": 0.70,
    "comment": 0.14,
    "follow": 0.08,
    "publish": 0.04,
    "upload": 0.04,
}


def _assumed(
    default: float, source: str, *, least: float = 0.0, most: float = 1e15, whole: bool = False
) -> Any:
    """A value with where it comes from, and what it may be."""
    metadata = {"source": source, "least": least, "most": most, "whole": whole}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Assumptions:
    """The load, and the servers that it shall have. Each field is an option of the command."""

    requests_per_month: float = _assumed(
        72.6e9, "the design: 6.6 billion visits of 11 pages", least=1
    )
    peak_factor: float = _assumed(3.0, "the design: the peak, by the mean", least=1, most=100)
    write_share: float = _assumed(0.01, "the design: overwhelmingly reads; 1 of 100 writes", most=1)
    users: float = _assumed(220e6, "each makes one visit of 11 requests a day", least=1)
    active_share: float = _assumed(
        1.0, "of the users; who has read within TIMELINE_IDLE_DAYS has a timeline in CACHE", most=1
    )
    timeline_entries: float = _assumed(800, "TIMELINE_CAP: all timelines are full", most=10_000)
    mean_followers: float = _assumed(
        44, "the graph of the benchmark; --followers FILE takes it from another", most=1e9
    )
    cached_days: float = _assumed(
        100, "of posts that are in CACHE: so far does a first page of 20 reach back", most=3650
    )
    core_speed: float = _assumed(
        1.0,
        "of the servers' cores, by those of the measurement (docs/capacity.md says how)",
        least=0.01,
        most=100,
    )
    utilisation: float = _assumed(
        0.6, "of the cores at the peak: beyond it, waiting times grow", least=0.05, most=1
    )
    spare: float = _assumed(
        1,
        "instances of a role, or replicas, may be lost at the peak",
        most=100,
        whole=True,
    )
    processes: float = _assumed(
        8,
        "processes of an API's instance (GUNICORN_WORKERS)",
        least=1,
        most=512,
        whole=True,
    )
    web_cores: float = _assumed(8, "cores of a web server", least=1, most=512, whole=True)
    database_cores: float = _assumed(
        32, "cores of a PostgreSQL server", least=1, most=1024, whole=True
    )
    valkey_gib: float = _assumed(128, "memory of a Valkey server, in GiB", least=1, most=100_000)
    valkey_fill: float = _assumed(
        0.75, "of that memory holds keys; the rest is for buffers and forks", least=0.05, most=1
    )
    valkey_replicas: float = _assumed(1, "of each primary of CACHE and STATE", most=10, whole=True)
    log_days: float = _assumed(7, "OUTBOX_DAYS: rows of logs are kept so long", most=365)
    pictures_per_read: float = _assumed(
        3, "that a client loads and has not stored yet, from a CDN or the store", most=1000
    )
    picture_bytes: float = _assumed(60e3, "of a variant that a phone loads", most=1e9)
    mix: Mapping[str, float] = field(default_factory=lambda: MIX)
    graph: str = ""  # the file that `mean_followers` was counted in

    @property
    def mean_rate(self) -> float:
        """Requests a second, on average."""
        return self.requests_per_month / (DAYS_A_MONTH * SECONDS_A_DAY)

    def source(self, name: str) -> str:
        """Where the value of a field comes from."""
        (one,) = (one for one in numbers() if one.name == name)
        if name == "mean_followers" and self.graph:
            return f"{self.graph}, up to FANOUT_PUSH_LIMIT each"
        default = users_of(self.requests_per_month) if name == "users" else one.default
        meaning = str(one.metadata["source"])
        return meaning if getattr(self, name) == default else f"as given; by default: {meaning}"


def users_of(requests_per_month: float) -> float:
    """The users who make so many requests, if nobody says how many there are."""
    return max(1.0, requests_per_month / (DAYS_A_MONTH * REQUESTS_A_VISIT))


def numbers() -> Iterator["Field[Any]"]:
    """The fields that are one number each."""
    return (one for one in fields(Assumptions) if one.metadata)


def option(name: str) -> str:
    """The option of the command that changes a field."""
    return f"--{name.replace('_', '-')}"

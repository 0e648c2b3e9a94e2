"""What it would save to choose for each follower and author whether posts are pushed or pulled.

Silberstein and others ("Feeding Frenzy: Selectively Materializing Users' Event Feeds", SIGMOD 2010)
push an author's posts to a follower who reads more often than the author posts, and let others pull
them when they read. Here both are simulated on a real graph, with what a delivery and a pull cost
here. The rates of posts, and those of reads, are Zipf's, each in an order of its own.
"""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import psutil

from tests.benchmarks.deliveries import CAP, Audience
from tests.benchmarks.figures import Figure
from tests.benchmarks.population import add_accounts, add_posts, warm_one
from tests.benchmarks.requests import Bench
from tests.support.graphs import graph_file
from timeline.entries import home_timeline, profile_timeline, timeline_slice
from timeline.store import Viewing
from usergraph.selectors import graph_lsn

FOLLOWERS, FEW, MANY = 10_000, 1, 40
# The entries that a page of 20 reads.
ENTRIES = 31
# How many reads of home there are for each post, and how unequal people are.
READS_A_POST, EXPONENTS = (10, 100), (1.0, 0.8, 1.2)


@dataclass(frozen=True)
class Costs:
    """CPU microseconds of this process and of CACHE.

    `pulling`: of the first pulled author in a read, `pull`: of each of them.
    """

    delivery: float
    pulling: float
    pull: float


@dataclass(frozen=True)
class Trace:
    """Whom each reader follows; how often each author posts, and each reader reads."""

    followed: Mapping[str, Sequence[str]]
    posts: Mapping[str, float]
    reads: Mapping[str, float]

    def today(self, costs: Costs) -> float:
        """The CPU of deliveries and pulls as they are: nobody has FANOUT_PUSH_LIMIT followers."""
        return sum(self.posts[a] * costs.delivery for of in self.followed.values() for a in of)

    def cheapest_pairs(self, costs: Costs) -> float:
        """The same, if each reader pulled those authors whom it is cheaper to pull."""
        return sum(self._cheapest(reader, costs) for reader in self.followed)

    def _cheapest(self, reader: str, costs: Costs) -> float:
        pushes = [self.posts[author] * costs.delivery for author in self.followed[reader]]
        pull, pulling = (self.reads[reader] * cost for cost in (costs.pull, costs.pulling))
        mixed = pulling + sum(min(push, pull) for push in pushes)
        return min(sum(pushes), mixed)

    def cheapest_authors(self, costs: Costs) -> float:
        """The same, if each author were pulled by all followers or by none. Less than it would be:
        that somebody is the first pulled author of a read costs nothing here.
        """
        followers: dict[str, list[str]] = {}
        for reader, authors in self.followed.items():
            for author in authors:
                followers.setdefault(author, []).append(reader)
        return sum(
            min(
                self.posts[author] * len(readers) * costs.delivery,
                sum(self.reads[reader] for reader in readers) * costs.pull,
            )
            for author, readers in followers.items()
        )


def push_or_pull(bench: Bench) -> Iterator[Figure]:
    """The costs, and what the choices would save."""
    rounds = 3 if bench.is_quick else 15
    costs = _costs(bench.cache, rounds, bench.times)
    for name, value, n in (
        ("a delivery", costs.delivery, rounds * FOLLOWERS),
        ("a home read that pulls at all", costs.pulling, bench.times),
        ("an author who is pulled, in a home read", costs.pull, bench.times),
    ):
        yield Figure(f"CPU of {name}, with CACHE's", value, "us", n)
    followed = _followed()
    for reads_a_post in READS_A_POST:
        traces = [_trace(followed, reads_a_post, exponent) for exponent in EXPONENTS]
        for way, cheapest in (
            ("pair", Trace.cheapest_pairs),
            ("author, at best", Trace.cheapest_authors),
        ):
            ratios = [cheapest(trace, costs) / trace.today(costs) for trace in traces]
            today = traces[0].today(costs) / len(followed)
            yield Figure(
                f"push or pull, whichever is cheaper for each {way}: {reads_a_post} reads a post",
                today * ratios[0],
                "us CPU a post",
                sum(map(len, followed.values())),
                reference=today,
                reference_name="all pushed",
                ratio=ratios[0],
                note="Zipf's exponent 1; "
                + ", ".join(f"{s}: {r:.2f}x" for s, r in zip(EXPONENTS, ratios, strict=True)),
            )


def _followed() -> dict[str, list[str]]:
    """Whom each person of the graph follows: edges go both ways."""
    followed: dict[str, list[str]] = {}
    with TemporaryDirectory() as folder:
        lines = graph_file(Path(folder)).read_text().splitlines()
    for line in lines:
        one, other = line.split()
        followed.setdefault(one, []).append(other)
        followed.setdefault(other, []).append(one)
    return followed


def _trace(followed: Mapping[str, Sequence[str]], reads_a_post: float, exponent: float) -> Trace:
    chance = random.Random(20)

    def rates(mean: float) -> dict[str, float]:
        people = list(followed)
        chance.shuffle(people)
        shares = [rank**-exponent for rank in range(1, len(people) + 1)]
        unit = mean * len(people) / sum(shares)
        return {person: unit * share for person, share in zip(people, shares, strict=True)}

    return Trace(followed, rates(1.0), rates(reads_a_post))


def _costs(cache: psutil.Process, rounds: int, times: int) -> Costs:
    audience = Audience.of(FOLLOWERS)
    worker = 1e6 * median(audience.deliver().cpu for _ in range(rounds))
    began = _cache_cpu(cache)
    for _ in range(rounds):
        audience.raw_script()
    delivery = (worker + (_cache_cpu(cache) - began) / rounds) / FOLLOWERS
    none, few, many = (_read(cache, number, times) for number in (0, FEW, MANY))
    pull = (many - few) / (MANY - FEW)
    return Costs(delivery, few - none - FEW * pull, pull)


def _read(cache: psutil.Process, pulled: int, times: int) -> float:
    """The entries of a home page that pulls so many authors."""
    reader, *authors = add_accounts(f"pulled_{pulled}_", 1 + MANY)
    refs = [(post_id, authors[0]) for post_id in add_posts(authors[:1], CAP)]
    home, lsn = home_timeline(user_id=reader), graph_lsn()
    warm_one(home.key, refs, Viewing(lsn, tuple(authors[:pulled])))
    for author in authors[:pulled]:
        own = [(post_id, author) for post_id in add_posts([author], 20)]
        warm_one(profile_timeline(user_id=author).key, own, Viewing())
    began = _cpu(cache)
    for _ in range(times):
        timeline_slice(timeline=home, before=None, limit=ENTRIES)
    return (_cpu(cache) - began) / times


def _cpu(cache: psutil.Process) -> float:
    """CPU microseconds of this process and of CACHE until now."""
    return 1e6 * time.process_time() + _cache_cpu(cache)


def _cache_cpu(cache: psutil.Process) -> float:
    times = cache.cpu_times()
    return 1e6 * (times.user + times.system)

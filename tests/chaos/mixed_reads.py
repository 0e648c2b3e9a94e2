"""Scenario: nobody goes back in time, and no two people see two comments in opposite orders."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from tests.chaos.checkers import quantiles
from tests.chaos.client import Member
from tests.chaos.load import Actor, Behaviour, load
from tests.chaos.report import Figure
from tests.chaos.scenario import Run

PEOPLE, POSTS, THREADS = 24, 8, 8
ROUNDS = 10
# The replica is so far behind by turns: less than the time within which a process asks again for
# what everybody must see, or all reads would be the primary's.
DELAY_MS = 300
# So many that a post's comments fit on one page.
COMMENTS_A_READ = 0.1
MOST = 100


@dataclass(frozen=True, slots=True)
class Shown:
    """The comments of a post, all of them, as somebody was shown them."""

    person_id: int
    post_id: int
    comments: frozenset[int]


def went_back(shown: Iterable[Shown]) -> int:
    """How many answers lack a comment that the same person had been shown before.

    `shown`: those of a person in their order. No comment is deleted.
    """
    seen: defaultdict[tuple[int, int], frozenset[int]] = defaultdict(frozenset)
    count = 0
    for one in shown:
        before = seen[one.person_id, one.post_id]
        count += not before <= one.comments
        seen[one.person_id, one.post_id] = before | one.comments
    return count


def forks(shown: Iterable[Shown]) -> int:
    """0 unless two answers each have a comment that the other one lacks.

    Comments are written one after the other in one log, so of two answers one has all of the other.
    """
    states: defaultdict[int, set[frozenset[int]]] = defaultdict(set)
    for one in shown:
        states[one.post_id].add(one.comments)
    return sum(
        not smaller <= larger
        for comments in states.values()
        for smaller, larger in itertools.pairwise(sorted(comments, key=len))
    )


def _reading(posts: Sequence[int], shown: list[Shown]) -> Behaviour:
    """People who read the comments of a few posts, and comment now and then."""

    def behave(actor: Actor, mine: Sequence[Member], random: Random) -> Iterator[None]:
        while True:
            member, post_id = random.choice(mine), random.choice(posts)
            if random.random() < COMMENTS_A_READ:
                actor.comment(member, post_id)
            else:
                answer = actor.read(member, f"/posts/{post_id}/comments?limit={MOST}")
                if answer.is_good and answer.json()["next"] is None:
                    shown.append(Shown(member.id, post_id, frozenset(answer.ids())))
            yield

    return behave


def nobody_goes_back(run: Run) -> list[Figure]:
    """Read lists of comments, from the replica and from the primary, while replay is late."""
    world, wanted = run.world, run.scaled(5000, at_least=500)
    members = run.inhabitants(PEOPLE, follows=0, posts=1)
    posts = [member.posts[0] for member in members[:POSTS]]
    shown: list[Shown] = []
    behave = _reading(posts, shown)
    with load(world.origin, members, behave, threads=THREADS, seed=run.seed) as running:

        def await_more() -> None:
            until = len(shown) + wanted // (2 * ROUNDS)
            running.await_(lambda: len(shown) >= until, seconds=60)

        for _ in range(ROUNDS):
            with world.faults.replay_delayed(DELAY_MS):
                await_more()
            with world.faults.replay_paused():
                await_more()
    took = quantiles(read.ended - read.began for read in running.history.reads)
    states = Counter(one.post_id for one in set(shown))
    notes = f"{ROUNDS} pauses; {states.total():,} different answers; reads took {took}"
    return [
        Figure("reads that went back in time", went_back(shown), len(shown), at_most=0),
        Figure("long forks", forks(shown), len(shown), at_most=0, notes=notes),
    ]

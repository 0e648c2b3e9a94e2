"""What the people of a load do. A behaviour is an endless series of steps, one action each."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import count
from random import Random

from tests.chaos.client import Member
from tests.chaos.history import Kind, Outcome, Write
from tests.chaos.load import Actor, Behaviour, comments_address, home_address, own_posts_address

# For how long a quiet person waits before they read their write again: longer than any time for
# which a service might keep writers on the primary.
QUIET_SECONDS = 7.0


def mixed(actor: Actor, mine: Sequence[Member], random: Random) -> Iterator[None]:
    """People who mostly publish, and do a little of everything else.

    Every second person never reads the home timeline, so that it stays cold.
    """
    recent: deque[int] = deque(maxlen=20)
    for turn in count():
        member = mine[turn % len(mine)]
        is_reader = reads_home(member)
        dice = random.random()
        if dice < 0.75 and member.media:
            look = home_address if is_reader else own_posts_address
            if post_id := actor.publish(member, look=look).id:
                recent.append(post_id)
        elif dice < 0.80 and len(member.posts) > 3:
            actor.delete(member)
        elif dice < 0.86 and recent:
            actor.comment(member, random.choice(recent))
        elif dice < 0.92 and recent:
            actor.like(member, random.choice(recent))
        elif dice < 0.95:
            actor.rename(member)
        elif is_reader:
            actor.read(member, "/timeline/home")
        else:
            actor.read(member, f"/users/{random.choice(mine).username}/timeline")
        yield


def reads_home(member: Member) -> bool:
    """Whether the member has a warm home timeline in `mixed`."""
    return member.id % 2 == 0


def publishing(actor: Actor, mine: Sequence[Member], random: Random) -> Iterator[None]:
    """People who only publish, and read their home timelines."""
    for turn in count():
        if (member := mine[turn % len(mine)]).media:
            actor.publish(member, look=home_address)
        yield


def at_home(actor: Actor, mine: Sequence[Member], random: Random) -> Iterator[None]:
    """People who only read their home timelines."""
    while True:
        member = random.choice(mine)
        actor.read(member, home_address(member))
        yield


def visiting(writes: float) -> Behaviour:
    """People who read, mostly from SQL; the share `writes` of their actions are writes.

    Each has published before.
    """

    def behave(actor: Actor, mine: Sequence[Member], random: Random) -> Iterator[None]:
        while True:
            member, other = random.choice(mine), random.choice(mine)
            post_id = random.choice(other.posts)
            if random.random() < writes:
                match random.randrange(3):
                    case 0:
                        actor.rename(member)
                    case 1:
                        actor.comment(member, post_id)
                    case _:
                        actor.like(member, post_id)
            else:
                addresses = [
                    "/timeline/home",
                    "/users/me",
                    f"/users/{other.username}",
                    f"/users/{other.username}/timeline",
                    f"/posts?author={other.username}",
                    comments_address(post_id),
                ]
                actor.read(member, random.choice(addresses))
            yield

    return behave


def own_writes(actor: Actor, mine: Sequence[Member], random: Random) -> Iterator[None]:
    """People who write and at once read their write, in the three databases in turn.

    Each has published before, and comments on a post of their own. Every fourth person is quiet:
    they write, do nothing for QUIET_SECONDS, and read the write once more.
    """
    waiting: deque[tuple[float, Member, Write]] = deque()
    quiet, busy = deque(mine[::4]), [member for place, member in enumerate(mine) if place % 4]
    kinds = (Kind.RENAME, Kind.POST, Kind.COMMENT)
    for turn in count():
        if waiting and waiting[0][0] <= time.monotonic():
            _, member, write = waiting.popleft()
            actor.history.later.append(actor.sees_still(member, write))
            quiet.append(member)
        is_quiet = bool(quiet) and turn % 8 == 0
        member = quiet.popleft() if is_quiet else random.choice(busy)
        kind = kinds[turn // 8 % 3 if is_quiet else turn % 3]
        if kind == Kind.POST and member.media:
            write = actor.publish(member, look=own_posts_address)
        elif kind == Kind.COMMENT:
            write = actor.comment(member, member.posts[0], look=True)
        else:
            write = actor.rename(member, look=True)
        if is_quiet and write.outcome == Outcome.ACKNOWLEDGED:
            waiting.append((time.monotonic() + QUIET_SECONDS, member, write))
        elif is_quiet:
            quiet.append(member)
        yield

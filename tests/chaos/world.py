"""A stack of the suite's own, its people, and its data at the end.

Accounts, follows and uploaded pictures are made in this process, in bulk. All measured requests go
over HTTP, through the web server.
"""

import os
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from itertools import count

from django.db import connections
from django.db.models import F, Max
from django.db.models.functions import Now

from comments.models import Comment
from core.counters import CounterChange
from core.outbox.models import OutboxEvent
from core.sql import PRIMARIES
from devstack.layout import Layout, StackError
from devstack.lifecycle import Stack
from devstack.services import External, Service
from media.models import Media
from posts.models import Like, Post
from tests.chaos.client import Client, Member
from tests.chaos.faults import Faults
from tests.chaos.history import Rows
from tests.chaos.proxy import Proxy
from tests.support.client import wait_until
from timeline.services import drop_home_timelines
from usergraph.services import import_follows
from users.models import User
from users.services import import_users

# The server behind each proxy, and the settings that hold its address.
PROXIED = {
    "cache": ("valkey-cache", ("CACHE_URL",)),
    "state": ("valkey-state", ("STATE_URL",)),
    "primary": (
        "postgres-primary",
        ("USERS_DATABASE_URL", "POSTS_DATABASE_URL", "COMMENTS_DATABASE_URL"),
    ),
    "replica": (
        "postgres-replica",
        ("USERS_REPLICA_URL", "POSTS_REPLICA_URL", "COMMENTS_REPLICA_URL"),
    ),
}
APPLICATION = ("read-api", "write-api", "worker", "media-worker", "beat")
SECONDS_TO_DRAIN = 300.0
CHECKERS = 8
_numbers = count()


@dataclass(frozen=True)
class Setup:
    """How a stack differs from the default: environment, and proxies in front of its servers."""

    name: str
    environ: tuple[tuple[str, str], ...] = ()
    is_proxied: bool = False


class OwnStack(Stack):
    """A stack whose application connects to some servers through proxies.

    The stack itself starts, probes and prepares the servers directly.
    """

    routes: Mapping[str, str] = {}

    @cached_property
    def parts(self) -> list[Service | External]:
        return [
            replace(part, environ={**part.environ, **self.routes})
            if isinstance(part, Service) and part.name.startswith(APPLICATION)
            else part
            for part in super().parts
        ]


def _routes(layout: Layout, proxies: Mapping[str, Proxy]) -> dict[str, str]:
    urls = layout.urls()
    return {
        variable: urls[variable].replace(f":{layout.port(server)}", f":{proxies[name].port}")
        for name, (server, variables) in PROXIED.items()
        if name in proxies
        for variable in variables
    }


@contextmanager
def running(
    setup: Setup, say: Callable[[str], object], *, beside: object = None
) -> Iterator["World"]:
    """Start a stack with this setup, and always remove it at the end.

    `beside`: the servers that the environment names in place of the stack's own.
    """
    stack = OwnStack({**os.environ, **dict(setup.environ)}, say)
    with ExitStack() as ending:
        ending.callback(connections.close_all)
        proxies = {
            name: ending.enter_context(Proxy(stack.layout.port(server)))
            for name, (server, _) in PROXIED.items()
            if setup.is_proxied
        }
        stack.routes = _routes(stack.layout, proxies)
        world = World(stack, Faults(stack, proxies), say, beside)
        ending.callback(stack.remove)
        ending.callback(world.faults.thaw)  # a frozen process cannot stop
        try:
            stack.up()
        except StackError as error:
            # It has stopped itself. The first start is slow on a busy machine.
            say(f"The stack did not come up; once more. {error}")
            stack.up()
        yield world


def audience(members: list[Member], *, follows: int) -> dict[int, set[int]]:
    """Who must see each person's posts, in a ring of people: the followers and the author."""
    return {
        member.id: {members[place - step].id for step in range(follows + 1)}
        for place, member in enumerate(members)
    }


def wait_until_drained(seconds: float, *, every: float = 0.02) -> float:
    """Wait until every outbox row is delivered, and every counter change folded.

    Rows that were announced for later, such as the end of an upload, are not waited for. Returns
    the seconds that took. After `seconds` it fails, and shows what is left.
    """
    pending = OutboxEvent.objects.filter(done_at__isnull=True)
    due = pending.exclude(attempts=0, wake_at__gt=Now() + timedelta(seconds=seconds))
    rows = [
        *(due.using(name) for name in PRIMARIES),
        *(CounterChange.objects.using(name).all() for name in ("posts", "comments")),
    ]
    try:
        return wait_until(lambda: not any(of.exists() for of in rows), seconds, every=every)
    except AssertionError as late:
        first = [f"{of.count()} in {of.db}: {vars(one)}" for of in rows if (one := of.first())]
        raise AssertionError(f"{late}; left, and the first of them: {first}") from late


@dataclass(frozen=True)
class World:
    """The stack, as a scenario uses it. `say` prints a line above the progress bar."""

    stack: Stack
    faults: Faults
    say: Callable[[str], object]
    # The servers that run beside the stack, as a scenario knows them.
    beside: object = None

    @property
    def origin(self) -> str:
        return self.stack.layout.public_origin

    # --- before -----------------------------------------------------------------------------------

    def people(self, number: int, *, follows: int = 0, media: int = 0) -> list[Member]:
        """Make people in a ring: each follows the next `follows`, and has `media` pictures."""
        connections.close_all()
        ids = import_users(usernames=[f"chaos_{next(_numbers)}" for _ in range(number)])
        members = [Member(user) for user in User.objects.filter(pk__in=ids.values()).order_by("pk")]
        for member, pictures in zip(members, self.pictures(members, media), strict=True):
            assert member.log_in()
            member.media.extend(pictures)
        edges = [
            (member.id, members[(place + step) % number].id)
            for place, member in enumerate(members)
            for step in range(1, follows + 1)
        ]
        list(import_follows(edges=edges))
        drop_home_timelines(user_ids=[member.id for member in members])
        return members

    def pictures(self, members: list[Member], each: int) -> list[list[int]]:
        """Make `each` uploaded pictures per member: rows without objects in the object store.

        Returns the ids of each member's unused pictures, in the order of `members`.
        """
        rows = [
            Media(
                owner_id=member.id,
                width=1,
                height=1,
                byte_size=1,
                blurhash="00",
                storage_prefix=f"public/media/{secrets.token_urlsafe(16)}",
            )
            for member in members
            for _ in range(each)
        ]
        Media.objects.bulk_create(rows, batch_size=1000)
        unused = Media.objects.filter(owner_id__in=[member.id for member in members], used_as="")
        found = list(unused.order_by("pk").values_list("owner_id", "pk"))
        return [[pk for owner, pk in found if owner == member.id] for member in members]

    # --- after ------------------------------------------------------------------------------------

    def await_up(self) -> float:
        """Wait until every service answers that is not lost. Returns the seconds that took."""
        return wait_until(
            lambda: all(
                status.is_up or status.name in self.faults.lost for status in self.stack.status()
            ),
            SECONDS_TO_DRAIN,
        )

    def drain(self) -> float:
        """Wait until all is up and delivered, and counters are settled. Returns the seconds."""
        waited = self.await_up()
        connections.close_all()
        return waited + wait_until_drained(SECONDS_TO_DRAIN)

    def rows(self, members: list[Member]) -> Rows:
        """These people's rows on the primaries."""
        ids = [member.id for member in members]
        return Rows(
            posts=dict(Post.objects.filter(author_id__in=ids).values_list("pk", "caption")),
            comments=dict(Comment.objects.filter(author_id__in=ids).values_list("pk", "text")),
            likes=frozenset(
                Like.objects.filter(user_id__in=ids).values_list("user_id", "subject_id")
            ),
            names=dict(User.objects.filter(pk__in=ids).values_list("pk", "display_name")),
        )

    def slowest_delivery(self, post_ids: Collection[int]) -> float:
        """The longest time, in seconds, from one of these posts to the end of its delivery."""
        rows = OutboxEvent.objects.using("posts").filter(kind="post_published", subscriber="fanout")
        took = rows.filter(payload__post_id__in=list(post_ids)).aggregate(
            slowest=Max(F("done_at") - F("created_at"))
        )
        return float(took["slowest"].total_seconds())

    def shown(self, members: list[Member]) -> dict[int, list[int]]:
        """Read every home timeline to its last page over HTTP. Returns the post ids by member."""

        def walk(member: Member) -> list[int]:
            with Client(self.origin, patience=30) as client:
                return list(client.walk(member, "/timeline/home?limit=100"))

        with ThreadPoolExecutor(CHECKERS) as pool:
            pages = list(pool.map(walk, members))
        return {member.id: ids for member, ids in zip(members, pages, strict=True)}

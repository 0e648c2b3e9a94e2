"""The people of a load test: made through the apps' services, and removed by the workers.

Accounts whose names begin with `loadtest_`, and that have neither an address nor a password. Their
names are new each time, because the name of a deleted account is held for a while. Accounts that an
earlier run has left are used again.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from random import Random

from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management.base import CommandError
from django.db import connections
from tqdm import tqdm

from comments.services import add_comment
from core.outbox.lookup import pending_subjects
from media.services import store_image
from operations.loadtest.chance import Popularity
from operations.loadtest.plan import Person
from operations.pictures import picture
from posts.selectors import post_count, post_refs
from posts.services import like_post, publish_post
from timeline.services import drop_home_timelines
from usergraph.selectors import followed_ids
from usergraph.services import import_follows
from users.selectors import deletion_progress, imported_accounts
from users.services import (
    RequestedBy,
    delete_account,
    end_all_sessions,
    import_users,
    issue_tokens,
)

PREFIX = "loadtest_"
FOLLOWS_EACH = 10
LIKES_EACH = 5
COMMENTS_EACH = 2
# Small, because each is decoded before the run.
PICTURE_WIDTH = 320
DELIVERY_SECONDS = 60.0
# The workers may take so long for one account.
REMOVAL_SECONDS = 60.0
SECONDS_BETWEEN_CHECKS = 0.1
LOCK = 0x10AD7E57


@contextmanager
def alone() -> Iterator[None]:
    """Raise CommandError if another load test is using the people of this service."""
    # The lock is a transaction's, on a connection of its own: PgBouncer may stand in between.
    with closing(connections["default"].copy()) as connection, connection.cursor() as cursor:
        connection.set_autocommit(False)
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            raise CommandError(
                "Another load test is running on this stack. Wait until it has ended."
            )
        yield


@dataclass(frozen=True)
class World:
    """The ids of the people by username, and of their posts; the most popular ones first."""

    people: dict[str, int]
    posts: list[int]


def make_world(*, people: int, posts: int, exponent: float, random: Random) -> World:
    """Make the people, follows and posts that are missing; wait until the posts are delivered.

    The oldest accounts are the most popular. `exponent`: see `Popularity`.
    """
    left = imported_accounts(prefix=PREFIX)
    if missing := range(len(left), people):
        run = time.time_ns() // 10**6
        import_users(usernames=[f"{PREFIX}{run}_{number}" for number in missing])
    everybody = dict(list(imported_accounts(prefix=PREFIX).items())[:people])
    ids = list(everybody.values())
    new = [user_id for user_id in ids if not followed_ids(viewer_id=user_id)]
    authors = Popularity(ids, exponent=exponent)
    edges = [
        (user_id, author_id)
        for user_id in new
        for author_id in authors.several(random, FOLLOWS_EACH)
        if author_id != user_id
    ]
    list(import_follows(edges=edges))
    drop_home_timelines(user_ids=new)
    published = _publish(authors, posts - post_count(author_ids=ids), random)
    by_popularity = [id_ for id_, _ in post_refs(author_ids=ids, before=None, limit=posts)]
    random.shuffle(by_popularity)
    _talk(new, Popularity(by_popularity, exponent=exponent), random)
    _await_delivery(published)
    return World(everybody, by_popularity)


def _publish(authors: Popularity[int], count: int, random: Random) -> list[int]:
    published = []
    for number in tqdm(range(count), "posts", leave=False, disable=None):
        author_id = authors.one(random)
        file = SimpleUploadedFile("picture.jpg", picture(number, width=PICTURE_WIDTH))
        media_id = store_image(owner_id=author_id, file=file).pk
        caption = f"Post no. {number} of a load test."
        published.append(publish_post(author_id=author_id, caption=caption, media_ids=[media_id]))
    return published


def _talk(user_ids: Sequence[int], posts: Popularity[int], random: Random) -> None:
    for user_id in tqdm(user_ids, "likes, comments", leave=False, disable=None):
        for post_id in posts.several(random, LIKES_EACH):
            like_post(post_id=post_id, user_id=user_id)
        for post_id in posts.several(random, COMMENTS_EACH):
            add_comment(post_id=post_id, author_id=user_id, text="A comment of a load test.")


def _await_delivery(post_ids: Sequence[int]) -> None:
    """Wait until these posts are in all home timelines. Raises CommandError if none comes."""
    deadline = time.monotonic() + DELIVERY_SECONDS
    while waiting := pending_subjects(database="posts", field="post_id", ids=post_ids):
        if time.monotonic() > deadline:
            raise CommandError(
                f"{len(waiting)} posts are not delivered after {DELIVERY_SECONDS:.0f} s: do the "
                "workers run? See: manage.py stack status; manage.py outbox"
            )
        time.sleep(SECONDS_BETWEEN_CHECKS)


def log_in(world: World) -> list[Person]:
    """Open a session for each of the people."""
    names = {user_id: name for name, user_id in world.people.items()}
    people = []
    for name, user_id in world.people.items():
        followed = [names[id_] for id_ in followed_ids(viewer_id=user_id) if id_ in names]
        tokens = issue_tokens(user_id=user_id, device="manage.py loadtest")
        people.append(Person(name, followed, *tokens))
    return people


def log_out() -> int:
    """End all sessions of the people of load tests; returns how many people there are."""
    ids = imported_accounts(prefix=PREFIX).values()
    for user_id in ids:
        end_all_sessions(user_id=user_id)
    return len(ids)


def remove_people() -> int:
    """Delete all people of load tests, and wait until workers have removed what they own.

    Returns how many are left to the workers, which have not removed any for REMOVAL_SECONDS.
    """
    ids = list(imported_accounts(prefix=PREFIX).values())
    waiting = {
        delete_account(user_id=user_id, requested_by=RequestedBy.COMMAND)
        for user_id in tqdm(ids, "deactivate", leave=False, disable=None)
    }
    deadline = time.monotonic() + REMOVAL_SECONDS
    with tqdm(total=len(waiting), desc="remove", leave=False, disable=None) as bar:
        while waiting and time.monotonic() < deadline:
            done = {id_ for id_ in waiting if deletion_progress(deletion_id=id_).is_done}
            if done:
                waiting -= done
                bar.update(len(done))
                deadline = time.monotonic() + REMOVAL_SECONDS
            time.sleep(SECONDS_BETWEEN_CHECKS)
    return len(waiting)

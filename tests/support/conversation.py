"""People who like, comment, edit, delete and restrict, and an oracle of what each viewer must see.

The first of them has published all posts, and does not want to read of a WORD.
"""

from collections import Counter as Multiset
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from comments import services as comment_services
from comments.rules import change_rules
from comments.selectors import comment_page
from core.counters import CounterChange
from core.outbox import delivery
from core.outbox.models import OutboxEvent
from posts import services as post_services
from posts.selectors import post_documents
from tests.conftest import ALL_DATABASES
from tests.support.client import wait_until
from tests.support.crashes import die_after_commit
from tests.support.posts_factory import make_posts
from usergraph.services import import_follows

PEOPLE, POSTS = 4, 2
WORD = "spoiler"


@dataclass
class ExpectedComment:
    """The oracle's state of a comment."""

    id: int
    author: int
    text: str
    reply_to: int | None
    edited: bool = False
    is_held: bool = False
    likers: set[int] = field(default_factory=set)


@dataclass
class ExpectedPost:
    """The oracle's state of a post."""

    id: int
    author: int
    is_closed: bool = False
    is_deleted: bool = False
    likers: list[int] = field(default_factory=list)  # the latest last
    comments: list[ExpectedComment] = field(default_factory=list)  # the latest last


class Conversation:
    """The people, the posts, and the oracle's state of them."""

    def __init__(self, people: list[int]) -> None:
        self.people = people
        self.names = dict.fromkeys(people, "")
        self.inactive: set[int] = set()
        self.restricted: set[int] = set()
        change_rules(author_id=people[0], changes={"hidden_words": [WORD]})
        self.follows = {(people[0], people[1]), (people[0], people[2]), (people[3], people[2])}
        list(import_follows(edges=self.follows))
        self.posts = [ExpectedPost(make_posts(people[0], 1)[0], people[0]) for _ in range(POSTS)]
        self.is_behind = False
        self.reads = 0

    def is_gone(self, post: ExpectedPost) -> bool:
        return post.is_deleted or post.author in self.inactive

    def is_held(self, author: int, text: str) -> bool:
        """Whether what somebody says is held back."""
        is_other = author != self.people[0]
        return is_other and (author in self.restricted or WORD in text.lower())

    def said(self, post: ExpectedPost) -> list[ExpectedComment]:
        """What everybody is shown, the latest last."""
        return [one for one in post.comments if not one.is_held and one.author not in self.inactive]

    def expected(self, post: ExpectedPost, viewer: int) -> Any:
        """The changeable members of a post's document that a viewer must see; None: no document."""
        if self.is_gone(post):
            return None
        likers = [p for p in post.likers[::-1] if p not in self.inactive]
        first = [p for p in likers if (viewer, p) in self.follows]
        said = self.said(post)[::-1]
        return {
            "author": self.names[post.author],
            "comments_closed": post.is_closed,
            "counts": {"likes": len(likers), "comments": len(said)},
            "viewer": {"liked": viewer in post.likers},
            "recent_likes": [
                self.names[p] for p in [*first, *(p for p in likers if p not in first)][:3]
            ],
            "recent_comments": [
                (str(one.id), self.names[one.author], one.text, one.edited) for one in said[:2]
            ],
        }

    def seen(self, viewer: int) -> dict[int, Any]:
        """The same members of the real documents, by post id."""
        ids = [post.id for post in self.posts]
        seen = post_documents(post_ids=ids, viewer_id=viewer)
        return {id_: self.reduced(orjson.loads(document)) for id_, document in seen.items()}

    @staticmethod
    def reduced(document: Any) -> Any:
        return {
            "author": document["author"]["display_name"],
            "comments_closed": document["comments_closed"],
            "counts": document["counts"],
            "viewer": document["viewer"],
            "recent_likes": [user["display_name"] for user in document["recent_likes"]],
            "recent_comments": [
                (said["id"], said["author"]["display_name"], said["text"], bool(said["edited_at"]))
                for said in document["recent_comments"]
            ],
        }

    def check(self, viewer: int) -> None:
        seen = self.seen(viewer)
        for post in self.posts:
            assert seen.get(post.id) == self.expected(post, viewer)
            if not self.is_gone(post):
                self.check_comments(post, viewer)
        self.reads += 1

    def check_comments(self, post: ExpectedPost, viewer: int) -> None:
        said_to_all = self.said(post)
        replies = Multiset(said.reply_to for said in said_to_all)
        shown = [
            said
            for said in post.comments
            if said in said_to_all
            or (said.is_held and said.author == viewer and viewer not in self.inactive)
        ]
        for top_level in (False, True):
            page, _ = comment_page(
                post_id=post.id,
                viewer_id=viewer,
                newest_first=False,
                top_level=top_level,
                after=None,
                limit=100,
            )
            assert [(int(c["id"]), c["text"], c["counts"], c["viewer"]["liked"]) for c in page] == [
                (
                    said.id,
                    said.text,
                    {"likes": len(said.likers - self.inactive), "replies": replies[said.id]},
                    viewer in said.likers,
                )
                for said in shown
                if said.reply_to is None or not top_level
            ]

    @contextmanager
    def acting(self, dies: bool) -> Iterator[pytest.MonkeyPatch]:
        """Run a request; `dies`: it is killed after its commit."""
        with pytest.MonkeyPatch.context() as patch:
            if dies:
                self.is_behind = True
                die_after_commit(patch)
            yield patch

    def catch_up(self) -> None:
        """Finish what killed requests have left undone. The stack's workers help."""
        ids = [post.id for post in self.posts]
        for database in ALL_DATABASES:
            rows = OutboxEvent.objects.using(database).filter(done_at__isnull=True)
            payloads = [{"post_id": id_} for id_ in ids] + [{"user_id": p} for p in self.people]
            mine = rows.filter(payload__in=payloads) | rows.filter(payload__post_id__in=ids)
            for event_id in mine.values_list("pk", flat=True):
                delivery.deliver_event(database=database, event_id=event_id)
            wait_until(lambda mine=mine: not mine.exists(), 60)  # type: ignore[misc]
        post_services.settle_counters(limit=10_000)
        comment_services.settle_counters(limit=10_000)
        for database in ("posts", "comments"):
            changes = CounterChange.objects.using(database).filter(subject_id__in=ids)
            wait_until(lambda changes=changes: not changes.exists(), 60)  # type: ignore[misc]
        self.is_behind = False

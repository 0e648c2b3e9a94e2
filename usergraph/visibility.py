"""Who may see whom, and whose posts and comments: the one place that decides.

An answer shows only people whom a `VisiblePeople` holds, and only `visible_people` makes one. Post
Info and Commenting hand out posts and comments as unchecked ones, without content; it takes a
`VisiblePeople` to turn one into a visible one. User Info stands below this app: the handlers
register `related.hidden_people` there, for profiles and for the search.

- Everybody sees the name and the profile of every active account, but for blocks: two people of
  whom one blocks the other do not see each other.
- What a private account owns (posts, with their comments and likes, and the lists of whom it
  follows and who follows it) only its followers see, and itself.
- A post for close friends only those see, of the people who see the author's other posts, whom the
  author has among the close friends; and the author.
- A mute hides nothing: it keeps posts out of one home timeline (`usergraph.mutes`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import orjson

from core.cached_values import CacheBatch
from core.http.problems import NotFound
from core.http.rendering import fragments
from usergraph import blocks, follows, own_lists, related
from usergraph.models import OwnList
from usergraph.mutes import muted_users
from usergraph.related import FollowedPeople, FriendlyPeople, HiddenPeople
from users import selectors as user_selectors
from users.selectors import UserJson, is_private

# A page leaves out people who are hidden, and reads on to replace them: at most MAX_ROUNDS times,
# NEXT_STEP rows each time after the first.
MAX_ROUNDS, NEXT_STEP = 4, 200
# A user id, a cursor, and whatever else a list has of its people.
Row = TypeVar("Row", bound=tuple[Any, ...])


@dataclass(frozen=True)
class VisiblePeople:
    """Those of some users whom `viewer_id` may see, with their documents, by id.

    Among the ids that were asked about that: `authors` are those whose posts the viewer may see,
    and `friendly_authors` those of them whose posts for close friends, too.
    """

    viewer_id: int
    documents: Mapping[int, UserJson]
    authors: Collection[int]
    friendly_authors: Collection[int]

    def shows_posts(self, *, author_id: int, for_close_friends: bool) -> bool:
        """Whether the viewer may see an author's posts: those for everyone, or for close
        friends.
        """
        return author_id in (self.friendly_authors if for_close_friends else self.authors)

    def __or__(self, others: "VisiblePeople") -> "VisiblePeople":
        """These people and others, both visible to the same viewer."""
        documents = {**self.documents, **others.documents}
        return VisiblePeople(
            self.viewer_id,
            documents,
            {*self.authors, *others.authors},
            {*self.friendly_authors, *others.friendly_authors},
        )


@dataclass(frozen=True)
class Viewpoint:
    """What decides whom a viewer may see: whom blocks hide, whom the viewer follows, and who has
    the viewer among the close friends.
    """

    viewer_id: int
    hidden: HiddenPeople
    followed: FollowedPeople
    friendly: FriendlyPeople

    def friendly_authors(self, author_ids: Collection[int]) -> Collection[int]:
        """Those of some authors whose posts for close friends the viewer may see, if the viewer may
        see their other posts. No SQL for a viewer with at most `store.FRIENDLY_LIMIT` of them.
        """
        friendly = self.friendly.among(author_ids)
        return {id_ for id_ in author_ids if id_ in friendly or id_ == self.viewer_id}

    def visible(
        self,
        user_ids: Collection[int],
        documents: Mapping[int, UserJson],
        author_ids: Collection[int],
    ) -> VisiblePeople:
        """Those of some users whom the viewer may see, and those of `author_ids` whose posts;
        `documents` has those of the users who exist.

        No SQL for a viewer with at most `store.FOLLOWED_LIMIT`, `store.HIDDEN_LIMIT` and
        `store.FRIENDLY_LIMIT` of them; else the same for authors who do not exist, are hidden, or
        are private.
        """
        if left_out := self.hidden.among(user_ids):
            documents = {id_: json for id_, json in documents.items() if id_ not in left_out}
        closed = {
            id_ for id_ in author_ids if not (json := documents.get(id_)) or is_private(json)
        } - {self.viewer_id}
        if closed:
            closed.difference_update(self.followed.among(closed))
        authors = {id_ for id_ in author_ids if id_ in documents and id_ not in closed}
        # Asked about `author_ids`, so that it takes as long for those who are not visible.
        friendly = self.friendly_authors(author_ids) if author_ids else set()
        return VisiblePeople(
            self.viewer_id, documents, authors, {id_ for id_ in authors if id_ in friendly}
        )


def add_viewpoint(batch: CacheBatch, *, viewer_id: int) -> Callable[[], Viewpoint]:
    """Have a batch read a viewpoint; call what this returns once it has read."""
    hidden = batch.add(HiddenPeople.kind, [viewer_id])
    followed = batch.add(FollowedPeople.kind, [viewer_id])
    friendly = batch.add(FriendlyPeople.kind, [viewer_id])
    return lambda: Viewpoint(
        viewer_id,
        HiddenPeople(viewer_id, hidden.values[viewer_id]),
        FollowedPeople(viewer_id, followed.values[viewer_id]),
        FriendlyPeople(viewer_id, friendly.values[viewer_id]),
    )


def viewpoint_of(*, viewer_id: int) -> Viewpoint:
    """The viewpoint of a viewer; warm, one round trip and no SQL."""
    batch = CacheBatch()
    viewpoint = add_viewpoint(batch, viewer_id=viewer_id)
    batch.read()
    return viewpoint()


def is_hidden(*, viewer_id: int, user_id: int) -> bool:
    """Whether a block hides one user from another; warm, one round trip and no SQL."""
    return user_id in related.hidden_people(viewer_id=viewer_id).among([user_id])


def visible_people(
    *,
    viewer_id: int,
    user_ids: Collection[int],
    author_ids: Collection[int] = (),
    viewpoint: Viewpoint | None = None,
) -> VisiblePeople:
    """Those of `user_ids` whom the viewer may see; warm, one round trip, and SQL as
    `Viewpoint.visible` says.

    `author_ids`: those among them whose posts, or lists, are to be shown. `viewpoint`: the
    viewer's, if the caller has read it just now. Raises ValueError if it is of another viewer.
    """
    if viewpoint is not None and viewpoint.viewer_id != viewer_id:
        raise ValueError("this is the viewpoint of somebody else")
    batch = CacheBatch()
    documents = user_selectors.add_user_documents(batch, user_ids=user_ids)
    read = add_viewpoint(batch, viewer_id=viewer_id) if viewpoint is None else lambda: viewpoint
    batch.read()
    return read().visible(user_ids, documents.values, author_ids)


def visible_page(
    *,
    viewer_id: int,
    read: Callable[[int | None, int], Sequence[tuple[int, int]]],
    after: int | None,
    limit: int,
) -> tuple[list[orjson.Fragment], int | None]:
    """A page of those people of a list whom the viewer may see, and the next page's cursor, as
    `visible_rows` finds them.
    """
    rows, cursor = visible_rows(viewer_id=viewer_id, read=read, after=after, limit=limit)
    return fragments(document for _, document in rows), cursor


def visible_rows(
    *,
    viewer_id: int,
    read: Callable[[int | None, int], Sequence[Row]],
    after: int | None,
    limit: int,
) -> tuple[list[tuple[Row, bytes]], int | None]:
    """A page of those rows of a list whose people the viewer may see, each with that person's
    document; and the next page's cursor.

    `read(after, limit)`: up to `limit` rows after a cursor, fewer only at the end; a row begins
    with a user id and its cursor. It goes on until the page is full; a page is short at the end,
    where the cursor is None, and where very many in a row are hidden. Each document has `viewer`.
    Warm: one round trip and one query.
    """
    page: list[Row] = []
    documents: dict[int, bytes] = {}
    wanted = limit + 1
    for _ in range(MAX_ROUNDS):
        rows = read(after, wanted)
        documents |= _listed(viewer_id, [row[0] for row in rows])
        page += [row for row in rows if row[0] in documents]
        if len(page) > limit:
            page = page[:limit]
            after = page[-1][1]
            break
        if len(rows) < wanted:
            after = None
            break
        after, wanted = rows[-1][1], NEXT_STEP
    return [(row, documents[row[0]]) for row in page], after


def muted_page(
    *, viewer_id: int, after: int | None, limit: int
) -> tuple[list[dict[str, Any]], int | None]:
    """A page of those whom the viewer mutes and may see, newest first, and the next page's cursor:
    {"user", "since", "until"}.
    """
    rows, cursor = visible_rows(
        viewer_id=viewer_id,
        read=lambda after, limit: muted_users(muter_id=viewer_id, after=after, limit=limit),
        after=after,
        limit=limit,
    )
    return [
        {"user": orjson.Fragment(document), "since": since, "until": until}
        for (_, _, since, until), document in rows
    ], cursor


def asking_page(
    *, viewer_id: int, after: int | None, limit: int
) -> tuple[list[dict[str, Any]], int | None]:
    """A page of those who ask to follow the viewer and whom the viewer may see, newest first, and
    the next page's cursor: {"user", "since"}.
    """

    def read(after: int | None, limit: int) -> list[tuple[int, int, datetime]]:
        return follows.asking_users(followee_id=viewer_id, after=after, limit=limit)

    return _dated_page(viewer_id, read, after, limit)


def own_list_page(
    rows: type[OwnList], *, viewer_id: int, after: int | None, limit: int
) -> tuple[list[dict[str, Any]], int | None]:
    """The same of those on one of the viewer's own lists."""

    def read(after: int | None, limit: int) -> list[tuple[int, int, datetime]]:
        return own_lists.members(rows, owner_id=viewer_id, after=after, limit=limit)

    return _dated_page(viewer_id, read, after, limit)


def _dated_page(
    viewer_id: int,
    read: Callable[[int | None, int], Sequence[tuple[int, int, datetime]]],
    after: int | None,
    limit: int,
) -> tuple[list[dict[str, Any]], int | None]:
    rows, cursor = visible_rows(viewer_id=viewer_id, read=read, after=after, limit=limit)
    return [
        {"user": orjson.Fragment(document), "since": since} for (_, _, since), document in rows
    ], cursor


def blocked_page(
    *, viewer_id: int, after: int | None, limit: int
) -> tuple[list[dict[str, Any]], int | None]:
    """A page of those whom the viewer blocks, newest first, and the next page's cursor.

    The only place that shows people to somebody who blocks them: {"user", "since"}.
    """
    rows = blocks.blocked_users(blocker_id=viewer_id, after=after, limit=limit + 1)
    documents = user_selectors.user_documents(user_ids=[user_id for user_id, *_ in rows])
    shown = [
        {"user": orjson.Fragment(documents[user_id]), "since": since}
        for user_id, _, since in rows[:limit]
        if user_id in documents
    ]
    return shown, rows[limit - 1][1] if len(rows) > limit else None


def _listed(viewer_id: int, user_ids: Sequence[int]) -> dict[int, bytes]:
    """The documents, with `viewer`, of those whom the viewer may see."""
    people = visible_people(viewer_id=viewer_id, user_ids=user_ids)
    return with_viewer(people, user_ids=people.documents)


def with_viewer(people: VisiblePeople, *, user_ids: Collection[int]) -> dict[int, bytes]:
    """The documents of some of these people, each with `viewer`; one query."""
    viewer = related.relations(viewer_id=people.viewer_id, user_ids=user_ids)
    return {
        id_: b'%b,"viewer":%b}' % (people.documents[id_][:-1], orjson.dumps(viewer[id_]))
        for id_ in user_ids
    }


def visible_user_id(*, viewer_id: int, username: str) -> int:
    """The id of a user whom the viewer may see; raises `NotFound`. Warm, one round trip and one
    query.

    For a user who is hidden it does the same, and so takes as long, as for one who does not exist.
    """
    hidden = [related.hidden_people(viewer_id=viewer_id)]
    return user_selectors.user_id_by_username(username=username, hidden=hidden)


def visible_author_id(*, viewer_id: int, username: str, is_asked_again: bool = False) -> int:
    """The id of a user whose posts and lists the viewer may see; raises `NotFound`, which says so
    if the account is private. Warm, two round trips and one query.

    `is_asked_again`: the caller asks again of all that it shows, as for posts. Then a round trip
    less for public accounts; what it shows of one that has just become private is empty.
    """
    viewpoint = viewpoint_of(viewer_id=viewer_id)
    user_id, is_private = user_selectors.author_by_username(
        username=username, hidden=[viewpoint.hidden]
    )
    if is_asked_again and not is_private:
        return user_id
    people = visible_people(
        viewer_id=viewer_id, user_ids=[user_id], author_ids=[user_id], viewpoint=viewpoint
    )
    if user_id not in people.documents:
        raise user_selectors.no_such_user(username.lower())
    if user_id not in people.authors:
        raise NotFound(
            "This account is private. Follow it to see its posts, its followers, and whom it "
            "follows.",
            code="private_account",
        )
    return user_id

"""Who may see whom, and whose posts and comments: the one place that decides.

An answer shows only people whom a `VisiblePeople` holds, and only `visible_people` makes one. Post
Info and Commenting hand out posts and comments as unchecked ones, without content; it takes a
`VisiblePeople` to turn one into a visible one. User Info stands below this app: the handlers
register `blocks.hidden_people` there, for profiles and for the search.

Everybody sees every active account and all that it owns, but for blocks: two people of whom one
blocks the other do not see each other. Private accounts belong into the `authors` that
`visible_people` finds. A mute hides nothing: it keeps posts out of one home timeline
(`usergraph.mutes`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

from core.cached_values import CacheBatch
from core.http.rendering import fragments
from usergraph import blocks, store
from usergraph.blocks import HiddenPeople as HiddenPeople  # noqa: PLC0414  (for other apps, too)
from usergraph.models import Follow
from usergraph.mutes import muted_users
from users import selectors as user_selectors
from users.selectors import UserJson

# A page leaves out people who are hidden, and reads on to replace them: at most MAX_ROUNDS times,
# NEXT_STEP rows each time after the first.
MAX_ROUNDS, NEXT_STEP = 4, 200
# A user id, a cursor, and whatever else a list has of its people.
Row = TypeVar("Row", bound=tuple[Any, ...])
_JSON = {True: b"true", False: b"false"}


@dataclass(frozen=True)
class VisiblePeople:
    """Those of some users whom `viewer_id` may see, with their documents, by id.

    `authors`: those among them whose posts the viewer may see.
    """

    viewer_id: int
    documents: Mapping[int, UserJson]
    authors: Collection[int]

    def __or__(self, others: "VisiblePeople") -> "VisiblePeople":
        """These people and others, both visible to the same viewer."""
        documents = {**self.documents, **others.documents}
        return VisiblePeople(self.viewer_id, documents, {*self.authors, *others.authors})


def add_hidden(batch: CacheBatch, *, viewer_id: int) -> Callable[[], HiddenPeople]:
    """Have a batch read who is hidden from a viewer; call what this returns once it has read."""
    hidden = batch.add(store.HIDDEN, [viewer_id])
    return lambda: HiddenPeople(viewer_id, hidden.values[viewer_id])


def is_hidden(*, viewer_id: int, user_id: int) -> bool:
    """Whether a block hides one user from another; warm, one round trip and no SQL."""
    return user_id in blocks.hidden_people(viewer_id=viewer_id).among([user_id])


def visible_people(
    *, viewer_id: int, user_ids: Collection[int], hidden: HiddenPeople | None = None
) -> VisiblePeople:
    """Those of `user_ids` whom the viewer may see; warm, one round trip and no SQL.

    `hidden`: who is hidden from the viewer, if the caller has read it just now. Raises ValueError
    if it is of another viewer.
    """
    if hidden is not None and hidden.viewer_id != viewer_id:
        raise ValueError("this is hidden from somebody else")
    batch = CacheBatch()
    documents = user_selectors.add_user_documents(batch, user_ids=user_ids)
    read_hidden = add_hidden(batch, viewer_id=viewer_id) if hidden is None else lambda: hidden
    batch.read()
    return _visible(documents.values, read_hidden())


def _visible(documents: Mapping[int, UserJson], hidden: HiddenPeople) -> VisiblePeople:
    if left_out := hidden.among(documents):
        documents = {id_: document for id_, document in documents.items() if id_ not in left_out}
    return VisiblePeople(hidden.viewer_id, documents, authors=documents)


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
    Warm: one round trip, and one query for a viewer who follows nobody, or more than
    `store.FOLLOWED_LIMIT`.
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


def followed_among(*, viewer_id: int, user_ids: Collection[int]) -> Collection[int]:
    """Ids that have in them those of some users whom the viewer follows; warm, one round trip."""
    cached = store.FOLLOWED.get([viewer_id])[viewer_id]
    return _followed_among(viewer_id, user_ids, cached)


def _followed_among(
    viewer_id: int, user_ids: Collection[int], cached: Collection[int]
) -> Collection[int]:
    if cached:
        return cached
    # Nobody, or too many to be cached.
    edges = Follow.objects.filter(follower_id=viewer_id, followee_id__in=user_ids)
    return set(edges.values_list("followee_id", flat=True))


def _listed(viewer_id: int, user_ids: Sequence[int]) -> dict[int, bytes]:
    """The documents, with `viewer`, of those whom the viewer may see."""
    batch = CacheBatch()
    documents = user_selectors.add_user_documents(batch, user_ids=user_ids)
    cached = batch.add(store.FOLLOWED, [viewer_id])
    hidden = add_hidden(batch, viewer_id=viewer_id)
    batch.read()
    people = _visible(documents.values, hidden())
    followed = _followed_among(viewer_id, people.documents, cached.values[viewer_id])
    return {
        id_: b'%b,"viewer":{"following":%b}}' % (document[:-1], _JSON[id_ in followed])
        for id_, document in people.documents.items()
    }


def visible_user_id(*, viewer_id: int, username: str) -> int:
    """The id of a user whom the viewer may see; raises `NotFound`. Warm, one round trip and one
    query.

    For a user who is hidden it does the same, and so takes as long, as for one who does not exist.
    """
    hidden = [blocks.hidden_people(viewer_id=viewer_id)]
    return user_selectors.user_id_by_username(username=username, hidden=hidden)

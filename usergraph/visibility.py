"""Who may see whom, and whose posts and comments: the one place that decides.

An answer shows only people whom a `VisiblePeople` holds, and only `visible_people` makes one. Post
Info and Commenting hand out posts and comments as unchecked ones, without content; it takes a
`VisiblePeople` to turn one into a visible one. User Info stands below this app: Django registers
`hidden_user_ids` there, for profiles and for the search.

Today everybody sees every active account and all that it owns. Blocks belong into
`hidden_user_ids`, mutes into `hidden_author_ids`, private accounts into the `authors` that
`visible_people` finds.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import orjson

from core.cached_values import CacheBatch
from core.http.rendering import fragments
from usergraph import store
from usergraph.models import Follow
from users import selectors as user_selectors
from users.selectors import UserJson

# A page leaves out people who are hidden, and reads on to replace them: at most MAX_ROUNDS times,
# NEXT_STEP rows each time after the first.
MAX_ROUNDS, NEXT_STEP = 4, 200
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


def visible_people(*, viewer_id: int, user_ids: Collection[int]) -> VisiblePeople:
    """Those of `user_ids` whom the viewer may see; warm, one round trip and no SQL."""
    return _visible(viewer_id, user_selectors.user_documents(user_ids=user_ids))


def _visible(viewer_id: int, documents: Mapping[int, UserJson]) -> VisiblePeople:
    if hidden := hidden_user_ids(viewer_id=viewer_id):
        documents = {id_: document for id_, document in documents.items() if id_ not in hidden}
    return VisiblePeople(viewer_id, documents, authors=documents)


def visible_page(
    *,
    viewer_id: int,
    read: Callable[[int | None, int], Sequence[tuple[int, int]]],
    after: int | None,
    limit: int,
) -> tuple[list[orjson.Fragment], int | None]:
    """A page of those people of a list whom the viewer may see, and the next page's cursor.

    `read(after, limit)`: up to `limit` rows after a cursor as (user id, cursor), fewer only at the
    end. It goes on until the page is full; a page is short at the end, where the cursor is None,
    and where very many in a row are hidden. Each document has `viewer`. Warm: one round trip, and
    one query for a viewer who follows nobody, or more than `store.FOLLOWED_LIMIT`.
    """
    page: list[tuple[int, int]] = []
    documents: dict[int, bytes] = {}
    wanted = limit + 1
    for _ in range(MAX_ROUNDS):
        rows = read(after, wanted)
        documents |= _listed(viewer_id, [user_id for user_id, _ in rows])
        page += [row for row in rows if row[0] in documents]
        if len(page) > limit:
            page = page[:limit]
            after = page[-1][1]
            break
        if len(rows) < wanted:
            after = None
            break
        after, wanted = rows[-1][1], NEXT_STEP
    return fragments(documents[user_id] for user_id, _ in page), after


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
    batch.read()
    people = _visible(viewer_id, documents.values)
    followed = _followed_among(viewer_id, people.documents, cached.values[viewer_id])
    return {
        id_: b'%b,"viewer":{"following":%b}}' % (document[:-1], _JSON[id_ in followed])
        for id_, document in people.documents.items()
    }


def visible_user_id(*, viewer_id: int, username: str) -> int:
    """The id of a user whom the viewer may see; raises `NotFound`. One query."""
    user_id = user_selectors.user_id_by_username(username=username)
    if user_id in hidden_user_ids(viewer_id=viewer_id):
        raise user_selectors.no_such_user(username.lower())
    return user_id


def hidden_user_ids(*, viewer_id: int) -> frozenset[int]:
    """The active users whom the viewer must not see anywhere. Nobody yet."""
    return frozenset()


def hidden_author_ids(*, viewer_id: int) -> frozenset[int]:
    """The authors whose posts the viewer's home timeline must not show, though it may hold some.

    The timeline remembers the answer. So a change of the answer must announce an event that drops
    the home timeline, as a follow does.
    """
    return hidden_user_ids(viewer_id=viewer_id)

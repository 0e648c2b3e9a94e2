"""Pull to refresh, with posts that are delivered late and out of order."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.http.pagination import encode_cursor
from core.http.problems import Invalid
from core.ids import first_id_at
from timeline.seen import MAX_IDS, MAX_TOKEN_LENGTH, SeenPosts

START = datetime(2026, 1, 1, tzinfo=UTC)
LONGEST_TRANSACTION = 2  # seconds
LIMIT = 3
# In seconds; mostly none.
pauses = st.just(0) | st.integers(0, 90)


def second(number: int) -> datetime:
    return START + timedelta(seconds=number)


# What a page is made of: the posts that are there now, and up to where a process knows that they
# are delivered.
Now = Callable[[], tuple[list[int], int]]


def read(
    now: Now, seen: SeenPosts | None, limit: int = LIMIT
) -> Iterator[tuple[list[int], SeenPosts]]:
    """Read page by page as the view does: each page's posts, and its `newer`."""
    before = None
    while True:
        ids, delivered = now()
        since = seen or SeenPosts()
        if since.walk is not None:
            delivered = since.walk
        left = [
            id_
            for id_ in sorted(ids, reverse=True)
            if id_ > since.floor and id_ not in since.ids and (before is None or id_ < before)
        ]
        page, is_last = left[:limit], len(left) <= limit
        newer = since.up_to_page(page, is_last=is_last, delivered=delivered)
        yield page, SeenPosts.decode(newer.encode())
        if is_last:
            return
        before = page[-1]
        if seen:
            seen = SeenPosts.decode(since.with_page(page, delivered=delivered).encode())


# (second of the insert, seconds until the delivery, number in its millisecond)
posts = st.lists(
    st.tuples(st.integers(1, 300), st.integers(0, 300), st.integers(0, 3)), max_size=60
)


@given(
    posts=posts,
    visits=st.sets(st.integers(1, 700), min_size=1, max_size=8),
    data=st.data(),
)
def test_every_post_comes_once_however_late(
    posts: list[tuple[int, int, int]], visits: set[int], data: st.DataObject
) -> None:
    """The client pauses between pages; each page comes from a process that asked some time ago."""
    arrives = {first_id_at(second(at)) + n: at + delay for at, delay, n in posts}
    inserted = {first_id_at(second(at)) + n: at for at, _, n in posts}

    def delivered(now: int) -> int:
        """What Fan-out notes: everything below this id is delivered."""
        under_way = [at for id_, at in inserted.items() if at <= now < arrives[id_]]
        return first_id_at(second(min([now, *under_way]) - LONGEST_TRANSACTION))

    clock = 0

    def now() -> tuple[list[int], int]:
        """The next page is read: after a pause, from a process that asked a while ago."""
        nonlocal clock
        clock += data.draw(pauses, label="pause")
        asked = clock - data.draw(pauses, label="seconds since this process asked")
        return [id_ for id_, at in arrives.items() if at <= clock], delivered(max(0, asked))

    first, *others = sorted(visits)
    clock = first
    # The client scrolls down to the end, but only the first page says what is newer.
    pages = list(read(now, None))
    shown = [id_ for page, _ in pages for id_ in page]
    first_page, seen = pages[0]
    for visit in others:
        clock = max(clock, visit)
        pages = list(read(now, seen))
        shown += [id_ for page, _ in pages for id_ in page]
        seen = pages[-1][1]
    assert len(shown) == len(set(shown)), "nothing twice"
    # Whatever came during the last visit comes at the next one.
    clock = max([clock, *arrives.values()])
    shown += [id_ for page, _ in read(now, seen) for id_ in page]
    assert len(shown) == len(set(shown)), "nothing twice"
    # What came late into the part that the client had scrolled through is not newer.
    scrolled = first_page[-1] if len(first_page) == LIMIT else 0
    missing = arrives.keys() - set(shown)
    assert all(id_ < scrolled for id_ in missing), "nothing missing"


@given(
    floor=st.integers(0, 2**62),
    ids=st.frozensets(st.integers(1, 2**62), max_size=2 * MAX_IDS),
    walk=st.none() | st.integers(0, 2**62),
)
def test_a_token_comes_back_as_it_went(floor: int, ids: frozenset[int], walk: int | None) -> None:
    seen = SeenPosts(floor, frozenset(floor + id_ for id_ in ids), walk)
    assert SeenPosts.decode(seen.encode()) == seen


@pytest.mark.parametrize("cursor", [123, "ada", "seen", "seen x", "seen 1  2", "seen 1 2 "])
def test_a_cursor_of_another_kind_is_not_a_token(cursor: int | str) -> None:
    with pytest.raises(Invalid, match="cursor") as caught:
        SeenPosts.decode(encode_cursor(cursor))
    assert caught.value.field == "since"


@pytest.mark.parametrize("floor", [0, 1, first_id_at(second(-365 * 24 * 3600))])
def test_a_token_stays_short_and_repeats_nothing_after_very_many_posts(floor: int) -> None:
    """All in one minute, while nothing is noted as delivered."""
    ids = [first_id_at(second(number % 60)) + number * 2**10 for number in range(1000)]
    shown: list[int] = []
    seen = SeenPosts(floor)
    for _ in range(2):
        for page, newer in read(lambda: (ids, 0), seen, limit=37):
            shown += page
            for token in (newer.encode(), seen.with_page(shown, delivered=0).encode()):
                assert len(token) <= MAX_TOKEN_LENGTH
        seen = newer
    assert shown == sorted(ids, reverse=True)

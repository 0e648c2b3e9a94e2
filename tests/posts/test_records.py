"""The record of a post: packed, shown as JSON, and cheap even with a million likes."""

from collections.abc import Callable, Collection

import orjson
import pytest
from django.db import connections
from hypothesis import given
from hypothesis import strategies as st

from core.counters import Counter, CounterChange
from core.ids import MAX_ID
from posts.records import (
    _RECORDS_SQL,
    COMMENTS_FROM,
    LIKERS_KEPT,
    LIKERS_SHOWN,
    Record,
    load_records,
    people_shown,
)
from tests.support.posts_factory import make_posts
from tests.support.query_plans import explain_analyze, nodes, rows_of
from usergraph.visibility import VisiblePeople
from users.selectors import UserJson

ids = st.integers(min_value=1, max_value=MAX_ID)


counts = st.integers(min_value=0, max_value=MAX_ID)


records = st.builds(
    Record,
    author_id=ids,
    likes=counts,
    comments=counts,
    comments_closed=st.booleans(),
    for_close_friends=st.booleans(),
    comments_from=st.sampled_from(COMMENTS_FROM),
    liker_ids=st.lists(ids, max_size=LIKERS_KEPT, unique=True).map(tuple),
    recent_comments=st.lists(st.tuples(ids, st.binary(max_size=65_535)), max_size=2).map(tuple),
    withheld_media=st.binary(),
    post=st.binary(),
)


@given(records)
def test_a_record_is_the_same_after_packing(record: Record) -> None:
    assert Record.unpack(record.pack()) == record


def a_record(likers: int = 0, comments: int = 0) -> Record:
    """Of a post by 1; the likers are 11, 12, …, the commenters 21, 22."""
    return Record(
        author_id=1,
        likes=likers,
        comments=comments,
        comments_closed=False,
        for_close_friends=False,
        comments_from="account",
        liker_ids=tuple(range(11, 11 + likers)),
        recent_comments=tuple((21 + n, b'{"id":"%d","text":"So."}' % n) for n in range(comments)),
        withheld_media=b"",
        post=b'"id":"5","caption":"Low tide."',
    )


DOCUMENTS = {id_: UserJson(b'{"id":"%d"}' % id_) for id_ in (1, *range(11, 19), 21, 22)}


def people(documents: dict[int, UserJson]) -> VisiblePeople:
    """People whom a viewer may see, as authors too, but is no close friend of."""
    return VisiblePeople(viewer_id=9, documents=documents, authors=documents, friendly_authors=())


PEOPLE = people(DOCUMENTS)


def test_a_document_is_json_with_the_people_put_in() -> None:
    document = a_record(likers=1, comments=2).document(PEOPLE, liked=True, liker_ids=[11])
    assert document is not None
    assert orjson.loads(document) == {
        "id": "5",
        "caption": "Low tide.",
        "author": {"id": "1"},
        "counts": {"likes": 1, "comments": 2},
        "viewer": {"liked": True},
        "recent_likes": [{"id": "11"}],
        "recent_comments": [
            {"author": {"id": "21"}, "id": "0", "text": "So."},
            {"author": {"id": "22"}, "id": "1", "text": "So."},
        ],
    }


def test_who_is_not_visible_is_left_out_and_with_the_author_the_post() -> None:
    record = a_record(likers=2, comments=2)
    rest = people({id_: DOCUMENTS[id_] for id_ in DOCUMENTS if id_ not in (11, 22)})
    document = orjson.loads(record.document(rest, liked=False, liker_ids=record.liker_ids) or b"")
    assert document["recent_likes"] == [{"id": "12"}]
    assert [comment["author"] for comment in document["recent_comments"]] == [{"id": "21"}]
    assert document["counts"] == {"likes": 2, "comments": 2}
    others = people({11: DOCUMENTS[11]})
    assert record.document(others, liked=False, liker_ids=[11]) is None


@pytest.mark.parametrize(
    ("likers", "followed", "shown"),
    [
        (0, (), []),
        (2, (12,), [12, 11]),
        (3, (13,), [13, 11, 12]),
        (8, (), [11, 12, 13, 14]),
        (8, (18,), [18, 11, 12, 13]),
        (8, (17, 13, 99), [13, 17, 11, 12]),
        (8, (14, 15, 16, 17, 18), [14, 15, 16, 17]),
    ],
)
def test_of_the_latest_likers_those_whom_one_follows_come_first(
    likers: int, followed: tuple[int, ...], shown: list[int]
) -> None:
    record = a_record(likers=likers)
    liker_ids = record.likers_shown(frozenset(followed))
    assert list(liker_ids[: len(shown)]) == shown
    assert sorted(liker_ids) == sorted(record.liker_ids)
    document = orjson.loads(record.document(PEOPLE, liked=False, liker_ids=liker_ids) or b"")
    assert [int(user["id"]) for user in document["recent_likes"]] == shown[:LIKERS_SHOWN]


@given(st.sets(st.sampled_from(range(11, 19))), st.sets(st.sampled_from(range(11, 19))))
def test_a_post_is_shown_the_same_however_many_others_are_on_the_page(
    followed: set[int], off: set[int]
) -> None:
    """People who were read for other posts make no difference."""
    record = a_record(likers=8, comments=2)
    active = {id_: user for id_, user in DOCUMENTS.items() if id_ not in off}
    asked: list[Collection[int]] = []

    def visible(user_ids: Collection[int]) -> VisiblePeople:
        asked.append(user_ids)
        return people({id_: active[id_] for id_ in user_ids if id_ in active})

    liker_ids = record.likers_shown(followed)
    shown, is_whole = people_shown([(record, liker_ids)], visible=visible)
    alone = record.document(shown, liked=False, liker_ids=liker_ids)
    everybody = people(active)
    assert alone == record.document(everybody, liked=False, liker_ids=liker_ids)
    assert is_whole == (len(asked) == 1)
    assert len(asked) == (2 if off & set(liker_ids[:LIKERS_SHOWN]) else 1)
    assert sum(map(len, asked)) == len(set().union(*asked)), "nobody is read twice"


@pytest.mark.django_db
def test_a_post_that_does_not_exist_has_no_record(alice: int) -> None:
    post_id = make_posts(alice, 1)[0]
    loaded = load_records([post_id, 1])
    assert loaded[1][1] is None
    record = loaded[post_id][1]
    assert record
    assert Record.unpack(record.pack()) == record
    assert (record.author_id, record.likes, record.comments) == (alice, 0, 0)
    assert (record.liker_ids, record.recent_comments) == ((), ())
    assert orjson.loads(b"{%b}" % record.post)["id"] == str(post_id)


LIKES = 1_000_000


UNFOLDED = 2000


MAX_MILLISECONDS = 20.0  # of database time


_LIKES_SQL = """
INSERT INTO posts_like (subject_id, user_id) SELECT %s, number FROM generate_series(1, %s) AS number
"""


@pytest.fixture
def hot_post(alice: int) -> int:
    """A post with 1,000,000 likes, some thousands of which are not folded yet."""
    post_id = make_posts(alice, 1)[0]
    with connections["posts"].cursor() as cursor:
        # The sequence gives 1,024 ids a millisecond: slower than that on any machine.
        cursor.execute(_LIKES_SQL, [post_id, LIKES])
        cursor.execute("ANALYZE posts_like")
    Counter.objects.using("posts").create(subject_id=post_id, value=LIKES - UNFOLDED)
    CounterChange.objects.using("posts").bulk_create(
        CounterChange(subject_id=post_id, delta=1) for _ in range(UNFOLDED)
    )
    return post_id


@pytest.mark.django_db
def test_the_record_of_a_post_with_a_million_likes_is_read_in_milliseconds(
    hot_post: int, measured: Callable[[str], None]
) -> None:
    _, record = load_records([hot_post])[hot_post]
    assert record
    assert record.likes == LIKES
    assert len(record.liker_ids) == LIKERS_KEPT
    plan = explain_analyze(_RECORDS_SQL, [[hot_post]])
    milliseconds = plan["Planning Time"] + plan["Execution Time"]
    rows = sum(rows_of(node) for node in nodes(plan["Plan"]) if "Relation Name" in node)
    measured(
        f"{LIKES:,} likes, {UNFOLDED:,} of them not folded: {milliseconds:.1f} ms of database "
        f"time, {rows} rows read"
    )
    assert rows < UNFOLDED + 50
    assert milliseconds < MAX_MILLISECONDS

"""Blocks: what they end, whom they hide, and that nobody can tell."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from comments.services import add_comment
from core.http.problems import Conflict, Invalid, NotFound
from core.outbox.delivery import deliver_event
from core.outbox.events import SHORT_PAUSE
from core.outbox.models import OutboxEvent
from core.valkey import cache_valkey
from posts.services import like_post
from tests.conftest import ALL_DATABASES
from tests.support.accounts import name_of
from tests.support.client import wait_until
from tests.support.posts_factory import make_posts
from tests.support.transactions import at_once
from timeline.keys import home_key
from timeline.pages import home_page
from usergraph import services, store
from usergraph.keys import hidden_key
from usergraph.models import Block, Follow
from usergraph.related import hidden_people, relations
from usergraph.selectors import graph_counts
from usergraph.services import (
    block_user,
    follow_user,
    import_follows,
    remove_relations_of_user,
    unblock_user,
)
from usergraph.visibility import visible_people
from users.services import set_active

pytestmark = pytest.mark.usefixtures("committed")
Api = Callable[[int], Any]
V = "/api/v1"


@pytest.fixture
def alice(committed: None, person: Callable[[str], int]) -> int:
    return person("alice")


@pytest.fixture
def bob(committed: None, person: Callable[[str], int]) -> int:
    return person("bob")


def sees(viewer_id: int, user_id: int) -> bool:
    return user_id in visible_people(viewer_id=viewer_id, user_ids=[user_id]).documents


def test_a_block_hides_both_from_each_other_until_it_ends(alice: int, bob: int) -> None:
    assert sees(alice, bob)
    assert sees(bob, alice)
    assert block_user(blocker_id=alice, blocked_id=bob)
    assert not block_user(blocker_id=alice, blocked_id=bob)
    assert not sees(alice, bob)
    assert not sees(bob, alice)
    assert unblock_user(blocker_id=alice, blocked_id=bob)
    assert not unblock_user(blocker_id=alice, blocked_id=bob)
    assert sees(alice, bob)
    assert sees(bob, alice)


def test_a_block_by_both_ends_with_the_second(alice: int, bob: int) -> None:
    block_user(blocker_id=alice, blocked_id=bob)
    Block.objects.create(blocker_id=bob, blocked_id=alice)  # at the same time
    unblock_user(blocker_id=alice, blocked_id=bob)
    assert not sees(alice, bob)
    unblock_user(blocker_id=bob, blocked_id=alice)
    assert sees(alice, bob)


def test_the_follows_of_both_end_with_their_counts(alice: int, bob: int) -> None:
    for one, other in ((alice, bob), (bob, alice)):
        follow_user(follower_id=one, followee_id=other)
    (post_id,) = make_posts(bob, 1)
    assert post_id in home_page(viewer_id=alice, limit=5).documents
    block_user(blocker_id=alice, blocked_id=bob)
    assert not Follow.objects.filter(follower_id__in=[alice, bob]).exists()
    assert (
        graph_counts(user_id=alice)
        == graph_counts(user_id=bob)
        == {
            "followers": 0,
            "following": 0,
        }
    )
    assert not cache_valkey().exists(home_key(alice)), "the next read builds it"
    assert post_id not in home_page(viewer_id=alice, limit=5).documents
    unblock_user(blocker_id=alice, blocked_id=bob)
    assert not any(relations(viewer_id=alice, user_ids=[bob])[bob].values()), (
        "they do not come back"
    )


def test_who_is_blocked_cannot_follow_by_any_way(alice: int, bob: int) -> None:
    block_user(blocker_id=alice, blocked_id=bob)
    for one, other in ((alice, bob), (bob, alice)):
        with pytest.raises(NotFound):
            follow_user(follower_id=one, followee_id=other)
    assert list(import_follows(edges=[(alice, bob), (bob, alice)])) == [2]
    assert not Follow.objects.filter(follower_id__in=[alice, bob]).exists()


def test_one_cannot_block_oneself_or_nobody(alice: int) -> None:
    with pytest.raises(Invalid):
        block_user(blocker_id=alice, blocked_id=alice)
    for nobody in (0, 1):
        with pytest.raises(NotFound):
            block_user(blocker_id=alice, blocked_id=nobody)


def test_there_is_a_limit_of_blocks(
    alice: int, bob: int, person: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MAX_BLOCKS", 1)
    block_user(blocker_id=alice, blocked_id=bob)
    with pytest.raises(Conflict):
        block_user(blocker_id=alice, blocked_id=person("one_more"))
    assert not block_user(blocker_id=alice, blocked_id=bob), "a repetition is no new one"


@pytest.mark.parametrize("first", ["block", "follow"])
def test_a_follow_and_a_block_at_once_leave_no_follow(alice: int, bob: int, first: str) -> None:
    """The second waits for the first. A follow that the block does not see would go on for ever."""
    refused = threading.Event()

    def follow() -> None:
        try:
            follow_user(follower_id=alice, followee_id=bob)
        except NotFound:
            refused.set()

    acts: list[Callable[[], object]] = [
        lambda: block_user(blocker_id=bob, blocked_id=alice),
        follow,
    ]
    at_once(lock="advisory", acts=acts if first == "block" else acts[::-1])
    assert refused.is_set() == (first == "block")
    assert Block.objects.filter(blocker_id=bob, blocked_id=alice).exists()
    assert not Follow.objects.filter(follower_id=alice, followee_id=bob).exists()


@pytest.mark.parametrize("limit", [2000, 1], ids=["cached", "too many to be cached"])
def test_who_is_hidden_is_right_however_many_they_are(
    person: Callable[[str], int], api: Api, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(store, "HIDDEN_LIMIT", limit)
    alice, bob, carol, dave = (person(name) for name in ("alice", "bob", "carol", "dave"))
    block_user(blocker_id=alice, blocked_id=bob)
    block_user(blocker_id=carol, blocked_id=alice)
    hidden = hidden_people(viewer_id=alice)
    assert {bob, carol} & set(hidden.among([bob, carol, dave])) == {bob, carol}
    assert dave not in hidden.among([bob, dave])
    assert set(hidden.listed) == ({bob, carol} if limit == 2000 else set())
    for user_id in (bob, carol, dave):
        answers = [
            api(alice).get(f"{V}/users/{name_of(user_id)}").status_code,
            api(alice).get(f"{V}/users/by-id/{user_id}").status_code,
            api(alice).get(f"{V}/users/{name_of(user_id)}/followers").status_code,
        ]
        assert answers == [200 if user_id == dave else 404] * 3
        found = api(alice).get(f"{V}/users?search={name_of(user_id)}").json()["results"]
        assert len(found) == (user_id == dave)
    assert [sees(alice, user_id) for user_id in (bob, carol, dave)] == [False, False, True]
    assert store.HIDDEN.get([alice])[alice].is_whole == (limit == 2000)


def test_who_is_hidden_is_known_while_the_cache_is_down(
    alice: int, bob: int, closed_cache: None
) -> None:
    block_user(blocker_id=alice, blocked_id=bob)
    assert not sees(bob, alice)


def test_a_block_is_in_the_cache_before_its_request_ends(alice: int, bob: int) -> None:
    for viewer_id, user_id in ((alice, bob), (bob, alice)):
        assert sees(viewer_id, user_id)
    block_user(blocker_id=alice, blocked_id=bob)
    for viewer_id, user_id in ((alice, bob), (bob, alice)):
        entry = cache_valkey().get(hidden_key(viewer_id))
        assert isinstance(entry, bytes)
        assert entry.endswith(user_id.to_bytes(8))


def test_a_deletion_takes_the_blocks_of_and_by_an_account(
    alice: int, bob: int, person: Callable[[str], int]
) -> None:
    carol = person("carol")
    block_user(blocker_id=alice, blocked_id=bob)
    block_user(blocker_id=carol, blocked_id=alice)
    block_user(blocker_id=carol, blocked_id=bob)
    removed = [remove_relations_of_user(user_id=alice, limit=1) for _ in range(3)]
    assert removed == [1, 1, 0]
    assert Block.objects.filter(blocker_id=carol).count() == 1


# --- Over HTTP ------------------------------------------------------------------------------------


def test_a_block_and_its_end_answer_the_new_state_each_time(alice: int, bob: int, api: Api) -> None:
    address = f"{V}/users/{name_of(bob)}/block"
    for method, is_so in (("put", True), ("put", True), ("delete", False), ("delete", False)):
        answer = getattr(api(alice), method)(address)
        assert (answer.status_code, answer.json()) == (200, {"blocking": is_so})


def test_ones_own_blocks_are_listed_newest_first_and_nobody_elses(
    alice: int, bob: int, person: Callable[[str], int], api: Api
) -> None:
    others = [person(f"other{number}") for number in range(3)]
    for other in others:
        block_user(blocker_id=alice, blocked_id=other)
    block_user(blocker_id=bob, blocked_id=alice)
    Block.objects.create(blocker_id=others[0], blocked_id=alice)  # which tells alice nothing
    set_active(user_ids=[others[1]], active=False)
    first = api(alice).get(f"{V}/users/me/blocks?limit=1").json()
    assert [int(row["user"]["id"]) for row in first["results"]] == [others[2]]
    assert set(first["results"][0]) == {"user", "since"}
    second = api(alice).get(first["next"]).json()
    assert [int(row["user"]["id"]) for row in second["results"]] == [others[0]]
    assert second["next"] is None
    assert api(others[2]).get(f"{V}/users/me/blocks").json()["results"] == []


# Each read that names a person, or what is theirs.
NAMING = [
    "users/{name}",
    "users/by-id/{id}",
    "users/{name}/followers",
    "users/{name}/following",
    "users/{name}/timeline",
    "posts?author={name}",
    "posts/{post}",
    "posts/{post}/likes",
    "posts/{post}/comments",
    "comments/{comment}",
    "comments/{comment}/likes",
]


@pytest.fixture
def hidden_names(alice: int, bob: int, person: Callable[[str], int]) -> dict[str, Any]:
    """What addresses name: alice, who blocks bob, and what is hers."""
    (post_id,) = make_posts(alice, 1)
    for number in range(4):
        fan = person(f"fan{number}")
        follow_user(follower_id=fan, followee_id=alice)
        like_post(post_id=post_id, user_id=fan)
        comment_id = add_comment(post_id=post_id, author_id=fan, text="Lovely.")
    block_user(blocker_id=alice, blocked_id=bob)
    return {"name": name_of(alice), "id": alice, "post": post_id, "comment": comment_id}


@pytest.mark.parametrize("path", NAMING)
def test_what_is_hidden_takes_the_same_statements_as_what_does_not_exist(
    bob: int,
    hidden_names: dict[str, Any],
    api: Api,
    round_trips: Callable[[], int],
    path: str,
) -> None:
    absent = {"name": "nobody.at.all", "id": 1, "post": 1, "comment": 1}
    costs = []
    for names in (hidden_names, absent):
        address = f"{V}/{path.format(**names)}"
        api(bob).get(address)
        with ExitStack() as stack:
            captured = [
                stack.enter_context(CaptureQueriesContext(connections[database]))
                for database in ALL_DATABASES
            ]
            before = round_trips()
            assert api(bob).get(address).status_code == 404
            trips = round_trips() - before
        costs.append(([len(queries) for queries in captured], trips))
    assert costs[0] == costs[1]


def test_a_hidden_comment_cannot_be_answered_nor_its_answers_read(
    alice: int, bob: int, person: Callable[[str], int], api: Api
) -> None:
    carol = person("carol")
    (post_id,) = make_posts(carol, 1)
    hers = add_comment(post_id=post_id, author_id=alice, text="Mine.")
    answer = add_comment(post_id=post_id, author_id=carol, text="Yours.", reply_to=hers)
    comments = f"{V}/posts/{post_id}/comments"
    assert len(api(bob).get(f"{comments}?reply_to={hers}").json()["results"]) == 1
    block_user(blocker_id=alice, blocked_id=bob)
    assert api(bob).get(f"{comments}?reply_to={hers}").json()["results"] == []
    for asked in (hers, 1):
        body = {"text": "So.", "reply_to": str(asked)}
        refused = api(bob).post(comments, body, content_type="application/json")
        assert refused.status_code == 400
        assert refused.json()["errors"][0]["code"] == "unknown_comment"
    body = {"text": "So.", "reply_to": str(answer)}
    assert "reply itself" in api(bob).post(comments, body, content_type="application/json").text


def test_who_is_blocked_cannot_delete_what_is_hidden_on_their_post(
    alice: int, bob: int, api: Api
) -> None:
    (post_id,) = make_posts(bob, 1)
    hers = add_comment(post_id=post_id, author_id=alice, text="Mine.")
    block_user(blocker_id=alice, blocked_id=bob)
    answers = [api(bob).delete(f"{V}/comments/{asked}") for asked in (hers, 1)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json()["detail"] == answers[1].json()["detail"]
    unblock_user(blocker_id=alice, blocked_id=bob)
    assert api(bob).delete(f"{V}/comments/{hers}").status_code == 204


def test_a_refresh_that_failed_is_tried_again_within_seconds(
    alice: int, bob: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sees(bob, alice)
    refresh = type(store.HIDDEN).refresh

    def fail(kind: Any, ids: Any) -> None:
        if kind is store.HIDDEN:
            raise ValkeyDown
        refresh(kind, ids)

    monkeypatch.setattr(type(store.HIDDEN), "refresh", fail)
    block_user(blocker_id=alice, blocked_id=bob)
    row = OutboxEvent.objects.filter(kind="block_changed").latest("pk")
    OutboxEvent.objects.filter(pk=row.pk).update(attempts=20, lease_until=None)
    with pytest.raises(ValkeyDown):
        deliver_event(database="default", event_id=row.pk)
    row.refresh_from_db()
    assert row.done_at is None
    assert row.wake_at - timezone.now() <= timedelta(seconds=SHORT_PAUSE)
    monkeypatch.undo()
    wait_until(lambda: not sees(bob, alice))


class ValkeyDown(Exception):
    """CACHE cannot be reached."""


def test_a_follower_is_removed_and_may_follow_again(alice: int, bob: int, api: Api) -> None:
    follow_user(follower_id=bob, followee_id=alice)
    (post_id,) = make_posts(alice, 1)
    assert post_id in home_page(viewer_id=bob, limit=5).documents
    address = f"{V}/users/{name_of(bob)}/follower"
    for _ in range(2):
        answer = api(alice).delete(address)
        counts = {"followers": 0, "following": 0}
        assert (answer.status_code, answer.json()) == (
            200,
            {"followed_by": False, "counts": counts},
        )
    assert post_id not in home_page(viewer_id=bob, limit=5).documents
    assert follow_user(follower_id=bob, followee_id=alice)

"""Private accounts: who asks to follow, who is let in, and what others see meanwhile."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from comments.services import add_comment
from core.http.problems import Conflict, Invalid, NotFound
from core.outbox.delivery import deliver_event
from core.outbox.models import OutboxEvent
from core.valkey import cache_valkey
from posts.selectors import post_documents
from posts.services import like_post
from tests.conftest import ALL_DATABASES
from tests.support.accounts import name_of
from tests.support.client import wait_until
from tests.support.posts_factory import make_posts
from tests.support.viewers import STRANGERS
from timeline.pages import home_page
from usergraph import follows, store
from usergraph.follows import accept_all_requests, accept_request, decline_request
from usergraph.keys import followed_key
from usergraph.models import Follow, FollowRequest
from usergraph.related import relations
from usergraph.selectors import graph_counts
from usergraph.services import block_user, follow_user, remove_relations_of_user, unfollow_user
from usergraph.visibility import visible_author_id, visible_people
from users.models import User
from users.selectors import is_private, user_documents
from users.services import set_active, update_profile

pytestmark = pytest.mark.usefixtures("committed")
Api = Callable[[int], Any]
V = "/api/v1"


@pytest.fixture
def alice(committed: None, person: Callable[[str], int]) -> int:
    return person("alice")


@pytest.fixture
def bob(committed: None, person: Callable[[str], int]) -> int:
    return person("bob")


def go(user_id: int, *, private: bool) -> None:
    update_profile(user_id=user_id, changes={"is_private": private})


def deliver(kind: str) -> None:
    """Deliver the latest event of a kind, as a worker does."""
    event = OutboxEvent.objects.filter(kind=kind).latest("pk")
    deliver_event(database="default", event_id=event.pk)


def stands(viewer_id: int, user_id: int) -> str:
    """How a viewer stands to another user."""
    viewer = relations(viewer_id=viewer_id, user_ids=[user_id])[user_id]
    assert not (viewer["following"] and viewer["requested"])
    return next((name for name in ("following", "requested") if viewer[name]), "stranger")


def asks_between(one: int, other: int) -> bool:
    pair = [one, other]
    return FollowRequest.objects.filter(follower_id__in=pair, followee_id__in=pair).exists()


def sees_posts(viewer_id: int, user_id: int) -> bool:
    people = visible_people(viewer_id=viewer_id, user_ids=[user_id], author_ids=[user_id])
    assert user_id in people.documents, "the name stays"
    return user_id in people.authors


def test_a_follow_of_a_private_account_is_a_request_until_it_is_accepted(
    alice: int, bob: int
) -> None:
    go(bob, private=True)
    for _ in range(2):
        assert not follow_user(follower_id=alice, followee_id=bob)
    assert stands(alice, bob) == "requested"
    assert FollowRequest.objects.filter(followee_id=bob).count() == 1
    assert graph_counts(user_id=bob)["followers"] == graph_counts(user_id=alice)["following"] == 0
    (post_id,) = make_posts(bob, 1)
    assert not sees_posts(alice, bob)
    assert post_id not in home_page(viewer_id=alice, limit=5).documents
    for _ in range(2):
        accept_request(followee_id=bob, follower_id=alice)
    assert stands(alice, bob) == "following"
    assert graph_counts(user_id=bob)["followers"] == graph_counts(user_id=alice)["following"] == 1
    assert sees_posts(alice, bob)
    assert post_id in home_page(viewer_id=alice, limit=5).documents
    assert follow_user(follower_id=alice, followee_id=bob)


def test_a_declined_or_withdrawn_request_is_gone_and_can_be_made_again(
    alice: int, bob: int
) -> None:
    go(bob, private=True)
    ends: list[Callable[[], object]] = [
        lambda: decline_request(followee_id=bob, follower_id=alice),
        lambda: unfollow_user(follower_id=alice, followee_id=bob),
    ]
    for end in ends:
        follow_user(follower_id=alice, followee_id=bob)
        end()
        assert stands(alice, bob) == "stranger"
        for answer in (accept_request, decline_request):
            with pytest.raises(NotFound):
                answer(followee_id=bob, follower_id=alice)
    assert not unfollow_user(follower_id=alice, followee_id=bob)
    assert not Follow.objects.filter(followee_id=bob).exists()


def test_followers_stay_when_an_account_becomes_private_and_others_see_no_posts(
    alice: int, bob: int, person: Callable[[str], int]
) -> None:
    stranger = person("stranger")
    follow_user(follower_id=alice, followee_id=bob)
    (post_id,) = make_posts(bob, 1)
    for viewer_id in (alice, stranger, bob, 0):
        assert sees_posts(viewer_id, bob)
        assert post_documents(post_ids=[post_id], viewer_id=viewer_id)
    go(bob, private=True)
    for viewer_id, sees in ((alice, True), (bob, True), (stranger, False), (0, False)):
        assert sees_posts(viewer_id, bob) == sees
        assert bool(post_documents(post_ids=[post_id], viewer_id=viewer_id)) == sees
    unfollow_user(follower_id=bob, followee_id=alice)
    unfollow_user(follower_id=alice, followee_id=bob)
    assert not sees_posts(alice, bob)
    go(bob, private=False)
    assert sees_posts(stranger, bob)


def test_all_requests_are_accepted_when_an_account_becomes_public(
    alice: int, bob: int, person: Callable[[str], int]
) -> None:
    go(bob, private=True)
    gone = person("gone")
    for follower_id in (alice, gone):
        follow_user(follower_id=follower_id, followee_id=bob)
    set_active(user_ids=[gone], active=False)
    go(bob, private=False)
    wait_until(lambda: stands(alice, bob) == "following")
    wait_until(lambda: not FollowRequest.objects.filter(followee_id=bob).exists())
    assert stands(gone, bob) == "following"
    assert graph_counts(user_id=bob)["followers"] == 1, "who is not shown is not counted"
    set_active(user_ids=[gone], active=True)
    wait_until(lambda: graph_counts(user_id=bob)["followers"] == 2)


def test_requests_stay_if_the_account_is_private_again_before_a_worker_comes(
    alice: int, bob: int
) -> None:
    go(bob, private=True)
    follow_user(follower_id=alice, followee_id=bob)
    assert accept_all_requests(followee_id=bob, limit=5) == 0
    assert stands(alice, bob) == "requested"


def test_a_follow_of_an_account_that_has_become_public_ends_the_request(
    alice: int, bob: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    go(bob, private=True)
    follow_user(follower_id=alice, followee_id=bob)
    User.objects.filter(pk=bob).update(is_private=False)  # and no worker has come yet
    assert follow_user(follower_id=alice, followee_id=bob)
    assert not asks_between(alice, bob)
    assert graph_counts(user_id=bob)["followers"] == 1


def test_a_block_ends_the_requests_of_both(alice: int, bob: int) -> None:
    for user_id in (alice, bob):
        go(user_id, private=True)
    follow_user(follower_id=alice, followee_id=bob)
    follow_user(follower_id=bob, followee_id=alice)
    block_user(blocker_id=alice, blocked_id=bob)
    assert not asks_between(alice, bob)
    with pytest.raises(NotFound):
        follow_user(follower_id=bob, followee_id=alice)
    assert not asks_between(alice, bob)


def test_requests_count_in_the_limit_of_follows(
    alice: int, bob: int, person: Callable[[str], int], settings: Any
) -> None:
    settings.FOLLOWING_LIMIT = 1
    go(bob, private=True)
    follow_user(follower_id=alice, followee_id=bob)
    with pytest.raises(Conflict):
        follow_user(follower_id=alice, followee_id=person("one_more"))
    assert not follow_user(follower_id=alice, followee_id=bob), "a repetition is no new one"
    accept_request(followee_id=bob, follower_id=alice)
    assert follow_user(follower_id=alice, followee_id=bob)


def test_nobody_asks_to_follow_oneself_or_nobody(alice: int) -> None:
    go(alice, private=True)
    with pytest.raises(Invalid):
        follow_user(follower_id=alice, followee_id=alice)
    with pytest.raises(NotFound):
        follow_user(follower_id=alice, followee_id=1)


def test_requests_go_with_the_account(alice: int, bob: int, person: Callable[[str], int]) -> None:
    carol = person("carol")
    for user_id in (alice, bob):
        go(user_id, private=True)
    follow_user(follower_id=alice, followee_id=bob)
    follow_user(follower_id=carol, followee_id=alice)
    removed = [remove_relations_of_user(user_id=alice, limit=1) for _ in range(3)]
    assert removed == [1, 1, 0]
    for other in (bob, carol):
        assert not asks_between(alice, other)


def test_a_document_says_whether_its_account_is_private(alice: int) -> None:
    """`is_private` looks at the end of the document: a name cannot make it lie."""
    update_profile(user_id=alice, changes={"display_name": '"is_private":true}'})
    assert not is_private(user_documents(user_ids=[alice])[alice])
    go(alice, private=True)
    assert is_private(user_documents(user_ids=[alice])[alice])


@pytest.mark.parametrize("limit", [1000, 1], ids=["cached", "too many to be cached"])
def test_who_is_let_in_is_right_however_many_one_follows(
    alice: int,
    person: Callable[[str], int],
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: Any,
    limit: int,
) -> None:
    monkeypatch.setattr(store, "FOLLOWED_LIMIT", limit)
    known, known_too, unknown = [person(name) for name in ("known", "known_too", "unknown")]
    for user_id in (known, known_too):
        follow_user(follower_id=alice, followee_id=user_id)
    for user_id in (known, unknown):
        go(user_id, private=True)
    asked = [known, known_too, unknown]
    visible_people(viewer_id=alice, user_ids=asked, author_ids=asked)
    with django_assert_num_queries(0 if limit > 1 else 1, using="default"):
        people = visible_people(viewer_id=alice, user_ids=asked, author_ids=asked)
    with django_assert_num_queries(0, using="default"):
        assert not visible_people(viewer_id=alice, user_ids=asked).authors, "nobody asked about it"
    assert set(people.documents) == {known, known_too, unknown}
    assert set(people.authors) == {known, known_too}
    cache_valkey().unlink(followed_key(alice))
    people = visible_people(viewer_id=alice, user_ids=asked, author_ids=asked)
    assert set(people.authors) == {known, known_too}


OWNED = ("followers", "following", "timeline")


def test_what_a_private_account_owns_is_answered_with_a_reason(
    alice: int, bob: int, api: Api
) -> None:
    (post_id,) = make_posts(bob, 1)
    go(bob, private=True)
    name = name_of(bob)
    for path in (*(f"users/{name}/{part}" for part in OWNED), f"posts?author={name}"):
        answer = api(alice).get(f"{V}/{path}")
        assert answer.status_code == 404
        assert answer.json()["type"] == "/problems/private-account"
        assert api(bob).get(f"{V}/{path}").status_code == 200
    profile = api(alice).get(f"{V}/users/{name}").json()
    assert profile["is_private"]
    assert profile["counts"] == {"posts": 0, "followers": 0, "following": 0}, "never hidden"
    assert profile["viewer"] == STRANGERS
    with pytest.raises(NotFound):
        visible_author_id(viewer_id=alice, username="nobody.at.all")
    # Of a post nobody learns even that there is one.
    for path in ("", "/likes", "/comments"):
        answers = [api(alice).get(f"{V}/posts/{id_}{path}") for id_ in (post_id, 1)]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].json() == answers[1].json()


def test_who_is_removed_can_still_delete_their_own_comment(alice: int, bob: int, api: Api) -> None:
    follow_user(follower_id=alice, followee_id=bob)
    (post_id,) = make_posts(bob, 1)
    mine = add_comment(post_id=post_id, author_id=alice, text="Mine.")
    his = add_comment(post_id=post_id, author_id=bob, text="His.")
    go(bob, private=True)
    api(bob).delete(f"{V}/users/{name_of(alice)}/follower")
    assert api(alice).get(f"{V}/comments/{mine}").status_code == 404
    assert api(alice).delete(f"{V}/comments/{his}").status_code == 404
    assert api(alice).delete(f"{V}/comments/{mine}").status_code == 204
    assert api(bob).get(f"{V}/comments/{mine}").status_code == 404


@pytest.fixture(params=[1000, 0], ids=["cached", "too many to be cached"])
def followed_limit(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "FOLLOWED_LIMIT", request.param)


@pytest.fixture
def private_post(alice: int, bob: int, person: Callable[[str], int]) -> int:
    """A post of bob's, who is private, with a like and a comment; alice follows somebody else."""
    follow_user(follower_id=alice, followee_id=person("another"))
    (post_id,) = make_posts(bob, 1)
    like_post(post_id=post_id, user_id=bob)
    add_comment(post_id=post_id, author_id=bob, text="Mine.")
    go(bob, private=True)
    return post_id


@pytest.mark.usefixtures("followed_limit")
@pytest.mark.parametrize("path", ["", "/likes", "/comments", "/like"])
def test_a_private_post_takes_the_same_statements_as_one_that_does_not_exist(
    alice: int,
    private_post: int,
    api: Api,
    round_trips: Callable[[], int],
    path: str,
) -> None:
    costs = []
    for id_ in (private_post, 1):
        client = api(alice)
        ask = client.put if path == "/like" else client.get
        address = f"{V}/posts/{id_}{path}"
        ask(address)
        with ExitStack() as stack:
            captured = [
                stack.enter_context(CaptureQueriesContext(connections[database]))
                for database in ALL_DATABASES
            ]
            before = round_trips()
            assert ask(address).status_code == 404
            trips = round_trips() - before
        costs.append(([len(queries) for queries in captured], trips))
    assert costs[0] == costs[1]


def test_requests_are_listed_accepted_and_declined(
    alice: int, bob: int, person: Callable[[str], int], api: Api
) -> None:
    answer = api(bob).patch(f"{V}/users/me", {"is_private": True}, content_type="application/json")
    assert answer.json()["is_private"]
    others = [person(f"asking{number}") for number in range(3)]
    for user_id in (alice, *others):
        answer = api(user_id).put(f"{V}/users/{name_of(bob)}/follow")
        counts = {"followers": 0, "following": 0}
        assert answer.json() == {"following": False, "requested": True, "counts": counts}
    set_active(user_ids=[others[0]], active=False)
    page = api(bob).get(f"{V}/follow-requests?limit=2").json()
    assert [int(row["user"]["id"]) for row in page["results"]] == [others[2], others[1]]
    assert page["results"][0]["user"]["viewer"]["followed_by"] is False
    second = api(bob).get(page["next"]).json()
    assert [int(row["user"]["id"]) for row in second["results"]] == [alice]
    assert second["next"] is None
    assert api(alice).get(f"{V}/follow-requests").json()["results"] == []
    accepted = api(bob).post(f"{V}/follow-requests/{name_of(alice)}/accept")
    assert (accepted.status_code, accepted.json()) == (
        200,
        {"followed_by": True, "counts": {"followers": 1, "following": 0}},
    )
    declined = api(bob).post(f"{V}/follow-requests/{name_of(others[1])}/decline")
    assert (declined.status_code, declined.json()["followed_by"]) == (200, False)
    for name in (name_of(others[1]), "nobody.at.all"):
        for verb in ("accept", "decline"):
            assert api(bob).post(f"{V}/follow-requests/{name}/{verb}").status_code == 404
    (left,) = api(bob).get(f"{V}/follow-requests").json()["results"]
    assert int(left["user"]["id"]) == others[2]
    # To remove a follower ends a request, too.
    assert api(bob).delete(f"{V}/users/{name_of(others[2])}/follower").status_code == 200
    assert api(bob).get(f"{V}/follow-requests").json()["results"] == []
    withdrawn = api(others[1]).delete(f"{V}/users/{name_of(bob)}/follow").json()
    assert (withdrawn["following"], withdrawn["requested"]) == (False, False)


def test_a_limit_of_attempts_never_asks_for_ever(
    alice: int, bob: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a follow nor a request is written, as when another changes the account each time."""
    monkeypatch.setattr(follows, "_FOLLOW_SQL", "SELECT false")
    monkeypatch.setattr(follows, "_REQUEST_SQL", "SELECT WHERE false")
    with pytest.raises(NotFound):
        follow_user(follower_id=alice, followee_id=bob)

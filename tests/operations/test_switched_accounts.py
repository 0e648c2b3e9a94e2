"""Counts equal what their lists show, whoever is deactivated and activated meanwhile."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connections
from django.db.models.functions import Now
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comments import services as comment_services
from comments.models import Comment, CommentLike
from core.counters import settle_all
from core.outbox.models import OutboxEvent
from operations.reconcile import Subjects, find_drift, repair
from posts import services as post_services
from posts.models import Like
from posts.store import RECORDS
from tests.conftest import ALL_DATABASES
from tests.support.deliveries import deliver, pending_rows
from tests.support.feeds import add_followers
from tests.support.posts_factory import make_posts
from usergraph import services as graph_services
from usergraph.models import Follow
from users.models import AccountDeletion, User
from users.services import delete_account, refresh_documents, set_active, steady_account

ids = st.integers(0, 3)
Api = Callable[[int], Any]
V = "/api/v1"


def switch(user_id: int, *, active: bool) -> None:
    """Activate or deactivate an account, as staff do, up to the answer."""
    set_active(user_ids=[user_id], active=active)
    refresh_documents(user_ids=[user_id])


def await_all(*, since: int) -> None:
    """Wait until workers have done what was announced after this id, and counters are folded.

    Ids are in order of time in all databases. Older rows are other tests', and may never be done.
    """
    newer = {"pk__gt": since, "done_at": None, "wake_at__lt": Now() + timedelta(seconds=60)}
    deadline = time.monotonic() + 120
    while left := [
        f"{row}: {row.attempts} attempts, {row.last_error}"
        for database in ALL_DATABASES
        for row in OutboxEvent.objects.using(database).filter(**newer)
    ]:
        assert time.monotonic() < deadline, left
        time.sleep(0.02)
    for services in (post_services, comment_services, graph_services):
        settle_all(services.settle_counters)


def listed(client: Any, address: str, **parameters: Any) -> list[int]:
    """The ids on all pages of a list, of which only the last may be short."""
    found: list[int] = []
    url: str | None = f"{V}{address}?{urlencode({'limit': 2, **parameters})}"
    while url:
        page = client.get(url).json()
        url = page["next"]
        assert len(page["results"]) == 2 or url is None, "a page that is short before the end"
        found += [int(one["id"]) for one in page["results"]]
    assert len(found) == len(set(found))
    return found


def assert_counts_equal_lists(client: Any, post_id: int | None, names: list[str]) -> None:
    for name in names:
        profile = client.get(f"{V}/users/{name}")
        if profile.status_code == 200:
            counts = profile.json()["counts"]
            assert counts["followers"] == len(listed(client, f"/users/{name}/followers"))
            assert counts["following"] == len(listed(client, f"/users/{name}/following"))
    if post_id is None:
        return
    post = client.get(f"{V}/posts/{post_id}").json()
    likers = listed(client, f"/posts/{post_id}/likes")
    comments = listed(client, f"/posts/{post_id}/comments")
    assert post["counts"] == {"likes": len(likers), "comments": len(comments)}
    assert len(post["recent_likes"]) == min(3, len(likers))
    recent = [int(comment["id"]) for comment in post["recent_comments"]]
    assert recent == sorted(comments, reverse=True)[:2]
    for comment_id in comments:
        comment = client.get(f"{V}/comments/{comment_id}").json()
        likes = listed(client, f"/comments/{comment_id}/likes")
        replies = listed(client, f"/posts/{post_id}/comments", reply_to=comment_id)
        assert comment["counts"] == {"likes": len(likes), "replies": len(replies)}
    top_level = listed(client, f"/posts/{post_id}/comments", top_level="true")
    assert top_level == [
        id_ for id_ in comments if client.get(f"{V}/comments/{id_}").json()["reply_to"] is None
    ]


def names_of(user_ids: list[int]) -> list[str]:
    return list(User.objects.filter(pk__in=user_ids).values_list("username", flat=True))


@pytest.fixture
def alice(committed: None, person: Callable[[str], int]) -> int:
    return person("alice")


@pytest.fixture
def bob(committed: None, person: Callable[[str], int]) -> int:
    return person("bob")


@pytest.fixture
def post_id(bob: int) -> int:
    return make_posts(bob, 1)[0]


@pytest.fixture
def people(person: Callable[[str], int]) -> list[int]:
    return [person(f"fan{number}") for number in range(9)]


@pytest.fixture
def busy(alice: int, bob: int, post_id: int, people: list[int]) -> None:
    """All like bob's post, comment on it, like its first comment, alice's, and follow around."""
    comment_id = comment_services.add_comment(post_id=post_id, author_id=alice, text="First.")
    for place, user_id in enumerate(people):
        post_services.like_post(post_id=post_id, user_id=user_id)
        # Every other comment is a reply to the first.
        reply_to = comment_id if place % 2 else None
        comment_services.add_comment(
            post_id=post_id, author_id=user_id, text=f"No. {place}", reply_to=reply_to
        )
        comment_services.like_comment(comment_id=comment_id, user_id=user_id)
        for followee_id in (alice, bob, people[place - 1]):
            graph_services.follow_user(follower_id=user_id, followee_id=followee_id)
    await_all(since=alice)


def assert_lists_and_previews_are_full(client: Any, post_id: int, last: int) -> None:
    """On a post with `busy` of which only alice and `last` are left."""
    post = client.get(f"{V}/posts/{post_id}").json()
    assert [int(user["id"]) for user in post["recent_likes"]] == [last]
    assert [comment["text"] for comment in post["recent_comments"]] == ["No. 0", "First."]
    assert listed(client, f"/posts/{post_id}/likes") == [last]
    assert len(listed(client, f"/posts/{post_id}/comments")) == 2


@pytest.mark.usefixtures("busy")
def test_what_others_are_shown_is_full_at_once_and_while_accounts_are_removed(
    alice: int, post_id: int, people: list[int], api: Api
) -> None:
    client = api(alice)
    for user_id in people[1:]:
        delete_account(user_id=user_id, requested_by=AccountDeletion.RequestedBy.STAFF)
        refresh_documents(user_ids=[user_id])
    reads = 0
    deadline = time.monotonic() + 120
    while User.objects.filter(pk__in=people[1:]).exists() or not reads:
        assert_lists_and_previews_are_full(client, post_id, people[0])
        reads += 1
        assert time.monotonic() < deadline
    await_all(since=alice)
    assert_lists_and_previews_are_full(client, post_id, people[0])
    assert client.get(f"{V}/posts/{post_id}").json()["counts"] == {"likes": 1, "comments": 2}


@pytest.mark.usefixtures("busy")
def test_who_is_deactivated_is_neither_listed_nor_counted_until_activated(
    alice: int, bob: int, post_id: int, people: list[int], api: Api
) -> None:
    client, names = api(alice), names_of([alice, bob, *people])
    assert_counts_equal_lists(client, post_id, names)
    for user_id in people[1:]:
        switch(user_id, active=False)
    assert_lists_and_previews_are_full(client, post_id, people[0])
    await_all(since=alice)
    post = client.get(f"{V}/posts/{post_id}").json()
    assert post["counts"] == {"likes": 1, "comments": 2}
    assert [int(user["id"]) for user in post["recent_likes"]] == people[:1]
    assert_counts_equal_lists(client, post_id, names)
    for user_id in people[1:]:
        switch(user_id, active=True)
    await_all(since=alice)
    assert client.get(f"{V}/posts/{post_id}").json()["counts"] == {"likes": 9, "comments": 10}
    assert_counts_equal_lists(client, post_id, names)


@pytest.mark.usefixtures("busy")
def test_what_a_deactivated_account_has_can_go_uncounted(
    alice: int, bob: int, post_id: int, people: list[int], api: Api
) -> None:
    """Its comment is deleted by the post's author, it is unfollowed, its account is removed."""
    gone, other = people[0], people[1]
    switch(gone, active=False)
    await_all(since=alice)
    comment = Comment.objects.get(author_id=gone)
    assert api(alice).delete(f"{V}/comments/{comment.pk}").status_code == 404
    assert api(bob).delete(f"{V}/comments/{comment.pk}").status_code == 204
    assert graph_services.unfollow_user(follower_id=other, followee_id=gone)
    await_all(since=alice)
    assert_counts_equal_lists(api(alice), post_id, names_of([alice, bob, *people]))
    while graph_services.remove_follows_of_user(user_id=gone, limit=2):
        pass
    while post_services.remove_likes_by_user(user_id=gone, limit=2):
        pass
    while comment_services.remove_likes_by_user(user_id=gone, limit=2):
        pass
    await_all(since=alice)
    assert_counts_equal_lists(api(alice), post_id, names_of([alice, bob, *people]))


@pytest.mark.usefixtures("busy")
def test_a_walk_goes_on_after_a_kill_and_follows_the_latest_switch(
    alice: int, post_id: int, people: list[int], api: Api
) -> None:
    fan = people[0]
    posts = make_posts(alice, 5)
    for other in posts:
        post_services.like_post(post_id=other, user_id=fan)
    User.objects.filter(pk=fan).update(is_active=False)  # unannounced, so no worker helps
    reached = post_services.show_likes_of_account(user_id=fan, after=0, limit=3)
    assert Like.objects.filter(user_id=fan, is_shown=False).count() == 3
    switch(fan, active=True)
    # The walk that was interrupted goes on, and the account is active now.
    while reached is not None:
        reached = post_services.show_likes_of_account(user_id=fan, after=reached, limit=3)
    await_all(since=alice)
    assert not Like.objects.filter(user_id=fan, is_shown=False).exists()
    assert_counts_equal_lists(api(alice), post_id, [])


@pytest.mark.parametrize("active", [True, False])
def test_an_account_stays_as_it_is_while_a_step_runs(alice: int, active: bool) -> None:
    """Else a step could hide what an account has made that is active again."""
    set_active(user_ids=[alice], active=active)

    def switch_once() -> None:
        try:
            set_active(user_ids=[alice], active=not active)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        with steady_account(user_id=alice) as is_active:
            assert is_active is active
            switched = pool.submit(switch_once)
            with pytest.raises(TimeoutError):
                switched.result(timeout=0.5)
        switched.result(timeout=10)
    assert User.objects.get(pk=alice).is_active is not active


@pytest.mark.usefixtures("busy")
def test_the_audit_finds_and_repairs_what_is_shown_by_mistake(
    alice: int, bob: int, post_id: int, people: list[int], api: Api
) -> None:
    """As after a deploy in which the release before has written."""
    User.objects.filter(pk__in=people[:4]).update(is_active=False)
    for rows in (Like.objects, CommentLike.objects):
        rows.filter(user_id=people[5]).update(is_shown=False)
    Comment.objects.filter(author_id=people[5]).update(is_shown=False)
    Follow.objects.filter(follower_id=people[5]).update(follower_shown=False)
    refresh_documents(user_ids=people)
    RECORDS.refresh([post_id])
    comments = list(Comment.objects.filter(post_id=post_id).values_list("pk", flat=True))
    subjects = Subjects(posts=[post_id], comments=comments, accounts=[alice, bob, *people])
    for _ in range(2):  # what is shown; then what is counted
        for drift in find_drift(subjects=subjects):
            repair(drift=drift)
        await_all(since=alice)
    assert find_drift(subjects=subjects) == []
    assert_counts_equal_lists(api(alice), post_id, names_of([alice, bob, *people]))


@pytest.mark.django_db
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["switch", "walk", "follow", "unfollow"]), ids, ids), max_size=30
    )
)
def test_followers_are_counted_as_they_are_listed_in_any_order(
    person: Callable[[str], int], api: Api, steps: list[tuple[str, int, int]]
) -> None:
    viewer, people = person("viewer"), [person(f"one{number}") for number in range(4)]

    def walk(user_id: int) -> None:
        for is_follower in (True, False):
            after: int | None = 0
            while after is not None:
                after = graph_services.show_account(
                    user_id=user_id, after=after, limit=2, is_follower=is_follower
                )

    for step, one, two in steps:
        user_id, other = people[one], people[two]
        is_active = User.objects.get(pk=user_id).is_active
        match step:
            case "switch":
                switch(user_id, active=not is_active)
            case "walk":
                walk(user_id)
            case "unfollow":
                graph_services.unfollow_user(follower_id=other, followee_id=user_id)
            case "follow" if is_active and user_id != other:
                graph_services.follow_user(follower_id=user_id, followee_id=other)
    for user_id in people:
        walk(user_id)
    assert_counts_equal_lists(api(viewer), None, names_of(people))


_LIKES_SQL = """
INSERT INTO posts_like (subject_id, user_id)
SELECT at, %s FROM generate_series(1, %s) AS at
"""
_COMMENTS_SQL = """
INSERT INTO comments_comment (post_id, author_id, text)
SELECT at, %s, 'Lovely.' FROM generate_series(1, %s) AS at
"""


def make_likes(fan: int, number: int) -> Any:
    with connections["posts"].cursor() as cursor:
        cursor.execute(_LIKES_SQL, [fan, number])
    return Like.objects.filter(user_id=fan, is_shown=True)


def make_comments(fan: int, number: int) -> Any:
    with connections["comments"].cursor() as cursor:
        cursor.execute(_COMMENTS_SQL, [fan, number])
    return Comment.objects.filter(author_id=fan, is_shown=True)


def make_followers(fan: int, number: int) -> Any:
    add_followers(fan, f"crowd{fan}", number)
    return Follow.objects.filter(followee_id=fan, followee_shown=True)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("subscriber", "make", "number"),
    [
        ("posts", make_likes, 20_000),
        ("comments", make_comments, 2_000),
        ("usergraph", make_followers, 20_000),
    ],
    ids=["likes", "comments", "followers"],
)
def test_the_rate_of_a_walk(
    people: list[int],
    measured: Callable[[str], None],
    subscriber: str,
    make: Callable[[int, int], Any],
    number: int,
) -> None:
    """Of likes and followers in steps of 500; of comments, each on another post, of 100."""
    fan = people[0]
    shown = make(fan, number)
    switch(fan, active=False)
    events = pending_rows("default", "account_switched").filter(subscriber=subscriber)
    event = events.filter(payload={"user_id": fan}).earliest("pk")
    began = time.monotonic()
    assert deliver("default", event)
    seconds = time.monotonic() - began
    assert not shown.exists()
    measured(f"hidden with a deactivated account: {number / seconds:,.0f}/s [{number:,}]")

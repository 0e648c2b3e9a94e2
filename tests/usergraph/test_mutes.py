"""Mutes: posts leave one home timeline, come back when the mute ends, and nothing else changes."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from core.http.problems import Conflict, Invalid, NotFound
from fanout import handlers
from fanout.handlers import deliver_post
from posts.events import PostChanged
from tests.support.accounts import name_of
from tests.support.client import wait_until
from tests.support.posts_factory import make_posts
from tests.support.viewers import STRANGERS
from timeline import store as timelines
from timeline.keys import home_key
from timeline.pages import home_page
from usergraph import mutes
from usergraph.models import Mute, PulledAuthor
from usergraph.mutes import end_mutes, mute_user, unmute_user
from usergraph.selectors import follower_id_batches
from usergraph.services import follow_user, remove_relations_of_user, unfollow_user

pytestmark = pytest.mark.usefixtures("committed")
Api = Callable[[int], Any]
V = "/api/v1"


@pytest.fixture
def alice(committed: None, person: Callable[[str], int]) -> int:
    return person("alice")


@pytest.fixture
def bob(committed: None, person: Callable[[str], int]) -> int:
    return person("bob")


@pytest.fixture
def post_id(alice: int, bob: int) -> int:
    """A post of bob's, whom alice follows."""
    follow_user(follower_id=alice, followee_id=bob)
    return make_posts(bob, 1)[0]


def home(viewer_id: int) -> list[int]:
    return list(home_page(viewer_id=viewer_id, limit=20).documents)


@pytest.mark.parametrize("is_pulled", [False, True], ids=["pushed", "pulled"])
def test_posts_leave_the_home_timeline_and_come_back(
    alice: int, bob: int, post_id: int, is_pulled: bool
) -> None:
    if is_pulled:
        PulledAuthor.objects.create(author_id=bob, state=PulledAuthor.State.PULLED)
    assert home(alice) == [post_id]
    assert mute_user(muter_id=alice, muted_id=bob)
    for state in ("cold", "warm"):
        assert home(alice) == [], state
    assert unmute_user(muter_id=alice, muted_id=bob)
    assert not unmute_user(muter_id=alice, muted_id=bob)
    for state in ("cold", "warm"):
        assert home(alice) == [post_id], state


def test_a_delivery_passes_over_who_mutes_the_author(
    alice: int, bob: int, post_id: int, person: Callable[[str], int]
) -> None:
    carol = person("carol")
    follow_user(follower_id=carol, followee_id=bob)
    mute_user(muter_id=alice, muted_id=bob)
    assert home(alice) == []
    assert home(carol) == [post_id]
    (new,) = make_posts(bob, 1)
    list(deliver_post(PostChanged(new, bob), 0))
    for viewer_id, listed in ((alice, False), (carol, True)):
        stored = timelines.peek(key=home_key(viewer_id))
        assert stored is not None
        assert ((new, bob) in stored.refs) == listed
    assert list(follower_id_batches(author_id=bob, size=9)) == [[carol]]


def test_a_delivery_under_way_does_not_bring_back_who_was_muted(
    alice: int, bob: int, post_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert home(alice) == [post_id]
    (new,) = make_posts(bob, 1)
    followers, batches = handlers._followers, []

    def mute_after_reading(author_id: int, *, after: int) -> Iterator[list[int]]:
        for batch in followers(author_id, after=after):
            mute_user(muter_id=alice, muted_id=bob)
            assert home(alice) == [], "built anew"
            batches.append(batch)
            yield batch

    monkeypatch.setattr(handlers, "_followers", mute_after_reading)
    list(handlers.deliver_post(PostChanged(new, bob), 0))
    assert batches == [[alice]]
    assert home(alice) == []


def test_a_mute_is_kept_over_an_unfollow(alice: int, bob: int, post_id: int) -> None:
    mute_user(muter_id=alice, muted_id=bob)
    unfollow_user(follower_id=alice, followee_id=bob)
    follow_user(follower_id=alice, followee_id=bob)
    assert home(alice) == []


def test_nothing_else_changes(alice: int, bob: int, post_id: int, api: Api) -> None:
    mute_user(muter_id=alice, muted_id=bob)
    name, client = name_of(bob), api(alice)
    shown = client.get(f"{V}/users/{name}/timeline").json()["results"]
    assert [int(post["id"]) for post in shown] == [post_id]
    profile = client.get(f"{V}/users/{name}").json()
    assert profile["viewer"] == STRANGERS | {"following": True, "muting": True}
    assert (profile["counts"]["followers"], profile["counts"]["following"]) == (1, 0)
    muted_ones = api(bob).get(f"{V}/users/{name_of(alice)}").json()["viewer"]
    assert muted_ones == STRANGERS | {"followed_by": True}
    assert client.put(f"{V}/posts/{post_id}/like").status_code == 200
    assert home(bob) == [post_id]


def test_a_mute_ends_when_its_time_has_come(alice: int, bob: int, post_id: int) -> None:
    until = timezone.now() + timedelta(hours=1)
    mute_user(muter_id=alice, muted_id=bob, until=until)
    end_mutes()
    assert home(alice) == []
    Mute.objects.filter(muter_id=alice).update(until=timezone.now())
    assert end_mutes(limit=1) >= 1
    assert not Mute.objects.filter(muter_id=alice).exists()
    assert home(alice) == [post_id]


def test_beat_ends_mutes(alice: int, bob: int) -> None:
    until = timezone.now() + timedelta(seconds=0.2)
    mute_user(muter_id=alice, muted_id=bob, until=until)
    wait_until(lambda: not Mute.objects.filter(muter_id=alice).exists())
    assert timezone.now() >= until


def test_muting_again_changes_the_end_only(alice: int, bob: int, post_id: int) -> None:
    until = timezone.now() + timedelta(hours=1)
    assert mute_user(muter_id=alice, muted_id=bob)
    assert not mute_user(muter_id=alice, muted_id=bob, until=until)
    assert Mute.objects.get(muter_id=alice).until == until
    assert not mute_user(muter_id=alice, muted_id=bob)
    assert Mute.objects.get(muter_id=alice).until is None


def test_refusals(alice: int, bob: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Invalid):
        mute_user(muter_id=alice, muted_id=alice)
    with pytest.raises(NotFound):
        mute_user(muter_id=alice, muted_id=1)
    monkeypatch.setattr(mutes, "MAX_MUTES", 0)
    with pytest.raises(Conflict):
        mute_user(muter_id=alice, muted_id=bob)
    assert not Mute.objects.filter(muter_id=alice).exists()


def test_a_deletion_takes_the_mutes_of_and_by_an_account(alice: int, bob: int) -> None:
    mute_user(muter_id=alice, muted_id=bob)
    mute_user(muter_id=bob, muted_id=alice)
    assert remove_relations_of_user(user_id=alice, limit=9) == 2
    assert remove_relations_of_user(user_id=alice, limit=9) == 0


def test_a_mute_over_http(alice: int, bob: int, api: Api) -> None:
    client, address = api(alice), f"{V}/users/{name_of(bob)}/mute"
    for until in (None, "2099-01-31T12:00:00Z"):
        answer = client.put(address, {"until": until}, content_type="application/json")
        assert (answer.status_code, answer.json()) == (200, {"muting": True, "until": until})
        (row,) = client.get(f"{V}/users/me/mutes").json()["results"]
        assert (int(row["user"]["id"]), row["until"]) == (bob, until)
    past = client.put(address, {"until": "2020-01-01T00:00:00Z"}, content_type="application/json")
    assert past.status_code == 400
    assert past.json()["errors"][0]["field"] == "until"
    for _ in range(2):
        answer = client.delete(address)
        assert (answer.status_code, answer.json()) == (200, {"muting": False, "until": None})
    assert client.get(f"{V}/users/me/mutes").json()["results"] == []

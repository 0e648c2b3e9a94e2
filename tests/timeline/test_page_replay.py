"""Page replays: 304 without making the page."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, cast

import pytest
from redis import ResponseError

from core.valkey import UnrecordedRead, cache_valkey
from posts import selectors as post_selectors
from posts.selectors import PostJson
from tests.support.feeds import HOME
from tests.support.posts_factory import make_posts
from timeline import page_replay
from timeline import services as timeline_services
from usergraph.services import import_follows
from users.models import User

pytestmark = pytest.mark.django_db


def test_a_replay_says_nothing_of_another_page(
    api: Callable[[int], Any], alice: int, bob: int
) -> None:
    """Alice sees the same at home as in bob's timeline, until she posts herself."""
    list(import_follows(edges=[(alice, bob)]))
    make_posts(bob, 3)
    client = api(alice)
    username = User.objects.get(pk=bob).username
    profile = f"/api/v1/users/{username}/timeline"
    etag = client.get(HOME)["ETag"]
    assert client.get(profile)["ETag"] == etag
    for address in (profile, profile, HOME, HOME):
        answer = client.get(address, headers={"If-None-Match": etag})
        assert answer.status_code == 304
    (post_id,) = make_posts(alice, 1)
    timeline_services.deliver_to_own_timelines(post_id=post_id, author_id=alice)
    for _ in range(2):
        assert client.get(HOME, headers={"If-None-Match": etag}).status_code == 200
        assert client.get(profile, headers={"If-None-Match": etag}).status_code == 304


def test_a_replay_may_be_gone_or_damaged(
    get_home: Callable[..., Any], alice: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    etag = get_home()["ETag"]
    known = {"If-None-Match": etag}
    assert get_home(headers=known).status_code == 304
    (key,) = cache_valkey().scan_iter(match=f"page-replay:v1:{{{alice}}}:*")
    stored = cast("bytes", cache_valkey().get(key))
    for value in (
        None,
        b"",
        stored[:9],
        stored.replace(b"EVALSHA", b"EVALSHO"),
        stored.replace(b"MGET", b"NGET"),
    ):
        page_replay._in_memory.clear()
        cache_valkey().unlink(key)
        if value is not None:
            cache_valkey().set(key, value, ex=60)
        assert get_home(headers=known).status_code == 304
        assert cache_valkey().get(key) == stored, "it is stored again"


@pytest.fixture
def reads_past_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    """Posts are shown by a key of CACHE that is read past `exchange`."""
    shown = post_selectors.post_documents

    def post_documents(**wanted: Any) -> dict[int, PostJson]:
        cache_valkey().get("notice")
        return shown(**wanted)

    monkeypatch.setattr(post_selectors, "post_documents", post_documents)


@pytest.mark.usefixtures("reads_past_exchange")
def test_a_page_that_reads_past_the_recorder_fails_in_tests(get_home: Callable[..., Any]) -> None:
    etag = get_home()["ETag"]
    with pytest.raises(UnrecordedRead):
        get_home(headers={"If-None-Match": etag})


@pytest.mark.usefixtures("reads_past_exchange")
def test_a_page_that_reads_past_the_recorder_is_never_replayed(
    get_home: Callable[..., Any], alice: int, settings: Any
) -> None:
    settings.RAISE_UNRECORDED_READS = False
    etag = get_home()["ETag"]
    for _ in range(3):
        assert get_home(headers={"If-None-Match": etag}).status_code == 304, "by making the page"
    assert not list(cache_valkey().scan_iter(match=f"page-replay:v1:{{{alice}}}:*"))


def test_another_release_does_not_find_a_replay(
    get_home: Callable[..., Any], alice: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"If-None-Match": get_home()["ETag"]}
    for _ in range(2):
        assert get_home(headers=known).status_code == 304
    monkeypatch.setattr(page_replay, "code_hash", lambda: "of another release")
    made: list[Any] = []
    monkeypatch.setattr(page_replay.PageReplay, "store", lambda *page: made.append(page))
    assert get_home(headers=known).status_code == 304
    assert len(made) == 1, "by making the page"


def test_a_full_cache_stores_no_replay_and_fails_no_request(
    get_home: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any) -> None:
        raise ResponseError("OOM command not allowed when used memory > 'maxmemory'.")

    known = {"If-None-Match": get_home()["ETag"]}
    monkeypatch.setattr(page_replay, "exchange", full)
    for _ in range(2):
        assert get_home(headers=known).status_code == 304
    assert "is not stored" in caplog.text


def test_a_process_keeps_a_bounded_number_of_replays_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(page_replay, "REPLAYS_IN_MEMORY", 3)
    page_replay._in_memory.clear()
    for number in range(5):
        page_replay._keep_in_memory(f"page {number}", b"stored")
    assert list(page_replay._in_memory) == ["page 2", "page 3", "page 4"]
    page_replay._in_memory.clear()


def test_an_unchanged_page_costs_no_sql_and_no_body(
    get_home: Callable[..., Any],
    no_sql: Callable[[], AbstractContextManager[None]],
    round_trips: Callable[[], int],
) -> None:
    etag = get_home()["ETag"]
    # The request's count, the replay, the commands of the replay. The first time the page is made
    # and its replay stored; a list of several tags has no replay, so the page is made.
    strong = etag.removeprefix("W/")
    for known, most in ((etag, 6), (etag, 3), (etag, 2), (strong, 2), (f'"x", {etag}', 6)):
        before = round_trips()
        with no_sql():
            answer = get_home(headers={"If-None-Match": known})
        assert answer.status_code == 304
        assert answer["ETag"] == etag
        assert not answer.content
        assert round_trips() - before <= most
    assert get_home(headers={"If-None-Match": "*"}).status_code == 304
    assert get_home(headers={"If-None-Match": '"other"'}).status_code == 200

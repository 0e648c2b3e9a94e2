"""A POST with a key is done once and answered the same again; another request is refused."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Event
from typing import Any

import pytest
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from comments.models import Comment
from core.http.callers import Caller
from core.http.idempotency import idempotent
from core.http.idempotency_keys import IdempotencyKey, lock_key
from core.valkey import cache_valkey
from media import selectors as media_selectors
from media.models import Media
from media.variants import VARIANTS
from posts.keys import record_key
from posts.models import Post
from posts.store import RECORDS
from tests.conftest import ALL_DATABASES
from tests.core.http.conftest import MEDIA, PICTURE, POSTS, Api, Ask, Requests, comments_url
from tests.support.account_data import warm_cached_values
from tests.support.idempotent_requests import assert_problem, json_body, multipart_body, send
from tests.support.images import encoded, plain
from tests.support.posts_factory import make_posts

pytestmark = pytest.mark.django_db

OTHER_PICTURE = encoded(plain(color="lime"))

ROWS: dict[str, Callable[[int], Any]] = {
    "post": lambda user_id: Post.objects.filter(author_id=user_id),
    "media": lambda user_id: Media.objects.filter(owner_id=user_id, used_as=""),
    "comment": lambda user_id: Comment.objects.filter(author_id=user_id),
}


# --- The same request -----------------------------------------------------------------------------


@pytest.mark.parametrize("what", ROWS)
def test_the_same_request_is_done_once_and_answered_the_same(
    ask: Ask, alice: int, requests: Requests, what: str
) -> None:
    path, body = requests[what]
    before = ROWS[what](alice).count()
    first, again = (ask(path, body) for _ in range(2))
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert first["Content-Type"] == again["Content-Type"] == "application/json"
    assert not first.has_header("Idempotent-Replayed")
    assert again["Idempotent-Replayed"] == "true"
    assert ROWS[what](alice).count() - before == 1
    assert first.json()["id"] == str(ROWS[what](alice).latest("pk").pk)


@pytest.mark.parametrize("what", ROWS)
def test_the_answer_and_its_replay_say_where_it_is(
    ask: Ask, alice: int, api: Api, requests: Requests, what: str
) -> None:
    answer, replay = (ask(*requests[what]) for _ in range(2))
    assert api(alice).get(answer["Location"]).json()["id"] == answer.json()["id"]
    assert replay["Location"] == answer["Location"]


def test_without_a_key_the_answer_says_where_it_is(
    ask: Ask, alice: int, api: Api, requests: Requests
) -> None:
    answer = ask(*requests["comment"], None)
    assert api(alice).get(answer["Location"]).json() == answer.json()


@pytest.mark.parametrize("what", ROWS)
def test_what_is_answered_is_what_is_shown_afterwards(
    ask: Ask, alice: int, api: Api, requests: Requests, what: str
) -> None:
    """It is rendered before the commit, from what only this transaction sees."""
    answered = ask(*requests[what]).json()
    address = {"post": POSTS, "media": MEDIA, "comment": "/api/v1/comments"}[what]
    assert api(alice).get(f"{address}/{answered['id']}").json() == answered


def test_what_is_not_committed_yet_is_not_stored_in_the_cache(
    ask: Ask, alice: int, api: Api, requests: Requests
) -> None:
    post_id = ask(*requests["post"]).json()["id"]
    assert not cache_valkey().exists(record_key(int(post_id)))
    without = ask(POSTS, requests["post"][1], None)
    assert without.status_code == 400, "the picture is used"
    api(alice).get(f"{POSTS}/{post_id}")
    assert cache_valkey().exists(record_key(int(post_id))), "else this test proves nothing"


def test_without_a_key_everything_is_done_each_time(
    ask: Ask, alice: int, requests: Requests
) -> None:
    path, body = requests["comment"]
    one, two = (ask(path, body, None) for _ in range(2))
    assert one.json()["id"] != two.json()["id"]
    for database in ALL_DATABASES:
        assert not IdempotencyKey.objects.using(database).filter(caller_id=alice).exists()


def test_an_upload_is_the_same_whatever_its_boundary_and_the_order_of_its_fields(ask: Ask) -> None:
    first = ask(MEDIA, multipart_body(PICTURE, "one", alt="Low tide", more="x"))
    again = ask(MEDIA, multipart_body(PICTURE, "two", more="x", alt="Low tide"))
    assert first.content == again.content
    assert again["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    "other",
    [
        multipart_body(OTHER_PICTURE, "one", alt="Low tide"),
        multipart_body(PICTURE, "one", alt="High tide"),
        multipart_body(PICTURE, "one"),
        multipart_body(PICTURE, "one", alt="Low tide", more=""),
        multipart_body(PICTURE, "one", tla="Low tide"),
    ],
    ids=["file", "text", "no text", "one more", "name"],
)
def test_another_upload_with_the_same_key_is_refused(
    ask: Ask, alice: int, other: dict[str, Any]
) -> None:
    assert ask(MEDIA, multipart_body(PICTURE, "one", alt="Low tide")).status_code == 201
    assert_problem(ask(MEDIA, other), 422, "idempotency_key_reused", "body")
    assert Media.objects.filter(owner_id=alice).count() == 1


# --- Another caller, another request --------------------------------------------------------------


def test_another_body_is_refused_and_makes_nothing(
    ask: Ask, alice: int, requests: Requests
) -> None:
    path, body = requests["comment"]
    first = ask(path, body)
    other = ask(path, json_body(text="Ugly."))
    assert_problem(other, 422, "idempotency_key_reused", "another body", "new key")
    assert other.json()["errors"][0]["field"] == "Idempotency-Key"
    assert ask(path, body).content == first.content
    assert Comment.objects.filter(author_id=alice).count() == 1


@pytest.mark.parametrize(
    ("first", "then"),
    [("media", "post"), ("post", "media"), ("post", "comment"), ("comment", "post")],
)
def test_another_route_is_refused_in_any_database(
    ask: Ask, alice: int, requests: Requests, first: str, then: str
) -> None:
    assert ask(*requests[first]).status_code == 201
    before = ROWS[then](alice).count()
    other = ask(*requests[then])
    assert_problem(other, 422, "idempotency_key_reused", requests[first][0], "new key")
    assert ROWS[then](alice).count() == before


def test_another_post_is_another_route(ask: Ask, bob: int) -> None:
    one, two = make_posts(bob, 2)
    body = json_body(text="Lovely.")
    assert ask(comments_url(one), body).status_code == 201
    answer = ask(comments_url(two), body)
    assert_problem(answer, 422, "idempotency_key_reused", comments_url(one))


def test_a_key_is_its_callers_own(
    alice: int, bob: int, api: Api, key: str, requests: Requests
) -> None:
    path, body = requests["comment"]
    one, two = (send(api(user_id), path, body, key) for user_id in (alice, bob))
    assert two.status_code == 201
    assert not two.has_header("Idempotent-Replayed")
    assert one.json()["id"] != two.json()["id"]


@pytest.mark.parametrize("bad", ["", " ", "a b", "a\tb", "\xe4", "x" * 256], ids=len)
def test_a_key_of_other_characters_is_400_and_makes_nothing(
    ask: Ask, alice: int, requests: Requests, bad: str
) -> None:
    path, body = requests["comment"]
    answer = ask(path, body, bad)
    assert_problem(answer, 400, "invalid", "visible ASCII")
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"
    assert not Comment.objects.filter(author_id=alice).exists()


def test_a_key_may_have_255_of_them(ask: Ask, requests: Requests) -> None:
    one, two = (ask(*requests["comment"], "!~x" * 85) for _ in range(2))
    assert one.content == two.content


def test_without_a_token_a_key_is_not_checked(client: Any) -> None:
    assert send(client, POSTS, json_body(), "a b").status_code == 401


# --- What fails -----------------------------------------------------------------------------------


def test_a_refused_request_does_not_use_its_key(ask: Ask, requests: Requests) -> None:
    path, body = requests["comment"]
    for bad in (json_body(text=""), {**body, "data": b"{"}, {**body, "content_type": "text/plain"}):
        assert 400 <= ask(path, bad).status_code < 416
    post_id = int(path.split("/")[-2])
    for closed in (True, False):
        Post.objects.filter(pk=post_id).update(comments_closed=closed)
        RECORDS.drop([post_id])
        if closed:
            assert_problem(ask(path, body), 409, "comments_closed")
    answer = ask(path, body)
    assert answer.status_code == 201
    assert not answer.has_header("Idempotent-Replayed")


class CommentThenRefuse(APIView):
    """Writes, and then returns an error without raising it."""

    @idempotent(database="comments")
    def post(self, request: Request) -> Response:
        Comment.objects.create(post_id=1, author_id=request.user.pk, text="Lovely.")  # type: ignore[misc]
        return Response({"detail": "No."}, status=418)


def test_an_error_that_is_returned_rolls_back_what_was_written(alice: int, key: str) -> None:
    request = APIRequestFactory().post("/", {}, format="json", headers={"Idempotency-Key": key})
    view = CommentThenRefuse()
    asked = view.initialize_request(request)
    asked.user = Caller(alice)  # type: ignore[assignment]
    answer = view.post(asked)
    assert (answer.status_code, answer.data) == (418, {"detail": "No."})
    assert not Comment.objects.filter(author_id=alice).exists()
    assert not IdempotencyKey.objects.using("comments").filter(caller_id=alice).exists()


def test_an_upload_that_fails_after_its_row_leaves_no_object(
    ask: Ask,
    alice: int,
    stored_keys: Callable[[], set[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stored: list[set[str]] = []

    def fail(document: Any) -> Any:
        stored.append(stored_keys())
        raise ConnectionResetError

    before = stored_keys()
    with monkeypatch.context() as patch:
        patch.setattr(media_selectors, "shown", fail)
        with pytest.raises(ConnectionResetError):
            ask(MEDIA, multipart_body(PICTURE, "one"))
    assert len(stored[0] - before) == len(VARIANTS), "they were there"
    assert stored_keys() <= before
    left = Media.objects.filter(owner_id=alice)
    assert [media.place for media in left] == ["arriving"], "it is swept"
    assert ask(MEDIA, multipart_body(PICTURE, "one")).status_code == 201


def test_while_the_first_is_being_answered_others_are_refused_at_once(
    ask: Ask, alice: int, key: str, requests: Requests
) -> None:
    path, body = requests["comment"]
    held, answered = Event(), Event()

    def hold() -> None:
        try:
            with transaction.atomic(using="comments"):
                lock_key("comments", IdempotencyKey(caller_id=alice, key=key))
                held.set()
                assert answered.wait(20)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(hold)
        assert held.wait(20)
        refused = ask(path, body)
        other_key = ask(path, body, f"{key}2")
        answered.set()
        first.result()
    assert_problem(refused, 409, "idempotency_in_flight", "again")
    assert refused["Retry-After"] == "1"
    assert other_key.status_code == 201
    assert ask(path, body).status_code == 201


# --- What it costs --------------------------------------------------------------------------------

# SQL queries by database: without a key, with one, and with the same one again. The last of each
# reads the log's LSN. A key adds six: its transaction (two, as the service's own becomes a
# savepoint), the lock, a read of its row here and in the other database, and the insert of its row.
# A post's answer takes one more: whether the author likes it is in the database that changes.
COSTS: dict[str, tuple[dict[str, int], ...]] = {
    "post": (
        {"posts": 10},
        {"posts": 16, "comments": 1, "default": 1},
        {"posts": 5, "comments": 1, "default": 1},
    ),
    # Whether what the caller uploads is public is asked in the users database.
    "media": (
        {"posts": 2, "default": 1},
        {"posts": 7, "comments": 1, "default": 2},
        {"posts": 5, "comments": 1, "default": 1},
    ),
    # How the author of the post stands to the caller is asked in the users database.
    "comment": (
        {"comments": 7, "default": 1},
        {"comments": 12, "posts": 1, "default": 2},
        {"comments": 5, "posts": 1, "default": 1},
    ),
}


@pytest.mark.parametrize("what", COSTS)
def test_what_a_key_costs(
    ask: Ask, alice: int, requests: Requests, what: str, measured: Callable[[str], None]
) -> None:
    path, body = requests[what]
    _, without = requests["another post"] if what == "post" else requests[what]
    warm_cached_values([alice])
    costs = []
    for sent, key in ((without, [None]), (body, []), (body, [])):
        with ExitStack() as stack:
            captured = {
                database: stack.enter_context(CaptureQueriesContext(connections[database]))
                for database in ALL_DATABASES
            }
            assert ask(path, sent, *key).status_code == 201
        costs.append({name: len(queries) for name, queries in captured.items() if len(queries)})
    measured(f"{what}: {costs[0]} without, {costs[1]} with a key, {costs[2]} again")
    assert tuple(costs) == COSTS[what]

"""Rate limits: who is counted for what, and that the count is exact."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from allauth.headless.tokens.strategies.jwt.internal import decode_token, session_key_from_sid
from django.conf import settings as django_settings
from django.contrib.sessions.backends.cache import SessionStore
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from limits import RateLimitItem
from limits.storage import RedisStorage
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter
from rest_framework.test import APIClient

from core.http.limits.counting import PREFIX, count_strictly, limit_key
from core.http.limits.middleware import PAGES, STRICT_VIEWS
from core.http.problems import TooManyRequests
from core.valkey import state_valkey
from media.models import Media
from tests.support.client import wait_until
from tests.support.images import encoded, plain
from usergraph.related import relations
from users.models import User

pytestmark = pytest.mark.usefixtures("stack")
ME = "/api/v1/users/me"
Limited = Callable[[str, str], RateLimitItem]
Bearer = Callable[[int, str], APIClient]


def end_session(client: APIClient) -> None:
    """End the session of a logged-in client; its token itself stays valid."""
    token = client.defaults["HTTP_AUTHORIZATION"].partition(" ")[2]
    SessionStore(session_key_from_sid(decode_token(token, "access")["sid"])).delete()


def counted(name: str, who: str) -> int:
    limit = django_settings.RATE_LIMITS[name]
    assert limit is not None
    return int(state_valkey().get(limit_key(name, limit, who)) or 0)


# --- the counting -------------------------------------------------------------------------------


def test_of_many_requests_at_once_exactly_as_many_get_through_as_the_limit_says(
    address: str, limited: Limited, measured: Callable[[str], None]
) -> None:
    limited("ip", "10/minute")

    def ask(number: int) -> int:
        spoofed = {"X-Forwarded-For": f"203.0.113.{number}, {address}", "X-Real-IP": "8.8.8.8"}
        return Client(headers=spoofed).get("/developers/").status_code

    with ThreadPoolExecutor(20) as threads:
        statuses = list(threads.map(ask, range(200)))
    measured(f"{statuses.count(200)} of 200 got through a fixed window of 10")
    assert (statuses.count(200), statuses.count(429)) == (10, 190)


def test_exactly_as_many_get_through_a_moving_window(
    address: str, limited: Limited, measured: Callable[[str], None]
) -> None:
    limited("login", "10/minute")

    def ask(number: int) -> bool:
        try:
            count_strictly(name="login", who=address)
        except TooManyRequests:
            return False
        return True

    with ThreadPoolExecutor(20) as threads:
        admitted = sum(threads.map(ask, range(200)))
    measured(f"{admitted} of 200 got through a moving window of 10")
    assert admitted == 10


def test_an_empty_setting_is_no_limit_and_costs_nothing(
    address: str, settings: Any, round_trips: Callable[[], int]
) -> None:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS)
    answer = Client(REMOTE_ADDR=address).get("/developers/")
    assert answer.status_code == 200
    assert "RateLimit-Limit" not in answer
    assert round_trips() == 0


# --- who is counted -----------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    "asked",
    [
        ("/", "", 302),
        ("/developers/", "", 200),
        ("/nowhere", "", 404),
        ("/api/docs/", "", 200),
        (ME, "", 401),
        (ME, "of alice", 200),
        (ME, "malformed", 401),
        ("/api/v1/nowhere", "of alice", 404),
        ("/_allauth/app/v1/auth/session", "of alice", 401),
    ],
    ids=lambda asked: f"{asked[0]} {asked[1]}",
)
def test_each_request_is_counted_once_for_its_address(
    alice: int, bearer: Bearer, address: str, asked: tuple[str, str, int]
) -> None:
    path, token, status = asked
    client = bearer(alice, address) if token else Client(REMOTE_ADDR=address)
    headers = {"Authorization": "Bearer malformed"} if token == "malformed" else {}
    answer = client.get(path, headers=headers)
    assert answer.status_code == status
    assert counted("ip", address) == 1
    assert counted("read", str(alice)) == (path == ME and status == 200)
    assert int(answer["RateLimit-Remaining"]) == 99_999


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/healthz/live", "/healthz/ready", "/metrics"])
def test_probes_and_scrapers_are_not_limited(address: str, path: str) -> None:
    assert "RateLimit-Limit" not in Client(REMOTE_ADDR=address).get(path)
    assert counted("ip", address) == 0


@pytest.mark.django_db
@pytest.mark.parametrize("token", ["of alice", "malformed"])
def test_over_the_limit_of_their_address_nobody_is_answered_whatever_their_token(
    alice: int, bearer: Bearer, address: str, limited: Limited, token: str
) -> None:
    limited("ip", "1/minute")
    assert Client(REMOTE_ADDR=address).get("/developers/").status_code == 200
    client = bearer(alice, address)
    headers = {"Authorization": "Bearer malformed"} if token == "malformed" else {}
    assert client.get(ME, headers=headers).status_code == 429


@pytest.mark.django_db
def test_a_user_is_limited_wherever_they_are_logged_in_and_nobody_else_is(
    alice: int, bearer: Bearer, bob: int, address: str, limited: Limited
) -> None:
    limited("read", "2/minute")
    phone, laptop = bearer(alice, address), bearer(alice, "203.0.113.1")
    assert phone.get(ME).status_code == laptop.get(ME).status_code == 200
    refused = phone.get(ME)
    assert refused.status_code == laptop.get(ME).status_code == 429
    assert refused["Retry-After"] == refused["RateLimit-Reset"]
    assert refused["Content-Type"] == "application/problem+json"
    assert bearer(bob, address).get(ME).status_code == 200


@pytest.mark.django_db
def test_writes_are_counted_apart_and_one_too_many_changes_nothing(
    alice: int, bearer: Bearer, bob: int, address: str, limited: Limited
) -> None:
    limited("write", "1/minute")
    client = bearer(alice, address)
    follow = f"/api/v1/users/{User.objects.get(pk=bob).username}/follow"
    assert client.put(follow).status_code == 200
    assert client.delete(follow).status_code == 429
    assert relations(viewer_id=alice, user_ids=[bob])[bob]["following"]
    assert client.get(ME).status_code == 200


@pytest.mark.django_db
def test_an_ended_session_uses_up_no_request_of_its_owner(
    alice: int, bearer: Bearer, address: str, limited: Limited
) -> None:
    limited("read", "2/minute")
    stolen, own = bearer(alice, address), bearer(alice, address)
    end_session(stolen)
    for _ in range(3):
        refused = stolen.get(ME)
        assert refused.status_code == 401
        assert refused["RateLimit-Limit"] == "100000", "only the limit of the address"
    assert own.get(ME).status_code == 200
    assert counted("read", str(alice)) == 1


@pytest.mark.django_db
def test_uploads_are_limited_by_user_and_one_too_many_is_not_stored(
    alice: int, bearer: Bearer, bob: int, address: str, limited: Limited
) -> None:
    limited("upload", "1/minute")

    def upload(client: APIClient) -> Any:
        file = SimpleUploadedFile("picture.jpg", encoded(plain()))
        return client.post("/api/v1/media", {"file": file}, format="multipart")

    assert upload(bearer(alice, address)).status_code == 201
    refused = upload(bearer(alice, address))
    assert refused.status_code == 429
    assert refused["RateLimit-Limit"] == "1"
    assert refused["Retry-After"] == refused["RateLimit-Reset"]
    assert Media.objects.filter(owner_id=alice).count() == 1
    assert upload(bearer(bob, address)).status_code == 201


@pytest.mark.django_db
@pytest.mark.parametrize(("view", "name"), STRICT_VIEWS.items())
def test_what_needs_no_account_is_strictly_limited_by_address(
    address: str, elsewhere: str, limited: Limited, view: str, name: str
) -> None:
    limited(name, "1/minute")
    client = Client(REMOTE_ADDR=address)

    def post_from(client: Client) -> Any:
        return client.post(reverse(view), data={}, content_type="application/json")

    assert post_from(client).status_code in {200, 302, 400, 401}
    if view in PAGES:
        assert client.get(reverse(view)).status_code != 429, "its form is not limited"
    refused = post_from(client)
    assert refused.status_code == 429
    assert (refused["RateLimit-Limit"], refused["RateLimit-Remaining"]) == ("1", "0")
    assert refused["RateLimit-Policy"] == "100000;w=60, 1;w=60"
    assert post_from(Client(REMOTE_ADDR=elsewhere)).status_code != 429


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(("view", "name"), STRICT_VIEWS.items())
def test_no_method_of_a_strictly_limited_view_goes_uncounted(
    address: str, limited: Limited, view: str, name: str, method: str
) -> None:
    limited(name, "1/minute")
    client = Client(REMOTE_ADDR=address)
    statuses = [
        client.generic(method, reverse(view), b"{}", "application/json").status_code
        for _ in range(2)
    ]
    form = view in PAGES and method in {"GET", "HEAD", "OPTIONS"}
    assert (
        statuses[1] == 429
        or statuses == [405, 405]
        or (method, *statuses)
        == (
            "OPTIONS",
            204,
            204,
        )
        or form
    )


# --- the windows --------------------------------------------------------------------------------


def test_after_the_window_there_is_more(address: str, limited: Limited) -> None:
    limited("ip", "1/second")
    client = Client(REMOTE_ADDR=address)
    assert [client.get("/developers/").status_code for _ in range(2)] == [200, 429]
    wait_until(lambda: client.get("/developers/").status_code == 200, 3)


def test_a_moving_window_frees_one_place_after_the_other(address: str, limited: Limited) -> None:
    limited("login", "2/2seconds")

    def ask() -> int:
        """Ask, and return how many seconds to wait; 0 if admitted."""
        try:
            count_strictly(name="login", who=address)
        except TooManyRequests as over:
            return over.wait
        return 0

    start = time.monotonic()
    assert ask() == 0
    wait_until(lambda: time.monotonic() - start > 1, 2)
    assert ask() == 0
    assert ask() == 1, "when the first one is two seconds old"
    assert wait_until(lambda: ask() == 0, 3) < 1.5
    assert ask() > 0, "the second is still in the window"


def test_clocks_that_differ_let_nobody_through_and_break_nothing(
    address: str, limited: Limited
) -> None:
    limit, now = limited("login", "3/minute"), time.time()
    state_valkey().rpush(limit_key("login", limit, address), now - 999, now - 999, now)
    with pytest.raises(TooManyRequests) as over:
        count_strictly(name="login", who=address)
    assert over.value.wait == 60


def test_keys_and_counts_are_those_of_the_library(address: str, limited: Limited) -> None:
    fixed, moving = limited("ip", "5/minute"), limited("login", "7/minute")
    pool = state_valkey().connection_pool
    storage = RedisStorage("redis://", connection_pool=pool, key_prefix=PREFIX)
    answer = Client(REMOTE_ADDR=address).get("/developers/")
    count_strictly(name="login", who=address)
    stats = FixedWindowRateLimiter(storage).get_window_stats(fixed, "ip", f"{{{address}}}")
    assert stats.remaining == int(answer["RateLimit-Remaining"]) == 4
    assert abs(stats.reset_time - time.time() - int(answer["RateLimit-Reset"])) <= 2
    moving_limiter = MovingWindowRateLimiter(storage)
    assert moving_limiter.get_window_stats(moving, "login", f"{{{address}}}").remaining == 6

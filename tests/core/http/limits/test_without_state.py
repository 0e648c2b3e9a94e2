"""Rate limits while STATE is down, or takes no writes: reads are open, log-ins are closed."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from core.http.limits import counting
from core.http.limits.counting import count_strictly
from core.http.limits.middleware import STRICT_VIEWS
from core.http.problems import Unavailable
from core.valkey import state_valkey
from tests.support.client import wait_until

pytestmark = pytest.mark.usefixtures("stack")
ME = "/api/v1/users/me"
Bearer = Callable[[int, str], APIClient]


@pytest.fixture(autouse=True)
def nothing_said_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has been logged yet: a process logs a failure once in a while only."""
    monkeypatch.setattr(counting, "_log_pause", counting.Pause())


@pytest.fixture
def refuse_writes(settings: Any) -> Iterator[Callable[[], None]]:
    """Once called, STATE refuses this process' writes: it logs in as a user who may only read.

    A full server, or a replica, would refuse the writes of all later tests too.
    """
    url = settings.CACHES["default"]["LOCATION"]
    caches = {**settings.CACHES, "default": {**settings.CACHES["default"]}}
    caches["default"]["LOCATION"] = url.replace("redis://", "redis://reader:may-only-read@")
    state = state_valkey()
    state.acl_setuser(
        "reader",
        enabled=True,
        keys=["*"],
        passwords=["+may-only-read"],
        categories=["+@all", "-@write"],
    )

    def begin() -> None:
        settings.CACHES = caches

    yield begin
    state.acl_deluser("reader")


def test_while_state_is_down_reads_go_on_and_the_log_says_so_now_and_then(
    address: str, closed_state: None, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(REMOTE_ADDR=address)
    for _ in range(5):
        answer = client.get("/developers/")
        assert answer.status_code == 200
        assert "RateLimit-Limit" not in answer
    assert caplog.text.count("STATE is down or full") == 1


def test_a_process_counts_again_some_seconds_after_state_was_down(
    address: str, settings: Any, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(counting, "RETRY_SECONDS", 0.2)
    caches = settings.CACHES
    request.getfixturevalue("closed_state")
    client = Client(REMOTE_ADDR=address)
    assert "RateLimit-Limit" not in client.get("/developers/")
    settings.CACHES = caches
    answer = client.get("/developers/")
    assert "RateLimit-Limit" not in answer, "STATE is not tried yet: a try may take long"
    wait_until(lambda: "RateLimit-Limit" in client.get("/developers/"), 2)


@pytest.mark.parametrize("view", STRICT_VIEWS)
def test_while_state_is_down_nobody_logs_in_or_signs_up(
    address: str, closed_state: None, view: str
) -> None:
    client = Client(REMOTE_ADDR=address)
    is_page = view.startswith("admin:")
    for _ in range(2):
        closed = client.post(reverse(view), data={}, content_type="application/json")
        assert closed.status_code == 503
        assert int(closed["Retry-After"]) > 0
        kind = "text/html; charset=utf-8" if is_page else "application/problem+json"
        assert closed["Content-Type"] == kind


@pytest.mark.django_db
def test_while_state_is_down_nobody_can_be_authenticated(
    alice: int, bearer: Bearer, address: str, request: pytest.FixtureRequest
) -> None:
    client = bearer(alice, address)
    request.getfixturevalue("closed_state")
    assert client.get(ME).status_code == 503


@pytest.mark.django_db
def test_while_state_takes_no_writes_a_bearer_of_a_token_is_not_counted(
    alice: int,
    bearer: Bearer,
    address: str,
    refuse_writes: Callable[[], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = bearer(alice, address)
    refuse_writes()
    for _ in range(3):
        assert client.get(ME).status_code == 200
    assert caplog.text.count("STATE takes no writes") == 1
    with pytest.raises(Unavailable):
        count_strictly(name="upload", who=str(alice))
    for _ in range(3):
        assert Client(REMOTE_ADDR=address).get("/developers/").status_code == 200
    log_in = Client(REMOTE_ADDR=address).post(reverse("admin:login"))
    assert log_in.status_code == 503

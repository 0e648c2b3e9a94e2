"""Log-ins of staff, through the web server."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from devstack.lifecycle import Stack
from tests.support.client import http_client
from users.services import ensure_account

PASSWORD = "staff-of-the-tides"
# Per name in five minutes: django-allauth's own limit.
FAILURES_ALLOWED = 5


@pytest.fixture
def log_in(
    stack: Stack, committed: None, unique: Callable[[str], str]
) -> Iterator[Callable[[str], httpx.Response]]:
    """A function that tries a password on the admin's log-in page, as a member of staff."""
    name = unique("staff")
    ensure_account(username=name, email=f"{name}@example.org", password=PASSWORD, staff=True)
    with http_client(stack.layout.public_origin) as browser:

        def attempt(password: str) -> httpx.Response:
            browser.cookies.clear()
            browser.get("/admin/login/").raise_for_status()
            form = {
                "username": name,
                "password": password,
                "csrfmiddlewaretoken": browser.cookies["csrftoken"],
                "next": "/admin/",
            }
            return browser.post("/admin/login/", data=form)

        yield attempt


def test_staff_log_in_as_often_as_they_like(log_in: Callable[[str], httpx.Response]) -> None:
    for _ in range(FAILURES_ALLOWED + 1):
        assert log_in(PASSWORD).headers["Location"] == "/admin/"


def test_after_some_wrong_passwords_even_the_right_one_is_refused(
    log_in: Callable[[str], httpx.Response],
) -> None:
    for _ in range(FAILURES_ALLOWED):
        assert "correct username and password" in log_in("guess").text
    refused = log_in(PASSWORD)
    assert refused.status_code == httpx.codes.TOO_MANY_REQUESTS
    assert 1 <= int(refused.headers["Retry-After"]) <= 300

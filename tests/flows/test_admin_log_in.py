"""Staff log in to the admin, through the web server: a password, then a code."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest

from devstack.lifecycle import Stack
from tests.support.accounts import make_account
from tests.support.client import http_client
from tests.support.staff import new_code
from users.services import remove_second_factor

PASSWORD = "staff-of-the-tides"
INDEX, LOG_IN, SECOND = "/admin/", "/admin/login/", "/admin/login/second-factor/"
# Of each kind, in five minutes from one address (RATE_LIMIT_LOGIN_FAILED).
FAILURES_ALLOWED = 5


@dataclass
class Staff:
    """A member of staff at a browser."""

    user_id: int
    name: str
    browser: httpx.Client
    secret: str = ""
    recovery_codes: tuple[str, ...] = ()
    used: tuple[str, ...] = ()

    def give_password(self, password: str = PASSWORD) -> httpx.Response:
        """The first step, in a browser without cookies."""
        self.browser.cookies.clear()
        self.browser.get(LOG_IN).raise_for_status()
        return self.send(LOG_IN, username=self.name, password=password, next=INDEX)

    def send(self, path: str, **form: str) -> httpx.Response:
        token = self.browser.cookies["csrftoken"]
        return self.browser.post(path, data={"csrfmiddlewaretoken": token, **form})

    def give_code(self, code: str) -> httpx.Response:
        return self.send(SECOND, code=code)

    def app_code(self) -> str:
        """A code of the authenticator app that was not used yet."""
        code = new_code(self.secret, *self.used)
        self.used += (code,)
        return code

    def enrol(self) -> httpx.Response:
        """Both steps of the first log-in."""
        assert self.give_password().headers["Location"] == SECOND
        page = self.browser.get(SECOND).text
        assert "<svg" in page
        (self.secret,) = re.findall(r"<code>([A-Z2-7]{32})</code>", page)
        answer = self.give_code(self.app_code())
        self.recovery_codes = tuple(re.findall(r"<li><code>(\d+)</code></li>", answer.text))
        return answer

    def is_in(self) -> bool:
        return self.browser.get(INDEX).status_code == httpx.codes.OK


@pytest.fixture
def staff(stack: Stack, committed: None, unique: Callable[[str], str]) -> Iterator[Staff]:
    """A superuser who has never logged in."""
    account = make_account(unique("staff"), password=PASSWORD, staff=True)
    with http_client(stack.layout.public_origin) as browser:
        yield Staff(account.id, account.username, browser)


def test_the_first_log_in_sets_up_an_app_and_shows_recovery_codes_once(staff: Staff) -> None:
    answer = staff.enrol()
    assert answer.status_code == httpx.codes.OK
    assert len(staff.recovery_codes) == 10
    assert "no-store" in answer.headers["Cache-Control"]
    assert staff.is_in()
    again = staff.browser.get(SECOND)
    assert again.headers["Location"] == LOG_IN
    assert staff.recovery_codes[0] not in staff.browser.get(INDEX).text


def test_a_password_alone_opens_nothing(staff: Staff) -> None:
    staff.give_password()
    assert not staff.is_in()
    assert staff.browser.get(INDEX).headers["Location"].startswith(LOG_IN)


def test_the_next_log_in_asks_for_a_code_and_none_works_twice(staff: Staff) -> None:
    staff.enrol()
    code = staff.used[-1]
    staff.give_password()
    assert "Incorrect code" in staff.give_code(code).text, "it was used to set up the app"
    new = staff.app_code()
    assert staff.give_code(new).headers["Location"] == INDEX
    assert staff.is_in()
    staff.give_password()
    assert "Incorrect code" in staff.give_code(new).text
    assert not staff.is_in()


def test_a_recovery_code_logs_in_once(staff: Staff) -> None:
    staff.enrol()
    for code in staff.recovery_codes[:2]:
        staff.give_password()
        assert staff.give_code(code).headers["Location"] == INDEX
        assert staff.is_in()
    staff.give_password()
    assert "Incorrect code" in staff.give_code(staff.recovery_codes[0]).text


def assert_asks_to_wait(answer: httpx.Response) -> None:
    """A page for people says how long."""
    assert answer.status_code == httpx.codes.TOO_MANY_REQUESTS
    seconds = int(answer.headers["Retry-After"])
    assert 1 <= seconds <= 300
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<h1>Too Many Requests</h1>" in answer.text
    assert f"Try again in {seconds} seconds." in answer.text


def test_too_many_log_ins_of_an_address_are_refused_on_a_page(staff: Staff) -> None:
    answers = [staff.give_password(f"guess-{number}") for number in range(11)]
    assert_asks_to_wait(answers[-1])


def test_after_some_wrong_codes_even_the_right_one_is_refused(staff: Staff) -> None:
    staff.enrol()
    staff.give_password()
    for _ in range(FAILURES_ALLOWED):
        assert "Incorrect code" in staff.give_code("000000").text
    assert_asks_to_wait(staff.give_code(staff.recovery_codes[0]))
    assert not staff.is_in()


def test_after_some_wrong_passwords_even_the_right_one_is_refused(staff: Staff) -> None:
    for _ in range(FAILURES_ALLOWED):
        assert "correct username and password" in staff.give_password("guess").text
    assert_asks_to_wait(staff.give_password())


def test_a_code_needs_a_password_before_it(staff: Staff) -> None:
    staff.enrol()
    code = staff.recovery_codes[0]
    staff.browser.cookies.clear()
    staff.browser.get(LOG_IN)
    assert staff.give_code(code).headers["Location"] == LOG_IN
    assert not staff.is_in()


def test_the_cookie_is_of_the_admin_alone_and_lives_twelve_hours(staff: Staff) -> None:
    staff.enrol()
    (cookie,) = (cookie for cookie in staff.browser.cookies.jar if cookie.name == "admin_session")
    assert cookie.path == "/admin/"
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.expires is not None
    assert 11.9 < (cookie.expires - time.time()) / 3600 <= 12


def test_without_its_second_factor_an_account_sets_up_a_new_one(staff: Staff) -> None:
    staff.enrol()
    first = staff.secret
    remove_second_factor(user_id=staff.user_id)
    assert not staff.is_in(), "its sessions have ended"
    staff.enrol()
    assert staff.secret != first
    assert staff.is_in()


def test_a_new_password_ends_the_other_sessions_of_staff_and_of_the_api(
    stack: Stack, staff: Staff
) -> None:
    staff.enrol()
    with http_client(stack.layout.public_origin) as phone:
        login = {"username": staff.name, "password": PASSWORD}
        started = phone.post("/_allauth/app/v1/auth/login", json=login)
        token = started.json()["meta"]["session_token"]
        phone.headers["X-Session-Token"] = token
        body = {"code": staff.recovery_codes[0]}
        inside = phone.post("/_allauth/app/v1/auth/2fa/authenticate", json=body)
        del phone.headers["X-Session-Token"]
        phone.headers["Authorization"] = f"Bearer {inside.json()['meta']['access_token']}"
        page = "/api/v1/users/me"
        assert phone.get(page).status_code == httpx.codes.OK

        new = "staff-of-the-deep"
        passwords = {"new_password1": new, "new_password2": new}
        form = {"old_password": "guess", **passwords}
        refused = staff.send("/admin/password_change/", **form)
        assert "old password was entered incorrectly" in refused.text
        form = {"old_password": PASSWORD, **passwords}
        assert staff.send("/admin/password_change/", **form).status_code == httpx.codes.FOUND
        assert staff.is_in(), "the browser that changed it stays logged in"
        assert phone.get(page).status_code == httpx.codes.UNAUTHORIZED

"""The steps of a log-in to the admin, where a flow cannot look."""

from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.test import Client
from django.utils import timezone

from tests.support.staff import new_code, promote, staff_browser
from tests.users.conftest import PASSWORD
from users.models import User
from users.session_stores import AdminSessionStore
from users.staff import log_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_login_limits")]
LOG_IN, SECOND, INDEX = "/admin/login/", "/admin/login/second-factor/", "/admin/"


@pytest.fixture
def boss(ada: User) -> User:
    """A superuser without a second factor."""
    return promote(ada.pk, is_staff=True, is_superuser=True)


def give_password(user: User, **more: str) -> tuple[Client, Any]:
    browser = Client()
    answer = browser.post(LOG_IN, {"username": user.username, "password": PASSWORD, **more})
    return browser, answer


def enrol(browser: Client) -> Any:
    secret = browser.get(SECOND).context["secret"]
    return browser.post(SECOND, {"code": new_code(secret)})


def test_where_the_setting_allows_it_a_password_is_enough(boss: User, settings: Any) -> None:
    """The default of the local stack. These tests have the default of production."""
    settings.ADMIN_REQUIRES_TOTP = False
    browser, answer = give_password(boss)
    assert answer.headers["Location"] == INDEX
    assert browser.get(INDEX).status_code == 200
    settings.ADMIN_REQUIRES_TOTP = True
    assert browser.get(INDEX).status_code == 302, "a session without a code ends with the setting"


def test_who_has_an_app_is_asked_for_a_code_even_there(boss: User, settings: Any) -> None:
    settings.ADMIN_REQUIRES_TOTP = False
    Authenticator.objects.create(user=boss, type="totp", data={"secret": "JBSWY3DP" * 4})
    browser, answer = give_password(boss)
    assert answer.headers["Location"] == SECOND
    assert browser.get(INDEX).status_code == 302


def test_who_is_not_staff_gets_no_second_step(ada: User) -> None:
    browser, answer = give_password(ada)
    assert "correct username and password" in answer.text
    assert browser.get(SECOND).headers["Location"] == LOG_IN


@pytest.mark.parametrize("what", ["time", "password", "deactivated", "demoted"])
def test_the_second_step_is_refused_after_a_change(
    boss: User, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, _ = give_password(boss)
    assert browser.get(SECOND).status_code == 200
    if what == "time":
        monkeypatch.setattr(log_in, "PENDING_SECONDS", -1)
    elif what == "password":
        boss.set_password("another-tide")
        boss.save()
    else:
        promote(boss.pk, **{"is_active" if what == "deactivated" else "is_staff": False})
    assert browser.get(SECOND).headers["Location"] == LOG_IN
    assert browser.post(SECOND, {"code": "000000"}).headers["Location"] == LOG_IN


def test_the_session_lasts_twelve_hours_however_busy_it_is(boss: User) -> None:
    browser, _ = give_password(boss)
    assert enrol(browser).status_code == 200
    assert settings.ADMIN_SESSION_SECONDS == 12 * 3600
    key = browser.cookies[settings.SESSION_COOKIE_NAME].value
    end = AdminSessionStore(key).get_expiry_date()
    assert timedelta(hours=11, minutes=59) < end - timezone.now() <= timedelta(hours=12)
    session = AdminSessionStore(key)
    session["changed"] = True
    session.save()
    assert AdminSessionStore(key).get_expiry_date() == end


def test_a_second_enrolment_at_the_same_time_changes_nothing(boss: User) -> None:
    one, _ = give_password(boss)
    other, _ = give_password(boss)
    secret = other.get(SECOND).context["secret"]
    assert enrol(one).status_code == 200
    before = Authenticator.objects.get(user=boss, type="totp").data
    answer = other.post(SECOND, {"code": new_code(secret)})
    assert answer.status_code == 200
    assert "Incorrect code" in answer.text, "of the first app, which is asked for now"
    assert Authenticator.objects.get(user=boss, type="totp").data == before


@pytest.mark.parametrize("code", ["", "x" * 10_000, "\0", "٣" * 6, "'", "-1"], ids=ascii)
def test_a_malformed_code_is_wrong_and_no_crash(boss: User, code: str) -> None:
    browser, _ = give_password(boss)
    assert browser.get(SECOND).status_code == 200
    assert browser.post(SECOND, {"code": code}).status_code == 200
    assert not Authenticator.objects.filter(user=boss).exists()


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "javascript:0"])
def test_a_log_in_leads_to_no_other_site(boss: User, target: str) -> None:
    browser, _ = give_password(boss, next=target)
    answer = enrol(browser)
    assert answer.context["next_url"] == INDEX


def test_a_log_in_as_somebody_else_replaces_the_session(boss: User, alice: int) -> None:
    promote(alice, is_staff=True)
    browser = staff_browser(alice)
    body = {"username": boss.username, "password": PASSWORD}
    assert browser.post(LOG_IN, body).headers["Location"] == SECOND
    assert browser.get(INDEX).wsgi_request.user.pk == alice
    assert enrol(browser).status_code == 200
    assert browser.get(INDEX).wsgi_request.user.pk == boss.pk

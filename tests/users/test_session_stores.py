"""A session of the admin is none of the API, and the other way round."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.backends.base import UpdateError
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tests.support.staff import promote, staff_browser
from tests.users.conftest import open_session
from users.models import User
from users.services import set_active
from users.session_stores import AdminSessionStore, SessionStore

pytestmark = pytest.mark.django_db


def admin_key(user: User) -> str:
    """The cookie of a superuser who has logged in to the admin."""
    promote(user.pk, is_staff=True, is_superuser=True)
    return staff_browser(user.pk).cookies[settings.SESSION_COOKIE_NAME].value


def account_addresses(node: URLResolver | URLPattern | None = None, path: str = "/") -> list[str]:
    """All addresses of django-allauth's API."""
    if node is None:
        (node,) = (n for n in get_resolver().url_patterns if str(n.pattern) == "_allauth/")
    path += str(node.pattern).removeprefix("^")
    if isinstance(node, URLPattern):
        return [path]
    return [address for child in node.url_patterns for address in account_addresses(child, path)]


def test_each_store_opens_its_own_kind_only(ada: User) -> None:
    of_admin, of_api = admin_key(ada), str(open_session(ada.pk).session_key)
    assert len(of_admin) == len(of_api)
    assert dict(AdminSessionStore(of_admin).items())
    assert dict(SessionStore(of_api).items())
    assert not dict(AdminSessionStore(of_api).items())
    assert not dict(SessionStore(of_admin).items())


def test_the_cookie_of_the_admin_opens_no_address_of_the_api(ada: User) -> None:
    key = admin_key(ada)
    addresses = [address for address in account_addresses() if "/app/" in address]
    assert len(addresses) > 15
    opened = {"/_allauth/app/v1/config"}  # which says the same to everybody
    tokens = [{"x-session-token": key}, {"authorization": f"Bearer {key}"}, {}]
    for address in {*addresses} - opened:
        for headers in tokens:
            for method in ("GET", "POST", "DELETE"):
                browser = Client(raise_request_exception=False, headers=headers)
                browser.cookies[settings.SESSION_COOKIE_NAME] = key
                answer = browser.generic(method, address, "{}", "application/json")
                assert answer.status_code >= 400, (method, address, headers)
                assert ada.username not in answer.text
    for headers in tokens:
        browser = Client(headers=headers)
        browser.cookies[settings.SESSION_COOKIE_NAME] = key
        assert browser.get("/api/v1/users/me").status_code == 401


def test_a_session_of_the_api_opens_those_addresses(ada: User) -> None:
    """So the test above would notice a door."""
    browser = Client(headers={"x-session-token": str(open_session(ada.pk).session_key)})
    answer = browser.get("/_allauth/app/v1/account/authenticators")
    assert answer.status_code == 200


def test_the_cookie_is_read_on_pages_of_the_admin_only(ada: User) -> None:
    promote(ada.pk, is_staff=True)
    browser = staff_browser(ada.pk)
    assert browser.get("/").wsgi_request.user.is_anonymous
    inside = browser.get("/admin/").wsgi_request
    assert inside.user == ada


def test_a_session_to_which_nobody_has_logged_in_lives_no_longer_than_a_log_in() -> None:
    assert AdminSessionStore().get_expiry_age() == timedelta(hours=12).total_seconds()


def test_a_deactivation_ends_the_sessions_of_both_kinds(
    ada: User, django_capture_on_commit_callbacks: Any
) -> None:
    of_admin, of_api = admin_key(ada), str(open_session(ada.pk).session_key)
    with django_capture_on_commit_callbacks(using="default", execute=True):
        set_active(user_ids=[ada.pk], active=False)
    assert not AdminSessionStore().exists(of_admin)
    assert not SessionStore().exists(of_api)


def test_a_session_that_has_ended_is_not_stored_again_by_a_request_that_had_read_it() -> None:
    for store in (SessionStore, AdminSessionStore):
        session = store()
        session["kept"] = 1
        session.save()
        reader = store(session.session_key)
        assert reader["kept"] == 1
        session.delete()
        reader["kept"] = 2
        with pytest.raises(UpdateError):
            reader.save()
        assert not store().exists(reader.session_key or "")

"""Accounts with a password, sessions, and staff who are logged in."""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.cache import SessionStore
from django.db import connection
from django.test import Client

from tests.support.accounts import make_account
from tests.support.client import PASSWORD
from tests.support.fixtures import upload
from tests.support.limits import address, elsewhere, limited
from tests.support.staff import staff_browser
from users import services
from users.models import AccountDeletion, User
from users.services import ensure_account
from users.sessions import remember_session

__all__ = ["PASSWORD", "address", "elsewhere", "limited", "upload"]


def open_session(user_id: int) -> SessionStore:
    """A session as a log-in leaves it."""
    user = User.objects.get(pk=user_id)
    session = SessionStore()
    session[SESSION_KEY] = str(user_id)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    assert session.session_key
    remember_session(user_id=user_id, session_key=session.session_key)
    return session


@pytest.fixture
def ada(db: None, unique: Callable[[str], str]) -> User:
    """A user with a password."""
    return User.objects.get(pk=make_account(unique("ada")).id)


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ids of the users whose sessions are ended."""
    ids: list[int] = []
    monkeypatch.setattr(services, "end_sessions", lambda *, user_id: ids.append(user_id))
    return ids


@pytest.fixture
def staff(db: None, unique: Callable[[str], str]) -> Client:
    """A browser in which a superuser is logged in."""
    name = unique("staff")
    user_id, _ = ensure_account(username=name, email=f"{name}@example.org", staff=True)
    return staff_browser(user_id)


def deletions(user_id: int) -> Any:
    return AccountDeletion.objects.filter(user_id=user_id)


@pytest.fixture
def unconstrained(db: None) -> None:
    """The users' table as it was before an address was unique; rolled back with the test."""
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX one_account_an_email")

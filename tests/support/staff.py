"""Browsers of staff who have logged in to the admin, and codes of an authenticator app."""

import time
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Permission
from django.test import Client

from tests.support.accounts import totp_code
from tests.support.client import wait_until
from users.models import User
from users.session_stores import AdminSessionStore
from users.sessions import remember_session

PERIOD = 30  # seconds that a code lives


def staff_browser(user_id: int, *, second_factor: bool = True) -> Client:
    """A browser in which a user has logged in to the admin, with a code or without."""
    user = User.objects.get(pk=user_id)
    session = AdminSessionStore()
    session[SESSION_KEY] = str(user_id)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session["admin_second_factor"] = second_factor
    session.save()
    assert session.session_key
    remember_session(user_id=user_id, session_key=session.session_key)
    return with_cookie(session.session_key)


def with_cookie(session_key: str) -> Client:
    """A browser that sends this as the admin's cookie."""
    browser = Client()
    browser.cookies[settings.SESSION_COOKIE_NAME] = session_key
    return browser


def promote(user_id: int, *permissions: str, **columns: Any) -> User:
    """Give a user these columns, such as `is_staff=True`, and exactly these permissions."""
    User.objects.filter(pk=user_id).update(**columns)
    user = User.objects.get(pk=user_id)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


def new_code(secret: str, *used: str) -> str:
    """The code that an authenticator app shows now; waits for one that is not among `used`.

    Never one that ends within three seconds.
    """
    wait_until(
        lambda: time.time() % PERIOD < PERIOD - 3 and totp_code(secret) not in used, PERIOD + 5
    )
    return totp_code(secret)


def confirmed(action: str, rows: list[int], reason: str = "Spam.") -> dict[str, Any]:
    """What the page that asks sends back when staff confirm an action on rows."""
    return {"action": action, "_selected_action": rows, "confirmed": "yes", "reason": reason}

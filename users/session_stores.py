"""Two kinds of sessions: those of the API, and those of staff in the admin. Neither is the other.

Both are in STATE, in one space of names. The key of a session says its kind, and each store opens
its own kind only. So the cookie of the admin is no token of the API, and a session of the API is no
log-in to the admin. Only the admin's pages read the cookie.
"""

from typing import Any, cast

from django.conf import settings
from django.contrib.sessions.backends.base import VALID_KEY_CHARS, CreateError, UpdateError
from django.contrib.sessions.backends.cache import SessionStore as CacheSessionStore
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import get_random_string
from django_redis.cache import RedisCache

# No key of the API has a dot in it.
_ADMIN = "admin."
# As long as a key of the API; 134 random bits.
_RANDOM_CHARACTERS = 32 - len(_ADMIN)


class _Stored(CacheSessionStore):
    """Django's store, but a session that has ended stays ended.

    Django asks whether it still exists and then writes it: an end in between would be undone.
    """

    def save(self, must_create: bool = False) -> None:
        """Store the session; raises `UpdateError` if it has ended meanwhile."""
        if self.session_key is None:
            self.create()
            return
        me = cast("Any", self)  # the types do not know Django's own hooks
        content = me._get_session(no_load=must_create)
        is_stored = cast("RedisCache", me._cache).set(
            self.cache_key, content, self.get_expiry_age(), nx=must_create, xx=not must_create
        )
        if not is_stored:
            raise CreateError if must_create else UpdateError


class SessionStore(_Stored):
    """Sessions of the API: the session engine of Django and django-allauth."""

    def _validate_session_key(self, key: str | None) -> bool:
        """Django's hook: a key that is not valid here opens nothing."""
        return _is_long_enough(key) and not _is_of_admin(key)


class AdminSessionStore(_Stored):
    """Sessions of staff. One to which nobody has logged in yet lives no longer than a log-in."""

    def _validate_session_key(self, key: str | None) -> bool:
        return _is_long_enough(key) and _is_of_admin(key)

    def _get_new_session_key(self) -> str:
        return _ADMIN + get_random_string(_RANDOM_CHARACTERS, VALID_KEY_CHARS)

    def get_session_cookie_age(self) -> int:
        return settings.ADMIN_SESSION_SECONDS


def _is_long_enough(key: str | None) -> bool:
    """Django's own rule."""
    return key is not None and len(key) >= 8


def _is_of_admin(key: str | None) -> bool:
    return key is not None and key.startswith(_ADMIN)


class AdminSessionMiddleware(SessionMiddleware):
    """Django's middleware, for the admin's pages; elsewhere no cookie is read or set."""

    def process_request(self, request: HttpRequest) -> None:
        key = request.COOKIES.get(settings.SESSION_COOKIE_NAME) if _is_admin(request) else None
        request.session = AdminSessionStore(key)

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        return super().process_response(request, response) if _is_admin(request) else response


def _is_admin(request: HttpRequest) -> bool:
    return request.path_info.startswith(settings.SESSION_COOKIE_PATH)

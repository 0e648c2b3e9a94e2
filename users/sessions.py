"""Sessions in STATE: checked on every request, ended at once.

Django's cache session backend owns the sessions. This module adds what the backend lacks: the user
of a session without SQL, in the same round trip as other commands; and the list of a user's
sessions. STATE down: nobody can be authenticated (503), because a revoked session must not work.
"""

import time
from functools import lru_cache
from importlib import import_module
from typing import cast

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.cache import KEY_PREFIX
from django.core.cache import cache
from django_redis.cache import RedisCache

from core.valkey import Command, state_valkey
from users.keys import sessions_key

# The number of decoded sessions that a process remembers; less than 1 kB each.
SESSIONS_KEPT = 4096


def ask_for_session(*, session_key: str) -> Command:
    """The command that reads a session; `session_user_id` decodes the reply."""
    key = cast("RedisCache", cache).client.make_key(KEY_PREFIX + session_key)
    return b"GET", key.encode()


# The same stored bytes always mean the same user.
@lru_cache(maxsize=SESSIONS_KEPT)
def session_user_id(stored: bytes | None) -> int | None:
    """The user of a stored session, or None if it has ended."""
    session = cast("RedisCache", cache).client.decode(stored) if stored else None
    return int(session[SESSION_KEY]) if session and SESSION_KEY in session else None


def remember_session(*, user_id: int, session_key: str) -> None:
    """Add a session to the user's list of sessions, and drop expired ones. STATE down: raises."""
    key, now = sessions_key(user_id), time.time()
    pipeline = state_valkey().pipeline()
    pipeline.zadd(key, {session_key: now})
    pipeline.zremrangebyscore(key, "-inf", now - settings.SESSION_COOKIE_AGE)
    pipeline.expire(key, settings.SESSION_COOKIE_AGE)
    pipeline.execute()


def forget_session(*, user_id: int, session_key: str) -> None:
    """Remove a session that has ended from the list of the user's sessions."""
    state_valkey().zrem(sessions_key(user_id), session_key)


def end_sessions(*, user_id: int, keep: str | None = None) -> int:
    """End the user's sessions except `keep`; returns their number. Their tokens stop working."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    members = cast("list[bytes]", state_valkey().zrange(sessions_key(user_id), 0, -1))
    ending = {member.decode() for member in members} - {keep}
    for session_key in ending:
        store(session_key).delete()
    if ending:
        state_valkey().zrem(sessions_key(user_id), *ending)
    return len(ending)

"""Sessions in the STATE Valkey: asked about on every request, ended at once.

Django's cache session backend owns the sessions; here are the two questions it has no answer
to: whose session is this, beside what else STATE is asked and without SQL, and which sessions has a
user.
STATE down: nobody can be authenticated (503), since a revoked session must not work.
"""

from __future__ import annotations

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

# A process remembers what so many sessions say; less than 1 kB each.
SESSIONS_KEPT = 4096


def ask_for_session(*, session_key: str) -> Command:
    """The question whose session this is; `session_user_id` understands the reply."""
    key = cast("RedisCache", cache).client.make_key(KEY_PREFIX + session_key)
    return b"GET", key.encode()


# As it is stored, a session says the same of its user each time.
@lru_cache(maxsize=SESSIONS_KEPT)
def session_user_id(stored: bytes | None) -> int | None:
    """The user who is logged in by a session, or None when it has ended."""
    session = cast("RedisCache", cache).client.decode(stored) if stored else None
    return int(session[SESSION_KEY]) if session and SESSION_KEY in session else None


def remember_session(*, user_id: int, session_key: str) -> None:
    """Keep a session that gives out tokens among the user's, for `end_sessions`."""
    key, now = sessions_key(user_id), time.time()
    pipeline = state_valkey().pipeline()
    pipeline.zadd(key, {session_key: now})
    pipeline.zremrangebyscore(key, "-inf", now - settings.SESSION_COOKIE_AGE)
    pipeline.expire(key, settings.SESSION_COOKIE_AGE)
    pipeline.execute()


def forget_session(*, user_id: int, session_key: str) -> None:
    """Take a session that ends by itself from the user's."""
    state_valkey().zrem(sessions_key(user_id), session_key)


def end_sessions(*, user_id: int, keep: str | None = None) -> int:
    """End the user's sessions, but for `keep`; returns how many. Their tokens stop working now."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    members = cast("list[bytes]", state_valkey().zrange(sessions_key(user_id), 0, -1))
    ending = {member.decode() for member in members} - {keep}
    for session_key in ending:
        store(session_key).delete()
    if ending:
        state_valkey().zrem(sessions_key(user_id), *ending)
    return len(ending)

"""Sessions in STATE: checked on every request, ended at once.

Django's cache session backend owns the sessions. This module adds what the backend lacks: the user
of a session without SQL, in the same round trip as other commands; and the list of a user's
sessions, with the device of each. STATE down: nobody can be authenticated (503), because a revoked
session must not work.
"""

import time
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from importlib import import_module
from typing import Any, cast

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.cache import KEY_PREFIX
from django.core.cache import cache
from django_redis.cache import RedisCache

from core.valkey import Command, exchange, state_valkey
from users.keys import sessions_key

# The number of sessions whose keys and users a process remembers; less than 1 kB each.
SESSIONS_KEPT = 4096
# A user has at most so many sessions; one more ends the one that has been unused for longest.
MAX_SESSIONS = 100
# What a session says of its client, under this name: {"device", "address", "since"}.
CLIENT = "client"
DEVICE_LENGTH = 200  # characters of a User-Agent that are kept


def ask_for_session(*, session_key: str) -> Command:
    """The command that reads a session; `session_user_id` decodes the reply."""
    return b"GET", _stored_key(session_key)


@lru_cache(maxsize=SESSIONS_KEPT)
def _stored_key(session_key: str) -> bytes:
    """The key under which Django's backend stores a session."""
    key: str = cast("RedisCache", cache).client.make_key(KEY_PREFIX + session_key)
    return key.encode()


# The same stored bytes always mean the same user.
@lru_cache(maxsize=SESSIONS_KEPT)
def session_user_id(stored: bytes | None) -> int | None:
    """The user of a stored session, or None if it has ended."""
    session = cast("RedisCache", cache).client.decode(stored) if stored else None
    return int(session[SESSION_KEY]) if session and SESSION_KEY in session else None


@dataclass(frozen=True)
class SessionOfUser:
    """A log-in that is still valid.

    `id` names it in the API and opens nothing. `device` is the User-Agent of the log-in, "" if
    unknown. `last_used_at` is when it last got a token, so it may lag by an access token's life.
    Both times are in Unix seconds.
    """

    id: str
    session_key: str
    device: str
    address: str
    created_at: float
    last_used_at: float


def list_sessions(*, user_id: int) -> list[SessionOfUser]:
    """The sessions of a user, the one used last first; two round trips. STATE down: raises."""
    state = state_valkey()
    members = state.zrange(sessions_key(user_id), 0, -1, desc=True, withscores=True)
    used = {key.decode(): score for key, score in cast("list[tuple[bytes, float]]", members)}
    stored = exchange(state, [ask_for_session(session_key=key) for key in used])
    listed = []
    for (key, last_used_at), content in zip(used.items(), stored, strict=True):
        if session_user_id(content) == user_id:
            client = _decoded(content).get(CLIENT, {})
            listed.append(
                SessionOfUser(
                    id=blake2b(key.encode(), digest_size=12).hexdigest(),
                    session_key=key,
                    device=client.get("device", ""),
                    address=client.get("address", ""),
                    created_at=client.get("since", last_used_at),
                    last_used_at=last_used_at,
                )
            )
    return listed


def _decoded(stored: bytes) -> dict[str, Any]:
    session: dict[str, Any] = cast("RedisCache", cache).client.decode(stored)
    return session


def remember_session(*, user_id: int, session_key: str, prolong: bool = False) -> None:
    """Add a session to the user's list, or note that it is used; drop expired ones from the list.

    `prolong`: the session lives as long as a new one from now. STATE down: raises.
    """
    key, now, life = sessions_key(user_id), time.time(), settings.SESSION_COOKIE_AGE
    pipeline = state_valkey().pipeline()
    pipeline.zadd(key, {session_key: now})
    pipeline.zremrangebyscore(key, "-inf", now - life)
    pipeline.expire(key, life)
    if prolong:
        pipeline.expire(_stored_key(session_key), life)
    pipeline.execute()


def end_surplus_sessions(*, user_id: int) -> None:
    """End the least used sessions of a user who has more than MAX_SESSIONS."""
    members = state_valkey().zrange(sessions_key(user_id), 0, -MAX_SESSIONS - 1)
    for member in cast("list[bytes]", members):
        end_session(user_id=user_id, session_key=member.decode())


def end_session(*, user_id: int, session_key: str) -> None:
    """End one session of a user; its tokens stop working. STATE down: raises."""
    # A store that opens no session deletes those of both kinds (users.session_stores).
    import_module(settings.SESSION_ENGINE).SessionStore().delete(session_key)
    forget_session(user_id=user_id, session_key=session_key)


def forget_session(*, user_id: int, session_key: str) -> None:
    """Remove a session that has ended from the list of the user's sessions."""
    state_valkey().zrem(sessions_key(user_id), session_key)


def end_sessions(*, user_id: int, keep: str | None = None) -> int:
    """End the user's sessions except `keep`; returns their number. Their tokens stop working."""
    members = cast("list[bytes]", state_valkey().zrange(sessions_key(user_id), 0, -1))
    ending = {member.decode() for member in members} - {keep}
    for session_key in ending:
        end_session(user_id=user_id, session_key=session_key)
    return len(ending)

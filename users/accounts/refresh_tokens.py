"""Refresh tokens: each is exchanged once.

A token is exchanged for a new pair in one script in STATE, so of several requests with one token
exactly one makes a new pair. For GRACE_SECONDS the others, and a client that has lost the answer,
get that same pair. Whoever sends the old token later has stolen it, or was stolen from: the session
ends, so both must log in again, and the log says so (RFC 9700, 4.14.2). STATE down: raises.
"""

import logging
import time
from collections.abc import Sequence
from typing import cast

import orjson
from allauth.headless.tokens.strategies.jwt.internal import (
    create_access_token,
    create_refresh_token,
    create_token,
    decode_token,
    get_token_session,
    session_key_to_sid,
    validate_token_user,
)
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase

from core.valkey import run_script, state_valkey
from users.keys import refresh_answer_key, refresh_token_key
from users.models import User
from users.session_stores import SessionStore
from users.sessions import CLIENT, end_session, remember_session

logger = logging.getLogger(__name__)

GRACE_SECONDS = 10
# Where allauth notes the first token of a session: {the token's id: when it expires}.
_FIRST_TOKENS = "headless_refresh_tokens"
# KEYS: the id of the session's valid token; the answer for the token that is sent.
# ARGV: the id of that token, 1 if it is the session's first, the id of the new token, the answer
# with it, the lifetime and the grace in seconds. Returns the answer; nothing if the token is old.
_EXCHANGE = """
local valid = redis.call('GET', KEYS[1])
if valid == ARGV[1] or (not valid and ARGV[2] == '1') then
    redis.call('SET', KEYS[1], ARGV[3], 'EX', ARGV[5])
    redis.call('SET', KEYS[2], ARGV[4], 'EX', ARGV[6])
    return ARGV[4]
end
return redis.call('GET', KEYS[2])
"""


def issue_tokens(*, user_id: int, device: str) -> tuple[str, str]:
    """Log an account in for a tool; returns an access and a refresh token.

    `device` is what the list of the user's sessions shows. Raises ValueError for an account that
    somebody can log in to.
    """
    user, session = User.objects.get(pk=user_id), SessionStore()
    if user.has_usable_password():
        raise ValueError(f"account {user_id} has a password, so its owner logs in")
    session[SESSION_KEY] = str(user_id)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session[CLIENT] = {"device": device, "address": "", "since": time.time()}
    session.create()
    refresh_token = create_refresh_token(user, session)
    session.save()
    remember_session(user_id=user_id, session_key=cast("str", session.session_key))
    return create_access_token(user, session, {}), refresh_token


def exchange_refresh_token(*, token: str) -> tuple[str, str] | None:
    """A new access token and refresh token; None if the token or its session is not valid."""
    found = _session_of(token)
    if found is None:
        return None
    user, session, key, token_id = found
    answer = _exchange(user, session, key, token_id)
    if answer is None:
        end_session(user_id=user.pk, session_key=key)
        logger.warning(
            "An old refresh token of user %d was sent again: its session has ended.", user.pk
        )
        return None
    # The session lives on from now, and so does the list that names it.
    remember_session(user_id=user.pk, session_key=key, prolong=True)
    return answer[0], answer[1]


def end_session_of(*, token: str) -> bool:
    """End the session of a refresh token, also of an old one; False if it has ended already."""
    found = _session_of(token)
    if found is None:
        return False
    user, _, key, _ = found
    end_session(user_id=user.pk, session_key=key)
    return True


def _session_of(token: str) -> tuple[User, SessionBase, str, str] | None:
    """The user and the session of a token, the session's key and the token's id.

    None if the token is not valid, or its session has ended.
    """
    claims = decode_token(token, "refresh")
    session = get_token_session(claims) if claims else None
    user = validate_token_user(claims, session) if claims and session else None
    if claims is None or session is None or not isinstance(user, User):
        return None
    return user, session, cast("str", session.session_key), claims["jti"]


def _exchange(user: User, session: SessionBase, key: str, token_id: str) -> Sequence[str] | None:
    """The pair that replaces a token, new or as before; None if the token is old."""
    refresh_token, claims = create_token(
        "refresh",
        sub=str(user.pk),
        sid=session_key_to_sid(key),
        expires_in=settings.HEADLESS_JWT_REFRESH_TOKEN_EXPIRES_IN,
    )
    made = orjson.dumps([create_access_token(user, session, {}), refresh_token])
    first = session.get(_FIRST_TOKENS, {}).get(token_id, 0) > time.time()
    keys = (refresh_token_key(key), refresh_answer_key(key, token_id))
    arguments = (
        *(token_id.encode(), b"%d" % first, claims["jti"].encode(), made),
        *(b"%d" % settings.SESSION_COOKIE_AGE, b"%d" % GRACE_SECONDS),
    )
    (answer,) = run_script(state_valkey(), _EXCHANGE, [(keys, arguments)])
    pair: list[str] | None = orjson.loads(answer) if answer else None
    return pair

"""What a request's authentication costs, and that the sessions in Valkey decide."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from allauth.headless.tokens.strategies.jwt.internal import (
    create_access_token,
    create_refresh_token,
    decode_token,
)
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.cache import SessionStore
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from core.valkey import exchange, state_valkey
from users.authentication import BearerAuthentication
from users.headless import SessionTokens
from users.keys import sessions_key
from users.models import User
from users.sessions import (
    ask_for_session,
    end_sessions,
    forget_session,
    remember_session,
    session_user_id,
)

pytestmark = pytest.mark.django_db


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


def request_of(user_id: int, session: SessionStore) -> Request:
    token = create_access_token(User.objects.get(pk=user_id), session, {})
    factory = APIRequestFactory()
    return Request(factory.get("/api/v1/users/me", HTTP_AUTHORIZATION=f"Bearer {token}"))


def test_a_token_costs_one_round_trip_and_no_sql(
    alice: int, round_trips: Callable[[], int], django_assert_num_queries: Any
) -> None:
    request = request_of(alice, open_session(alice))
    before = round_trips()
    with django_assert_num_queries(0):
        authenticated = BearerAuthentication().authenticate(request)
    assert authenticated is not None
    assert authenticated[0].pk == alice
    assert round_trips() - before == 1


def test_a_session_that_has_ended_authenticates_nobody(alice: int) -> None:
    request = request_of(alice, open_session(alice))
    assert end_sessions(user_id=alice) == 1
    with pytest.raises(AuthenticationFailed, match="ended"):
        BearerAuthentication().authenticate(request)


def test_a_token_that_was_valid_expires_all_the_same(
    alice: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = request_of(alice, open_session(alice))
    assert BearerAuthentication().authenticate(request)
    lifetime = settings.HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN
    expired = time.time() + lifetime
    monkeypatch.setattr("users.authentication.time.time", lambda: expired)
    with pytest.raises(AuthenticationFailed, match="expired"):
        BearerAuthentication().authenticate(request)


def test_ending_sessions_keeps_the_one_named_and_those_of_others(alice: int, bob: int) -> None:
    kept, ended, other = (open_session(user_id) for user_id in (alice, alice, bob))
    assert end_sessions(user_id=alice, keep=kept.session_key) == 1
    asked = [
        ask_for_session(session_key=session.session_key or "") for session in (kept, ended, other)
    ]
    replies = exchange(state_valkey(), asked)
    assert [session_user_id(stored) for stored in replies] == [alice, None, bob]
    assert end_sessions(user_id=alice) == 1, "the kept one can be ended later"


def test_a_session_is_forgotten_when_it_ends_or_has_given_no_token_for_its_lifetime(
    alice: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remembered() -> list[bytes]:
        return state_valkey().zrange(sessions_key(alice), 0, -1)  # type: ignore[return-value]

    remember_session(user_id=alice, session_key="first")
    remember_session(user_id=alice, session_key="second")
    forget_session(user_id=alice, session_key="first")
    assert remembered() == [b"second"]
    monkeypatch.setattr("users.sessions.time.time", lambda: 2.0**40)
    remember_session(user_id=alice, session_key="third")
    assert remembered() == [b"third"]


def test_a_refresh_remembers_the_session_anew_and_rotates_the_token(alice: int) -> None:
    session = open_session(alice)
    token = create_refresh_token(User.objects.get(pk=alice), session)
    session.save()
    state_valkey().delete(sessions_key(alice))
    tokens = SessionTokens().refresh_token(token)
    assert tokens is not None
    assert decode_token(tokens[0], "access")["sub"] == str(alice)
    assert SessionTokens().refresh_token(token) is None
    assert end_sessions(user_id=alice) == 1
    assert SessionTokens().refresh_token(tokens[1]) is None

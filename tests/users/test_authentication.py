"""What the authentication of a request costs; the sessions in Valkey decide."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from allauth.headless.tokens.strategies.jwt.internal import create_access_token
from django.conf import settings
from django.contrib.sessions.backends.cache import SessionStore
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from tests.users.conftest import open_session
from users.authentication import BearerAuthentication
from users.models import User
from users.sessions import end_sessions

pytestmark = pytest.mark.django_db


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

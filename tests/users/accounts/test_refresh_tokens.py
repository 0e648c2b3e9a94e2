"""Refresh tokens: each is exchanged once, and an old one ends its session."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from allauth.headless.tokens.strategies.jwt.internal import create_refresh_token, decode_token
from django.db import connections

from core.valkey import state_valkey
from tests.support.accounts import end_grace
from tests.users.conftest import open_session
from users.accounts.headless import SessionTokens
from users.accounts.refresh_tokens import (
    GRACE_SECONDS,
    end_session_of,
    exchange_refresh_token,
    issue_tokens,
)
from users.keys import refresh_answer_key, refresh_token_key, sessions_key
from users.models import User
from users.sessions import end_sessions, list_sessions


@pytest.fixture
def first(alice: int) -> tuple[str, str]:
    """A new session of alice's, and its first refresh token."""
    session = open_session(alice)
    token = create_refresh_token(User.objects.get(pk=alice), session)
    session.save()
    assert session.session_key
    return session.session_key, token


def test_a_token_is_exchanged_for_a_new_pair_and_its_session_is_remembered(
    alice: int, first: tuple[str, str]
) -> None:
    state_valkey().delete(sessions_key(alice))
    pair = SessionTokens().refresh_token(first[1])
    assert pair is not None
    assert decode_token(pair[0], "access")["sub"] == str(alice)
    third = exchange_refresh_token(token=pair[1])
    assert third is not None
    assert len({first[1], pair[1], third[1]}) == 3
    assert end_sessions(user_id=alice) == 1
    assert exchange_refresh_token(token=third[1]) is None


def test_a_tool_gets_the_tokens_of_a_session_that_is_listed_and_can_be_ended(alice: int) -> None:
    access_token, refresh_token = issue_tokens(user_id=alice, device="a tool")
    assert decode_token(access_token, "access")["sub"] == str(alice)
    assert [session.device for session in list_sessions(user_id=alice)] == ["a tool"]
    pair = exchange_refresh_token(token=refresh_token)
    assert pair is not None
    assert end_sessions(user_id=alice) == 1
    assert exchange_refresh_token(token=pair[1]) is None


def test_within_the_grace_a_lost_answer_is_given_again(first: tuple[str, str]) -> None:
    session_key, token = first
    pair = exchange_refresh_token(token=token)
    assert exchange_refresh_token(token=token) == pair
    claims = decode_token(token, "refresh")
    lives = state_valkey().ttl(refresh_answer_key(session_key, claims["jti"]))
    assert 0 < int(lives) <= GRACE_SECONDS


@pytest.mark.parametrize("generation", [0, 1])
def test_an_old_token_ends_the_session_and_is_logged(
    alice: int, first: tuple[str, str], caplog: pytest.LogCaptureFixture, generation: int
) -> None:
    tokens = [first[1]]
    for _ in range(2):
        pair = exchange_refresh_token(token=tokens[-1])
        assert pair is not None
        tokens.append(pair[1])
    for old in tokens[:2]:
        end_grace(old)
    with caplog.at_level(logging.WARNING, "users.accounts.refresh_tokens"):
        assert exchange_refresh_token(token=tokens[generation]) is None
    assert f"of user {alice}" in caplog.text
    assert exchange_refresh_token(token=tokens[-1]) is None, "the thief's, or the owner's"
    assert list_sessions(user_id=alice) == []


@pytest.mark.parametrize("old", [False, True])
def test_the_session_of_a_token_is_ended_once(
    alice: int, first: tuple[str, str], old: bool
) -> None:
    token = first[1]
    if old:
        assert exchange_refresh_token(token=token)
    assert end_session_of(token=token)
    assert list_sessions(user_id=alice) == []
    assert not end_session_of(token=token)
    assert not end_session_of(token="garbage")


@pytest.mark.parametrize("old", [False, True], ids=["first token", "later token"])
def test_of_many_exchanges_at_once_one_makes_a_pair(
    committed: None, person: Callable[[str], int], old: bool
) -> None:
    user_id = person("ada")
    session = open_session(user_id)
    token = create_refresh_token(User.objects.get(pk=user_id), session)
    session.save()
    if old:
        pair = exchange_refresh_token(token=token)
        assert pair is not None
        token = pair[1]

    def exchange(_: int) -> tuple[str, str] | None:
        try:
            return exchange_refresh_token(token=token)
        finally:
            connections.close_all()  # each thread has its own

    with ThreadPoolExecutor(8) as threads:
        pairs = set(threads.map(exchange, range(24)))
    assert len(pairs) == 1
    assert session.session_key
    valid = state_valkey().get(refresh_token_key(session.session_key))
    pair = pairs.pop()
    assert pair is not None
    assert decode_token(pair[1], "refresh")["jti"].encode() == valid

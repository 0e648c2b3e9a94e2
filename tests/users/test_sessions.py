"""The sessions of a user."""

from typing import cast

import pytest

from core.valkey import exchange, state_valkey
from tests.users.conftest import open_session
from users.keys import sessions_key
from users.sessions import (
    CLIENT,
    ask_for_session,
    end_sessions,
    end_surplus_sessions,
    forget_session,
    list_sessions,
    remember_session,
    session_user_id,
)

pytestmark = pytest.mark.django_db


def test_ending_sessions_keeps_the_one_named_and_those_of_others(alice: int, bob: int) -> None:
    kept, ended, other = (open_session(user_id) for user_id in (alice, alice, bob))
    assert end_sessions(user_id=alice, keep=kept.session_key) == 1
    asked = [
        ask_for_session(session_key=session.session_key or "") for session in (kept, ended, other)
    ]
    replies = exchange(state_valkey(), asked)
    assert [session_user_id(stored) for stored in replies] == [alice, None, bob]
    assert end_sessions(user_id=alice) == 1, "the one that was named can be ended later"


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


def test_sessions_are_listed_with_what_their_log_in_said_the_one_used_last_first(
    alice: int, bob: int
) -> None:
    older, newer, _ = open_session(alice), open_session(alice), open_session(bob)
    older[CLIENT] = {"device": "Phone/1.0", "address": "198.51.100.7", "since": 1.5}
    older.save()
    assert older.session_key
    remember_session(user_id=alice, session_key=older.session_key)
    listed = list_sessions(user_id=alice)
    assert [session.session_key for session in listed] == [older.session_key, newer.session_key]
    assert (listed[0].device, listed[0].address, listed[0].created_at) == (
        "Phone/1.0",
        "198.51.100.7",
        1.5,
    )
    assert (listed[1].device, listed[1].address) == ("", ""), "of a log-in before this was noted"
    assert len({session.id for session in listed} | {older.session_key}) == 3


def test_a_user_without_sessions_has_an_empty_list(alice: int) -> None:
    assert list_sessions(user_id=alice) == []


def test_one_session_more_than_the_limit_ends_the_one_unused_for_longest(
    alice: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("users.sessions.MAX_SESSIONS", 2)
    sessions = [open_session(alice) for _ in range(3)]
    end_surplus_sessions(user_id=alice)
    asked = [ask_for_session(session_key=session.session_key or "") for session in sessions]
    replies = exchange(state_valkey(), asked)
    assert [session_user_id(stored) for stored in replies] == [None, alice, alice]
    assert len(list_sessions(user_id=alice)) == 2


def test_only_a_session_that_is_prolonged_lives_on(alice: int) -> None:
    session = open_session(alice)
    key = cast("bytes", ask_for_session(session_key=session.session_key or "")[1])
    state_valkey().expire(key, 10)
    remember_session(user_id=alice, session_key=session.session_key or "")
    assert int(state_valkey().ttl(key)) <= 10
    remember_session(user_id=alice, session_key=session.session_key or "", prolong=True)
    assert int(state_valkey().ttl(key)) > 10

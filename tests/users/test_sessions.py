"""The sessions of a user."""

import pytest

from core.valkey import exchange, state_valkey
from tests.users.conftest import open_session
from users.keys import sessions_key
from users.sessions import (
    ask_for_session,
    end_sessions,
    forget_session,
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

"""The tokens of django-allauth."""

import pytest
from allauth.headless.tokens.strategies.jwt.internal import create_refresh_token, decode_token

from core.valkey import state_valkey
from tests.users.conftest import open_session
from users.headless import SessionTokens
from users.keys import sessions_key
from users.models import User
from users.sessions import end_sessions

pytestmark = pytest.mark.django_db


def test_a_refresh_remembers_the_session_and_rotates_the_token(alice: int) -> None:
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

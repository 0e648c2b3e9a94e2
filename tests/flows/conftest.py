"""Fixtures of the flows: people with HTTP clients."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from devstack.lifecycle import Stack
from tests.support.accounts import Account, make_account
from tests.support.client import Person, http_client
from tests.support.feeds import access_token
from tests.support.fixtures import fresh_login_limits, signed_up
from users.services import ensure_account

__all__ = ["fresh_login_limits", "signed_up"]


@pytest.fixture
def member(
    stack: Stack, committed: None, unique: Callable[[str], str]
) -> Iterator[Callable[[str], Person]]:
    """A function that quickly makes a person with a token, without a sign-up or any write."""
    people: list[Person] = []

    def make(name: str) -> Person:
        username = unique(name)
        user_id, _ = ensure_account(username=username, email=f"{username}@example.org")
        http = http_client(stack.layout.public_origin, timeout=30)
        http.headers["Authorization"] = f"Bearer {access_token(user_id)}"
        people.append(Person(username, str(user_id), http))
        return people[-1]

    yield make
    for person in people:
        person.http.close()


@pytest.fixture
def port(stack: Stack) -> int:
    """The port of the web server."""
    return stack.layout.port("caddy")


@pytest.fixture
def http(stack: Stack) -> Iterator[httpx.Client]:
    """An HTTP client without a token."""
    with http_client(stack.layout.public_origin) as client:
        yield client


@pytest.fixture
def account(committed: None, unique: Callable[[str], str]) -> Account:
    """An account with PASSWORD and a verified address."""
    return make_account(unique("ada"))

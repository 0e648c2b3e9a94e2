"""Fixtures of the flows: people with HTTP clients, and a replica that lags."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from devstack.lifecycle import Stack
from tests.support.client import Person, http_client, reset_login_limits, sign_up
from tests.support.feeds import access_token
from users.services import ensure_account


@pytest.fixture(autouse=True)
def fresh_login_limits(stack: Stack) -> None:
    """All tests come from one address, whose log-ins are limited; accounts limit failures."""
    reset_login_limits()


@pytest.fixture
def signed_up(stack: Stack, unique: Callable[[str], str]) -> Iterator[Callable[[str], Person]]:
    """Sign somebody up; the connections are closed at the end."""
    people: list[Person] = []

    def make(name: str) -> Person:
        people.append(sign_up(stack.layout.public_origin, unique(name)))
        return people[-1]

    yield make
    for person in people:
        person.http.close()


@pytest.fixture
def member(
    stack: Stack, committed: None, unique: Callable[[str], str]
) -> Iterator[Callable[[str], Person]]:
    """Make somebody who never signed up nor wrote anything, but has a token; it takes no time."""
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

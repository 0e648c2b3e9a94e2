"""Fixtures of the flows: people who sign up over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from socialfeed.stack.lifecycle import Stack
from tests.flows.client import Person, sign_up


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

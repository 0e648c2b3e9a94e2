"""Fixtures of the flows: people who sign up over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

import pytest
from django.core.cache import cache
from django_redis.cache import RedisCache

from socialfeed.stack.lifecycle import Stack
from tests.flows.client import Person, sign_up


@pytest.fixture(autouse=True)
def limits_start_anew(stack: Stack) -> None:
    """All tests come from one address, whose sign-ups and log-ins are limited by the minute."""
    cast("RedisCache", cache).delete_pattern("allauth:rl:*")


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

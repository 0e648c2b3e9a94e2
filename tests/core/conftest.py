"""Fixtures for the tests of core: addresses, logged-in clients, rate limits, uploads."""

from collections.abc import Callable
from itertools import count
from random import randrange
from typing import Any

import pytest
from limits import RateLimitItem, parse
from rest_framework.test import APIClient

from tests.support.feeds import access_token
from tests.support.fixtures import stored_keys, upload

__all__ = ["stored_keys", "upload"]

_numbers = count(randrange(2**16))


def new_address() -> str:
    number = next(_numbers)
    return f"198.18.{number // 256 % 256}.{number % 256}"


@pytest.fixture
def address() -> str:
    """An address that has sent no request yet."""
    return new_address()


@pytest.fixture
def elsewhere() -> str:
    """Another such address."""
    return new_address()


@pytest.fixture
def limited(settings: Any) -> Callable[[str, str], RateLimitItem]:
    """Set the rate limit of a name."""

    def set_limit(name: str, text: str) -> RateLimitItem:
        settings.RATE_LIMITS = {**settings.RATE_LIMITS, name: parse(text)}
        return parse(text)

    return set_limit


@pytest.fixture
def bearer() -> Callable[[int, str], APIClient]:
    """Make a client at an address, logged in as the user with an id. Needs `db`."""

    def client(user_id: int, address: str) -> APIClient:
        headers = {"Authorization": f"Bearer {access_token(user_id)}"}
        return APIClient(headers=headers, REMOTE_ADDR=address)

    return client

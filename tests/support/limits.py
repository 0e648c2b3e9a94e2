"""Fixtures of tests of limits: addresses that have sent nothing yet, and limits to set."""

from collections.abc import Callable
from itertools import count
from random import randrange
from typing import Any

import pytest
from limits import RateLimitItem, parse

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

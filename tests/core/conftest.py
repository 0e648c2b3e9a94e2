"""Fixtures for the tests of core: addresses, logged-in clients, rate limits, uploads."""

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from tests.support.feeds import access_token
from tests.support.fixtures import stored_keys, upload
from tests.support.limits import address, elsewhere, limited

__all__ = ["address", "elsewhere", "limited", "stored_keys", "upload"]


@pytest.fixture
def bearer() -> Callable[[int, str], APIClient]:
    """Make a client at an address, logged in as the user with an id. Needs `db`."""

    def client(user_id: int, address: str) -> APIClient:
        headers = {"Authorization": f"Bearer {access_token(user_id)}"}
        return APIClient(headers=headers, REMOTE_ADDR=address)

    return client

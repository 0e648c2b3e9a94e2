"""Fixtures of the tests of staff."""

import pytest

from tests.support.client import reset_login_limits


@pytest.fixture
def fresh_login_limits(django_db_setup: None) -> None:
    """No failed attempt counts from one test to the next."""
    reset_login_limits()

"""A process does not wait for PostgreSQL for ever."""

import time

import psycopg2
import pytest

from core.sql import deadlines
from devstack.layout import HOST
from devstack.lifecycle import Stack


def seconds_of_connecting(port: int) -> float:
    began = time.monotonic()
    with pytest.raises(psycopg2.OperationalError, match="does not answer"):
        psycopg2.connect(host=HOST, port=port, connect_timeout=60)
    return time.monotonic() - began


def test_connecting_gives_up_without_an_answer(installed: None, silent_port: int) -> None:
    assert 0.5 < seconds_of_connecting(silent_port) < 5


def test_a_block_may_set_a_shorter_deadline(installed: None, silent_port: int) -> None:
    with deadlines.deadline(0.1):
        assert seconds_of_connecting(silent_port) < 0.5
    assert seconds_of_connecting(silent_port) > 0.5


def test_nobody_waits_for_a_server_that_is_known_to_be_gone(
    installed: None, silent_port: int
) -> None:
    deadlines.give_up_when(lambda host, port: (host, port) == (HOST, silent_port))
    assert seconds_of_connecting(silent_port) < 0.5
    with deadlines.deadline(0.6):
        assert seconds_of_connecting(silent_port) > 0.5, "except in a check"


def test_a_request_has_one_budget_for_all_its_waits(installed: None, silent_port: int) -> None:
    with deadlines.budget(0.3):
        began = time.monotonic()
        with pytest.raises(deadlines.BudgetSpent):
            psycopg2.connect(host=HOST, port=silent_port)
        assert time.monotonic() - began < 0.6
        with pytest.raises(deadlines.BudgetSpent):
            psycopg2.connect(host=HOST, port=silent_port)
    assert seconds_of_connecting(silent_port) > 0.5


def test_a_query_that_takes_too_long_ends_and_so_does_its_connection(
    installed: None, stack: Stack
) -> None:
    url = stack.environ["POSTS_DATABASE_URL"]
    connection = psycopg2.connect(url)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
        with pytest.raises(psycopg2.OperationalError, match="does not answer"):
            cursor.execute("SELECT pg_sleep(30)")
    assert connection.closed

"""The wire protocol, and the private parts of redis-py on which it relies."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from redis._parsers import _RESP2Parser
from redis._parsers.hiredis import NOT_ENOUGH_DATA

from core.valkey import Command, packed, protocol
from core.valkey.protocol import can_read_directly, packed_in_pieces, read_directly, unpacked
from devstack.layout import HOST
from devstack.lifecycle import Stack

NewConnection = Callable[..., Any]


@pytest.fixture
def connected(stack: Stack) -> Iterator[NewConnection]:
    """Open a connection to CACHE with redis-py."""
    opened: list[Any] = []

    def connect(**options: Any) -> Any:
        make: Any = redis.Connection
        opened.append(make(host=HOST, port=stack.layout.port("valkey-cache"), **options))
        opened[-1].connect()
        return opened[-1]

    yield connect
    for connection in opened:
        connection.disconnect()


def test_the_installed_redis_py_is_as_direct_reading_expects(connected: NewConnection) -> None:
    """If this fails after an upgrade, all still works, but slowly: adapt core/valkey/protocol.py
    to the new private parts of redis-py.
    """
    connection = connected()
    assert can_read_directly(connection)
    message = [packed([("ECHO", "a" * 100_000), ("GET",), ("PING",)])]
    echoed, error, pong = read_directly(connection, message, 3)
    assert (echoed, pong) == (b"a" * 100_000, b"PONG")
    assert isinstance(error, redis.ResponseError)
    assert can_read_directly(connection), "nothing is left to read"


def test_another_parser_is_not_read_directly(connected: NewConnection) -> None:
    assert not can_read_directly(connected(parser_class=_RESP2Parser))


@pytest.mark.parametrize("missing", ["_parser", "_reader", "read_from_socket", "gets"])
def test_a_part_that_is_missing_is_found_out(missing: str) -> None:
    class Parts:
        """A connection, its parser and its reader in one."""

        def __getattr__(self, name: str) -> Any:
            if name == missing or name.startswith("__"):
                raise AttributeError(name)
            return self

        def __call__(self) -> object:
            return NOT_ENOUGH_DATA

    assert not can_read_directly(Parts())


def test_another_sign_for_too_little_data_is_found_out(
    connected: NewConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = connected()
    monkeypatch.setattr(protocol, "NOT_ENOUGH_DATA", object())
    assert not can_read_directly(connection)


def test_packing_has_an_inverse_and_pieces_make_a_whole() -> None:
    texts = [b"%d" % number * 1000 for number in range(50)]
    commands: list[Command] = [("SET", "k", n, text) for n, text in enumerate(texts)]
    message = packed(commands)
    assert unpacked(message) == [[b"SET", b"k", b"%d" % n, text] for n, text in enumerate(texts)]
    pieces = list(packed_in_pieces(commands))
    assert len(pieces) > 1
    assert b"".join(pieces) == message

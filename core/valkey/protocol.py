"""The wire protocol (RESP): packs commands, and reads replies from a connection of redis-py.

`read_directly` uses hiredis, the parser in C, without what redis-py does for each reply besides,
which takes longer than the server does. For that it needs private parts of redis-py. No other
module may touch them. `can_read_directly` says whether a connection has these parts; where it has
not, `exchange` uses redis-py's own pipeline.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

import redis
from hiredis import PushNotification, Reader, pack_command

try:
    from redis._parsers.hiredis import NOT_ENOUGH_DATA
except ImportError:  # another release of redis-py
    NOT_ENOUGH_DATA = None

Command = Sequence[bytes | str | int]  # its name, then its arguments
_pack = cast("Callable[[tuple[Any, ...]], bytes]", pack_command)
# Packed commands are sent in pieces of about so many bytes.
_PIECE_BYTES = 16 * 1024
# A server may send these instead of a reply: for example, that it is still loading its data.
# ReadOnlyError: it was the primary, and is a replica now.
_NO_REPLIES = (redis.ConnectionError, PushNotification, redis.ReadOnlyError)


def packed(commands: Iterable[Command]) -> bytes:
    """Commands as the bytes that are sent."""
    return b"".join([_pack(tuple(command)) for command in commands])


def packed_in_pieces(commands: Iterable[Command]) -> Iterator[bytes]:
    """The same in several pieces: the server works on the first while the next is being packed."""
    piece = bytearray()
    for command in commands:
        piece += _pack(tuple(command))
        if len(piece) >= _PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)


def unpacked(message: bytes) -> list[Command]:
    """The inverse of `packed`."""
    reader = Reader(notEnoughData=None)
    reader.feed(message)
    return list(iter(reader.gets, None))


def can_read_directly(connection: Any) -> bool:
    """Whether `read_directly` works on a connection that is open and idle.

    It does when the connection has all the private parts, and when its parser says that there is
    nothing to read in the way that `read_directly` knows.
    """
    parser = getattr(connection, "_parser", None)
    next_reply = getattr(getattr(parser, "_reader", None), "gets", None)
    if next_reply is None or not hasattr(parser, "read_from_socket"):
        return False
    return NOT_ENOUGH_DATA is not None and next_reply() is NOT_ENOUGH_DATA


def read_directly(connection: Any, message: Iterable[bytes], count: int) -> list[Any]:
    """Send a message of `count` packed commands; returns their replies, in order.

    Error replies are returned, not raised. Raises `ValkeyUnavailable`, and closes the connection
    then: nobody else may read the replies that are still to come.
    """
    connection.send_packed_command(message)
    return read_replies(connection, count)


def read_replies(connection: Any, count: int) -> list[Any]:
    """The second half of `read_directly`: so many replies, to what has been sent."""
    parser = connection._parser
    replies = []
    try:
        next_reply = parser._reader.gets
        for _ in range(count):
            while (reply := next_reply()) is NOT_ENOUGH_DATA:
                parser.read_from_socket()
            if isinstance(reply, _NO_REPLIES):
                raise _error_of(reply)
            replies.append(reply)
        return replies
    except OSError as error:
        connection.disconnect()
        raise redis.ConnectionError("The connection broke.") from error
    except BaseException:
        connection.disconnect()
        raise


def _error_of(message: object) -> redis.ConnectionError:
    if isinstance(message, redis.ConnectionError):
        return message
    if isinstance(message, redis.ReadOnlyError):
        return redis.ConnectionError("The server is a replica: it takes no writes.")
    return redis.ConnectionError("The server sent a message that is no reply.")

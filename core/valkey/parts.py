"""The parts of an exchange with several servers: all are sent, then all replies are read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import redis
from redis.exceptions import AskError, TryAgainError

from core.valkey.pipelines import by_pipeline
from core.valkey.protocol import Command, packed_in_pieces, read_replies

# Where the first key of a command is; else it is the first argument. 0: for all servers.
KEY_AT: dict[bytes | str | int, int] = {"EVAL": 3, "EVALSHA": 3, "MEMORY": 2, "SCRIPT": 0}
KEY_AT |= {str(name).encode(): at for name, at in KEY_AT.items()}
# Replies that say that another server has the key, or will have it.
REDIRECTIONS = (AskError, TryAgainError)  # MovedError is an AskError
_UNREACHABLE = (redis.ConnectionError, redis.TimeoutError)
Outcome = list[Any] | Exception


class NotReplicated(redis.ConnectionError):
    """A server has done the writes, but no replica has said in time that it has them, too."""


class MarkElsewhere(Exception):
    """A server has done the writes, and no longer has the key of `Route.mark`."""


class Route(NamedTuple):
    """The way to a server.

    `replica_ms`: how long it waits for a replica to have what was written; 0: it has no replica.
    `mark`: a key in one of its slots, for that.
    """

    pool: Any
    replica_ms: int = 0
    mark: bytes = b""


@dataclass
class Part:
    """The commands for one server, and the place of each among all commands of the exchange.

    `is_asking`: the server is just being given their slots. It takes each after an ASKING only,
    which is in `commands`, too.
    """

    route: Route
    is_asking: bool = False
    places: list[int] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)

    def ask(self, place: int, command: Command) -> None:
        """Add a command after an ASKING."""
        self.places.append(place)
        self.commands += (b"ASKING",), command

    def waiting(self) -> list[Command]:
        """The commands, and those by which the server waits until a replica has what they wrote.

        WAIT waits for the last write of this connection. A write that has no effect, because
        another connection has done it a moment ago, is none. So a key is written before it.
        """
        mark = (b"SET", self.route.mark, b"1", b"PX", 1000)
        return [*self.commands, mark, (b"WAIT", 1, self.route.replica_ms)]


def round_trip(parts: Sequence[Part], *, is_read: bool) -> list[Outcome]:
    """For each part the replies, in order, or why there are none: an exception.

    Unless `is_read`, the servers wait until a replica has what was written, if they have any.
    """
    outcomes: list[Outcome | None] = [None] * len(parts)
    sent = [
        part.waiting() if part.route.replica_ms and not is_read else part.commands for part in parts
    ]
    lent: dict[int, Any] = {}
    try:
        for number, (part, commands) in enumerate(zip(parts, sent, strict=True)):
            try:
                connection = part.route.pool.lend()
                if connection is None:
                    outcomes[number] = by_pipeline(part.route.pool, commands)
                else:
                    lent[number] = connection
                    connection.send_packed_command(packed_in_pieces(commands))
            except _UNREACHABLE as error:
                outcomes[number] = error
        for number, connection in lent.items():
            if outcomes[number] is None:
                try:
                    outcomes[number] = read_replies(connection, len(sent[number]))
                except _UNREACHABLE as error:
                    outcomes[number] = error
    except BaseException:
        for connection in lent.values():
            connection.disconnect()  # nobody else may read the replies that are still to come
        raise
    finally:
        for number, connection in lent.items():
            parts[number].route.pool.take_back(connection)
    return [_outcome(part, replies) for part, replies in zip(parts, outcomes, strict=True)]


def _outcome(part: Part, replies: Any) -> Outcome:
    """The replies to the part's own commands, if a replica has what they wrote."""
    if isinstance(replies, Exception):
        return replies
    count = len(part.commands)
    own: list[Any] = replies[:count][1::2] if part.is_asking else replies[:count]
    if len(replies) == count or all(isinstance(reply, REDIRECTIONS) for reply in own):
        return own
    mark, replicas = replies[count:]
    if isinstance(mark, REDIRECTIONS):
        return MarkElsewhere()
    if mark != b"OK" or not isinstance(replicas, int) or replicas < 1:
        return NotReplicated("No replica has said in time that it has what was written.")
    return own

"""The parts of an exchange with several servers: all are sent, then all replies are read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import redis

from core.valkey.pipelines import by_pipeline
from core.valkey.protocol import Command, packed_in_pieces, read_replies

_UNREACHABLE = (redis.ConnectionError, redis.TimeoutError)
Outcome = list[Any] | Exception


class NotReplicated(redis.ConnectionError):
    """A server has done the writes, but no replica has said in time that it has them, too."""


class Route(NamedTuple):
    """The way to a server.

    `replica_ms`: how long it waits for a replica to have what was written; 0: it has no replica.
    """

    pool: Any
    replica_ms: int = 0


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


def round_trip(parts: Sequence[Part], *, is_read: bool) -> list[Outcome]:
    """For each part the replies, in order, or why there are none: an exception.

    Unless `is_read`, the servers wait until a replica has what was written, if they have any.
    """
    outcomes: list[Outcome | None] = [None] * len(parts)
    sent = [
        [*part.commands, (b"WAIT", 1, part.route.replica_ms)]
        if part.route.replica_ms and not is_read
        else part.commands
        for part in parts
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
    """The replies to the part's own commands."""
    if isinstance(replies, Exception):
        return replies
    if len(replies) > len(part.commands) and not _is_count(replies.pop()):
        return NotReplicated("No replica has said in time that it has what was written.")
    return list(replies[1::2]) if part.is_asking else list(replies)


def _is_count(reply: object) -> bool:
    """Whether the reply to WAIT is that replicas have the writes, not 0 and not an error."""
    return isinstance(reply, int) and reply > 0

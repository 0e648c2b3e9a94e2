"""How far a primary's log has come: after a commit, in STATE, and in a token for the client.

A position is the number of bytes of PostgreSQL's log (LSN) up to some moment. A server that has
replayed a position shows everything that was committed before it was asked for.

The write is done when its position is asked for. Should that fail, the position is `UNKNOWN`, which
no replica has ever replayed. STATE down: the token is all there is, and it is logged.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.conf import settings
from django.core.signing import BadSignature, SignatureExpired, TimestampSigner
from django.db import DatabaseError, InterfaceError, connections

from socialfeed.common.scripts import Call, run_script
from socialfeed.common.valkey import ValkeyUnavailable, state_valkey

logger = logging.getLogger(__name__)

TOKEN_HEADER = "Consistency-Token"  # noqa: S105  (a header's name)
# Where a server is: a primary's log, or how much of it a replica has replayed.
POSITION_SQL = """
SELECT (
    CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END
    - '0/0'
)::bigint
"""
UNKNOWN = 2**63 - 1
# For so long the common positions that a process has read do: what they stand for need not be seen
# sooner than that by others, and every reader would have to ask for them.
COMMON_SECONDS = 0.5

Positions = dict[str, int]  # by alias of the primary

# KEYS: one. ARGV: seconds to live, then alias and position, in turn. Positions only grow, so that
# of two requests the later one wins, whoever stores first. As text of one length, for numbers in
# Lua are exact to 2^53 only.
_RAISE_LUA = """
for i = 2, #ARGV, 2 do
  local now = redis.call('HGET', KEYS[1], ARGV[i])
  if not now or now < ARGV[i + 1] then redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 1
"""
_DIGITS = 19


def _own_key(user_id: int) -> str:
    """STATE. Hash: alias of a primary -> position, 19 digits: after the user's last commit there.

    Up to 100 bytes; lives POSITION_SECONDS after the last write.
    """
    return f"position:v1:{{{user_id}}}"


def _common_key() -> str:
    """STATE. Hash, likewise: after the last commit that others are to see soon."""
    return "position:v1:common"


@dataclass
class _Common:
    """The common positions as this process read them last."""

    read_at: float = -COMMON_SECONDS
    positions: Positions | None = None


_common = _Common()


def log_position(alias: str) -> int:
    """How far a server's log has come, in bytes: what it has written, or a replica replayed."""
    with connections[alias].cursor() as cursor:
        cursor.execute(POSITION_SQL)
        position: int = cursor.fetchone()[0]
    return position


def after_commit(aliases: Collection[str]) -> Positions:
    """The positions of some primaries now; one query each."""
    found: Positions = {}
    for alias in aliases:
        try:
            found[alias] = log_position(alias)
        except (DatabaseError, InterfaceError):
            logger.exception("%s has committed, and is gone: its position is not known", alias)
            found[alias] = UNKNOWN
    return found


def keep(positions: Positions, *, user_id: int | None) -> None:
    """Let the user's reads wait for what a request of theirs has written; one round trip.

    And everybody's, for what is written in the users database: it decides who may see what. No
    user: a task has written, for whoever it may concern.
    """
    calls: list[Call] = []
    if user_id is not None:
        calls.append(_raised(_own_key(user_id), positions))
    common = positions if user_id is None else _of(positions, ["default"])
    if common:
        calls.append(_raised(_common_key(), common))
    try:
        run_script(state_valkey(), _RAISE_LUA, calls)
    except ValkeyUnavailable:
        logger.exception("STATE is down: positions are not kept for user %s", user_id)


def _of(positions: Positions, aliases: Collection[str]) -> Positions:
    return {alias: position for alias, position in positions.items() if alias in aliases}


def _raised(key: str, positions: Positions) -> Call:
    arguments: list[object] = [settings.POSITION_SECONDS]
    for alias, position in positions.items():
        arguments += [alias, f"{position:0{_DIGITS}d}"]
    return [key], arguments


def kept(*, user_id: int | None) -> Positions | None:
    """What a replica must have replayed for this user, or anybody; None: STATE does not say.

    One round trip, or none for nobody in particular while the common positions are known.
    """
    ask_common = time.monotonic() - _common.read_at > COMMON_SECONDS
    if user_id is None and not ask_common:
        return _common.positions or {}
    pipeline = state_valkey().pipeline(transaction=False)
    if user_id is not None:
        pipeline.hgetall(_own_key(user_id))
    if ask_common:
        pipeline.hgetall(_common_key())
    began = time.monotonic()
    try:
        answers = [_decoded(answer) for answer in pipeline.execute()]
    except ValkeyUnavailable:
        logger.exception("STATE is down: reads go to the primaries")
        return None
    if ask_common:
        _common.positions, _common.read_at = answers.pop(), began
    return merged(*answers, _common.positions or {})


def _decoded(answer: Mapping[bytes, bytes]) -> Positions:
    return {alias.decode(): int(position) for alias, position in answer.items()}


def merged(*several: Positions) -> Positions:
    """The furthest of each."""
    furthest: Positions = {}
    for positions in several:
        for alias, position in positions.items():
            furthest[alias] = max(position, furthest.get(alias, 0))
    return furthest


def token_of(positions: Positions) -> str:
    """A token that lets whoever sends it back see what has been written."""
    text = ",".join(f"{alias}:{position:x}" for alias, position in sorted(positions.items()))
    return _signer().sign(text)


def positions_in(token: str) -> Positions | None:
    """What a token stands for; nothing when it is too old to matter, None when it is not ours."""
    try:
        text = _signer().unsign(token, max_age=settings.POSITION_SECONDS)
    except SignatureExpired:
        return {}
    except BadSignature:
        return None
    pairs = (pair.split(":") for pair in text.split(","))
    return {alias: int(position, 16) for alias, position in pairs}


def _signer() -> TimestampSigner:
    # Signed, so that nobody can send all of their reads to the primaries for good.
    return TimestampSigner(salt="socialfeed.consistency", sep=".")

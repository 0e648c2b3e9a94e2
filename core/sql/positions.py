"""How far a primary's log has come: after a commit, in STATE, and in a token for the client.

A position is the number of bytes of PostgreSQL's log (LSN) that was on the primary's disk at some
moment. A server that has replayed it shows everything that was committed before it was asked for.

The write is done when its position is asked for. Should that fail, the position is `UNKNOWN`,
which no replica has ever replayed: its user's reads stay on the primary for a while. STATE down, or
taking no writes: the token is all there is, and it is logged.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from dataclasses import dataclass, field

from django.conf import settings
from django.core.signing import BadSignature, SignatureExpired, TimestampSigner
from django.db import DatabaseError, InterfaceError, connections
from redis import ResponseError

from core.valkey import Call, ValkeyUnavailable, run_script, state_valkey, values_of

logger = logging.getLogger(__name__)

TOKEN_HEADER = "Consistency-Token"  # noqa: S105  (a header's name)
TOKEN_META = "HTTP_CONSISTENCY_TOKEN"  # noqa: S105  (as a request has it)
PRIMARIES = ("default", "posts", "comments")
# Where a server is: a primary's log, or how much of it a replica has replayed. Not what a primary
# has only begun to write: that is not committed, and not sent to any replica yet.
POSITION_SQL = """
SELECT (
    CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END
    - '0/0'
)::bigint
"""
UNKNOWN = 2**63 - 1
# For so long the common positions that a process has read do: what they stand for need not be seen
# sooner than that by others, and every reader would have to ask for them.
COMMON_SECONDS = 0.5

Positions = dict[str, int]  # by alias of the primary

# KEYS: one. ARGV: the position, seconds to live. Positions only grow, so that of two requests the
# later one wins, whoever stores first; none lives longer for a lower one. As text of one length,
# for numbers in Lua are exact to 2^53 only.
_RAISE_LUA = """
local now = redis.call('GET', KEYS[1])
if now and now >= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""
_DIGITS = 19
_EVERYBODY = "everybody"


def position_key(whose: int | str, alias: str) -> str:
    """STATE. String: a position, 19 digits. Of a user, or of `everybody`, after their last commit
    there; lives POSITION_SECONDS.
    """
    return f"position:v2:{{{whose}}}:{alias}"


@dataclass
class Kept:
    """What a replica must have replayed: for the caller, and for everybody."""

    own: Positions = field(default_factory=dict)
    common: Positions = field(default_factory=dict)


@dataclass
class _Common:
    """The common positions as this process read them last."""

    read_at: float = -COMMON_SECONDS
    positions: Positions = field(default_factory=dict)


_common = _Common()


def log_position(alias: str) -> int:
    """How far a server's log has come, in bytes: what it has written, or a replica replayed."""
    with connections[alias].cursor() as cursor:
        cursor.execute(POSITION_SQL)
        position: int = cursor.fetchone()[0]
    return position


def after_commit(aliases: Collection[str]) -> Positions:
    """The positions of some primaries now; one query each."""
    return {alias: _position_or_unknown(alias) for alias in aliases}


def _position_or_unknown(alias: str) -> int:
    try:
        try:
            return log_position(alias)
        except (DatabaseError, InterfaceError):
            # It may be only the connection that has died.
            connections[alias].close()
            return log_position(alias)
    except (DatabaseError, InterfaceError):
        logger.exception("%s has committed, and is gone: its position is not known", alias)
        return UNKNOWN


def keep(positions: Positions, *, user_id: int | None) -> None:
    """Let the user's reads wait for what a request of theirs has written; one round trip.

    And everybody's, for what is written in the users database: it decides who may see what. No
    user: a task has written, for whoever it may concern. What is UNKNOWN only its user waits for.
    """
    calls: list[Call] = []
    for alias, position in positions.items():
        if user_id is not None:
            calls.append(_raised(user_id, alias, position))
        if (user_id is None or alias == "default") and position != UNKNOWN:
            calls.append(_raised(_EVERYBODY, alias, position))
    if not calls:
        return
    try:
        run_script(state_valkey(), _RAISE_LUA, calls)
    except (ResponseError, *ValkeyUnavailable):
        logger.exception("STATE is down or full: positions are not kept for user %s", user_id)


def _raised(whose: int | str, alias: str, position: int) -> Call:
    seconds = settings.POSITION_SECONDS
    return [position_key(whose, alias).encode()], [b"%0*d" % (_DIGITS, position), b"%d" % seconds]


def kept(*, user_id: int | None) -> Kept | None:
    """What a replica must have replayed for this user, or anybody; None: STATE does not say.

    One round trip, or none for nobody in particular while the common positions are known.
    """
    ask_common = time.monotonic() - _common.read_at > COMMON_SECONDS
    asked = [] if user_id is None else [str(user_id)]
    asked += [_EVERYBODY] if ask_common else []
    began = time.monotonic()
    answers = {}
    if asked:
        keys = {whose: [position_key(whose, alias) for alias in PRIMARIES] for whose in asked}
        try:
            found = values_of(state_valkey(), [key for some in keys.values() for key in some])
            answers = {
                whose: _decoded([found[key] for key in some]) for whose, some in keys.items()
            }
        except ValkeyUnavailable:
            logger.exception("STATE is down: reads go to the primaries")
            return None
    if ask_common:
        _common.positions, _common.read_at = answers[_EVERYBODY], began
    return Kept(answers.get(str(user_id), {}), _common.positions)


def _decoded(answer: Collection[bytes | None]) -> Positions:
    pairs = zip(PRIMARIES, answer, strict=True)
    return {alias: int(position) for alias, position in pairs if position is not None}


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
    # Signed, so that what is in it is what we put there.
    return TimestampSigner(salt="socialfeed.consistency", sep=".")

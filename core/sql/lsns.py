"""The LSNs (`core.sql.wal`) of primaries, kept for those who must see what was written there, or
what they were shown before.

After a request has committed, the LSNs of the primaries that it wrote to are stored in STATE, and
handed to its client in a signed token. If a primary cannot be asked for its LSN then, the LSN is
`UNKNOWN`, which no replica ever reaches, so that the user's reads stay on the primary for a while.
STATE down, or taking no writes: only the token has the LSNs, and that is logged.
"""

import logging
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from django.conf import settings
from django.core.signing import BadSignature, SignatureExpired, TimestampSigner
from django.db import DatabaseError, InterfaceError, connections
from redis import ResponseError

from core.sql.wal import UNKNOWN, primary_lsn
from core.valkey import Call, ValkeyUnavailable, exchange, run_script, state_valkey

logger = logging.getLogger(__name__)

TOKEN_HEADER = "Consistency-Token"  # noqa: S105  (a header's name)
TOKEN_META = "HTTP_CONSISTENCY_TOKEN"  # noqa: S105  (as a request has it)
PRIMARIES = ("default", "posts", "comments")
# A process reads the common LSNs again after so many seconds: others need not see those writes
# sooner, and each request would have to ask for them.
COMMON_SECONDS = 0.5

Lsns = dict[str, int]  # by alias of the primary

# KEYS: one. ARGV: the LSN, seconds to live. Stores the LSN unless a greater one is there, so the
# order in which requests store theirs does not matter. LSNs are compared as text of one length:
# numbers in Lua are exact to 2^53 only.
_RAISE_LUA = """
local now = redis.call('GET', KEYS[1])
if now and now >= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""
_DIGITS = 19
_EVERYBODY = "everybody"


def lsn_key(whose: int | str, alias: str) -> str:
    """STATE. String: an LSN, 19 digits. That of a user, or of `everybody`, after their last commit
    on a primary; lives LSN_SECONDS.
    """
    return f"position:v2:{{{whose}}}:{alias}"


def seen_key(user_id: int, alias: str) -> str:
    """STATE. String: an LSN, 19 digits, of the newest that a user was shown elsewhere than on the
    replica that is their own; lives LSN_SECONDS.
    """
    return f"position:v2:{{{user_id}}}:{alias}:seen"


@dataclass
class RequiredLsns:
    """What a replica must have replayed: for the user's own writes, for everybody's, and for what
    the user was shown before.
    """

    own: Lsns = field(default_factory=dict)
    common: Lsns = field(default_factory=dict)
    seen: Lsns = field(default_factory=dict)


@dataclass
class _Common:
    """The common LSNs, as this process read them last."""

    read_at: float = -COMMON_SECONDS
    lsns: Lsns = field(default_factory=dict)


_common = _Common()


def lsns_after_commit(aliases: Collection[str]) -> Lsns:
    """The LSNs of some primaries now, UNKNOWN for those that are down; one query each."""
    return {alias: _lsn_or_unknown(alias) for alias in aliases}


def _lsn_or_unknown(alias: str) -> int:
    try:
        try:
            return primary_lsn(alias)
        except (DatabaseError, InterfaceError):
            # Maybe only the connection is lost.
            connections[alias].close()
            return primary_lsn(alias)
    except (DatabaseError, InterfaceError):
        logger.exception("%s went down after a commit: its LSN is not known", alias)
        return UNKNOWN


def store_lsns(lsns: Lsns, *, user_id: int | None) -> None:
    """Store the LSNs of what was written, so that the user's later reads see it; one round trip.

    LSNs of the users database, which decides who may see what, are required of everybody's reads.
    So are all LSNs if `user_id` is None: a task has written. UNKNOWN is stored for its user only.
    STATE down or full: logs it, stores nothing.
    """
    calls: list[Call] = []
    for alias, lsn in lsns.items():
        if user_id is not None:
            calls.append(_raise_call(lsn_key(user_id, alias), lsn))
        if (user_id is None or alias == "default") and lsn != UNKNOWN:
            calls.append(_raise_call(lsn_key(_EVERYBODY, alias), lsn))
    _store(calls, whose=user_id)


def store_seen_lsns(lsns: Lsns, *, user_id: int) -> None:
    """Store the LSNs of what a user was shown, so that later reads show no less; one round trip.

    STATE down or full: logs it, stores nothing.
    """
    calls = [_raise_call(seen_key(user_id, alias), lsn) for alias, lsn in lsns.items()]
    _store(calls, whose=user_id)


def _store(calls: list[Call], *, whose: int | None) -> None:
    if not calls:
        return
    try:
        run_script(state_valkey(), _RAISE_LUA, calls)
    except (ResponseError, *ValkeyUnavailable):
        logger.exception("STATE is down or full: LSNs are not stored for user %s", whose)


def _raise_call(key: str, lsn: int) -> Call:
    return [key.encode()], [b"%0*d" % (_DIGITS, lsn), b"%d" % settings.LSN_SECONDS]


def required_lsns(*, user_id: int | None) -> RequiredLsns | None:
    """What a replica must have replayed for a user (None: anonymous); None when STATE is down.

    One round trip; none for an anonymous caller within COMMON_SECONDS of the last one.
    """
    ask_common = time.monotonic() - _common.read_at > COMMON_SECONDS
    commands = [] if user_id is None else [_reading(user_id)]
    commands += [_reading(_EVERYBODY)] if ask_common else []
    began = time.monotonic()
    try:
        answers = exchange(state_valkey(), commands)
    except ValkeyUnavailable:
        logger.exception("STATE is down: reads go to the primaries")
        return None
    if ask_common:
        _common.lsns, _common.read_at = _lsns_of(answers.pop()), began
    if user_id is None:
        return RequiredLsns(common=_common.lsns)
    own, seen = answers[0][: len(PRIMARIES)], answers[0][len(PRIMARIES) :]
    return RequiredLsns(_lsns_of(own), _common.lsns, _lsns_of(seen))


def _reading(whose: int | str) -> tuple[str, ...]:
    keys = [lsn_key(whose, alias) for alias in PRIMARIES]
    if isinstance(whose, int):
        keys += [seen_key(whose, alias) for alias in PRIMARIES]
    return "MGET", *keys


def _lsns_of(stored: Sequence[bytes | None]) -> Lsns:
    """By alias, those that are there."""
    return {alias: int(lsn) for alias, lsn in zip(PRIMARIES, stored, strict=True) if lsn}


def token_of(lsns: Lsns) -> str:
    """A signed token for the client. Requests that send it see what had been written by then."""
    text = ",".join(f"{alias}:{lsn:x}" for alias, lsn in sorted(lsns.items()))
    return _signer().sign(text)


def lsns_in(token: str) -> Lsns | None:
    """The LSNs in a token; none if it is too old to matter. Returns None if its signature fails."""
    try:
        text = _signer().unsign(token, max_age=settings.LSN_SECONDS)
    except SignatureExpired:
        return {}
    except BadSignature:
        return None
    pairs = (pair.split(":") for pair in text.split(","))
    return {alias: int(lsn, 16) for alias, lsn in pairs}


def _signer() -> TimestampSigner:
    return TimestampSigner(salt="socialfeed.consistency", sep=".")

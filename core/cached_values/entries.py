"""Cache entries: how one is stored in CACHE, and when one may be stored.

An entry is `r`, a version, and an encoded value, which is empty for a row that does not exist. In
place of an entry there may be a fill lease: `m`, and the random token of a process that is reading
SQL for it. Three rules keep entries right, whichever processes run at once, die, or lose entries to
an eviction:

- A version stands for a snapshot of the primary (VERSION_SQL). Of two entries, the one with the
  greater version was read later. An entry never replaces one with a greater version.
- A process that changes a row refreshes its entry after the commit. It reads SQL then, so it need
  not know what has changed, nor whether it is the first to refresh. Where nothing is stored, there
  is nothing to refresh: the next reader reads the change.
- A value that was read from SQL is stored only while the fill lease, or the entry, that was found
  before the read is still there, or an entry has replaced it. So a reader whose lease was evicted
  stores nothing.

CACHE down: every function raises `ValkeyUnavailable`.
"""

import secrets
from collections.abc import Iterable, Sequence

from core.sql import TIMELINE_SQL
from core.valkey import Call, cache_valkey, exchange, run_script

# An SQL expression: the snapshot of the statement as a number, which is greater for a snapshot that
# sees more. Its high 11 bits are the timeline of the log: a new primary uses the ids of lost
# transactions again, and what it says is newer all the same. The next 40 bits are the id after the
# last transaction that has ended. The low 12 bits are the greater, the fewer transactions before
# that are still in progress.
VERSION_SQL = f"""(
    SELECT ({TIMELINE_SQL} << 52) + (pg_snapshot_xmax(snapshot)::text::bigint << 12)
    + 4095 - least(4095, (SELECT count(*) FROM pg_snapshot_xip(snapshot)))
    FROM pg_current_snapshot() AS snapshot
)"""  # noqa: S608  (a constant)

_ENTRY, _LEASE = b"r", b"m"
_ENTRY_BYTE = _ENTRY[0]
_TOKEN_BYTES = 8
_VERSION_DIGITS = 20  # decimal, with leading zeros: Lua compares text by the server's locale
_HEAD = len(_ENTRY) + _VERSION_DIGITS
# A process that takes longer than this to read SQL does not store what it has read.
FILL_LEASE_MS = 10_000

# KEYS: one. ARGV: the fill lease that was found or taken, or ''; the entry; its seconds to live.
_STORE_LUA = """
local now = redis.call('GET', KEYS[1])
if not now then return 0 end
if string.sub(now, 1, 1) == 'm' then
  if now ~= ARGV[1] then return 0 end
elseif string.sub(now, 2, 21) > string.sub(ARGV[2], 2, 21) then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
"""

# Ids and their keys, those of one hash slot together.
Slots = list[tuple[list[int], list[str]]]
# Ids and what is stored for each: an entry, a fill lease, or nothing.
Found = list[tuple[list[int], list[bytes | None]]]


def read(kinds: Sequence[Slots]) -> list[Found]:
    """Read what is stored for ids of several kinds; one round trip, one MGET a hash slot."""
    commands = [("MGET", *keys) for slots in kinds for _, keys in slots]
    replies = iter(exchange(cache_valkey(), commands) if commands else ())
    return [[(ids, next(replies)) for ids, _ in slots] for slots in kinds]


def encoded_values(found: Found) -> dict[int, bytes]:
    """The encoded value of each id that has an entry."""
    return {
        id_: entry[_HEAD:]
        for ids, entries in found
        for id_, entry in zip(ids, entries, strict=True)
        if entry and entry[0] == _ENTRY_BYTE
    }


def versioned_values(found: Found) -> dict[int, tuple[int, bytes]]:
    """The version and the encoded value of each id that has an entry."""
    return {
        id_: (int(entry[len(_ENTRY) : _HEAD]), entry[_HEAD:])
        for ids, entries in found
        for id_, entry in zip(ids, entries, strict=True)
        if entry and entry.startswith(_ENTRY)
    }


def take_fill_leases(keys: Sequence[str]) -> list[bytes]:
    """Announce a read of SQL; returns the fill lease at each key, a new one where nothing was.

    Empty where there is an entry. One round trip.
    """
    own = _LEASE + secrets.token_bytes(_TOKEN_BYTES)
    commands = [("SET", key, own, "NX", "PX", FILL_LEASE_MS, "GET") for key in keys]
    return [
        own if there is None else there if there.startswith(_LEASE) else b""
        for there in exchange(cache_valkey(), commands)
    ]


def fill_leases(keys: Sequence[str]) -> list[bytes | None]:
    """The fill lease at each key: empty for an entry, None for nothing; at most one round trip."""
    if not keys:
        return []
    commands = [("GETRANGE", key, 0, len(_LEASE) + _TOKEN_BYTES - 1) for key in keys]
    return [
        None if not there else there if there.startswith(_LEASE) else b""
        for there in exchange(cache_valkey(), commands)
    ]


def storing(key: str, lease: bytes, version: int, encoded: bytes, *, seconds: int) -> Call:
    """A call for `store`, which stores an entry if the rules above allow it.

    `lease`: what `take_fill_leases` or `fill_leases` has returned for the key, not None. `version`:
    from VERSION_SQL. `seconds`: how long the entry lives.
    """
    entry = _ENTRY + b"%0*d" % (_VERSION_DIGITS, version) + encoded
    return [key.encode()], [lease, entry, b"%d" % seconds]


def store(calls: list[Call]) -> None:
    """Store entries; one round trip. `calls`: from `storing`."""
    if calls:
        run_script(cache_valkey(), _STORE_LUA, calls)


def drop(keys: Iterable[str]) -> None:
    """Remove what is stored, as an eviction does; one round trip."""
    exchange(cache_valkey(), [("UNLINK", key) for key in keys])

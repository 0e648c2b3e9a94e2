"""Lua scripts, which the server runs as one step. On a cluster, a call names keys of one slot."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from hashlib import sha1
from typing import Any

import redis
from redis.exceptions import NoScriptError

from core.valkey.exchanges import exchange

Call = tuple[Sequence[str | bytes], Sequence[bytes]]  # keys of one hash slot, arguments


def run_script(
    client: redis.Redis, source: str, calls: list[Call], *, is_read: bool = False
) -> list[Any]:
    """Run a script once for each call, in one round trip; returns their answers.

    If the server does not know the script, it is loaded and all calls are made again: a script must
    have the same effect when it runs twice. `is_read`: it changes no value; for `recorded_reads`.
    """
    sha = _sha(source)
    commands = [
        (b"EVALSHA", sha, b"%d" % len(keys), *keys, *arguments) for keys, arguments in calls
    ]
    try:
        return exchange(client, commands, is_read=is_read)
    except NoScriptError:
        exchange(client, [(b"SCRIPT", b"LOAD", source)])
        return exchange(client, commands, is_read=is_read)


def by_slot(keys: Iterable[str]) -> list[list[str]]:
    """Group keys by their hash tags. Every key must have one."""
    slots: defaultdict[str, list[str]] = defaultdict(list)
    for key in keys:
        # The text before the tag may stay: it is the same for all keys of a kind.
        slots[key[: key.index("}")]].append(key)
    return list(slots.values())


@cache
def _sha(source: str) -> bytes:
    return sha1(source.encode(), usedforsecurity=False).hexdigest().encode()

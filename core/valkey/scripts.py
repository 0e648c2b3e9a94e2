"""Lua scripts, which the server runs as one step.

On a cluster, a call names keys of one slot. While the slot moves to another server, the script may
run for each of them alone. So it must return a number to be added up, or a list to be joined; and
it must not delete a key and make it again.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache
from hashlib import sha1
from typing import Any

from redis.exceptions import NoScriptError

from core.valkey.clients import ValkeyUnavailable
from core.valkey.exchanges import Valkey, exchange

Call = tuple[Sequence[str | bytes], Sequence[bytes]]  # keys of one hash slot, arguments


def run_script(
    client: Valkey, source: str, calls: Sequence[Call], *, is_read: bool = False
) -> list[Any]:
    """Run a script once for each call, in one round trip; returns their answers.

    If the server does not know the script, it is loaded and all calls are made again: a script must
    have the same effect when it runs twice. `is_read`: it changes no value.
    """
    operands = [(b"%d" % len(keys), *keys, *arguments) for keys, arguments in calls]
    try:
        sha = _sha(source)
        return exchange(client, [(b"EVALSHA", sha, *each) for each in operands], is_read=is_read)
    except NoScriptError:
        # On a cluster, one of the servers may be down that these calls do not need.
        with suppress(*ValkeyUnavailable):
            exchange(client, [(b"SCRIPT", b"LOAD", source)])
        # A server that is just being given its first slots has not got it even now.
        return exchange(client, [(b"EVAL", source, *each) for each in operands], is_read=is_read)


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

"""Lua in Valkey: runs a script for several calls in one round trip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha1
from typing import Any

import redis
from redis.exceptions import NoScriptError

from core.valkey import exchange

Call = tuple[Sequence[str | bytes], Sequence[bytes]]  # keys of one hash slot, arguments


def run_script(
    client: redis.Redis,
    source: str,
    calls: list[Call],
    *,
    ask: Callable[[redis.Redis, list[Any]], list[Any]] = exchange,
) -> list[Any]:
    """Run a script once for each call, in one round trip; returns their answers.

    A server that does not know the script yet is taught it, and all calls are made again: every
    script must bear to run twice. `ask`: `look` for one that changes nothing of what it reads.
    """
    sha = _sha(source)
    commands = [
        (b"EVALSHA", sha, b"%d" % len(keys), *keys, *arguments) for keys, arguments in calls
    ]
    try:
        return ask(client, commands)
    except NoScriptError:
        client.script_load(source)
        return ask(client, commands)


@cache
def _sha(source: str) -> bytes:
    return sha1(source.encode(), usedforsecurity=False).hexdigest().encode()

"""Lua in Valkey: runs a script for several calls in one round trip."""

from __future__ import annotations

from functools import cache
from hashlib import sha1
from typing import Any

import redis
from redis.exceptions import NoScriptError

Call = tuple[list[str], list[Any]]  # keys of one hash slot, arguments


def run_script(client: redis.Redis, source: str, calls: list[Call]) -> list[Any]:
    """Run a script once for each call, in one round trip; returns their answers.

    A server that does not know the script yet is taught it, and all calls are made again: every
    script must bear to run twice.
    """
    try:
        return _run(client, _sha(source), calls)
    except NoScriptError:
        client.script_load(source)
        return _run(client, _sha(source), calls)


@cache
def _sha(source: str) -> str:
    return sha1(source.encode(), usedforsecurity=False).hexdigest()


def _run(client: redis.Redis, sha: str, calls: list[Call]) -> list[Any]:
    if len(calls) == 1:
        keys, arguments = calls[0]
        return [client.evalsha(sha, len(keys), *keys, *arguments)]
    pipeline = client.pipeline(transaction=False)
    for keys, arguments in calls:
        pipeline.evalsha(sha, len(keys), *keys, *arguments)
    return pipeline.execute()

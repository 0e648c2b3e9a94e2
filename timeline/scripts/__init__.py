"""The Lua that runs in Valkey, one file a script, by name."""

from __future__ import annotations

from functools import cache
from hashlib import sha1
from pathlib import Path
from typing import Any

import redis
from redis.exceptions import NoScriptError

_SHARED = "_order"


@cache
def _source(name: str) -> str:
    folder = Path(__file__).parent
    return "\n".join((folder / f"{part}.lua").read_text() for part in (_SHARED, name))


@cache
def _sha(name: str) -> str:
    return sha1(_source(name).encode(), usedforsecurity=False).hexdigest()


Call = tuple[list[str], list[Any]]  # keys of one hash slot, arguments


def run_scripts(client: redis.Redis, name: str, calls: list[Call]) -> list[Any]:
    """Run a script once for each call, in one round trip; returns their answers.

    A server that does not know the script yet is taught it, and all calls are made again: every
    script here may run twice.
    """
    try:
        return _run(client, name, calls)
    except NoScriptError:
        client.script_load(_source(name))
        return _run(client, name, calls)


def _run(client: redis.Redis, name: str, calls: list[Call]) -> list[Any]:
    if len(calls) == 1:
        keys, arguments = calls[0]
        return [client.evalsha(_sha(name), len(keys), *keys, *arguments)]
    pipeline = client.pipeline(transaction=False)
    for keys, arguments in calls:
        pipeline.evalsha(_sha(name), len(keys), *keys, *arguments)
    return pipeline.execute()

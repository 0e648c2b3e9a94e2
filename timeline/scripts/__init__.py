"""The Lua of timelines, one file a script, by name."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import redis

from core.valkey import Call, run_script

__all__ = ["Call", "run_scripts"]
_SHARED = "_order"
# These change no value that they read.
_READS = frozenset({"read"})


@cache
def _source(name: str) -> str:
    folder = Path(__file__).parent
    return "\n".join((folder / f"{part}.lua").read_text() for part in (_SHARED, name))


def run_scripts(client: redis.Redis, name: str, calls: list[Call]) -> list[Any]:
    """Run a script once for each call, in one round trip; returns their answers."""
    return run_script(client, _source(name), calls, is_read=name in _READS)

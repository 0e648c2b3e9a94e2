"""The Lua scripts of timelines: one file each, called by name."""

from functools import cache
from pathlib import Path
from typing import Any

from core.valkey import Call, Valkey, run_script

_SHARED = "_order"
# They change no entry; at most they extend a timeline's life.
_READS = frozenset({"read"})


@cache
def _source(name: str) -> str:
    folder = Path(__file__).parent
    return "\n".join((folder / f"{part}.lua").read_text() for part in (_SHARED, name))


def run_scripts(client: Valkey, name: str, calls: list[Call]) -> list[Any]:
    """Run a script once for each call, in one round trip; returns its answers, in order."""
    return run_script(client, _source(name), calls, is_read=name in _READS)

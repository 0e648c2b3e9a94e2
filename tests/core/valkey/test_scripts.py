"""Scripts run on the server."""

from __future__ import annotations

from collections.abc import Callable

import redis

from core.valkey import run_script


def test_scripts_are_loaded_when_they_are_not_known(
    client: redis.Redis, unique: Callable[[str], str]
) -> None:
    source = f"return ARGV[1] -- {unique('script')}"
    for _ in range(2):
        assert run_script(client, source, [([], [b"a"]), ([], [b"b"])]) == [b"a", b"b"]

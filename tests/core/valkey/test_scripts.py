"""Scripts run on the server, with keys of one slot."""

from collections.abc import Callable

import redis

from core.valkey import by_slot, run_script


def test_scripts_are_loaded_when_they_are_not_known(
    client: redis.Redis, unique: Callable[[str], str]
) -> None:
    source = f"return ARGV[1] -- {unique('script')}"
    for _ in range(2):
        assert run_script(client, source, [([], [b"a"]), ([], [b"b"])]) == [b"a", b"b"]


def test_keys_are_grouped_by_slot() -> None:
    keys = [f"value:{{{number % 3}}}:{number}" for number in range(10)]
    assert by_slot(keys) == [keys[0::3], keys[1::3], keys[2::3]]
    assert by_slot([]) == []

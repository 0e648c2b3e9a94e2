"""Keys of several hash slots are read together."""

from __future__ import annotations

from collections.abc import Callable

from core.valkey import cache_valkey, values_of
from devstack.lifecycle import Stack


def test_values_are_read_in_one_round_trip_whatever_their_slots(
    stack: Stack, unique: Callable[[str], str], round_trips: Callable[[], int]
) -> None:
    keys = [f"{unique('value')}:{{{number % 3}}}:{number}" for number in range(10)]
    for key in keys[:-1]:
        cache_valkey().set(key, key, ex=60)
    before = round_trips()
    found = values_of(cache_valkey(), [*keys, keys[0]])
    assert round_trips() - before == 1
    assert found == {key: key.encode() for key in keys[:-1]} | {keys[-1]: None}
    assert values_of(cache_valkey(), []) == {}

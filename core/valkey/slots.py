"""Hash slots: on a Valkey Cluster, a command may name only keys of one slot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import redis

from core.valkey.exchanges import exchange


def by_slot(keys: Iterable[str]) -> list[list[str]]:
    """Group keys by their hash tags. Every key must have one."""
    slots: defaultdict[str, list[str]] = defaultdict(list)
    for key in keys:
        # The text before the tag may stay: it is the same for all keys of a kind.
        slots[key[: key.index("}")]].append(key)
    return list(slots.values())


def values_of(client: redis.Redis, keys: Iterable[str]) -> dict[str, bytes | None]:
    """The string at each key, None where there is no key; one round trip, one MGET a hash tag."""
    slots = by_slot(keys)
    if not slots:
        return {}
    replies = exchange(client, [[b"MGET", *slot] for slot in slots])
    return {
        key: value
        for slot, values in zip(slots, replies, strict=True)
        for key, value in zip(slot, values, strict=True)
    }

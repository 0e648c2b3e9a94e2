"""Find cache entries that are not what SQL says."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from core.cached_values import entries
from core.cached_values.values import CachedValue
from core.sql import primary_reads


def stale_ids(
    kind: CachedValue[Any],
    ids: Collection[int],
    *,
    pending: Callable[[Collection[int]], Collection[int]],
) -> set[int]:
    """Those of `ids` whose entries differ from SQL although no refresh of them is outstanding.

    `pending` says for which of some ids a refresh is outstanding.
    """
    before = _entries(kind, ids)
    with primary_reads():
        loaded = kind.load(list(before)) if before else {}
    differing = {id_ for id_, (_, value) in before.items() if value != kind.encoded(loaded[id_][1])}
    settled = differing - set(pending(differing)) if differing else set()
    # An entry that was refreshed since the first read has another version or value now.
    after = _entries(kind, settled)
    return {id_ for id_ in settled if after.get(id_) == before[id_]}


def _entries(kind: CachedValue[Any], ids: Collection[int]) -> dict[int, tuple[int, bytes]]:
    """The version and the encoded value of each id that has an entry."""
    (found,) = entries.read([kind.by_slot(ids)])
    return entries.versioned_values(found)

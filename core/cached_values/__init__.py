"""Values that CACHE keeps of what SQL has, by id: never older than the last change.

`CachedValue` describes one kind of values; `CacheBatch` reads several kinds in one round trip.
`entries` says how an entry is stored and which of two entries wins; docs/decisions/0010 says why.
"""

from core.cached_values.entries import VERSION_SQL
from core.cached_values.values import (
    CacheBatch,
    CachedValue,
    Pending,
    Versioned,
    stale_ids,
    uncommitted_reads,
)

__all__ = [
    "VERSION_SQL",
    "CacheBatch",
    "CachedValue",
    "Pending",
    "Versioned",
    "stale_ids",
    "uncommitted_reads",
]

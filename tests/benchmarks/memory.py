"""What Valkey keeps for each timeline entry, post and person: bytes, with keys."""

from collections import defaultdict
from collections.abc import Sequence
from statistics import mean

from django.contrib.sessions.backends.cache import KEY_PREFIX
from redis import Redis

from core.valkey import Cluster, cache_valkey, state_valkey
from timeline import store
from timeline.keys import home_key

# Keys of STATE, and of CACHE, by a part of their names.
_OF_A_SESSION = (KEY_PREFIX, "sessions:", "limits:", "position:")
_OF_A_VIEWER = ("followed:", "hidden:", "friendly:", "liked-posts:")
_KINDS = (*_OF_A_SESSION, *_OF_A_VIEWER, "page-replay:", "post:", "user:")
_SAMPLE = 200


def memory(timelines: Sequence[int]) -> dict[str, float]:
    """`timelines`: users with full home timelines.

    In the result, `viewer` is what CACHE has of an active user beside timelines and the document,
    and `session` what STATE has of one.
    """
    entries, used = zip(*store.sizes(keys=[home_key(id_) for id_ in timelines]), strict=True)
    cached, kept = _by_kind(cache_valkey()), _by_kind(state_valkey())
    return {
        "timeline_entry": sum(used) / sum(entries),
        "post": cached["post:"],
        "user": cached["user:"],
        "page_replay": cached["page-replay:"],
        "viewer": sum(cached[kind] for kind in _OF_A_VIEWER),
        "session": sum(kept[kind] for kind in _OF_A_SESSION),
    }


def _by_kind(server: Redis | Cluster) -> dict[str, float]:
    """The mean bytes of the keys of each kind."""
    keys: dict[str, list[bytes]] = defaultdict(list)
    for key in server.scan_iter(count=1000):
        kind = next((one for one in _KINDS if one in key.decode()), "")
        if kind and len(keys[kind]) < _SAMPLE:
            keys[kind].append(key)
    found = {}
    for kind, some in keys.items():
        pipeline = server.pipeline(transaction=False)
        for key in some:
            pipeline.memory_usage(key)
        found[kind] = mean(size or 0 for size in pipeline.execute())
    return found

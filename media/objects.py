"""Removes and moves the objects of uploads, and tells the CDN. All of it may be repeated.

The caller has locked the rows, or removed them: nobody else moves these objects meanwhile.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from media import cdn, incoming, storage
from media.variants import OBJECTS

# What all functions here raise if the object store, or the CDN, does not answer or refuses.
Unreachable = (*storage.StoreUnavailable, cdn.PurgeFailed)


def erase(*, prefixes: Sequence[str]) -> None:
    """Remove all objects of some uploads, public and withheld; raises `Unreachable`."""
    if not prefixes:
        return
    withheld = [storage.withheld_prefix(prefix) for prefix in prefixes]
    storage.remove_objects(prefixes=[*prefixes, *withheld], variants=OBJECTS)
    cdn.purge(urls=[storage.public_url(key) for key in _keys(dict.fromkeys(prefixes, OBJECTS))])


def erase_keys(*, keys: Sequence[str]) -> None:
    """Remove single objects, also files of which only parts have arrived; raises `Unreachable`."""
    for key in keys:
        if storage.is_incoming(key):
            incoming.remove(key=key)
    storage.remove_keys(keys)
    cdn.purge(urls=[storage.public_url(key) for key in keys if storage.is_public(key)])


@contextmanager
def moved(*, files: Mapping[str, Collection[str]], is_public: bool) -> Iterator[None]:
    """Move objects of some uploads to where they are public, or where they are withheld.

    `files`: their names, by prefix. They are copied before the block, and removed from the old
    place after it. So the block can check that the rows are still locked. Raises `Unreachable`.
    """
    public = _keys(files)
    withheld = _keys({storage.withheld_prefix(prefix): names for prefix, names in files.items()})
    sources, targets = (withheld, public) if is_public else (public, withheld)
    storage.copy_objects(keys=list(zip(sources, targets, strict=True)))
    yield
    storage.remove_keys(sources)
    # Also of pictures that come back: the CDN may remember that they were missing.
    cdn.purge(urls=[storage.public_url(key) for key in public])


def _keys(files: Mapping[str, Collection[str]]) -> list[str]:
    return [storage.variant_key(prefix, name) for prefix, names in files.items() for name in names]

"""The variants that pictures of an older release lack are made, at new addresses."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from botocore.exceptions import EndpointConnectionError

from core.http.problems import NotFound, Unavailable, UnsupportedMedia
from core.outbox.models import OutboxEvent
from media import remaking, services, storage
from media.documents import media_document
from media.events import media_changed, media_removed
from media.models import Media
from posts.services import publish_post
from tests.support.deliveries import KilledError, killed, object_store_down, pending_rows
from tests.support.images import decoded, encoded, plain
from tests.support.old_media import OLD_VARIANTS, make_old, put
from tests.support.stored import IS_GONE, IS_PUBLIC, deliver_removals, objects_of

pytestmark = pytest.mark.django_db

Upload = Callable[..., Media]


@pytest.fixture
def old(alice: int, upload: Upload) -> Media:
    """A picture of the older release, unused."""
    return make_old(upload(alice, encoded(plain((1600, 1200))), alt="Low tide"))


def now(media: Media) -> Media:
    return Media.objects.get(pk=media.pk)


def content(media: Media, variant: str) -> bytes:
    stored = storage.read_object(key=storage.variant_key(media.storage_prefix, variant))
    assert stored is not None
    return stored


def removals(prefix: str) -> list[OutboxEvent]:
    rows = pending_rows("posts", "media_removed").order_by("pk")
    return [row for row in rows if prefix in row.payload["prefixes"]]


def is_untouched(media: Media) -> bool:
    """Whether the row and the objects are as they were, and no other row is left."""
    (row,) = Media.objects.filter(owner_id=media.owner_id).values()
    is_as_before = all(getattr(media, name) == value for name, value in row.items())
    return is_as_before and objects_of(media.storage_prefix) == (OLD_VARIANTS, set())


def test_all_variants_are_made_of_the_full_one_at_new_addresses(old: Media) -> None:
    before = content(old, "full.jpg")
    assert services.remake_media(media_id=old.pk)
    new = now(old)
    assert new.storage_prefix != old.storage_prefix
    assert new.has_webp
    assert objects_of(new.storage_prefix) == IS_PUBLIC
    assert content(new, "full.jpg") == before, "it is not encoded once more"
    sizes = {name: decoded(content(new, name)).size for name in objects_of(new.storage_prefix)[0]}
    assert sizes["medium.jpg"] == sizes["medium.webp"] == (640, 480)
    assert sizes["thumb.jpg"] == sizes["thumb.webp"] == (320, 320)
    for name in ("blurhash", "alt", "original_width", "original_height", "owner_id", "place"):
        assert getattr(new, name) == getattr(old, name)
    assert (new.width, new.height) == sizes["full.webp"] == (1080, 810)
    assert new.byte_size == sum(len(content(new, name)) for name in sizes)
    document = media_document(new)
    assert document["webp"]["srcset"].count(" ") == 5
    addresses = [document["url"], *document["variants"].values(), document["webp"]["thumb"]]
    assert {httpx.get(address).status_code for address in addresses} == {200}


def test_the_former_objects_go_some_time_later(old: Media) -> None:
    services.remake_media(media_id=old.pk)
    (removal,) = removals(old.storage_prefix)
    assert removal.wake_at >= now(old).created_at + remaking._AFTER_THE_LAST_ANSWER
    assert objects_of(old.storage_prefix) == (OLD_VARIANTS, set())
    deliver_removals(old)
    assert objects_of(old.storage_prefix) == IS_GONE
    assert objects_of(now(old).storage_prefix) == IS_PUBLIC
    assert not services.remake_media(media_id=old.pk), "nothing is left to make"
    assert objects_of(now(old).storage_prefix) == IS_PUBLIC


def test_a_full_picture_that_is_too_large_today_is_scaled_down(old: Media) -> None:
    put(old, "full.jpg", encoded(plain((2000, 1500))))
    services.remake_media(media_id=old.pk)
    new = now(old)
    assert (new.width, new.height) == (1080, 810)
    assert decoded(content(new, "full.jpg")).size == (1080, 810)
    assert (new.original_width, new.original_height) == (1600, 1200)


def during_the_storing(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> list[str]:
    """Let something happen when all variants are stored; returns the prefixes of such."""
    put_variants, prefixes = storage.put_variants, list[str]()

    def put_then(*, prefix: str, variants: dict[str, bytes]) -> None:
        put_variants(prefix=prefix, variants=variants)
        prefixes.append(prefix)
        happens()

    monkeypatch.setattr(storage, "put_variants", put_then)
    return prefixes


@pytest.mark.parametrize("change", ["deleted", "withheld", "moving", "remade"])
def test_what_changes_meanwhile_is_left(
    old: Media, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    mine = Media.objects.filter(pk=old.pk)
    happens = {
        "deleted": lambda: services.delete_media(media_id=old.pk, owner_id=old.owner_id),
        "withheld": lambda: services.place_media(owner_id=old.owner_id, is_public=False, limit=20),
        "moving": lambda: mine.update(place="moving"),
        "remade": lambda: mine.update(has_webp=True),
    }
    prefixes = during_the_storing(monkeypatch, happens[change])
    assert not services.remake_media(media_id=old.pk)
    assert list(mine.values_list("storage_prefix", flat=True)) == (
        [] if change == "deleted" else [old.storage_prefix]
    )
    assert not Media.objects.filter(owner_id=old.owner_id, place="arriving").exists()
    deliver_removals(Media(storage_prefix=prefixes[0]))
    assert objects_of(prefixes[0]) == IS_GONE


def test_one_that_goes_before_it_is_read_is_left(
    old: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = storage.read_object

    def read_late(*, key: str) -> bytes | None:
        services.place_media(owner_id=old.owner_id, is_public=False, limit=20)
        return read(key=key)

    monkeypatch.setattr(storage, "read_object", read_late)
    assert not services.remake_media(media_id=old.pk)
    assert not services.remake_media(media_id=old.pk + 1)


def die(monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    """Let the process die before, while or when it has stored the variants, or in the switch."""
    put_variants = storage.put_variants

    def put_some(*, prefix: str, variants: dict[str, bytes]) -> None:
        count = {"before": 0, "while": 3}.get(when, 99)
        put_variants(prefix=prefix, variants=dict(list(variants.items())[:count]))
        if when != "in the switch":
            raise KilledError

    monkeypatch.setattr(storage, "put_variants", put_some)
    monkeypatch.setattr(media_removed, "announce", killed)


@pytest.mark.parametrize("when", ["before", "while", "after", "in the switch"])
def test_a_process_that_dies_leaves_the_picture_as_it_was_and_nothing_else(
    old: Media, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    with monkeypatch.context() as patch:
        die(patch, when)
        with pytest.raises(KilledError):
            services.remake_media(media_id=old.pk)
    dead = Media.objects.get(owner_id=old.owner_id, place="arriving")
    assert len(objects_of(dead.storage_prefix)[0]) == {"before": 0, "while": 3}.get(when, 8)
    Media.objects.filter(pk=dead.pk).update(created_at=dead.created_at - services.ARRIVAL)
    services.remove_dead_uploads(limit=100_000)
    deliver_removals(dead)
    assert objects_of(dead.storage_prefix) == IS_GONE
    assert is_untouched(old)
    assert services.remake_media(media_id=old.pk)


def test_a_store_that_is_too_slow_leaves_the_picture_as_it_was(
    old: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sweep() -> None:
        arriving = Media.objects.filter(owner_id=old.owner_id, place="arriving")
        arriving.update(created_at=old.created_at - services.ARRIVAL)
        services.remove_dead_uploads(limit=100_000)

    prefixes = during_the_storing(monkeypatch, sweep)
    with pytest.raises(Unavailable, match="too slowly"):
        services.remake_media(media_id=old.pk)
    assert is_untouched(old)
    assert len(removals(prefixes[0])) == 2, "also what was stored after the first"
    deliver_removals(Media(storage_prefix=prefixes[0]))
    assert objects_of(prefixes[0]) == IS_GONE


@pytest.mark.parametrize("stored", [b"no picture", None])
def test_a_full_picture_that_cannot_be_read_changes_nothing(
    old: Media, stored: bytes | None
) -> None:
    if stored is None:
        storage.remove_objects(prefixes=[old.storage_prefix], variants=["full.jpg"])
    else:
        put(old, "full.jpg", stored)
    with pytest.raises(UnsupportedMedia if stored else NotFound):
        services.remake_media(media_id=old.pk)
    assert now(old).storage_prefix == old.storage_prefix
    assert Media.objects.filter(owner_id=old.owner_id).count() == 1


def test_while_the_store_is_down_nothing_changes(old: Media) -> None:
    with object_store_down(), pytest.raises(EndpointConnectionError):
        services.remake_media(media_id=old.pk)
    assert is_untouched(old)


def test_the_post_that_shows_it_is_told_and_keeps_its_order(
    old: Media, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Any] = []
    first = upload(old.owner_id)
    post_id = publish_post(author_id=old.owner_id, caption="", media_ids=[first.pk, old.pk])
    monkeypatch.setattr(media_changed, "announce", heard.append)
    services.remake_media(media_id=old.pk)
    assert [(one.media_id, one.post_id) for one in heard] == [(old.pk, post_id)]
    new = now(old)
    assert (new.used_as, new.used_by_id, new.position) == ("post", post_id, 1)


def test_an_avatars_former_objects_stay_until_its_user_has_the_new_address(old: Media) -> None:
    services.claim_avatar(owner_id=old.owner_id, media_id=old.pk)
    services.remake_media(media_id=old.pk)
    assert removals(old.storage_prefix) == []
    (remade,) = pending_rows("posts", "avatar_remade").filter(payload__media_id=old.pk)
    assert remade.payload == {
        "user_id": old.owner_id,
        "media_id": old.pk,
        "former_prefix": old.storage_prefix,
    }
    services.remove_former_objects(prefix=old.storage_prefix)
    assert len(removals(old.storage_prefix)) == 1

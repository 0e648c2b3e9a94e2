"""Uploads that are deleted, unused or dead: their rows and then their objects go."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction

from core.http.problems import Conflict, NotFound, Unavailable
from media import services, storage
from media.models import Media
from media.tasks import sweep_uploads
from tests.support.deliveries import KilledError, object_store_down
from tests.support.images import encoded, plain
from tests.support.stored import IS_GONE, IS_PUBLIC, deliver_removals, objects_of

pytestmark = pytest.mark.django_db

Upload = Callable[..., Media]


def claim(media: Media, used_as: str) -> None:
    with transaction.atomic(using="posts"):
        services.claim_media(
            owner_id=media.owner_id, media_ids=[media.pk], used_as=used_as, used_by_id=7
        )


def exists(media: Media) -> bool:
    return Media.objects.filter(pk=media.pk).exists()


def test_an_unused_upload_is_deleted_once_by_its_owner(
    alice: int, bob: int, upload: Upload
) -> None:
    media, other = upload(alice), upload(alice)
    with pytest.raises(NotFound):
        services.delete_media(media_id=media.pk, owner_id=bob)
    services.delete_media(media_id=media.pk, owner_id=alice)
    assert not exists(media)
    with pytest.raises(NotFound):
        services.delete_media(media_id=media.pk, owner_id=alice)
    deliver_removals(media)
    assert objects_of(media.storage_prefix) == IS_GONE
    assert objects_of(other.storage_prefix) == IS_PUBLIC


@pytest.mark.parametrize(("used_as", "words"), [("post", "Post 7"), ("avatar", "avatar")])
def test_an_upload_in_use_is_not_deleted(
    alice: int, upload: Upload, used_as: str, words: str
) -> None:
    media = upload(alice)
    claim(media, used_as)
    with pytest.raises(Conflict, match=words) as refused:
        services.delete_media(media_id=media.pk, owner_id=alice)
    assert refused.value.code == "media_in_use"
    assert exists(media)


def test_while_the_store_is_down_a_deletion_is_done_and_the_objects_go_later(
    alice: int, upload: Upload
) -> None:
    media = upload(alice)
    with object_store_down():
        services.delete_media(media_id=media.pk, owner_id=alice)
        with pytest.raises(EndpointConnectionError):
            deliver_removals(media)
    deliver_removals(media)
    assert objects_of(media.storage_prefix) == IS_GONE


def test_unused_uploads_go_after_their_time_and_used_ones_never(
    alice: int, upload: Upload, settings: Any
) -> None:
    old, fresh, in_post, avatar = (upload(alice) for _ in range(4))
    claim(in_post, "post")
    claim(avatar, "avatar")
    age = timedelta(hours=settings.MEDIA_UNUSED_HOURS)
    for media in (old, in_post, avatar):
        Media.objects.filter(pk=media.pk).update(created_at=media.created_at - age)
    sweep_uploads(of_a_later_release=1)
    assert [exists(media) for media in (old, fresh, in_post, avatar)] == [False, True, True, True]
    deliver_removals(old)
    assert objects_of(old.storage_prefix) == IS_GONE
    for media in (fresh, in_post, avatar):
        assert objects_of(media.storage_prefix) == IS_PUBLIC


def store(owner_id: int) -> Media:
    file = SimpleUploadedFile("picture.jpg", encoded(plain()))
    return services.store_image(owner_id=owner_id, file=file)


def killed_upload(owner_id: int, monkeypatch: pytest.MonkeyPatch, *, stored: int) -> Media:
    """The row of an upload that was killed when so many of its objects were stored."""
    put = storage.put_variants

    def put_and_die(*, prefix: str, variants: dict[str, bytes]) -> None:
        put(prefix=prefix, variants=dict(list(variants.items())[:stored]))
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(storage, "put_variants", put_and_die)
        with pytest.raises(KilledError):
            store(owner_id)
    return Media.objects.get(owner_id=owner_id, place=Media.Place.ARRIVING)


@pytest.mark.parametrize("stored", [0, 1, 3])
def test_an_upload_whose_process_dies_leaves_nothing(
    alice: int, monkeypatch: pytest.MonkeyPatch, stored: int
) -> None:
    media = killed_upload(alice, monkeypatch, stored=stored)
    assert len(objects_of(media.storage_prefix)[0]) == stored
    sweep_uploads()
    assert exists(media), "it may be running"
    Media.objects.filter(pk=media.pk).update(created_at=media.created_at - services.ARRIVAL)
    sweep_uploads()
    assert not exists(media)
    deliver_removals(media)
    assert objects_of(media.storage_prefix) == IS_GONE


def test_what_has_not_arrived_is_there_for_nobody(
    alice: int, monkeypatch: pytest.MonkeyPatch, api: Callable[[int], Any]
) -> None:
    media = killed_upload(alice, monkeypatch, stored=3)
    address = f"/api/v1/media/{media.pk}"
    assert api(alice).get(address).status_code == 404
    assert api(alice).delete(address).status_code == 404
    body = {"caption": "", "media": [str(media.pk)]}
    assert api(alice).post("/api/v1/posts", body, format="json").status_code == 400


def test_an_upload_that_is_given_up_while_it_runs_fails_and_leaves_nothing(
    alice: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process was frozen between its last object and its row, and goes on."""
    put, prefixes = storage.put_variants, []

    def put_slowly(**stored: Any) -> None:
        put(**stored)
        prefixes.append(stored["prefix"])
        monkeypatch.setattr(services, "ARRIVAL", timedelta())
        # Those of other tests, whose transactions were rolled back, are there too.
        services.remove_dead_uploads(limit=100_000)

    monkeypatch.setattr(storage, "put_variants", put_slowly)
    with pytest.raises(Unavailable, match="again"):
        store(alice)
    assert not Media.objects.filter(owner_id=alice).exists()
    assert objects_of(prefixes[0]) == IS_GONE

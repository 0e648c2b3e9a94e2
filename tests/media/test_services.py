"""Storing uploads, and giving them to the one post or avatar that uses them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DataError, connections, transaction

from core.http.problems import Invalid, NotFound, Unavailable
from media import documents, selectors, services, storage
from media.events import MediaChanged, media_changed
from media.models import Media
from media.variants import VARIANTS
from tests.support.images import encoded, jpeg_with_gps, plain

pytestmark = pytest.mark.django_db

Upload = Callable[..., Media]


def claim(owner_id: int, media_ids: list[int], used_by_id: int, used_as: str = "post") -> None:
    with transaction.atomic(using="posts"):
        services.claim_media(
            owner_id=owner_id, media_ids=media_ids, used_as=used_as, used_by_id=used_by_id
        )


def arrived(owner_id: int) -> int:
    """How many uploads of an owner have arrived. The rows of the others are removed later."""
    return Media.objects.filter(owner_id=owner_id).exclude(place="arriving").count()


def claimed(used_by_id: int) -> list[str]:
    documents = selectors.documents_of_posts(post_ids=[used_by_id])
    return [document["id"] for document in documents.get(used_by_id, [])]


def test_a_stored_image_has_its_row_and_its_objects(alice: int, upload: Upload) -> None:
    media = upload(alice, jpeg_with_gps((1600, 1200)), alt="Low tide")
    media.refresh_from_db()
    assert (media.owner_id, media.width, media.height) == (alice, 1080, 810)
    assert (media.original_width, media.original_height) == (1600, 1200)
    assert (media.alt, media.used_as, media.used_by_id) == ("Low tide", "", None)
    keys = storages["default"].listdir(media.storage_prefix)[1]
    assert sorted(keys) == sorted(VARIANTS)
    sizes = [storages["default"].size(f"{media.storage_prefix}/{key}") for key in keys]
    assert sum(sizes) == media.byte_size


def test_an_upload_whose_size_was_not_recorded_has_none(alice: int, upload: Upload) -> None:
    """As in rows from before it was recorded, and from processes that do not know it yet."""
    media = upload(alice, jpeg_with_gps())
    known = selectors.ready_document(media)
    Media.objects.filter(pk=media.pk).update(original_width=None, original_height=None)
    document = selectors.own_media(media_id=media.pk, owner_id=alice)
    assert set(known) - set(document) == {"original_width", "original_height"}
    assert document == {name: known[name] for name in document}


def test_a_row_that_cannot_be_inserted_leaves_no_objects(
    alice: int, upload: Upload, stored_keys: Callable[[], set[str]]
) -> None:
    before = stored_keys()
    with pytest.raises(DataError), transaction.atomic(using="posts"):
        upload(alice, alt="x" * 2000)
    assert stored_keys() <= before


def test_a_store_that_fails_between_two_puts_leaves_no_media_and_no_objects(
    alice: int,
    upload: Upload,
    stored_keys: Callable[[], set[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It refuses the second one, whose key is longer than S3 allows."""
    keys: list[str] = []

    def key_of(prefix: str, variant: str) -> str:
        keys.append(f"{prefix}/{'x' * 1100 + '.jpg' if len(keys) == 1 else variant}")
        return keys[-1]

    before = stored_keys()
    monkeypatch.setattr(storage, "variant_key", key_of)
    with pytest.raises(Unavailable, match="Try again"):
        upload(alice)
    assert keys[0].endswith("/full.jpg"), "the first one was put"
    assert stored_keys() <= before
    assert arrived(alice) == 0


@pytest.mark.parametrize("used_as", ["", "post", "avatar"])
def test_a_new_description_is_announced_with_the_post_that_shows_it(
    alice: int, upload: Upload, monkeypatch: pytest.MonkeyPatch, used_as: str
) -> None:
    heard: list[MediaChanged] = []
    monkeypatch.setattr(media_changed, "announce", heard.append)
    media = upload(alice)
    if used_as:
        claim(alice, [media.pk], used_by_id=7, used_as=used_as)
    services.describe_media(media_id=media.pk, alt="Low tide")
    media.refresh_from_db()
    assert media.alt == "Low tide"
    services.describe_media(media_id=media.pk, alt="Low tide")
    assert heard == ([MediaChanged(media.pk, 7)] if used_as == "post" else []), "once"


def test_what_is_gone_is_not_described() -> None:
    with pytest.raises(NotFound):
        services.describe_media(media_id=1, alt="Low tide")


@pytest.mark.usefixtures("closed_store")
def test_a_store_that_is_down_leaves_no_media(alice: int) -> None:
    file = SimpleUploadedFile("picture.jpg", encoded(plain()))
    with pytest.raises(Unavailable):
        services.store_image(owner_id=alice, file=file)
    assert arrived(alice) == 0


def test_claimed_media_belong_to_the_post_in_order(alice: int, upload: Upload) -> None:
    one, two, three = (upload(alice).pk for _ in range(3))
    claim(alice, [three, one, two], used_by_id=7)
    assert claimed(7) == [str(three), str(one), str(two)]


def test_documents_of_many_posts_are_one_query(
    alice: int, upload: Upload, django_assert_num_queries: Any
) -> None:
    ids = [upload(alice).pk for _ in range(3)]
    claim(alice, ids[:2], used_by_id=7)
    claim(alice, ids[2:], used_by_id=8)
    with django_assert_num_queries(1, using="posts"):
        documents = selectors.documents_of_posts(post_ids=[7, 8, 9])
    assert {post: len(media) for post, media in documents.items()} == {7: 2, 8: 1}


def test_what_is_unknown_or_somebody_elses_cannot_be_claimed(
    alice: int, bob: int, upload: Upload
) -> None:
    """Both get the same error, so that nobody learns which ids exist."""
    mine, theirs = upload(alice).pk, upload(bob).pk
    with pytest.raises(Invalid) as refused:
        claim(alice, [mine, theirs, 5, 2**70], used_by_id=7)
    assert refused.value.field == "media"
    assert f"{theirs}, 5, {2**70}" in refused.value.detail
    assert str(mine) not in refused.value.detail
    assert claimed(7) == []


def test_used_media_cannot_be_claimed_again(alice: int, upload: Upload) -> None:
    used, free = upload(alice).pk, upload(alice).pk
    claim(alice, [used], used_by_id=7)
    for used_as in ("post", "avatar"):
        with pytest.raises(Invalid, match=str(used)) as refused:
            claim(alice, [free, used], used_by_id=8, used_as=used_as)
        assert str(free) not in refused.value.detail
    assert claimed(7) == [str(used)]
    assert claimed(8) == []


def test_media_given_twice_are_refused(alice: int, upload: Upload) -> None:
    media_id = upload(alice).pk
    with pytest.raises(Invalid) as refused:
        claim(alice, [media_id, media_id], used_by_id=7)
    assert (refused.value.field, refused.value.code) == ("media", "duplicate")


@pytest.mark.parametrize("used_as", ["avatar", "post"])
def test_claiming_again_for_the_same_use_changes_nothing(
    alice: int, upload: Upload, used_as: str
) -> None:
    media_id = upload(alice).pk
    for _ in range(2):
        claim(alice, [media_id], used_by_id=7, used_as=used_as)
    media = Media.objects.get(pk=media_id)
    assert (media.used_as, media.used_by_id, media.position) == (used_as, 7, 0)


def test_an_avatar_is_claimed_and_shown_by_its_thumbnail(alice: int, upload: Upload) -> None:
    media = upload(alice)
    key = services.claim_avatar(owner_id=alice, media_id=media.pk)
    assert selectors.public_url(key) == documents.media_document(media)["variants"]["thumb"]
    media.refresh_from_db()
    assert (media.used_as, media.used_by_id) == ("avatar", alice)
    with pytest.raises(Invalid, match="5"):
        services.claim_avatar(owner_id=alice, media_id=5)


def test_a_claim_belongs_into_a_transaction(alice: int, upload: Upload) -> None:
    """The test itself runs in a transaction, so the claim uses another connection."""
    media_id = upload(alice).pk

    def outside() -> None:
        try:
            services.claim_media(owner_id=alice, media_ids=[media_id], used_as="post", used_by_id=7)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match="transaction"):
        pool.submit(outside).result()

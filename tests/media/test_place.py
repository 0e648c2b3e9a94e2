"""The media of a deactivated owner are withheld from the public, and come back as they were."""

from collections.abc import Callable
from itertools import product
from typing import Any

import httpx
import pytest
from botocore.exceptions import EndpointConnectionError
from django.core.files.storage import storages
from django.db import transaction

from media import documents, objects, services, storage
from media.models import Media
from tests.support.deliveries import KilledError, deliver, object_store_down, pending_rows
from tests.support.stored import (
    IS_GONE,
    IS_PUBLIC,
    IS_WITHHELD,
    deliver_removals,
    objects_of,
    statuses,
    urls_of,
)

pytestmark = pytest.mark.django_db

Upload = Callable[..., Media]


def place(owner_id: int, *, is_public: bool, limit: int = 20) -> int:
    return services.place_media(owner_id=owner_id, is_public=is_public, limit=limit)


def place_of(media: Media) -> str:
    return Media.objects.get(pk=media.pk).place


def test_withheld_media_are_for_nobody_and_come_back_at_the_same_addresses(
    alice: int, bob: int, upload: Upload
) -> None:
    media, others = [upload(alice) for _ in range(3)], upload(bob)
    urls = [url for one in media for url in urls_of(documents.media_document(one))]
    before = {url: httpx.get(url) for url in urls}
    assert [place(alice, is_public=False, limit=2) for _ in range(3)] == [2, 1, 0]
    assert statuses(urls) == {404}
    for one in media:
        assert objects_of(one.storage_prefix) == IS_WITHHELD
        assert place_of(one) == "withheld"
    public_base = storage.public_url("")
    withheld = storage.variant_key(storage.withheld_prefix(media[0].storage_prefix), "full.jpg")
    options = storages["default"].bucket.meta.client.meta.endpoint_url  # type: ignore[attr-defined]
    bucket = storages["default"].bucket_name  # type: ignore[attr-defined]
    assert httpx.get(f"{public_base}{withheld}").status_code == 404
    assert httpx.get(f"{options}/{bucket}/{withheld}").status_code == 403
    assert place_of(others) == "public"
    assert objects_of(others.storage_prefix) == IS_PUBLIC
    assert [place(alice, is_public=True) for _ in range(2)] == [3, 0]
    for url, answer in before.items():
        again = httpx.get(url)
        assert (again.status_code, again.content) == (200, answer.content)
        for header in ("Content-Type", "Cache-Control"):
            assert again.headers[header] == answer.headers[header]
    assert objects_of(media[0].storage_prefix) == IS_PUBLIC


def killed_move(
    owner_id: int, monkeypatch: pytest.MonkeyPatch, where: str, *, is_public: bool
) -> None:
    """A move that is killed before or after all are copied, or before all are removed."""
    copy, remove = storage.copy_objects, storage.remove_keys

    def copy_some(*, keys: Any) -> None:
        copy(keys=list(keys)[: {"before": 0, "between": 2}.get(where, 99)])
        raise KilledError

    def remove_some(keys: Any) -> None:
        remove(keys[:1])
        raise KilledError

    with monkeypatch.context() as patch:
        if where == "removing":
            patch.setattr(storage, "remove_keys", remove_some)
        else:
            patch.setattr(storage, "copy_objects", copy_some)
        with pytest.raises(KilledError):
            place(owner_id, is_public=is_public)


@pytest.mark.parametrize("where", ["before", "between", "after", "removing"])
@pytest.mark.parametrize("public_first_and_then", list(product([True, False], repeat=2)))
def test_a_move_that_is_killed_is_ended_or_undone(
    alice: int,
    upload: Upload,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    public_first_and_then: tuple[bool, bool],
) -> None:
    at_first_public, then_public = public_first_and_then
    media = upload(alice)
    if not at_first_public:
        place(alice, is_public=False)
    killed_move(alice, monkeypatch, where, is_public=not at_first_public)
    assert place_of(media) == "moving"
    public, withheld = objects_of(media.storage_prefix)
    assert public | withheld == IS_PUBLIC[0], "no object is lost"
    assert [place(alice, is_public=then_public) for _ in range(2)] == [1, 0]
    assert objects_of(media.storage_prefix) == (IS_PUBLIC if then_public else IS_WITHHELD)
    assert place_of(media) == ("public" if then_public else "withheld")


def test_while_the_store_is_down_nothing_moves(alice: int, upload: Upload) -> None:
    media = upload(alice)
    with object_store_down(), pytest.raises(EndpointConnectionError):
        place(alice, is_public=False)
    assert place_of(media) == "moving"
    assert place(alice, is_public=False) == 1
    assert objects_of(media.storage_prefix) == IS_WITHHELD


@pytest.fixture(params=["withheld", "moving"])
def hidden(request: Any, alice: int, upload: Upload, monkeypatch: Any) -> Media:
    """An upload that is withheld, or whose move was killed when its objects were in both places."""
    media = upload(alice)
    if request.param == "withheld":
        place(alice, is_public=False)
    else:
        killed_move(alice, monkeypatch, "after", is_public=False)
    return media


def test_withheld_media_are_removed_from_wherever_they_are(hidden: Media) -> None:
    assert services.remove_media_of_owner(owner_id=hidden.owner_id, limit=10) == 1
    assert objects_of(hidden.storage_prefix) == IS_GONE
    assert services.remove_media_of_owner(owner_id=hidden.owner_id, limit=10) == 0


def test_so_are_those_that_are_deleted(hidden: Media) -> None:
    services.delete_media(media_id=hidden.pk, owner_id=hidden.owner_id)
    deliver_removals(hidden)
    assert objects_of(hidden.storage_prefix) == IS_GONE


def test_confidential_media_have_no_public_address_and_stay_withheld(
    alice: int, upload: Upload
) -> None:
    media, other = upload(alice), upload(alice)
    (public,) = {documents.media_document(media)["url"]}
    with transaction.atomic(using="posts"):
        services.claim_media(
            owner_id=alice,
            media_ids=[media.pk],
            used_as="post",
            used_by_id=7,
            is_confidential=True,
        )
    media.refresh_from_db()
    assert media.place == "public", "a worker withholds it"
    assert not documents.has_addresses(documents.media_document(media))
    assert deliver("posts", pending_rows("posts", "media_confined").latest("pk"))
    assert place_of(media) == "withheld"
    assert objects_of(media.storage_prefix) == IS_WITHHELD
    assert httpx.get(public).status_code == 404
    assert place(alice, is_public=True) == 0
    assert [place(alice, is_public=False) for _ in range(2)] == [1, 0]
    assert [place(alice, is_public=True) for _ in range(2)] == [1, 0]
    assert (place_of(media), place_of(other)) == ("withheld", "public")


def test_a_confidential_one_that_was_published_meanwhile_is_withheld(
    alice: int, upload: Upload
) -> None:
    media = upload(alice)
    Media.objects.filter(pk=media.pk).update(is_confidential=True)
    assert [place(alice, is_public=True) for _ in range(2)] == [1, 0]
    assert objects_of(media.storage_prefix) == IS_WITHHELD


def test_an_upload_that_is_arriving_is_not_moved(alice: int, upload: Upload) -> None:
    media = upload(alice)
    Media.objects.filter(pk=media.pk).update(place="arriving")
    assert place(alice, is_public=False) == 0
    assert objects_of(media.storage_prefix) == IS_PUBLIC


def test_nothing_to_move_asks_nobody(alice: int, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1, using="posts"), object_store_down():
        assert place(alice, is_public=False) == 0
        objects.erase_keys(keys=[])

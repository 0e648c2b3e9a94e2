"""Who is told which public addresses have changed: everything that is removed or moved."""

import socket
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from core.outbox.models import OutboxEvent
from devstack.layout import HOST
from media import cdn, services, storage
from media.models import Media
from media.variants import OBJECTS, VARIANTS
from tests.support.deliveries import deliver
from tests.support.images import encoded, plain
from tests.support.purges import Purges, purge_server
from tests.support.stored import IS_GONE, deliver_removals, objects_of

pytestmark = pytest.mark.django_db

Upload = Callable[..., Media]


@pytest.fixture
def purges(settings: Any) -> Iterator[Purges]:
    with purge_server() as got:
        settings.MEDIA_PURGE_URL = got.url
        yield got


def all_urls(media: Media, names: Iterable[str] = OBJECTS) -> set[str]:
    """Of a picture that is removed, those that only a video has are told too."""
    return {storage.public_url(storage.variant_key(media.storage_prefix, name)) for name in names}


def test_addresses_are_told_in_bounded_requests(purges: Purges, settings: Any) -> None:
    settings.MEDIA_PURGE_TOKEN = "t0ken"
    urls = [f"https://media.example.org/public/media/{number}/full.jpg" for number in range(250)]
    cdn.purge(urls=urls)
    assert [len(told) for told in purges.urls] == [100, 100, 50]
    assert list(chain(*purges.urls)) == urls
    assert set(purges.authorizations) == {"Bearer t0ken"}


def test_without_an_address_nobody_is_told(settings: Any) -> None:
    settings.MEDIA_PURGE_URL = ""
    cdn.purge(urls=["https://media.example.org/public/media/x/full.jpg"])


@pytest.mark.parametrize("status", [302, 307, 400, 500])
def test_any_answer_but_2xx_is_a_failure(purges: Purges, status: int) -> None:
    purges.status = status
    with pytest.raises(cdn.PurgeFailed, match=str(status)):
        cdn.purge(urls=["https://media.example.org/public/media/x/full.jpg"])
    assert purges.methods == ["POST"], "no redirect is followed"


def test_one_that_never_answers_is_a_failure(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cdn, "SECONDS_TO_ANSWER", 0.2)
    with socket.create_server((HOST, 0)) as silent:
        settings.MEDIA_PURGE_URL = f"http://{HOST}:{silent.getsockname()[1]}/"
        with pytest.raises(cdn.PurgeFailed, match="timed out"):
            cdn.purge(urls=["https://media.example.org/public/media/x/full.jpg"])


def test_a_deletion_is_told_after_the_objects_are_gone_and_again_until_it_is_heard(
    alice: int, upload: Upload, purges: Purges
) -> None:
    media = upload(alice)
    services.delete_media(media_id=media.pk, owner_id=alice)
    purges.status = 500
    with pytest.raises(cdn.PurgeFailed):
        deliver_removals(media)
    assert objects_of(media.storage_prefix) == IS_GONE
    (event,) = OutboxEvent.objects.using("posts").filter(
        kind="media_removed", payload__prefixes=[media.storage_prefix]
    )
    assert event.done_at is None
    assert "PurgeFailed" in event.last_error
    purges.status = 200
    assert deliver("posts", event)
    assert purges.all_urls == all_urls(media)


def test_what_is_withheld_or_comes_back_is_told(alice: int, upload: Upload, purges: Purges) -> None:
    media = upload(alice)
    for is_public in (False, True):
        purges.urls.clear()
        services.place_media(owner_id=alice, is_public=is_public, limit=5)
        assert purges.all_urls == all_urls(media, VARIANTS)


@pytest.mark.parametrize("what", ["post", "owner"])
def test_a_purge_is_told_and_while_it_is_not_heard_the_rows_stay(
    alice: int, upload: Upload, purges: Purges, what: str
) -> None:
    media = upload(alice)
    remove: Callable[..., int] = services.remove_media_of_owner
    whose = {"owner_id": alice}
    if what == "post":
        remove, whose = services.remove_media_of_post, {"post_id": media.pk}
        Media.objects.filter(pk=media.pk).update(used_as="post", used_by_id=media.pk, position=0)
    purges.status = 503
    with pytest.raises(services.Unreachable):
        remove(**whose, limit=5)
    assert Media.objects.filter(pk=media.pk).exists()
    purges.status = 204
    assert remove(**whose, limit=5) == 1
    assert purges.all_urls == all_urls(media)


def test_uploads_tell_nobody(alice: int, purges: Purges) -> None:
    file = SimpleUploadedFile("picture.jpg", encoded(plain()))
    services.store_image(owner_id=alice, file=file)
    assert purges.methods == []

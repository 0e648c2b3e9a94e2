"""What nothing shows any more is soon gone from its public address; what comes back, comes back."""

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest

from core.outbox.models import OutboxEvent
from devstack.lifecycle import Stack
from media import services as media_services
from media import storage
from media.models import Media
from tests.support.client import Person, wait_until
from tests.support.images import jpeg_with_gps
from tests.support.stored import IS_GONE, objects_of, statuses, urls_of
from users.services import delete_account, set_active

ME = "/api/v1/users/me"
# What is promised.
SECONDS = 60.0


def wear(person: Person, media: Any) -> None:
    """Make a media the person's avatar; None takes it off."""
    answer = person.http.patch(ME, json={"avatar": media["id"] if media else None})
    assert answer.status_code == 200, answer.text


def gone(document: Any) -> Callable[[], bool]:
    return lambda: statuses(urls_of(document)) == {404}


def shown(document: Any) -> Callable[[], bool]:
    return lambda: statuses(urls_of(document)) == {200}


def test_avatars_that_are_replaced_or_removed_and_deleted_uploads_go(
    member: Callable[[str], Person], measured: Callable[[str], None]
) -> None:
    ada = member("ada")
    first, second, unused = (ada.upload(jpeg_with_gps()) for _ in range(3))
    wear(ada, first)
    assert ada.http.delete(f"/api/v1/media/{first['id']}").status_code == 409
    wear(ada, second)
    answer = ada.http.delete(f"/api/v1/media/{unused['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert ada.http.delete(f"/api/v1/media/{unused['id']}").status_code == 404
    seconds = wait_until(gone(unused), SECONDS)
    measured(f"a deleted upload was gone after {seconds:.2f} s")
    seconds = wait_until(gone(first), SECONDS)
    measured(f"a replaced avatar was gone {seconds:.1f} s later")
    assert shown(second)()
    wear(ada, None)
    wait_until(gone(second), SECONDS)


def test_a_deactivated_accounts_pictures_are_away_until_it_is_active_again(
    member: Callable[[str], Person], measured: Callable[[str], None]
) -> None:
    ada, bea = member("ada"), member("bea")
    media = ada.post("Low tide.", jpeg_with_gps())["media"][0]
    avatar, kept = ada.upload(jpeg_with_gps()), bea.post("High tide.", jpeg_with_gps())["media"][0]
    wear(ada, avatar)
    set_active(user_ids=[int(ada.id)], active=False)
    seconds = wait_until(lambda: gone(media)() and gone(avatar)(), SECONDS)
    measured(f"two pictures were withheld {seconds:.2f} s after the deactivation")
    set_active(user_ids=[int(ada.id)], active=True)
    seconds = wait_until(lambda: shown(media)() and shown(avatar)(), SECONDS)
    measured(f"they were back {seconds:.2f} s after the activation")
    set_active(user_ids=[int(ada.id)], active=False)
    delete_account(user_id=int(ada.id), requested_by="staff")
    wait_until(lambda: not Media.objects.filter(owner_id=int(ada.id)).exists(), SECONDS)
    assert gone(media)()
    assert gone(avatar)()
    assert shown(kept)()


def children(stack: Stack) -> list[int]:
    """The ids of the Write API's processes that answer requests."""
    programs = stack.supervisor.programs()
    masters = [part.pid for name, part in programs.items() if name.startswith("write-api")]
    return [child.pid for pid in masters if pid for child in psutil.Process(pid).children()]


@pytest.mark.parametrize(
    "key", [{}, {"Idempotency-Key": "tide"}], ids=["without a key", "with one"]
)
def test_an_upload_that_is_killed_leaves_no_object(
    stack: Stack, member: Callable[[str], Person], key: dict[str, str]
) -> None:
    """The store is frozen, so that the upload hangs between its row and its objects."""
    ada = member("ada")
    mine = Media.objects.filter(owner_id=int(ada.id))
    store, processes = stack.supervisor.programs()["s3"].pid, len(children(stack))
    assert store
    picture = {"file": ("a.jpg", jpeg_with_gps())}
    os.kill(store, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        try:
            upload = pool.submit(ada.http.post, "/api/v1/media", files=picture, headers=key)
            wait_until(mine.filter(place="arriving").exists, SECONDS)
            for process in children(stack):
                os.kill(process, signal.SIGKILL)
            assert upload.result().status_code >= 500
        finally:
            os.kill(store, signal.SIGCONT)
    apis = [status.name for status in stack.status() if status.name.startswith("write-api")]
    wait_until(lambda: len(children(stack)) == processes, SECONDS)
    wait_until(lambda: all(one.is_up and not one.detail for one in stack.status(*apis)), SECONDS)
    storage.put_variants(prefix=storage.new_prefix(), variants={"full.jpg": b"x"})  # it is back
    (media,) = mine
    assert ada.http.get(f"/api/v1/media/{media.pk}").status_code == 404
    # The web server, too, knows that they are up.
    wait_until(lambda: ada.http.delete("/api/v1/media/5").status_code == 404, SECONDS)
    mine.update(created_at=media.created_at - media_services.ARRIVAL)
    media_services.remove_dead_uploads(limit=1000)
    assert not mine.exists()
    (event,) = OutboxEvent.objects.using("posts").filter(
        kind="media_removed", payload__prefixes__contains=[media.storage_prefix]
    )

    def is_done() -> bool:
        event.refresh_from_db(using="posts")
        return event.done_at is not None

    wait_until(is_done, SECONDS)
    assert objects_of(media.storage_prefix) == IS_GONE

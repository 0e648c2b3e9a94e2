"""What needs transactions that really commit."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connections, transaction

from core.http.problems import Conflict, Invalid
from media import services, storage
from media.models import Media
from tests.support.stored import IS_PUBLIC, IS_WITHHELD, objects_of

pytestmark = pytest.mark.usefixtures("committed")

CLAIMANTS = 8


def test_of_many_who_race_for_the_same_media_one_gets_all(
    person: Callable[[str], int], upload: Callable[..., Media]
) -> None:
    """They name the media in different orders, which must not deadlock."""
    alice = person("alice")
    media_ids = [upload(alice).pk for _ in range(3)]
    start = Barrier(CLAIMANTS)

    def claim(post_id: int) -> str:
        ordered = media_ids if post_id % 2 else media_ids[::-1]
        start.wait()
        try:
            with transaction.atomic(using="posts"):
                services.claim_media(
                    owner_id=alice, media_ids=ordered, used_as="post", used_by_id=post_id
                )
        except Invalid as refusal:
            return refusal.code
        finally:
            connections.close_all()
        return "won"

    posts = [media_ids[0] + number for number in range(CLAIMANTS)]
    with ThreadPoolExecutor(CLAIMANTS) as pool:
        outcomes = dict(zip(posts, pool.map(claim, posts), strict=True))
    assert sorted(outcomes.values()) == ["used_media"] * (CLAIMANTS - 1) + ["won"]
    for media in Media.objects.filter(pk__in=media_ids):
        assert outcomes[media.used_by_id or 0] == "won"


def test_a_deletion_and_a_claim_at_once_are_one_after_the_other(
    person: Callable[[str], int], upload: Callable[..., Media]
) -> None:
    """Either a post shows the picture, and it is not deleted; or it is gone, and no post has it."""
    alice = person("alice")
    for _ in range(6):
        media_id = upload(alice).pk
        start = Barrier(2)

        def delete(media_id: int = media_id, start: Barrier = start) -> bool:
            try:
                start.wait()
                services.delete_media(media_id=media_id, owner_id=alice)
            except Conflict:
                return False
            finally:
                connections.close_all()
            return True

        def claim(media_id: int = media_id, start: Barrier = start) -> str:
            try:
                start.wait()
                with transaction.atomic(using="posts"):
                    services.claim_media(
                        owner_id=alice, media_ids=[media_id], used_as="post", used_by_id=media_id
                    )
            except Invalid as refusal:
                return refusal.code
            finally:
                connections.close_all()
            return "claimed"

        with ThreadPoolExecutor(2) as pool:
            deleted, claimed = pool.submit(delete), pool.submit(claim)
            outcome = (deleted.result(), claimed.result())
        assert outcome in {(True, "unknown_media"), (False, "claimed")}
        assert Media.objects.filter(pk=media_id).exists() is not outcome[0]


def test_a_withholding_and_a_publication_at_once_lose_no_object(
    person: Callable[[str], int], upload: Callable[..., Media]
) -> None:
    """Each repeats its step until nothing is left to do; so the last of them has its way."""
    alice = person("alice")
    media = [upload(alice) for _ in range(4)]
    start = Barrier(4)

    def move(is_public: bool) -> None:
        try:
            start.wait()
            for _ in range(5):
                services.place_media(owner_id=alice, is_public=is_public, limit=2)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        for job in [pool.submit(move, number % 2 == 0) for number in range(4)]:
            job.result()
    for is_public, where in ((False, IS_WITHHELD), (True, IS_PUBLIC)):
        while services.place_media(owner_id=alice, is_public=is_public, limit=10):
            pass
        assert [objects_of(one.storage_prefix) for one in media] == [where] * 4


def test_the_row_of_an_upload_is_committed_before_its_objects_also_inside_a_transaction(
    person: Callable[[str], int], upload: Callable[..., Media], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, seen = person("alice"), []
    put = storage.put_variants

    def look_and_put(**stored: Any) -> None:
        def look() -> None:
            try:
                seen.append(Media.objects.get(owner_id=alice).place)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(1) as pool:
            pool.submit(look).result()
        put(**stored)

    monkeypatch.setattr(storage, "put_variants", look_and_put)
    with transaction.atomic(using="posts"):
        media = upload(alice)
        transaction.set_rollback(True, using="posts")
    assert media.place == "public"
    assert seen == ["arriving"]
    (left,) = Media.objects.filter(owner_id=alice)
    assert (left.pk, left.place) == (media.pk, "arriving"), "it is swept"
    for name in ("alt", "width", "storage_prefix", "created_at", "used_as", "position"):
        assert getattr(left, name) == getattr(media, name)

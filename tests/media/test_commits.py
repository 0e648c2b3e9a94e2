"""What needs transactions that really commit."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connections, transaction

from core.http.problems import Invalid
from media import services
from media.models import Media

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

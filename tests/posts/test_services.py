"""Publishing, editing and deleting posts."""

from __future__ import annotations

from collections.abc import Callable

import orjson
import pytest

from core.http.problems import Invalid, NotFound
from core.outbox.models import OutboxEvent
from media.models import Media
from posts import selectors
from posts.models import Post
from posts.services import delete_post, edit_post, publish_post
from tests.support.posts_factory import make_posts
from tests.support.shown import shown_post

pytestmark = pytest.mark.django_db


@pytest.fixture
def upload(unique: Callable[[str], str]) -> Callable[[int], int]:
    """Insert the row of an uploaded picture; its id."""

    def make(owner_id: int) -> int:
        prefix = f"public/media/{unique('x')}"
        return Media.objects.create(
            owner_id=owner_id, width=4, height=3, byte_size=9, storage_prefix=prefix
        ).pk

    return make


def test_a_post_shows_its_media_in_the_order_given(
    alice: int, upload: Callable[[int], int]
) -> None:
    media_ids = [upload(alice) for _ in range(10)][::-1]
    post_id = publish_post(author_id=alice, caption="Ten.", media_ids=media_ids)
    document = shown_post(post_id, alice)
    assert [int(media["id"]) for media in document["media"]] == media_ids
    assert document["author"]["id"] == str(alice)
    assert document["caption"] == "Ten."
    assert document["edited_at"] is None


def test_a_post_and_its_outbox_row_come_together_or_not_at_all(
    alice: int, bob: int, upload: Callable[[int], int]
) -> None:
    outbox = OutboxEvent.objects.using("posts").filter(payload__author_id=alice)
    with pytest.raises(Invalid):
        publish_post(author_id=alice, caption="", media_ids=[upload(alice), upload(bob)])
    assert not outbox.exists()
    assert selectors.post_count(author_ids=[alice]) == 0
    assert not Media.objects.exclude(used_as="").filter(owner_id__in=[alice, bob]).exists()
    post_id = publish_post(author_id=alice, caption="", media_ids=[upload(alice)])
    assert outbox.get().payload == {"post_id": post_id, "author_id": alice}


def test_media_is_used_once(alice: int, upload: Callable[[int], int]) -> None:
    media_id = upload(alice)
    publish_post(author_id=alice, caption="", media_ids=[media_id])
    with pytest.raises(Invalid, match=f"Media {media_id} is used already"):
        publish_post(author_id=alice, caption="", media_ids=[media_id])


def test_only_the_author_edits_and_deletes(alice: int, bob: int) -> None:
    post_id = make_posts(alice, 1)[0]
    with pytest.raises(NotFound):
        edit_post(post_id=post_id, author_id=bob, changes={"caption": "Mine now."})
    with pytest.raises(NotFound):
        delete_post(post_id=post_id, author_id=bob)
    edit_post(post_id=post_id, author_id=alice, changes={"caption": "Better."})
    document = shown_post(post_id, alice)
    assert document["caption"] == "Better."
    assert document["edited_at"] is not None
    delete_post(post_id=post_id, author_id=alice)
    assert not Post.objects.filter(pk=post_id).exists()
    with pytest.raises(NotFound):
        delete_post(post_id=post_id, author_id=alice)


def test_an_authors_posts_are_listed_newest_first_by_the_page(alice: int, bob: int) -> None:
    make_posts(bob, 2)
    ids = make_posts(alice, 5)[::-1]
    seen, before = [], None
    while True:
        page, before = selectors.posts_by_author(
            author_id=alice, viewer_id=bob, before=before, limit=2
        )
        seen += [int(orjson.loads(post)["id"]) for post in page]
        if before is None:
            break
    assert seen == ids


def test_a_missing_post_is_not_found(alice: int) -> None:
    with pytest.raises(NotFound):
        shown_post(1, alice)

"""Remove, in the background, what belonged to something that is gone: all databases, Valkey, S3.

Each function does it in steps and yields after each; a step may be done twice, and who begins anew
goes on with what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from comments import services as comment_services
from media import services as media_services
from posts import services as post_services

# Rows that one step removes: some hundredths of a second.
STEP = 500


def remove_what_hangs_on_post(*, post_id: int) -> Iterator[int]:
    """The likes, comments and media of a deleted post."""
    yield from _steps(lambda: post_services.remove_what_hangs_on(post_ids=[post_id], limit=STEP))
    yield from _steps(lambda: comment_services.remove_comments_on_post(post_id=post_id, limit=STEP))
    yield from _steps(lambda: media_services.remove_media_of_post(post_id=post_id, limit=STEP))


def _steps(remove: Callable[[], int]) -> Iterator[int]:
    """`remove` again and again until it finds nothing."""
    while removed := remove():
        yield removed

"""A post by the account of the highest degree, in a real follower graph of 4,039 accounts."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command

from media.services import store_image
from posts.services import publish_post
from tests.support.client import wait_until
from tests.support.graphs import graph_file
from tests.support.images import jpeg_with_gps
from timeline import store
from timeline.entries import home_timeline, timeline_slice
from timeline.keys import home_key
from usergraph.selectors import follower_id_batches
from users.selectors import user_id_by_username

SECONDS_TO_LOAD = 120.0

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def edges(tmp_path: Path) -> Path:
    """The file of the graph."""
    return graph_file(tmp_path)


def test_the_account_of_the_highest_degree_reaches_each_follower_once(
    edges: Path, measured: Callable[[str], None]
) -> None:
    degrees = Counter(node for line in edges.read_text().splitlines() for node in line.split())
    hub, degree = degrees.most_common(1)[0]
    start = time.monotonic()
    call_command("seed_graph", edges=edges, posts=0)
    loaded = time.monotonic() - start
    measured(f"{sum(degrees.values()):,} follows of {len(degrees):,} accounts in {loaded:.1f} s")
    assert loaded < SECONDS_TO_LOAD

    author_id = user_id_by_username(username=f"member_{hub}")
    followers = [id_ for ids in follower_id_batches(author_id=author_id, size=1000) for id_ in ids]
    assert len(followers) == len(set(followers)) == degree
    for user_id in followers:  # warm the timelines, so that only a delivery can add the post
        timeline_slice(timeline=home_timeline(user_id=user_id), before=None, limit=1)

    media = store_image(owner_id=author_id, file=SimpleUploadedFile("x.jpg", jpeg_with_gps()))
    start = time.monotonic()
    post_id = publish_post(author_id=author_id, caption="Hello, all.", media_ids=[media.pk])

    def times_in_each() -> Counter[int]:
        parts = [store.read(key=home_key(id_), before=None, limit=800) for id_ in followers]
        assert all(part is not None for part in parts)
        return Counter(sum(ref[0] == post_id for ref in part.refs) for part in parts if part)

    wait_until(lambda: times_in_each() == {1: degree})
    measured(
        f"in {degree:,} of {degree:,} timelines, once each, {time.monotonic() - start:.2f} s later"
    )

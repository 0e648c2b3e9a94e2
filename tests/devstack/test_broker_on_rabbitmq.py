"""The whole service with Celery's broker on RabbitMQ, by BROKER_URL alone."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import rabbits
from tests.support.client import wait_until
from tests.support.images import jpeg_with_gps
from tests.support.stacks import down
from tests.support.whole_service import ServiceOn

pytestmark = pytest.mark.skipif(
    not rabbits.is_installed(), reason="needs Debian's package rabbitmq-server"
)


def test_posts_are_delivered_when_a_node_of_the_broker_is_killed(
    service_on: ServiceOn, tmp_path: Path, measured: Callable[[str], None]
) -> None:
    nodes = rabbits.Nodes(tmp_path / "broker")
    with nodes.run():
        service = service_on({"BROKER_URL": nodes.url})
        assert nodes.queues() == {"celery": "quorum", "media": "quorum"}
        reader, author = service.joined("reader"), service.joined("author")
        reader.follow(author)
        posts = [author.post("before", jpeg_with_gps())["id"]]
        wait_until(lambda: set(posts) <= set(reader.home_ids()))
        nodes.kill(0)
        began = time.monotonic()
        posts += [author.post("meanwhile", jpeg_with_gps())["id"] for _ in range(10)]
        wait_until(lambda: set(posts) <= set(reader.home_ids()))
        took = time.monotonic() - began
        measured(f"10 posts were delivered {took:.1f} s after a node of the broker was killed")
        nodes.start(0)
        nodes.wait_for_all()
        wait_until(service.is_well)
        down(service.environ)

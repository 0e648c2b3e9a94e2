"""The whole service with CACHE on a Valkey Cluster, by CACHE_URL alone."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

from tests.support.client import wait_until
from tests.support.clusters import Servers
from tests.support.images import jpeg_with_gps
from tests.support.whole_service import ServiceOn


def test_all_is_read_and_delivered_while_a_primary_of_cache_is_lost(
    service_on: ServiceOn, tmp_path: Path, measured: Callable[[str], None]
) -> None:
    cache = Servers(tmp_path / "cache", replicas=3)
    with cache.run():
        service = service_on({"CACHE_URL": cache.url})
        assert "valkey-cache" not in service.stack.supervisor.programs()
        readers = [service.joined(f"reader{number}") for number in range(6)]
        author = service.joined("author")
        for reader in readers:
            reader.follow(author)
        posts = [author.post("before", jpeg_with_gps())["id"]]
        for reader in readers:
            wait_until(lambda: set(posts) <= set(reader.home_ids()))  # noqa: B023
        assert all(cache.ask(port, "DBSIZE") for port in cache.primaries), "all of them are used"

        answers, stop = Counter[int](), Event()

        def read() -> None:
            while not stop.is_set():
                answers[readers[0].http.get("/api/v1/timeline/home").status_code] += 1

        reading = Thread(target=read)
        reading.start()
        cache.processes[cache.primaries[0]].kill()
        killed_at = time.monotonic()
        while time.monotonic() - killed_at < 8 and len(posts) < 90:
            posts.append(author.post("meanwhile", jpeg_with_gps())["id"])
        for reader in readers:
            wait_until(lambda: set(posts) <= set(reader.home_ids()), 30)  # noqa: B023
        measured(
            f"{len(posts)} posts were in 6 timelines {time.monotonic() - killed_at:.1f} s after "
            f"kill -9, and {answers.total()} reads answered"
        )
        stop.set()
        reading.join()
        assert set(answers) == {200}
        wait_until(service.is_well, 30)

"""What operators see: a request in all logs, request metrics, the age of undelivered posts."""

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from devstack.lifecycle import Stack
from devstack.logs import LogReader
from tests.support.client import PASSWORD, Person, wait_until
from tests.support.images import jpeg_with_gps

WORKERS = ["worker-1", "worker-2"]
PROCESSES = ["read-api-1", "read-api-2", "write-api-1", "write-api-2", *WORKERS, "beat-1"]


class Lines:
    """The lines that the stack's processes log from now on."""

    def __init__(self, stack: Stack, names: list[str]) -> None:
        self._reader = LogReader(stack.log_dir, names)
        list(self._reader.new_lines(last=0))
        self.raw: list[str] = []

    def read(self) -> list[dict[str, Any]]:
        """All lines so far. Fails unless each line is one JSON object."""
        self.raw += self._reader.new_lines()
        return [json.loads(line.partition(" | ")[2]) for line in self.raw]

    def of_request(self, id_: str) -> list[dict[str, Any]]:
        return [line for line in self.read() if line["request_id"] == id_]


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_logs_json_from_its_first_line_on(stack: Stack, name: str) -> None:
    first = json.loads((stack.log_dir / f"{name}.log").read_text().splitlines()[0])
    members = {"time", "level", "logger", "message", "request_id", "role", "pid"}
    assert first.keys() >= members
    assert first["role"] in {name.partition("-")[0], "all"}, "Celery's, before it is set up"


def test_a_request_is_followed_by_its_id_into_the_worker(
    stack: Stack,
    signed_up: Callable[[str], Person],
    member: Callable[[str], Person],
    unique: Callable[[str], str],
) -> None:
    lines, web_server = Lines(stack, PROCESSES), Lines(stack, ["caddy"])
    author, follower = signed_up("author"), member("follower")
    follower.follow(author)
    assert follower.home_ids() == []
    id_ = unique("flow")
    answer = httpx.post(
        f"{stack.status('write-api-1')[0].url}/api/v1/posts",
        headers=dict(author.http.headers) | {"X-Request-ID": id_},
        json={"caption": "", "media": [author.upload(jpeg_with_gps())["id"]]},
    )
    assert answer.status_code == 201
    assert answer.headers["X-Request-ID"] == id_
    wait_until(
        lambda: any("entries" in line for line in lines.of_request(id_)),
        10,
    )
    (delivered,) = [line for line in lines.of_request(id_) if "entries" in line]
    assert delivered["role"] == "worker"
    assert delivered["kind"] == "post_published"
    assert delivered["entries"] == 1
    assert delivered["seconds"] > 0
    assert delivered["event"].startswith("posts/")

    # The web server replaces a client's id with its own. No log holds a secret.
    answer = author.http.get("/api/v1/users/me", headers={"X-Request-ID": id_})
    assert answer.headers["X-Request-ID"] != id_
    assert len(answer.headers["X-Request-ID"]) == 36
    wait_until(lambda: answer.headers["X-Request-ID"] in str(web_server.read()))
    everything = "".join([*lines.raw, *web_server.raw])
    token = author.http.headers["Authorization"].removeprefix("Bearer ")
    for secret in (PASSWORD, token, author.tokens["refresh_token"], f"{author.username}@"):
        assert secret not in everything


def scrape(origin: str | None) -> dict[str, float]:
    """The samples, by name and label values, in the order of the label names."""
    answer = httpx.get(f"{origin}/metrics")
    families = text_string_to_metric_families(answer.text)
    return {
        " ".join([one.name, *(value for _, value in sorted(one.labels.items()))]): one.value
        for family in families
        for one in family.samples
    }


def test_an_instance_counts_what_all_its_processes_have_answered(
    stack: Stack, member: Callable[[str], Person]
) -> None:
    ada, (instance,) = member("ada"), stack.status("read-api-1")
    counter = "socialfeed_requests_total GET read api/v1/users/me 200"
    timed = "socialfeed_request_seconds_count GET read api/v1/users/me"

    def counted() -> tuple[float, float]:
        figures = scrape(instance.url)
        return figures.get(counter, 0), figures.get(timed, 0)

    assert instance.pid is not None
    os.kill(instance.pid, signal.SIGTTIN)  # starts one more process
    try:
        before, asked = counted(), 0

        def both_have_counted() -> bool:
            nonlocal asked
            asked += 1  # over a new connection, so that either process may get it
            answer = httpx.get(f"{instance.url}/api/v1/users/me", headers=ada.http.headers)
            assert answer.status_code == 200
            return len(list((stack.run_dir / "metrics-read-api-1").glob("counter_*.db"))) >= 2

        wait_until(both_have_counted)
        assert counted() == (before[0] + asked, before[1] + asked)
    finally:
        os.kill(instance.pid, signal.SIGTTOU)
        # Until the stopping process has ended, half of all probes fail.
        wait_until(lambda: len(psutil.Process(instance.pid).children()) == 1)


def test_the_age_of_an_undelivered_post_is_exported_though_all_workers_are_dead(
    stack: Stack, member: Callable[[str], Person], measured: Callable[[str], None]
) -> None:
    author, (instance,) = member("author"), stack.status("read-api-1")
    delivered = "socialfeed_deliveries_total post_published"

    def age() -> float:
        return scrape(instance.url)["socialfeed_outbox_oldest_post_age_seconds"]

    wait_until(lambda: age() == 0)
    before = scrape(instance.url).get(delivered, 0)
    pids = [pid for name in WORKERS if (pid := stack.status(name)[0].pid)]
    assert len(pids) == len(WORKERS)
    for pid in pids:  # a frozen worker looks dead to the others, and is back sooner
        os.kill(pid, signal.SIGSTOP)
    try:
        author.post("Is anybody there?", jpeg_with_gps())
        seconds = wait_until(lambda: age() > 0)
        measured(f"seen {seconds:.1f} s after the post")
        first = age()
        wait_until(lambda: age() > first + 0.5)
        pending = scrape(instance.url)["socialfeed_outbox_pending posts post_published"]
        assert pending == 1
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    wait_until(lambda: age() == 0)
    wait_until(lambda: scrape(instance.url).get(delivered, 0) > before)

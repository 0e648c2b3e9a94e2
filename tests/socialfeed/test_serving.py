"""How an API process takes requests."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Semaphore
from typing import Any

import orjson
import pytest

from socialfeed.serving import shedding

LIMIT = 3


@pytest.fixture
def answer() -> Iterable[Any]:
    """Answers of a bounded application whose requests wait for an event."""
    go_on, entered = Event(), Semaphore(0)

    def application(environ: Any, start_response: Any) -> Iterable[bytes]:
        entered.release()
        assert go_on.wait(10)
        if environ["PATH_INFO"] == "/crash":
            raise ValueError("crash")
        start_response("200 OK", [])
        return [b"done"]

    refused: list[int] = []
    bounded = shedding(application, LIMIT, on_refused=lambda: refused.append(1))

    def ask(path: str = "/") -> tuple[str, dict[str, str], bytes]:
        said: list[Any] = []
        body = b"".join(bounded({"PATH_INFO": path}, lambda *parts: said.extend(parts)))  # type: ignore[arg-type]
        return said[0], dict(said[1]), body

    ask.go_on, ask.entered, ask.refused = go_on, entered, refused  # type: ignore[attr-defined]
    yield ask
    go_on.set()


def test_more_requests_than_the_limit_are_refused_at_once(answer: Any) -> None:
    with ThreadPoolExecutor(LIMIT + 1) as pool:
        served = [pool.submit(answer) for _ in range(LIMIT)]
        for _ in served:
            answer.entered.acquire()
        status, headers, body = answer()
        assert status == "503 Service Unavailable"
        assert int(headers["Retry-After"]) > 0
        assert headers["Content-Type"] == "application/problem+json"
        assert orjson.loads(body)["status"] == 503
        assert len(answer.refused) == 1
        assert answer("/healthz/livelier")[0] == "503 Service Unavailable"
        probe = pool.submit(answer, "/healthz/live")
        answer.go_on.set()
        assert [each.result()[0] for each in [*served, probe]] == ["200 OK"] * (LIMIT + 1)
    assert answer()[0] == "200 OK", "there is room again"


def test_a_request_that_crashes_leaves_its_place(answer: Any) -> None:
    answer.go_on.set()
    for _ in range(LIMIT + 1):
        with pytest.raises(ValueError, match="crash"):
            answer("/crash")
    assert answer()[0] == "200 OK"

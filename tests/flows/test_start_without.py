"""An API process starts without its servers, reports what is down, and refuses excess requests."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from devstack.layout import HOST, PROJECT_DIR, Layout, free_port_base
from tests.support.client import wait_until
from tests.support.raw_http import head, opened, read_answer

Start = Callable[..., str]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A function that starts a gunicorn and returns its origin. Its databases, Valkeys and object
    store are ports with no listener.
    """
    config = PROJECT_DIR / "deploy" / "gunicorn.conf.py"
    command = [sys.executable, "-m", "gunicorn", "-c", str(config), "socialfeed.wsgi:application"]
    with ExitStack() as ends:

        def begin(**environ: str) -> str:
            port = free_port_base()
            closed = {name: url.replace(":1024", ":9") for name, url in _urls_at_1024().items()}
            own = {
                "GUNICORN_BIND": f"{HOST}:{port}",
                "GUNICORN_WORKERS": "1",
                "GUNICORN_METRICS_DIR": str(tmp_path / "metrics"),
            }
            log = ends.enter_context((tmp_path / "log").open("w"))
            process = ends.enter_context(
                subprocess.Popen(
                    command, env=os.environ | closed | own | environ, cwd=PROJECT_DIR, stderr=log
                )
            )
            # "Quick": it waits for no request, and for no web server to notice.
            ends.callback(process.send_signal, signal.SIGQUIT)
            origin = f"http://{HOST}:{port}"
            wait_until(lambda: answers(f"{origin}/healthz/live"), 60)
            return origin

        yield begin


def _urls_at_1024() -> dict[str, str]:
    """Every address of the stack, all with one port."""
    layout = Layout(1024, Path("/nowhere"))
    urls = layout.urls()
    for offset in range(1, 10):
        urls = {name: url.replace(f":{1024 + offset}", ":1024") for name, url in urls.items()}
    return urls


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=10).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("role", ["read", "write"])
def test_it_is_live_and_not_ready(start: Start, role: str) -> None:
    origin = start(API_ROLE=role)
    assert answers(f"{origin}/healthz/accepting")
    assert answers(f"{origin}/metrics")
    ready = httpx.get(f"{origin}/healthz/ready", timeout=10)
    assert ready.status_code == httpx.codes.SERVICE_UNAVAILABLE
    wrong = {name for name, is_right in ready.json()["checks"].items() if not is_right}
    assert wrong == {"state", "default", "posts", "comments"}
    answer = httpx.get(f"{origin}/api/v1/timeline/home", timeout=10)
    assert answer.status_code == httpx.codes.UNAUTHORIZED
    assert answers(f"{origin}/api/docs/"), "what needs no store is served"


def test_of_too_many_requests_at_once_it_refuses_most_and_serves_some(start: Start) -> None:
    origin = start(API_ROLE="read", GUNICORN_THREADS="1", MAX_REQUESTS_IN_FLIGHT="3")
    port = urlsplit(origin).port or 0
    with ExitStack() as waiting:
        connections = [waiting.enter_context(opened(port)) for _ in range(20)]
        for connection in connections:
            connection.sendall(head("GET", "/api/docs/"))
        statuses = [read_answer(connection).status for connection in connections]
    assert set(statuses) == {200, 503}
    counted = f'socialfeed_requests_refused_total{{role="read"}} {statuses.count(503)}.0'
    metrics = httpx.get(f"{origin}/metrics").text
    assert counted in metrics
    # That is the request for the metrics.
    assert 'socialfeed_requests_in_flight{role="read"} 1.0' in metrics
    assert answers(f"{origin}/api/docs/"), "there is room again"


def test_connections_on_which_nothing_comes_take_no_thread(start: Start) -> None:
    origin = start(API_ROLE="read", GUNICORN_THREADS="1")
    with ExitStack() as silent:
        for _ in range(3):
            silent.enter_context(opened(urlsplit(origin).port or 0))
        began = time.monotonic()
        assert answers(f"{origin}/api/docs/")
        assert time.monotonic() - began < 3

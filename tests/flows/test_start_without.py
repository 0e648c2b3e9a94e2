"""An API process starts whatever is down, and says what it cannot do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from socialfeed.stack.layout import HOST, PROJECT_DIR, Layout
from socialfeed.stack.ports import free_port_base
from tests.flows.client import wait_until


@pytest.fixture(params=["read", "write"])
def origin(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A gunicorn whose databases, Valkeys and object store are ports that nobody listens on."""
    port = free_port_base()
    closed = {name: url.replace(":1024", ":9") for name, url in _urls_at_1024().items()}
    environ = (
        os.environ
        | closed
        | {
            "API_ROLE": request.param,
            "GUNICORN_BIND": f"{HOST}:{port}",
            "GUNICORN_WORKERS": "1",
            "GUNICORN_METRICS_DIR": str(tmp_path / "metrics"),
        }
    )
    config = PROJECT_DIR / "deploy" / "gunicorn.conf.py"
    command = [sys.executable, "-m", "gunicorn", "-c", str(config), "socialfeed.wsgi:application"]
    log = (tmp_path / "log").open("w")
    with log, subprocess.Popen(command, env=environ, cwd=PROJECT_DIR, stderr=log) as process:
        yield f"http://{HOST}:{port}"
        process.terminate()


def _urls_at_1024() -> dict[str, str]:
    """Every address of the stack, all at one port."""
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


def test_it_is_there_and_not_ready(origin: str) -> None:
    wait_until(lambda: answers(f"{origin}/healthz/live"), 60)
    assert answers(f"{origin}/healthz/accepting")
    assert answers(f"{origin}/metrics")
    ready = httpx.get(f"{origin}/healthz/ready", timeout=10)
    assert ready.status_code == httpx.codes.SERVICE_UNAVAILABLE
    wrong = {name for name, is_right in ready.json()["checks"].items() if not is_right}
    assert wrong == {"state", "default", "posts", "comments"}
    answer = httpx.get(f"{origin}/api/v1/timeline/home", timeout=10)
    assert answer.status_code == httpx.codes.UNAUTHORIZED
    assert answers(f"{origin}/api/schema/"), "what needs no store is served"

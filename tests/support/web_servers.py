"""A web server of a test's own: with the project's configuration, in front of APIs of the test."""

import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from devstack.layout import HOST, free_port_base
from devstack.lifecycle import Stack
from tests.support.client import wait_until

Handler = type[BaseHTTPRequestHandler]


@contextmanager
def web_server(
    stack: Stack, folder: Path, *, reads: Handler, writes: Handler, environ: Mapping[str, str]
) -> Iterator[str]:
    """The origin of a web server. Its logs are in `folder`; `stack` need not run.

    `reads` and `writes` answer in place of the two APIs. `environ` changes the web server's own.
    """
    (caddy,) = (service for service in stack.services if service.name == "caddy")
    port = free_port_base()
    with ExitStack() as running:
        own = {
            "CADDY_LISTEN": f"http://:{port}",
            "READ_API_UPSTREAMS": running.enter_context(_served(reads)),
            "WRITE_API_UPSTREAMS": running.enter_context(_served(writes)),
            "CADDY_MEDIA": "off",
            "CADDY_ACCESS_LOG_FILE": str(folder / "access.log"),
        }
        log = running.enter_context((folder / "log").open("w"))
        server = running.enter_context(
            subprocess.Popen(
                caddy.command,
                env={**stack.environ, **caddy.environ, **own, **environ},
                cwd=folder,
                stderr=log,
            )
        )
        running.callback(server.terminate)
        origin = f"http://{HOST}:{port}"
        wait_until(lambda: _answers(origin))
        yield origin


@contextmanager
def _served(handler: Handler) -> Iterator[str]:
    """The host and port of a server with this handler."""
    with ThreadingHTTPServer((HOST, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"{HOST}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _answers(origin: str) -> bool:
    try:
        httpx.head(f"{origin}/static/")
    except httpx.TransportError:
        return False
    return True

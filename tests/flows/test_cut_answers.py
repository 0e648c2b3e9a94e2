"""An API that dies amid its answer: the client sees that something is missing.

The web server runs with its own configuration, in front of an API that sends a part of its answer.
"""

import re
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler

import httpx
import pytest

from devstack.lifecycle import Stack
from tests.support.web_servers import web_server

LENGTH = 3000


class DyingApi(BaseHTTPRequestHandler):
    """Answers so many bytes of LENGTH as the address says, and closes the connection."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        asked = re.search(r"sent=(\d+)", self.path)
        content = b"[" + b" " * (LENGTH - 2) + b"]"
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(LENGTH))
        self.end_headers()
        self.wfile.write(content[: int(asked[1]) if asked else LENGTH])
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Writes nothing: by default it logs to the terminal."""


@pytest.fixture(scope="module")
def origin(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a web server in front of the dying API."""
    folder = tmp_path_factory.mktemp("caddy")
    with web_server(stack, folder, reads=DyingApi, writes=DyingApi, environ={}) as found:
        yield found


@pytest.mark.parametrize("encoding", ["identity", "gzip", "zstd"])
def test_a_cut_answer_does_not_look_whole(origin: str, encoding: str) -> None:
    headers = {"Accept-Encoding": encoding}
    whole = httpx.get(f"{origin}/api/v1/posts", headers=headers)
    assert whole.headers.get("Content-Encoding", "identity") == encoding
    for sent in (0, 100, LENGTH - 1):
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"{origin}/api/v1/posts?sent={sent}", headers=headers)

"""A web server in front of two APIs that tell who has answered, and a small web client."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from devstack.lifecycle import Stack
from operations.web_client import publish_web_client
from tests.support.web_servers import Handler, web_server

PAGE = b"<!doctype html><title>The client</title>" + b"<!-- -->" * 200
SCRIPT = b"export const answer = 42;" * 100


def api_of(role: str) -> Handler:
    """An API that answers its role, and the method and path that it was asked for."""

    class Api(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            said = json.dumps({"role": role, "method": self.command, "path": self.path}).encode()
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(said)

        do_GET = do_HEAD = do_OPTIONS = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            """Writes nothing: by default it logs to the terminal."""

    return Api


READ_API = api_of("read")


@pytest.fixture(scope="session")
def small_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `make web` makes it."""
    folder = tmp_path_factory.mktemp("dist")
    (folder / "assets").mkdir()
    (folder / "index.html").write_bytes(PAGE)
    (folder / "favicon.svg").write_bytes(b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder / "manifest.webmanifest").write_bytes(b"{}")
    (folder / "assets" / "index-B1x_y-2z.js").write_bytes(SCRIPT)
    (folder / "assets" / "index-B1x_y-2z.css").write_bytes(b"p { color: teal }" * 100)
    (folder / "assets" / "inter-latin-400-a1b2c3d4.woff2").write_bytes(b"wOF2" * 500)
    return folder


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, small_client: Path
) -> Iterator[Callable[..., str]]:
    """A function that starts a web server, and returns its origin.

    It takes changes of its environment, `built=False` if there is no client to show, and `reads`
    for another Read API.
    """
    with ExitStack() as running:

        def start(*, built: bool = True, reads: Handler = READ_API, **environ: str) -> str:
            folder = tmp_path_factory.mktemp("caddy")
            static = folder / "static"
            (static / "schema").mkdir(parents=True)
            (static / "schema" / "openapi.json").write_text("{}")
            (static / "sheet.css").write_text("p { color: teal }")
            if built:
                publish_web_client(source=small_client, folder=static / "web")
            return running.enter_context(
                web_server(
                    Stack(os.environ),
                    folder,
                    reads=reads,
                    writes=api_of("write"),
                    environ={"STATIC_ROOT": str(static)} | environ,
                )
            )

        yield start


@pytest.fixture(scope="module")
def origin(served: Callable[..., str]) -> str:
    """The origin of a web server that has the client."""
    return served()

"""A server that is told which public addresses a CDN must forget."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from devstack.layout import HOST


@dataclass
class Purges:
    """What the server got. It answers `status` to all requests, and a redirect where it is 3xx."""

    url: str = ""
    status: int = 204
    urls: list[list[str]] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)

    @property
    def all_urls(self) -> set[str]:
        return {url for urls in self.urls for url in urls}


@contextmanager
def purge_server() -> Iterator[Purges]:
    got = Purges()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.methods.append("POST")
            got.authorizations.append(self.headers["Authorization"])
            if got.status < 300:
                assert self.headers["Content-Type"] == "application/json"
                got.urls.append(json.loads(body)["urls"])
            self.send_response(got.status)
            if 300 <= got.status < 400:
                self.send_header("Location", got.url)
            self.end_headers()

        def do_GET(self) -> None:
            got.methods.append("GET")
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer((HOST, 0), Handler)
    got.url = f"http://{HOST}:{server.server_address[1]}/purge"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield got
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

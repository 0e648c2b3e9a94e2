"""A cheap HTTP client: requests are prepared bytes, and answers are not parsed."""

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import orjson

from devstack.layout import HOST

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ETAG = re.compile(rb"\r\netag: *([^\r]+)", re.IGNORECASE)
_END = b"\r\n\r\n"
_CHUNKED, _LAST_CHUNK = b"\r\nTransfer-Encoding: chunked", b"\r\n0\r\n\r\n"
# Answers of these statuses have no body, whatever their headers say.
_BODILESS = frozenset({204, 304})


def request(
    method: str,
    path: str,
    *,
    token: str = "",
    body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """A request like those that the web server sends to an instance."""
    content = b"" if body is None else orjson.dumps(body)
    lines = {
        "Host": HOST,
        "X-Forwarded-For": HOST,
        "X-Forwarded-Proto": "http",
        "X-Request-ID": "benchmark",
        "Accept": "*/*",
        **({"Authorization": f"Bearer {token}"} if token else {}),
        **({} if body is None else {"Content-Type": "application/json"}),
        **({} if body is None else {"Content-Length": str(len(content))}),
        **(headers or {}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + content


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: its status, its unparsed head, and its body."""

    status: int
    head: bytes
    body: bytes

    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def etag(self) -> str:
        found = _ETAG.search(self.head)
        assert found, self.head
        return found[1].decode()


class Connection:
    """A persistent connection. Use as a context."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((HOST, port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> "Connection":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._socket.close()

    def ask(self, message: bytes) -> Answer:
        """Send a request and wait for its answer."""
        self._socket.sendall(message)
        received = self._received()
        while (end := received.find(_END)) < 0:
            received += self._received()
        head, body = received[:end], received[end + len(_END) :]
        status = int(head[9:12])
        if status in _BODILESS:
            return Answer(status, head, b"")
        found = _LENGTH.search(head)
        if found is None:
            assert _CHUNKED in head, head
            while not body.endswith(_LAST_CHUNK):
                body += self._received()
            return Answer(status, head, _unchunked(body))
        missing = int(found[1]) - len(body)
        parts = [body]
        while missing > 0:
            part = self._received()
            parts.append(part)
            missing -= len(part)
        return Answer(status, head, b"".join(parts))

    def _received(self) -> bytes:
        part = self._socket.recv(262_144)
        assert part, "the server has closed the connection"
        return part


def _unchunked(body: bytes) -> bytes:
    """The content of a chunked body."""
    parts: list[bytes] = []
    at = 0
    while True:
        start = body.index(b"\r\n", at) + 2
        size = int(body[at : start - 2], 16)
        if not size:
            return b"".join(parts)
        parts.append(body[start : start + size])
        at = start + size + 2

"""Requests that no ordinary client sends: slow, malformed, or never ended."""

import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from select import select
from typing import Any

import orjson

from devstack.layout import HOST


@dataclass
class Answer:
    """The answer to a raw request; `status` is 0 when the connection ended without one."""

    status: int
    headers: Any
    content: bytes
    seconds: float = 0.0
    # The statuses that came before it, such as 100.
    informed: list[int] = field(default_factory=list)

    def json(self) -> Any:
        return orjson.loads(self.content)


def head(method: str, path: str, **headers: object) -> bytes:
    """The head of a request. In the names of headers `_` stands for `-`."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def chunk(content: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(content), content)


@contextmanager
def opened(port: int, *parts: bytes, sender: str = HOST) -> Iterator[socket.socket]:
    """A connection on which these bytes are sent; `sender` is any loopback address."""
    with socket.create_connection((HOST, port), 30, (sender, 0)) as connection:
        for part in parts:
            connection.sendall(part)
        yield connection


@contextmanager
def opened_narrow(port: int, *parts: bytes) -> Iterator[socket.socket]:
    """The same, on a connection that takes in little of an answer that its client does not read.

    Over loopback, the kernel would take megabytes.
    """
    with socket.socket() as connection:
        connection.settimeout(30)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        connection.connect((HOST, port))
        for part in parts:
            connection.sendall(part)
        yield connection


def ask(
    port: int,
    first: bytes,
    rest: Iterable[bytes] = (),
    *,
    gap: float = 0.0,
    patience: float = 30.0,
    sender: str = HOST,
) -> Answer:
    """Send a request in parts, with `gap` seconds before each further one, and read the answer.

    An answer that comes early ends the sending. TimeoutError: none within `patience` seconds.
    """
    began = time.monotonic()
    with opened(port, first, sender=sender) as connection:
        connection.settimeout(patience)
        try:
            for part in rest:
                if is_answered(connection, gap):
                    break
                connection.sendall(part)
        except OSError:
            pass  # refused; the answer may still be there
        answer = read_answer(connection, has_content=not first.startswith(b"HEAD"))
    answer.seconds = time.monotonic() - began
    return answer


def read_answer(connection: socket.socket, *, has_content: bool = True) -> Answer:
    """Read one answer with a Content-Length."""
    informed: list[int] = []
    with connection.makefile("rb") as stream:
        while True:
            line = stream.readline()
            if not line:
                return Answer(0, {}, b"", informed=informed)
            status = int(line.split()[1])
            lines = iter(stream.readline, b"\r\n")
            headers = BytesParser().parsebytes(b"".join(lines))
            if status >= 200:
                length = int(headers["Content-Length"] or 0)
                content = stream.read(length) if has_content else b""
                return Answer(status, headers, content, informed=informed)
            informed.append(status)


def is_answered(connection: socket.socket, seconds: float = 0.0) -> bool:
    """Whether a final answer comes within so many seconds; an informational one does not count."""
    if not select([connection], [], [], seconds)[0]:
        return False
    return not connection.recv(64, socket.MSG_PEEK).startswith(b"HTTP/1.1 1")


def assert_problem(answer: Answer, status: int, *words: str) -> None:
    """Check that an answer is a problem document of a status, whose detail has some words."""
    assert answer.status == status, answer
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Request-ID"]
    document = answer.json()
    assert document["status"] == status
    for word in words:
        assert word in document["detail"]

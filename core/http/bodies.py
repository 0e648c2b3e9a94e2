"""The body of a request while it arrives: its limits, and where it is stored.

A body is stored in memory up to MEMORY_BYTES, and beyond that in a temporary file (TMPDIR). A
`Refusal` says what to change: the body is longer than MAX_BODY_BYTES, or its chunks are malformed.
`Body.is_too_slow` watches its rate.

gunicorn's main process imports this module, so it imports nothing that needs Django's settings.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from tempfile import SpooledTemporaryFile

import h11
from django.conf import settings

# The web server refuses longer bodies, by address; see deploy/Caddyfile.
MAX_BODY_BYTES = 12 * 1024 * 1024
MEMORY_BYTES = 64 * 1024
# The web server closes a connection whose answer has this header: the rest of its body is unread.
UNREAD = "X-Body-Unread"
# Seconds until a client may try again, by status.
_RETRY_AFTER = {HTTPStatus.REQUEST_TIMEOUT: 1, HTTPStatus.SERVICE_UNAVAILABLE: 5}
# What h11 reads before a chunked body. The real head of the request is read already.
_HEAD = b"POST / HTTP/1.1\r\nHost: body\r\nTransfer-Encoding: chunked\r\n\r\n"


class Refusal(Exception):
    """Why the rest of a body is not read; the answer is a problem document."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail

    def answer(self, *, with_content: bool) -> bytes:
        """The answer as HTTP/1.1; to HEAD without content. It must be the connection's last."""
        status = self.status
        document = {"type": "about:blank", "title": status.phrase, "status": status.value}
        content = json.dumps(document | {"detail": self.detail}).encode()
        headers = {
            "Content-Type": "application/problem+json",
            "Content-Length": len(content),
            "Connection": "close",
            UNREAD: "true",
        }
        if seconds := _RETRY_AFTER.get(status):
            headers["Retry-After"] = seconds
        lines = [f"HTTP/1.1 {status.value} {status.phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + (content if with_content else b"")


class Body:
    """A body that arrives: of a declared `length` in bytes, or chunked (None).

    Raises `Refusal` when the declared length is too large. `sender` is the client's address, as it
    is counted; `now` is time.monotonic().
    """

    def __init__(self, *, length: int | None, sender: str, now: float) -> None:
        if length is not None:
            _check_size(length)
        self.sender = sender
        self._declared = length or 0
        self._content = _Chunked() if length is None else _Declared(length)
        self.size = 0
        self.file = SpooledTemporaryFile(MEMORY_BYTES)  # noqa: SIM115  (`close` closes it)
        self._window_began = now
        self._came_in_window = 0

    def feed(self, data: bytes) -> bool:
        """Take what has come, and return whether the body, which is not empty, is whole now.

        Raises `Refusal`, also when there is no room to store it.
        """
        if not data:
            return False
        self._came_in_window += len(data)
        for part in self._content.decode(data):
            _check_size(self.size + len(part))
            self._store(part)
        if self._content.is_over:
            self._rewind()
        return self._content.is_over

    @property
    def is_large(self) -> bool:
        """Whether it is, or will be, stored on disk."""
        return max(self._declared, self.size) > MEMORY_BYTES

    @property
    def rest(self) -> bytes:
        """What came after the end of the body: the next request."""
        return self._content.rest

    def is_too_slow(self, now: float) -> bool:
        """Whether in BODY_PATIENCE_SECONDS less came than MIN_BODY_BYTES_PER_SECOND."""
        if now - self._window_began < settings.BODY_PATIENCE_SECONDS:
            return False
        wanted = settings.BODY_PATIENCE_SECONDS * settings.MIN_BODY_BYTES_PER_SECOND
        is_too_slow: bool = self._came_in_window < wanted
        self.watch_from(now)
        return is_too_slow

    def watch_from(self, now: float) -> None:
        """Begin anew to watch how fast it comes."""
        self._window_began, self._came_in_window = now, 0

    def close(self) -> None:
        """Remove what was stored."""
        # It first writes what is in memory, for which there may be no room. It closes all the same.
        with suppress(OSError):
            self.file.close()

    def _store(self, part: bytes) -> None:
        with _room():
            self.file.write(part)
        self.size += len(part)

    def _rewind(self) -> None:
        with _room():  # this, too, writes what is still in memory
            self.file.seek(0)


@contextmanager
def _room() -> Iterator[None]:
    """Turn a full disk into a `Refusal`."""
    try:
        yield
    except OSError as error:
        raise Refusal(
            HTTPStatus.SERVICE_UNAVAILABLE, "There is no room for the request's body. Try again."
        ) from error


class _Declared:
    """The content of a body with a Content-Length."""

    def __init__(self, length: int) -> None:
        self._missing = length
        self.is_over = False
        self.rest = b""

    def decode(self, data: bytes) -> Iterator[bytes]:
        part, self.rest = data[: self._missing], data[self._missing :]
        self._missing -= len(part)
        self.is_over = self._missing == 0
        yield part


class _Chunked:
    """The content of a chunked body."""

    def __init__(self) -> None:
        self._reader = h11.Connection(h11.SERVER)
        self._reader.receive_data(_HEAD)
        self._reader.next_event()
        self.is_over = False
        self.rest = b""

    def decode(self, data: bytes) -> Iterator[bytes]:
        try:
            self._reader.receive_data(data)
            while isinstance(event := self._reader.next_event(), h11.Data):
                yield bytes(event.data)
        except h11.RemoteProtocolError as error:
            raise Refusal(
                HTTPStatus.BAD_REQUEST,
                "The chunks of the request's body are malformed. Send its length in Content-Length "
                "instead, or chunks as RFC 9112 says.",
            ) from error
        if isinstance(event, h11.EndOfMessage):
            self.is_over = True
            self.rest = self._reader.trailing_data[0]


def _check_size(size: int) -> None:
    if size > MAX_BODY_BYTES:
        raise Refusal(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"The request's body is larger than {MAX_BODY_BYTES} bytes. Send less at a time.",
        )

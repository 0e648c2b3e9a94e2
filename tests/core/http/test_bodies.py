"""The body of a request while it arrives: declared or chunked, limited in size and in time."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http import HTTPStatus
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.http.bodies import MAX_BODY_BYTES, MEMORY_BYTES, UNREAD, Body, Refusal
from tests.support.raw_http import chunk

END = b"0\r\n\r\n"
MakeBody = Callable[[int | None], Body]


@pytest.fixture
def arriving() -> Iterator[MakeBody]:
    """A function that makes a body of this length, or a chunked one. The test's end removes it."""
    with ExitStack() as made:
        yield lambda length: made.enter_context(closing(Body(length=length, sender="", now=0)))


def fed(body: Body, *pieces: bytes) -> list[bool]:
    return [body.feed(piece) for piece in pieces]


def test_a_declared_body_is_whole_with_its_last_byte(arriving: MakeBody) -> None:
    body = arriving(6)
    assert fed(body, b"", b"low", b"tid") == [False, False, True]
    assert (body.file.read(), body.size, body.rest) == (b"lowtid", 6, b"")


@pytest.mark.parametrize(("length", "content"), [(3, b"low"), (None, chunk(b"low") + END)])
def test_what_follows_a_body_belongs_to_the_next_request(
    arriving: MakeBody, length: int | None, content: bytes
) -> None:
    body = arriving(length)
    assert body.feed(content + b"GET /")
    assert (body.file.read(), body.rest) == (b"low", b"GET /")


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.data())
def test_a_chunked_body_may_be_cut_anywhere(chunks: list[bytes], data: st.DataObject) -> None:
    raw = b"".join(map(chunk, chunks)) + END
    cut = sorted(data.draw(st.sets(st.integers(0, len(raw)), max_size=6)) | {0, len(raw)})
    pieces = [raw[start:end] for start, end in pairwise(cut)]
    with closing(Body(length=None, sender="", now=0)) as body:
        assert fed(body, *pieces) == [False] * (len(pieces) - 1) + [True]
        assert body.file.read() == b"".join(chunks)


@pytest.mark.parametrize(
    "raw", [b"zz\r\n", b"3\r\nlowXX", b"-3\r\nlow\r\n", b"\r\n", b"3;" + b"x" * 99_999]
)
def test_malformed_chunks_are_refused(arriving: MakeBody, raw: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        arriving(None).feed(raw)
    assert refused.value.status == HTTPStatus.BAD_REQUEST


def test_a_body_over_the_limit_is_refused_by_its_length_or_when_it_is_reached(
    arriving: MakeBody,
) -> None:
    with pytest.raises(Refusal) as refused:
        Body(length=MAX_BODY_BYTES + 1, sender="", now=0)
    assert refused.value.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert str(MAX_BODY_BYTES) in refused.value.detail
    body = arriving(None)
    for _ in range(12):
        body.feed(chunk(bytes(1024 * 1024)))
    assert body.size == MAX_BODY_BYTES
    with pytest.raises(Refusal):
        body.feed(chunk(b"x"))


def test_a_long_body_goes_to_a_file(arriving: MakeBody) -> None:
    body = arriving(MEMORY_BYTES + 2)
    body.feed(bytes(MEMORY_BYTES))
    assert not body.file._rolled  # type: ignore[attr-defined]
    body.feed(bytes(1))
    assert body.file._rolled  # type: ignore[attr-defined]


def test_a_body_must_bring_enough_in_every_period(arriving: MakeBody, settings: Any) -> None:
    settings.BODY_PATIENCE_SECONDS = 10.0
    settings.MIN_BODY_BYTES_PER_SECOND = 100
    body = arriving(1_000_000)
    assert not body.is_too_slow(9)
    body.feed(bytes(1000))
    assert not body.is_too_slow(10)
    body.feed(bytes(500_000))
    assert not body.is_too_slow(19)
    assert not body.is_too_slow(20), "it came in this period"
    body.feed(bytes(999))
    assert body.is_too_slow(30), "a fast beginning does not buy time"


def test_a_refusal_is_a_problem_document_that_ends_the_connection() -> None:
    refusal = Refusal(HTTPStatus.REQUEST_TIMEOUT, "Too slow.")
    raw = refusal.answer(with_content=True)
    top, _, content = raw.partition(b"\r\n\r\n")
    lines = top.decode().split("\r\n")
    headers = dict(line.split(": ") for line in lines[1:])
    assert lines[0] == "HTTP/1.1 408 Request Timeout"
    assert headers["Connection"] == "close"
    assert headers[UNREAD]
    assert headers["Content-Type"] == "application/problem+json"
    assert int(headers["Content-Length"]) == len(content)
    document = orjson.loads(content)
    assert document["status"] == 408
    assert document["detail"] == "Too slow."
    assert refusal.answer(with_content=False) == top + b"\r\n\r\n"


def test_a_full_disk_refuses_a_body_and_closing_it_raises_nothing() -> None:
    """A full device takes small writes into its buffer, and fails when that is flushed."""
    body = Body(length=10, sender="", now=0.0)
    body.file.close()
    with open("/dev/full", "w+b", buffering=4096) as full:
        body.file = full  # type: ignore[assignment]
        with pytest.raises(Refusal) as refused:
            body.feed(b"x" * 10)
        assert refused.value.status == 503
        body.close()
        assert full.closed

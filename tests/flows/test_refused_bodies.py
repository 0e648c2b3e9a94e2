"""Bodies that are malformed, too large or not wanted, through the web server."""

from typing import Any

import pytest

from core.http.bodies import MAX_BODY_BYTES
from devstack.lifecycle import Stack
from tests.support.raw_http import ask, assert_problem, chunk, head, opened, read_answer

LOGIN = "/_allauth/app/v1/auth/login"
MEDIA = "/api/v1/media"
JSON = "application/json"


@pytest.mark.parametrize("wrong", [b"zz\r\nabc\r\n", b"3\r\nabcde\r\n", b"3;" + b"x" * 9000])
def test_malformed_chunks_get_400(stack: Stack, port: int, wrong: bytes) -> None:
    first = head("POST", LOGIN, Content_Type=JSON, Transfer_Encoding="chunked")
    direct = stack.layout.port("write-api")
    assert_problem(ask(port, first + chunk(b"{}") + wrong), 400, "chunks", "Content-Length")
    answer = ask(direct, first + chunk(b"{}") + wrong + b"x" * 20_000)
    assert (answer.status, answer.json()["status"]) == (400, 400)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize(
    "path", ["/api/v1/timeline/home", "/static/socialfeed/sample.jpg", "/", "/developers/"]
)
@pytest.mark.parametrize("headers", [{"Content_Length": 5}, {"Transfer_Encoding": "chunked"}])
def test_a_method_that_only_reads_takes_no_body(
    stack: Stack, port: int, method: str, path: str, headers: dict[str, Any]
) -> None:
    for at in (port, stack.layout.port("read-api")):
        answer = ask(at, head(method, path, **headers), patience=5)
        assert answer.status == 400
        assert answer.headers["Connection"] == "close"
    assert ask(port, head("GET", "/healthz/live", Content_Length=0)).status == 200


@pytest.mark.parametrize(
    ("path", "limit", "words"), [(LOGIN, 1_000_000, "1 MB"), (MEDIA, 12_000_000, "12 MB")]
)
def test_a_body_that_is_too_large_is_refused_and_told_the_limit(
    port: int, path: str, limit: int, words: str
) -> None:
    declared = ask(port, head("POST", path, Content_Type=JSON, Content_Length=limit + 1))
    assert_problem(declared, 413, words)
    first = head("POST", path, Content_Type=JSON, Transfer_Encoding="chunked")
    chunked = ask(port, first, [*[chunk(bytes(100_000))] * (limit // 100_000 + 1), b"0\r\n\r\n"])
    assert_problem(chunked, 413, words)


def test_an_instance_refuses_what_the_web_server_would_not_send(stack: Stack) -> None:
    first = head("POST", LOGIN, Content_Type=JSON, Content_Length=MAX_BODY_BYTES + 1)
    answer = ask(stack.layout.port("write-api"), first)
    assert (answer.status, answer.headers["Connection"]) == (413, "close")


def test_a_client_that_expects_100_gets_it_before_it_sends(port: int) -> None:
    body = b'{"username": "nobody", "password": "wrong"}'
    first = head("POST", LOGIN, Content_Type=JSON, Content_Length=len(body), Expect="100-continue")
    with opened(port, first) as connection:
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert read_answer(connection).status == 400
    refused = ask(port, head("POST", LOGIN, Content_Length=10**9, Expect="100-continue"))
    assert (refused.status, refused.informed) == (413, [])

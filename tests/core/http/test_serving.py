"""An API process refuses requests over its limit; gunicorn's worker counts those in flight."""

from collections.abc import Iterable
from typing import Any

import orjson
import pytest

from core.http.serving import PROBES, Load, _is_plain_get, shedding

LIMIT = 3


def application(environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [b"done"]


@pytest.mark.parametrize(
    ("in_flight", "path", "is_served"),
    [
        (LIMIT, "/", True),
        (LIMIT + 1, "/", False),
        (LIMIT + 1, "/healthz/livelier", False),
        *((LIMIT + 1, path, True) for path in sorted(PROBES)),
    ],
)
def test_while_too_many_are_in_flight_all_but_probes_are_refused(
    monkeypatch: pytest.MonkeyPatch, in_flight: int, path: str, is_served: bool
) -> None:
    monkeypatch.setattr(Load, "in_flight", in_flight)
    refused: list[int] = []
    said: list[Any] = []
    bounded = shedding(application, LIMIT, on_refused=lambda: refused.append(1))
    answer = bounded({"PATH_INFO": path}, lambda *parts: said.extend(parts))  # type: ignore[arg-type]
    body, (status, headers) = b"".join(answer), said
    assert len(refused) == (not is_served)
    if is_served:
        assert (status, body) == ("200 OK", b"done")
    else:
        assert status == "503 Service Unavailable"
        assert int(dict(headers)["Retry-After"]) > 0
        assert dict(headers)["Content-Type"] == "application/problem+json"
        assert orjson.loads(body)["status"] == 503


@pytest.mark.parametrize(
    ("request_", "is_plain"),
    [
        (b"GET /api/v1/posts?a=1 HTTP/1.1\r\nHost: a\r\n\r\n", True),
        (b"GET /metrics?x HTTP/1.1\r\nHost: a\r\n\r\n", False),
        (b"GET /x HTTP/1.1\r\nHost: a\r\n", False),
        (b"GET /x HTTP/1.1\r\n\r\nGET /y HTTP/1.1\r\n\r\n", False),
        (b"GET /x HTTP/1.1\r\ncontent-Length: 4\r\n\r\n", False),
        (b"GET /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", False),
        (b"HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n", False),
        (b"POST /x HTTP/1.1\r\nHost: a\r\n\r\n", False),
        (b"", False),
    ],
)
def test_only_a_whole_get_without_a_body_is_refused_when_it_comes(
    request_: bytes, is_plain: bool
) -> None:
    assert _is_plain_get(request_) == is_plain

"""An API process refuses requests over its limit; gunicorn's worker counts those in flight."""

from collections.abc import Iterable
from typing import Any

import orjson
import pytest

from core.http.serving import PROBES, Load, shedding

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

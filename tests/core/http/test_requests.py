"""Every request gets an id, and is counted in the metrics."""

import json
import logging
import re
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from core import context
from core.http.problems import ProblemMiddleware
from core.http.requests import RequestIdMiddleware
from core.metrics import local as local_metrics
from core.metrics.local import PROCESS_REGISTRY
from tests.conftest import ALL_DATABASES


def through_middleware(view: Callable[[HttpRequest], HttpResponse], **headers: str) -> HttpResponse:
    return RequestIdMiddleware(view)(RequestFactory().get("/api/v1/x", headers=headers))


@pytest.mark.parametrize("given", ["a", "8f14e45f-ceea-467f-9575-1f2c5e7d3a10", "x_Y.9-" * 10])
def test_the_id_that_came_is_kept_and_answered(given: str) -> None:
    seen: list[str | None] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(context.request_id.get())
        return HttpResponse()

    assert through_middleware(view, **{"X-Request-ID": given})["X-Request-ID"] == given
    assert seen == [given]
    assert context.request_id.get() is None, "the id is forgotten afterwards"


@pytest.mark.parametrize(
    "given", ["", "x" * 65, "a b", 'a"b', "a\nb", "a\n", "\x1b[31m", "ä", "{}"]
)
def test_what_is_no_id_is_replaced_by_a_new_one(given: str) -> None:
    answers = [
        through_middleware(lambda _: HttpResponse(), **{"X-Request-ID": given})["X-Request-ID"]
        for _ in range(2)
    ]
    assert all(re.fullmatch("[0-9a-f]{32}", answer) for answer in answers)
    assert answers[0] != answers[1]


def test_the_id_is_forgotten_though_a_request_breaks_off() -> None:
    def view(request: HttpRequest) -> HttpResponse:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        through_middleware(view)
    assert context.request_id.get() is None


@pytest.mark.parametrize(("status", "is_named"), [(404, False), (500, True), (503, True)])
def test_an_error_on_our_side_names_the_request(status: int, is_named: bool) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(status=status)

    answer = through_middleware(ProblemMiddleware(view), **{"X-Request-ID": "r-1"})
    assert json.loads(answer.content).get("request_id") == ("r-1" if is_named else None)


def counted(**labels: str) -> float:
    labels = {"role": "all", **labels}
    value = PROCESS_REGISTRY.get_sample_value("socialfeed_requests_total", labels) or 0
    status = labels.pop("status")
    timed = PROCESS_REGISTRY.get_sample_value("socialfeed_request_seconds_count", labels) or 0
    assert timed >= value, status
    return value


POST = "api/v1/posts/<id:post_id>"


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize(
    ("method", "address", "counted_as"),
    [
        ("PATCH", "/api/v1/posts/766237505249870848", ("PATCH", POST, "401")),
        ("DELETE", "/api/v1/posts/766237505249870848", ("DELETE", POST, "401")),
        ("GET", "/api/v1/no/such/secret", ("GET", "unmatched", "404")),
        ("BREW", "/coffee/17", ("other", "unmatched", "405")),
    ],
)
def test_requests_are_counted_by_route_and_not_by_address(
    method: str, address: str, counted_as: tuple[str, str, str]
) -> None:
    labels = dict(zip(("method", "route", "status"), counted_as, strict=True))
    before = counted(**labels)
    for _ in range(3):
        assert Client().generic(method, address).status_code == int(counted_as[2])
    assert counted(**labels) == before + 3


def test_probes_and_scrapes_are_not_counted() -> None:
    def total() -> float:
        families = [f for f in PROCESS_REGISTRY.collect() if f.name == "socialfeed_requests"]
        return sum(one.value for family in families for one in family.samples)

    before = total()
    assert Client().get("/healthz/live").status_code == 200
    assert total() == before


@pytest.mark.django_db
def test_a_slow_request_is_logged_with_its_sql(
    api: Callable[[int], Any], alice: int, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.SLOW_REQUEST_SECONDS = 0.0
    with ExitStack() as stack:
        captured = [
            stack.enter_context(CaptureQueriesContext(connections[database]))
            for database in ALL_DATABASES
        ]
        stack.enter_context(caplog.at_level(logging.WARNING, "core.http.requests"))
        assert api(alice).get("/api/v1/users/me").status_code == 200
    (record,) = caplog.records
    assert record.__dict__["sql_statements"] == sum(map(len, captured)) > 0
    assert record.__dict__["route"] == "api/v1/users/me"
    assert record.getMessage().startswith("slow: GET api/v1/users/me: 200 after 0.")
    caplog.clear()
    settings.SLOW_REQUEST_SECONDS = 60.0
    api(alice).get("/api/v1/users/me")
    assert not caplog.records


def test_a_request_is_answered_though_it_cannot_be_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*labels: str) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(local_metrics.REQUESTS, "labels", full)
    local_metrics.note_request(role="all", method="GET", route="x", status=200, seconds=0.1)
    assert "A request could not be counted" in caplog.text

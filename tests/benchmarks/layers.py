"""The cost of each layer of a home read: middleware, authentication, DRF, the page.

The WSGI application is called in this process, without a web server. Each layer is measured with
all layers before it, in turn, a few requests each. Its cost is the median of the differences.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from itertools import pairwise
from statistics import median
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.sql.connections import close_lost_after_requests
from devstack.layout import HOST
from socialfeed.settings import core
from socialfeed.urls import urlpatterns as service_urls
from tests.benchmarks.bare import HELLO, BareDrf, bare_django
from tests.benchmarks.figures import Figure
from tests.benchmarks.requests import HOME, PAGE, Bench
from timeline.pages import home_page

TURN, WARM = 10, 50
WHAT_FOR = {
    "ProblemMiddleware": "errors as documents",
    "MeasureMiddleware": "metrics",
    "RateLimitMiddleware": "headers of the rate limits",
    "ConsistencyMiddleware": "where reads may go",
    "CommonMiddleware": "host names",
}


class Known(APIView):
    """Does nothing, but authenticates the caller, as the service's views do."""

    def get(self, request: Request) -> Response:
        return Response(HELLO)


urlpatterns = [
    *service_urls,
    path("layers/django", bare_django),
    path("layers/drf", BareDrf.as_view()),
    path("layers/known", Known.as_view()),
]
Ask = Callable[[], object]


def layers(bench: Bench, *, rounds: int) -> Iterator[Figure]:
    """One figure per layer of a warm home read."""
    people = bench.population
    close_lost_after_requests()  # as `socialfeed.wsgi` does
    with _as_read_api(), _on_one_core():
        subjects = list(_subjects(people.token(people.few), people.few))
        for _, ask in subjects:
            for _ in range(WARM):
                ask()
        costs = [_costs([ask for _, ask in subjects], is_odd=n % 2 == 1) for n in range(rounds)]
    added = [[above - below for below, above in pairwise((0.0, *row))] for row in costs]
    for (name, _), each in zip(subjects, zip(*added, strict=True), strict=True):
        value = median(each)
        yield Figure(f"layer: {name}", value, "us CPU", rounds * TURN, note="of a home read")


def _costs(asks: Sequence[Ask], *, is_odd: bool) -> list[float]:
    """The costs of all, in reverse order on odd rounds, so that drift in speed favours none."""
    if is_odd:
        return _costs(asks[::-1], is_odd=False)[::-1]
    return [_cost(ask) for ask in asks]


@contextmanager
def _as_read_api() -> Iterator[None]:
    middleware = [name for name in settings.MIDDLEWARE if name not in core._FOR_COOKIES]
    with override_settings(API_ROLE="read", MIDDLEWARE=middleware, ROOT_URLCONF=__name__):
        yield


@contextmanager
def _on_one_core() -> Iterator[None]:
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _cost(ask: Ask) -> float:
    began = time.thread_time()
    for _ in range(TURN):
        ask()
    return (time.thread_time() - began) / TURN * 1e6


def _subjects(token: str, user_id: int) -> Iterator[tuple[str, Ask]]:
    """A view with more and more layers around it, and finally the page itself."""

    def asking(address: str, middleware: list[str]) -> Ask:
        return partial(_ask, _application(middleware), address, token)

    every = settings.MIDDLEWARE
    yield "Django", asking("/layers/django", [])
    yield "DRF", asking("/layers/drf", [])
    yield "token, session, rate limits", asking("/layers/known", [])
    for number, path_ in enumerate(every, start=1):
        name = path_.rsplit(".", 1)[-1]
        purpose = f" ({WHAT_FOR[name]})" if name in WHAT_FOR else ""
        yield f"{name}{purpose}", asking("/layers/known", every[:number])
    known = asking("/layers/known", every)
    yield "timeline, posts, people, their JSON, ETag", lambda: (known(), _page(user_id))
    yield "addresses, answer", asking(HOME, every)


def _page(user_id: int) -> object:
    return home_page(viewer_id=user_id, limit=PAGE)


def _application(middleware: list[str]) -> WSGIHandler:
    """A Django application with this middleware, which it reads from the settings once."""
    with override_settings(MIDDLEWARE=middleware):
        return WSGIHandler()


def _ask(application: WSGIHandler, address: str, token: str) -> bytes:
    statuses: list[str] = []
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": address,
        "QUERY_STRING": "",
        "SERVER_NAME": HOST,
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": HOST,
        "HTTP_HOST": HOST,
        "HTTP_X_REQUEST_ID": "layers",
        "HTTP_AUTHORIZATION": f"Bearer {token}",
        "wsgi.input": BytesIO(),
        "wsgi.url_scheme": "http",
    }

    def start_response(status: str, *_: object) -> Callable[[bytes], object]:
        statuses.append(status)
        return lambda _: None

    answer = application(environ, start_response)
    body = b"".join(answer)
    answer.close()
    assert statuses[0].startswith("200"), (address, statuses, body[:500])
    return body

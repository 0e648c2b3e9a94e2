"""Addresses for machines: health and metrics of an instance.

The web server passes on `/healthz/live` alone: the others ask stores, or say too much.

A middleware answers them, before the host name and the session are checked, because a probe calls
an instance by any of its addresses.
"""

import logging
from collections.abc import Callable, Mapping
from typing import ClassVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from core import sql
from core.http.serving import is_draining
from core.metrics.page import metrics
from core.valkey import ValkeyUnavailable, state_valkey

logger = logging.getLogger(__name__)


@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """200: the process answers, whatever else is down."""
    return _answer({"live": True})


@require_safe
def accepting(request: HttpRequest) -> JsonResponse:
    """503 once the process was told to stop, though it still answers for a while.

    The web server asks this and not `ready`: a store that is down is down for every instance, and
    requests that do not need it still work.
    """
    return _answer({"accepting": not is_draining()})


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 when everything that this role needs answers, else 503; the body names each check.

    The Read API does not need CACHE, and of each database only the replica or the primary.
    """
    checks = {"accepting": not is_draining(), "state": _state_answers()}
    for database in sql.PRIMARIES:
        checks[database] = sql.answers(database, for_writes=settings.API_ROLE != "read")
    return _answer(checks)


def _answer(checks: Mapping[str, bool]) -> JsonResponse:
    ok = all(checks.values())
    return JsonResponse(
        {"status": "ok" if ok else "unavailable", "role": settings.API_ROLE, "checks": checks},
        status=200 if ok else 503,
    )


class HealthMiddleware:
    """Answers these addresses, and passes on all other requests."""

    pages: ClassVar[Mapping[str, Callable[[HttpRequest], HttpResponse]]] = {
        "/healthz/live": live,
        "/healthz/ready": ready,
        "/healthz/accepting": accepting,
        "/metrics": metrics,
    }

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.pages.get(request.path_info, self.get_response)(request)


def _state_answers() -> bool:
    try:
        state_valkey().ping()
    except ValkeyUnavailable:
        logger.exception("Not ready: STATE does not answer")
        return False
    return True

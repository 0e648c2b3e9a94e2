"""What machines ask an instance. `/healthz/live`: the process answers. `/healthz/ready`: it can do
what its role is for. `/healthz/accepting`: it is to be sent requests. `/metrics`: see
`core.metrics.page`.

The web server asks the last but one: a store that is down is so for every instance, and what does
not need it still works. All are answered by a middleware, before a host name is checked or a
session is looked for: a probe calls an instance by whatever address it has.
"""

from __future__ import annotations

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
    """Touches nothing but this process."""
    return _answer({"live": True})


@require_safe
def accepting(request: HttpRequest) -> JsonResponse:
    """503 once the process has been told to stop, though it goes on for a while."""
    return _answer({"accepting": not is_draining()})


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 when everything that this role cannot do without answers, else 503; each check named.

    The Read API does without CACHE, and of each database without the replica, or the primary.
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
    """Answers the addresses above, and passes on everything else."""

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
        logger.exception("not ready: STATE does not answer")
        return False
    return True

"""What machines ask an instance. `/healthz/live`: the process answers. `/healthz/ready`: it can do
what its role is for. `/metrics`: see `socialfeed.metrics`.

All are answered by a middleware, before a host name is checked or a session is looked for: a probe
calls an instance by whatever address it has.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar

from django.conf import settings
from django.db import DatabaseError, connections
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from socialfeed.common.consistency import PRIMARIES
from socialfeed.common.valkey import ValkeyUnavailable, state_valkey
from socialfeed.metrics import metrics

logger = logging.getLogger(__name__)


@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """Touches nothing but this process."""
    return JsonResponse({"status": "ok", "role": settings.API_ROLE})


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 when everything that this role cannot do without answers, else 503; each check named."""
    checks: dict[str, Callable[[], object]] = {"state": lambda: state_valkey().ping()}
    for alias in PRIMARIES:
        checks[f"{alias}-primary"] = partial(_select_1, alias)
    results = {name: _passes(name, check) for name, check in checks.items()}
    ok = all(results.values())
    return JsonResponse(
        {"status": "ok" if ok else "unavailable", "role": settings.API_ROLE, "checks": results},
        status=200 if ok else 503,
    )


class HealthMiddleware:
    """Answers the addresses above, and passes on everything else."""

    pages: ClassVar[Mapping[str, Callable[[HttpRequest], HttpResponse]]] = {
        "/healthz/live": live,
        "/healthz/ready": ready,
        "/metrics": metrics,
    }

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.pages.get(request.path_info, self.get_response)(request)


def _select_1(alias: str) -> None:
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT 1")


def _passes(name: str, check: Callable[[], object]) -> bool:
    try:
        check()
    except (DatabaseError, *ValkeyUnavailable):
        logger.exception("not ready: %s", name)
        return False
    return True

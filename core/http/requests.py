"""What every request gets, whatever it is about: an id, and its place in the figures.

The id is the web server's (deploy/Caddyfile), which replaces what a client sends; an instance that
is called directly takes the caller's, if it is one, or makes one. It is answered as `X-Request-ID`,
and stands in the log lines of the request and of all tasks that it wakes.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse

from core import context
from core.metrics import local as local_metrics

logger = logging.getLogger(__name__)
HEADER = "X-Request-ID"
# Those that change nothing (RFC 9110, 9.2.1), as far as there are views for them.
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# What may go into logs and headers as it is.
_VALID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestIdMiddleware:
    """The first of all, so that whatever is logged of a request has its id."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _VALID.fullmatch(given) else context.new_request_id()
        entered = context.enter({"request_id": request_id})
        try:
            response = self.get_response(request)
        finally:
            context.leave(entered)
        response[HEADER] = request_id
        return response


class MeasureMiddleware:
    """Counts and times requests, and warns of those that took over SLOW_REQUEST_SECONDS.

    After HealthMiddleware, so that probes and scrapes, which come all the time, are left out.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        start, statements = time.perf_counter(), [0]
        token = _statements.set(statements)
        try:
            response = self.get_response(request)
        finally:
            _statements.reset(token)
        seconds = time.perf_counter() - start
        match = request.resolver_match
        seen: dict[str, Any] = {
            "method": request.method or "",
            # Never the address itself: there is no end of those, and it may name what is secret.
            "route": match.route if match else "unmatched",
            "status": response.status_code,
        }
        local_metrics.note_request(role=settings.API_ROLE, seconds=seconds, **seen)
        if seconds > settings.SLOW_REQUEST_SECONDS:
            seen |= {"seconds": round(seconds, 3), "sql_statements": statements[0]}
            logger.warning(
                "slow: %(method)s %(route)s: %(status)d after %(seconds).3f s, "
                "%(sql_statements)d SQL statements",
                seen,
                extra=seen,
            )
        return response


# The SQL statements of the request at hand, in a list that its middleware holds.
_statements: ContextVar[list[int] | None] = ContextVar("statements", default=None)


def sql_statements() -> int | None:
    """How many SQL statements the request at hand has made; None outside of requests."""
    statements = _statements.get()
    return None if statements is None else statements[0]


def _count_statement(execute: Callable[..., Any], *args: Any) -> Any:
    if (statements := _statements.get()) is not None:
        statements[0] += 1
    return execute(*args)


@receiver(connection_created)
def _count_statements_of(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    if _count_statement not in connection.execute_wrappers:
        # First, for Django takes its own, temporary ones from the end.
        connection.execute_wrappers.insert(0, _count_statement)

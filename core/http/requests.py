"""Gives every request an id, counts and times it, and refuses methods.

The web server makes the id and replaces one that a client sends (deploy/Caddyfile). An instance
that is called directly uses the caller's id if it is valid, or makes one. The answer has it as
`X-Request-ID`, and so have the log lines of the request and of all tasks that it sends.
"""

import logging
import re
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

from core import context
from core.metrics import local as local_metrics
from core.sql.statements import statement_counter

logger = logging.getLogger(__name__)
HEADER = "X-Request-ID"
# The methods that change nothing (RFC 9110, 9.2.1) and that views have.
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# All methods that any address has.
METHODS = (*SAFE_METHODS, "POST", "PUT", "PATCH", "DELETE")
# Safe to copy into logs and headers.
_VALID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestIdMiddleware:
    """Sets the id. It is the first middleware, so that every log line of the request has it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _VALID.fullmatch(given) else context.new_request_id()
        token = context.request_id.set(request_id)
        try:
            response = self.get_response(request)
        finally:
            context.request_id.reset(token)
        response[HEADER] = request_id
        return response


class MeasureMiddleware:
    """Counts and times requests, and logs those that take longer than SLOW_REQUEST_SECONDS.

    Comes after HealthMiddleware, so that probes and scrapes are not counted.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        start, statements = time.perf_counter(), [0]
        token = statement_counter.set(statements)
        try:
            response = self.get_response(request)
        finally:
            statement_counter.reset(token)
        seconds = time.perf_counter() - start
        match = request.resolver_match
        seen: dict[str, Any] = {
            "method": request.method or "",
            # Not the address: there are too many, and one may have a secret in it.
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


class RoleMiddleware:
    """Answers 405 to methods that no address has, and in the Read API to all that write.

    Its SQL sessions are read-only as well.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        methods = SAFE_METHODS if settings.API_ROLE == "read" else METHODS
        if request.method not in methods:
            return HttpResponseNotAllowed(methods)
        return self.get_response(request)

"""Keeps writes from the Read API, whose PostgreSQL sessions are read-only as well (settings)."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

from core.http.requests import SAFE_METHODS


class RoleMiddleware:
    """Answers 405 to unsafe methods in the Read API. The web server sends it none."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.API_ROLE == "read" and request.method not in SAFE_METHODS:
            return HttpResponseNotAllowed(SAFE_METHODS)
        return self.get_response(request)

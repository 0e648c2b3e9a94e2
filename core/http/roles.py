"""What the Read API is not for. Its sessions in PostgreSQL are read-only besides; see settings."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

from core.http.requests import SAFE_METHODS


class RoleMiddleware:
    """On the Read API, answers 405 to a method that is not safe; the web server sends it none."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.API_ROLE == "read" and request.method not in SAFE_METHODS:
            return HttpResponseNotAllowed(SAFE_METHODS)
        return self.get_response(request)

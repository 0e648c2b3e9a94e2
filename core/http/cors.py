"""CORS: django-cors-headers, at the price of a few microseconds for an answer to a script.

It answers preflights. The headers of all other answers are the same for each origin, so they are
made once here: made anew for each answer, they cost several percent of a home timeline.
"""

import re
from collections.abc import Callable

from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase


class CrossOriginMiddleware(CorsMiddleware):
    """Lets scripts of CORS_ALLOWED_ORIGINS read the answers of CORS_URLS_REGEX.

    Every answer there varies by `Origin`, so that no cache gives one to a script of another origin.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        super().__init__(get_response)
        self._origins = frozenset(settings.CORS_ALLOWED_ORIGINS)
        self._exposed = ", ".join(settings.CORS_EXPOSE_HEADERS)
        self._has_scripts = re.compile(settings.CORS_URLS_REGEX).match

    def is_enabled(self, request: HttpRequest) -> bool:
        return bool(self._has_scripts(request.path_info))

    def add_response_headers(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if request.method == "OPTIONS":
            return super().add_response_headers(request, response)
        if not self.is_enabled(request):
            return response
        headers = response.headers
        vary = headers.get("Vary")
        headers["Vary"] = f"{vary}, origin" if vary else "origin"
        origin = request.META.get("HTTP_ORIGIN", "")
        if origin in self._origins:
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = self._exposed
        return response

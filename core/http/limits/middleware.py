"""Where limits are counted: in a middleware, and in DRF's throttle for uploads."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from redis import ResponseError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from core.http.callers import caller_id, client_address
from core.http.limits.counting import (
    Pause,
    Tally,
    Window,
    count_address,
    count_strictly,
    current_tally,
    log_uncounted,
    tally,
)
from core.http.problems import Problem, problem_response
from core.http.requests import SAFE_METHODS
from core.valkey import ValkeyUnavailable

# Requests to these views, by Django's names, are strictly limited by address; the limit's name.
# Each takes a password, a code or a key that somebody could guess, or sends a mail.
STRICT_VIEWS: Mapping[str, str] = {
    "headless:app:account:login": "login",
    "headless:app:account:reauthenticate": "login",
    "headless:app:account:change_password": "login",
    "headless:app:mfa:authenticate": "login",
    "headless:app:mfa:reauthenticate": "login",
    "admin:login": "login",
    "admin:second-factor": "login",
    "headless:app:account:signup": "signup",
    "headless:app:account:request_password_reset": "reset",
    "headless:app:account:reset_password": "reset",
    "headless:app:account:verify_email": "reset",
}
# These show a form, and a GET of them checks nothing.
PAGES = frozenset({"admin:login"})


class UploadThrottle(BaseThrottle):
    """DRF's hook: limits the uploads of a user."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Return True, or raise `TooManyRequests` or `Unavailable`."""
        count_strictly(name="upload", who=str(caller_id(request)))
        return True


class RateLimitMiddleware:
    """Counts requests by address, and adds the headers that say what is left.

    Every request is counted once. One with a bearer token, for a view that asks for one, is counted
    by authentication (`count_caller`); any other before its view runs. A request that neither has
    counted (an unknown address, a malformed token) is counted when its answer is ready.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._pause = Pause()  # while STATE does not answer, requests do not wait for it

    def __call__(self, request: HttpRequest) -> HttpResponse:
        counted = Tally()
        token = current_tally.set(counted)
        try:
            response = self.get_response(request)
            if not counted.is_address_counted:
                response = self._refusal(request) or response
        finally:
            current_tally.reset(token)
        for name, value in _limit_headers(counted.windows).items():
            response[name] = value
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], *args: Any
    ) -> HttpResponse | None:
        """Count before a view runs; the answer, if the request is refused."""
        if tally().is_address_counted or _will_authenticate(view, request):
            return None
        return self._refusal(request)

    def _refusal(self, request: HttpRequest) -> HttpResponse | None:
        """Count for the address; the answer to a request too many or one that must be counted."""
        tally().is_address_counted = True
        try:
            if not self._pause.lasts():
                try:
                    count_address(request)
                except (ResponseError, *ValkeyUnavailable):
                    self._pause.begin()
                    log_uncounted("STATE is down or full: addresses are not counted")
            view = request.resolver_match.view_name if request.resolver_match else ""
            is_form = view in PAGES and request.method in SAFE_METHODS
            if (name := STRICT_VIEWS.get(view)) and not is_form:
                count_strictly(name=name, who=client_address(request))
        except Problem as problem:
            return problem_response(problem)
        return None


def _limit_headers(windows: Sequence[Window]) -> dict[str, str]:
    """What is left of the limit that is nearest to its end, and all limits that were counted."""
    if not windows:
        return {}
    nearest = min(windows, key=lambda window: (window.remaining, -window.reset_seconds))
    policies = [f"{window.limit.amount};w={window.limit.get_expiry()}" for window in windows]
    return {
        "RateLimit-Limit": str(nearest.limit.amount),
        "RateLimit-Remaining": str(nearest.remaining),
        "RateLimit-Reset": str(nearest.reset_seconds),
        "RateLimit-Policy": ", ".join(policies),
    }


def _will_authenticate(view: Callable[..., HttpResponse], request: HttpRequest) -> bool:
    """Whether a view asks for authentication and the request has a bearer token for it."""
    scheme, _, _ = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    asks = getattr(getattr(view, "cls", None), "authentication_classes", ())
    return bool(asks) and scheme.lower() == "bearer"

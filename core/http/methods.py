"""Refuses methods that a view does not have, before anything else of the request runs.

Django and DRF refuse them too, but late: after authentication, or, in django-allauth, after the
body was read and a password in it was checked. So a limit that counts the right method only would
let a client guess passwords by another one.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.views.generic import View

from core.http.requests import METHODS

_OF_PAGES = ("GET", "HEAD", "POST")


class MethodMiddleware:
    """Answers 405 to methods that a view does not have, and OPTIONS with those it has.

    Views that are functions are pages of the admin: they have GET, HEAD and POST.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], *args: Any
    ) -> HttpResponse | None:
        """The answer, if the view must not run."""
        view_class = getattr(view, "cls", None) or getattr(view, "view_class", None)
        methods = methods_of(view_class) if view_class else _OF_PAGES
        if request.method == "OPTIONS":
            return HttpResponse(status=204, headers={"Allow": ", ".join((*methods, "OPTIONS"))})
        return None if request.method in methods else HttpResponseNotAllowed(methods)


@cache
def methods_of(view_class: type[View]) -> tuple[str, ...]:
    """The methods for which a view class runs code, upper case.

    HEAD is one where GET is, except in django-allauth: there a HEAD would read a body and check it
    as a POST does, and no client needs it.
    """
    methods = [
        method
        for method in METHODS
        if method != "OPTIONS"  # answered here
        and hasattr(view_class, method.lower())
        and method.lower() in view_class.http_method_names
    ]
    if "GET" in methods and "HEAD" not in methods and not _is_allauth(view_class):
        methods.insert(1, "HEAD")
    return tuple(methods)


def _is_allauth(view_class: type[View]) -> bool:
    return any(base.__module__.startswith("allauth.") for base in view_class.__mro__)

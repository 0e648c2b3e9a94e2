"""Pages for people: the front page, and those that links in mails lead to."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def front_page(request: HttpRequest) -> HttpResponse:
    """The front page: what this is, links, and a first session with curl."""
    return render(request, "front.html", {"origin": settings.PUBLIC_ORIGIN})


def verify_email(request: HttpRequest, key: str) -> HttpResponse:
    """The page of a verification mail. It has a button, so that mail scanners verify nothing."""
    return render(request, "verify_email.html", {"key": key})


def reset_password(request: HttpRequest, key: str) -> HttpResponse:
    """The page of a password-reset mail: a form for the new password."""
    return render(request, "reset_password.html", {"key": key})

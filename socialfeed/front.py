"""The pages for people: the front door, and where the links in mails lead."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def front_page(request: HttpRequest) -> HttpResponse:
    """What this is, where things are, and a first session with curl."""
    return render(request, "front.html", {"origin": settings.PUBLIC_ORIGIN})


def verify_email(request: HttpRequest, key: str) -> HttpResponse:
    """The link of a verification mail: a button, so that a mail scanner verifies nothing."""
    return render(request, "verify_email.html", {"key": key})


def reset_password(request: HttpRequest, key: str) -> HttpResponse:
    """The link of a password-reset mail: a form for the new password."""
    return render(request, "reset_password.html", {"key": key})

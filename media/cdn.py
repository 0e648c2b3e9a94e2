"""Tells a CDN which public addresses have changed, if MEDIA_PURGE_URL names who is to be told.

    POST MEDIA_PURGE_URL
    Authorization: Bearer MEDIA_PURGE_TOKEN        (if that is set)
    {"urls": ["https://media.example.org/public/media/.../full.jpg", ...]}

Any 2xx is success. Everything else raises `PurgeFailed`: the caller's event stays in the outbox and
is delivered again. So an address may come more than once.
"""

import json
from collections.abc import Sequence
from http.client import HTTPException
from typing import Any
from urllib.request import HTTPRedirectHandler, Request, build_opener

from django.conf import settings

URLS_AT_ONCE = 100
SECONDS_TO_ANSWER = 5.0


class PurgeFailed(Exception):
    """MEDIA_PURGE_URL did not answer, or refused."""


class _NoRedirects(HTTPRedirectHandler):
    """A redirect would turn the POST into a GET, and purge nothing."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


_opener = build_opener(_NoRedirects)


def purge(*, urls: Sequence[str]) -> None:
    """Have the CDN forget what it has of these addresses; raises `PurgeFailed`."""
    if not settings.MEDIA_PURGE_URL:
        return
    headers = {"Content-Type": "application/json"}
    if settings.MEDIA_PURGE_TOKEN:
        headers["Authorization"] = f"Bearer {settings.MEDIA_PURGE_TOKEN}"
    for first in range(0, len(urls), URLS_AT_ONCE):
        body = json.dumps({"urls": urls[first : first + URLS_AT_ONCE]}).encode()
        request = Request(settings.MEDIA_PURGE_URL, body, headers)  # noqa: S310  (a setting)
        try:
            _opener.open(request, timeout=SECONDS_TO_ANSWER).close()
        except (OSError, HTTPException) as error:  # HTTPError and URLError are OSErrors
            raise PurgeFailed(f"MEDIA_PURGE_URL: {error}") from error

"""The web client's page of a post or a profile, with what a link to it shows elsewhere.

Messengers and search engines run no scripts, so they are told in the page's head (https://ogp.me).
The web server answers the client's other pages itself, and these too when there is no answer from
here: with the same page, without a preview (deploy/Caddyfile).
"""

import re
from collections.abc import Callable
from typing import Any

import orjson
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.text import Truncator
from django.views.decorators.http import require_safe

from core.http.callers import ANONYMOUS_ID
from operations.web_client import published_page
from posts import selectors as post_selectors
from users import selectors as user_selectors

# What stands in the page that is published (web/index.html), and is replaced.
REPLACED = re.compile(r'<meta name="description"[^>]*>\s*<title>[^<]*</title>')
# Longer descriptions are cut off by those who show them.
_DESCRIPTION_LENGTH = 200


@require_safe
def post_page(request: HttpRequest, post_id: int) -> HttpResponse:
    """The page of a post."""
    return _page(lambda: _post_preview(post_id))


@require_safe
def profile_page(request: HttpRequest, username: str) -> HttpResponse:
    """The page of a profile, also by a former username."""
    return _page(lambda: _profile_preview(username))


def _page(preview: Callable[[], dict[str, Any]]) -> HttpResponse:
    """The client's page with a preview. 404 if PUBLIC_PAGES is off, or there is nothing to show."""
    page = published_page()
    if page is None or not settings.PUBLIC_PAGES:
        raise Http404
    head = render_to_string("preview.html", preview()).strip()
    return HttpResponse(REPLACED.sub(lambda _: head, page, count=1))


def _post_preview(post_id: int) -> dict[str, Any]:
    """What the template `preview.html` takes; raises `NotFound`."""
    post = orjson.loads(post_selectors.post_document(post_id=post_id, viewer_id=ANONYMOUS_ID))
    (first, *_) = post["media"] or [None]
    described = post["caption"] or (first["alt"] if first else "")
    return {
        "type": "article",
        "title": f"{_name(post['author'])} on socialfeed",
        "description": _shortened(described),
        "url": f"{settings.PUBLIC_ORIGIN}/p/{post['id']}",
        "picture": first,
        "post": post,
    }


def _profile_preview(username: str) -> dict[str, Any]:
    """The same of a profile."""
    profile = user_selectors.profile(username=username, viewer_id=ANONYMOUS_ID)
    counts = profile["counts"]
    numbers = f"{_counted(counts['posts'], 'post')} · {_counted(counts['followers'], 'follower')}"
    described = f"{numbers} · {profile['bio']}" if profile["bio"] else numbers
    return {
        "type": "profile",
        "title": f"{_name(profile)} on socialfeed",
        "description": _shortened(described),
        "url": f"{settings.PUBLIC_ORIGIN}/u/{profile['username']}",
        "avatar_url": profile["avatar_url"],
        "profile": profile,
    }


def _name(user: dict[str, Any]) -> str:
    username = f"@{user['username']}"
    return f"{user['display_name']} ({username})" if user["display_name"] else username


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _shortened(text: str) -> str:
    """A text in one line, as long as previews show it."""
    return Truncator(" ".join(text.split())).chars(_DESCRIPTION_LENGTH)

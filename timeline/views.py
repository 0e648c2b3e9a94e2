"""Home and profile timelines."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from django.http import HttpResponseBase, HttpResponseNotModified
from django.utils.http import parse_etags
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from posts import selectors as post_selectors
from socialfeed.common.callers import caller_id
from socialfeed.common.pagination import (
    add_links,
    page_request,
    page_response,
    page_url,
)
from timeline.refresh import Seen, delivered_up_to
from timeline.selectors import timeline_page
from timeline.serializers import TimelinePage, TimelineQuery
from timeline.slices import Timeline, home_timeline, profile_timeline
from users import selectors as user_selectors

Shown = TypeVar("Shown")

IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    location=OpenApiParameter.HEADER,
    description="The `ETag` of this page as the client has it: while it is so, the answer is 304.",
)
ANSWERS = {200: TimelinePage, 304: OpenApiResponse(description="The page is as the client has it.")}
_schema = extend_schema(
    parameters=[TimelineQuery, IF_NONE_MATCH], responses=ANSWERS, tags=["timelines"]
)


class HomeTimelineView(APIView):
    """What the caller sees first."""

    @_schema
    def get(self, request: Request) -> HttpResponseBase:
        """Posts of the caller and of everybody whom the caller follows, newest first."""
        return _page(request, home_timeline(user_id=caller_id(request)))


class ProfileTimelineView(APIView):
    """What one user has posted."""

    @_schema
    def get(self, request: Request, username: str) -> HttpResponseBase:
        """Posts of one user, newest first."""
        user_id = user_selectors.user_id_by_username(username=username)
        return _page(request, profile_timeline(user_id=user_id))


@dataclass(frozen=True)
class _Asked:
    """Which part of a timeline is asked for."""

    limit: int
    before: int | None
    since: Seen | None

    def page(
        self, timeline: Timeline, show: Callable[..., Mapping[int, Shown]]
    ) -> tuple[dict[int, Shown], int | None]:
        """That part, and where to go on."""
        since = self.since or Seen()
        return timeline_page(
            timeline=timeline,
            before=self.before,
            limit=self.limit,
            since=since.floor,
            seen=since.ids,
            show=show,
        )


def _asked(request: Request) -> _Asked:
    page = page_request(request, query_class=TimelineQuery)
    since = request.query_params.get("since")
    return _Asked(page.limit, page.after, None if since is None else Seen.decode(since))


def _page(request: Request, timeline: Timeline) -> HttpResponseBase:
    asked = _asked(request)
    known = request.headers.get("If-None-Match")
    if known:
        # Stamps are read for less than what the posts cost.
        stamps, position = asked.page(timeline, post_selectors.post_stamps)
        etag = _etag(stamps.values(), position)
        if known == "*" or etag in map(_weak, parse_etags(known)):
            return _cacheable(HttpResponseNotModified(), etag)
    # Before the page is read: what is delivered meanwhile may not be on it.
    delivered = delivered_up_to()
    posts, position = asked.page(timeline, post_selectors.post_documents)
    results, seen = list(posts.values()), asked.since or Seen()
    changes = {}
    if asked.since:
        changes["since"] = seen.with_page(posts, delivered=delivered).encode()
    response = page_response(request, results, position, **changes)
    newer = None
    if asked.since or asked.before is None:
        up_to = seen.up_to_page(list(posts), is_last=position is None, delivered=delivered)
        newer = page_url(request, cursor=None, since=up_to.encode())
    response.data["newer"] = newer
    add_links(response, next=response.data["next"], prev=newer)
    return _cacheable(response, _etag(map(post_selectors.stamp_of, posts.values()), position))


def _etag(stamps: Iterable[bytes], position: int | None) -> str:
    """Of what the page shows. Weak: it stands for the content, not for the bytes of the answer."""
    digest = hashlib.blake2b(b"\0".join((b"%d" % (position or 0), *stamps)), digest_size=12)
    return f'W/"{base64.urlsafe_b64encode(digest.digest()).decode()}"'


def _weak(etag: str) -> str:
    """For If-None-Match the two kinds of tags are one (RFC 9110, 13.1.2)."""
    return f"W/{etag.removeprefix('W/')}"


def _cacheable(response: HttpResponseBase, etag: str) -> HttpResponseBase:
    """To be kept by the caller alone, and asked for again each time."""
    response.headers["ETag"] = etag
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Authorization"
    return response

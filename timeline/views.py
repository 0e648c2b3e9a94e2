"""Home and profile timelines."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from functools import partial

from django.http import HttpResponseBase, HttpResponseNotModified
from django.utils.http import parse_etags
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from posts import selectors as post_selectors
from socialfeed.common.callers import caller_id
from socialfeed.common.pagination import ListAddress, add_links, page_request
from socialfeed.common.rendering import fragments
from timeline.refresh import Seen, delivered_up_to
from timeline.selectors import timeline_page
from timeline.serializers import TimelinePage, TimelineQuery
from timeline.slices import Timeline, home_timeline, profile_timeline
from users import selectors as user_selectors

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


def _page(request: Request, timeline: Timeline) -> HttpResponseBase:
    query = page_request(request, query_class=TimelineQuery)
    since_token = query.parameters.get("since")
    since = None if since_token is None else Seen.decode(since_token)
    seen = since or Seen()
    # Before the page is read: what is delivered meanwhile may not be on it.
    delivered = delivered_up_to()
    posts, position = timeline_page(
        timeline=timeline,
        before=query.after,
        limit=query.limit,
        since=seen.floor,
        seen=seen.ids,
        show=partial(post_selectors.post_documents, viewer_id=caller_id(request)),
    )
    etag = _etag(posts.values(), position)
    known = request.META.get("HTTP_IF_NONE_MATCH")
    if known and (known == "*" or etag in map(_weak, parse_etags(known))):
        return _cacheable(HttpResponseNotModified(), etag)
    address = ListAddress(request)
    newer, changes = None, {}
    if since:
        changes["since"] = seen.with_page(posts, delivered=delivered).encode()
    if since or query.after is None:
        up_to = seen.up_to_page(list(posts), is_last=position is None, delivered=delivered)
        newer = address.having(cursor=None, since=up_to.encode())
    following = address.after(position, **changes)
    response = Response({"results": fragments(posts.values()), "next": following, "newer": newer})
    add_links(response, next=following, prev=newer)
    return _cacheable(response, etag)


def _etag(documents: Iterable[bytes], position: int | None) -> str:
    """Of what the page shows. Weak: it stands for the content, not for the bytes of the answer."""
    digest = hashlib.sha256(b"\0".join((b"%d" % (position or 0), *documents))).digest()
    return f'W/"{base64.urlsafe_b64encode(digest[:12]).decode()}"'


def _weak(etag: str) -> str:
    """For If-None-Match the two kinds of tags are one (RFC 9110, 13.1.2)."""
    return f"W/{etag.removeprefix('W/')}"


def _cacheable(response: HttpResponseBase, etag: str) -> HttpResponseBase:
    """To be kept by the caller alone, and asked for again each time."""
    response.headers["ETag"] = etag
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Authorization"
    return response

"""Home and profile timelines."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from django.http import HttpResponseBase, HttpResponseNotModified
from django.utils.http import parse_etags
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.http.callers import caller_id
from core.http.pagination import ListAddress, PageRequest, add_links, page_request
from core.http.rendering import fragments
from core.valkey import recorded_reads
from posts import selectors as post_selectors
from timeline import unchanged
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
    known = request.META.get("HTTP_IF_NONE_MATCH")
    if not known:
        return _answer(request, query, _read(request, timeline, query))
    viewer_id, address = caller_id(request), request.get_full_path()
    # Of a profile timeline nothing is kept: whose it is, is asked of SQL.
    if timeline.is_home and unchanged.is_unchanged(
        viewer_id=viewer_id, address=address, etag=_weak(known)
    ):
        return _cacheable(HttpResponseNotModified(), _weak(known))
    with recorded_reads() as recording:
        page = _read(request, timeline, query)
    if known != "*" and page.etag not in map(_weak, parse_etags(known)):
        return _answer(request, query, page)
    if timeline.is_home:
        unchanged.keep(viewer_id=viewer_id, address=address, etag=page.etag, recording=recording)
    return _cacheable(HttpResponseNotModified(), page.etag)


@dataclass(frozen=True)
class _Page:
    """What is shown, where it goes on, and what the client had before."""

    posts: Mapping[int, bytes]
    position: int | None
    since: Seen | None
    delivered: int
    etag: str


def _read(request: Request, timeline: Timeline, query: PageRequest) -> _Page:
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
    return _Page(posts, position, since, delivered, _etag(posts.values(), position))


def _answer(request: Request, query: PageRequest, page: _Page) -> HttpResponseBase:
    address, posts = ListAddress(request), page.posts
    seen = page.since or Seen()
    newer, changes = None, {}
    if page.since:
        changes["since"] = seen.with_page(posts, delivered=page.delivered).encode()
    if page.since or query.after is None:
        is_last = page.position is None
        up_to = seen.up_to_page(list(posts), is_last=is_last, delivered=page.delivered)
        newer = address.having(cursor=None, since=up_to.encode())
    following = address.after(page.position, **changes)
    response = Response({"results": fragments(posts.values()), "next": following, "newer": newer})
    add_links(response, next=following, prev=newer)
    return _cacheable(response, page.etag)


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

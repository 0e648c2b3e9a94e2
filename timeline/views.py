"""The HTTP side of home and profile timelines."""

from typing import TypedDict

from django.http import HttpResponseBase, HttpResponseNotModified
from django.utils.cache import get_conditional_response
from django.utils.http import parse_etags
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.http.callers import caller_id
from core.http.etags import IF_NONE_MATCH, UNCHANGED, for_caller
from core.http.pagination import ListAddress, add_links, page_request
from core.http.permissions import PublicReads
from core.http.rendering import fragments
from timeline.page_replay import PageReplay
from timeline.pages import TimelinePage, home_page, profile_page
from timeline.seen import SeenPosts
from timeline.serializers import TimelineAnswer, TimelineQuery
from usergraph.visibility import visible_author_id

ANSWERS = {200: TimelineAnswer, 304: UNCHANGED}
_schema = extend_schema(
    parameters=[TimelineQuery, IF_NONE_MATCH], responses=ANSWERS, tags=["timelines"]
)


class HomeTimelineView(APIView):
    @_schema
    def get(self, request: Request) -> HttpResponseBase:
        """Posts of the caller and of everybody whom the caller follows, newest first."""
        return _answer(request, home_page(**_wanted(request), replay=_replay(request)))


class ProfileTimelineView(APIView):
    permission_classes = [PublicReads]

    @_schema
    def get(self, request: Request, username: str) -> HttpResponseBase:
        """Posts of one user, newest first."""
        user_id = visible_author_id(
            viewer_id=caller_id(request), username=username, is_asked_again=True
        )
        return _answer(request, profile_page(user_id=user_id, **_wanted(request)))


class _Wanted(TypedDict):
    viewer_id: int
    limit: int
    cursor: int | None
    since: SeenPosts | None


def _wanted(request: Request) -> _Wanted:
    """Which page the request wants; raises a 400 for parameters that are not valid."""
    query = page_request(request, query_class=TimelineQuery)
    token = query.parameters.get("since")
    return {
        "viewer_id": caller_id(request),
        "limit": query.limit,
        "cursor": query.after,
        "since": None if token is None else SeenPosts.decode(token),
    }


def _replay(request: Request) -> PageReplay | None:
    """The replay of the page that the client has; None unless it names exactly one ETag."""
    etags = parse_etags(request.META.get("HTTP_IF_NONE_MATCH", ""))
    if len(etags) != 1:
        return None
    # If-None-Match compares weakly (RFC 9110, 13.1.2), and a page's ETag is weak.
    etag = f"W/{etags[0].removeprefix('W/')}"
    return PageReplay(caller_id(request), request.get_full_path(), etag)


def _answer(request: Request, page: TimelinePage) -> HttpResponseBase:
    """304 if the client has the page, else the page; only the caller may cache it."""
    response: HttpResponseBase | None = None
    if page.is_unchanged:
        response = HttpResponseNotModified()
    elif request.META.get("HTTP_IF_NONE_MATCH"):
        response = get_conditional_response(request._request, etag=page.etag)
    if response is None:
        response = _page_response(request, page)
    return for_caller(response, etag=page.etag)


def _page_response(request: Request, page: TimelinePage) -> Response:
    address, changes = ListAddress(request), {}
    if page.next_since is not None:
        changes["since"] = page.next_since.encode()
    following, newer = address.after(page.next_cursor, **changes), None
    if page.newer_since is not None:
        newer = address.having(cursor=None, since=page.newer_since.encode())
    results = fragments(page.documents.values())
    response = Response({"results": results, "next": following, "newer": newer})
    add_links(response, next=following, prev=newer)
    return response

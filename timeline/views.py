"""Home and profile timelines."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from posts.serializers import PostPage
from socialfeed.common.callers import caller_id
from socialfeed.common.pagination import page_document, page_request
from socialfeed.common.schema import PAGE_PARAMETERS
from timeline.selectors import Timeline, home_timeline, profile_timeline, timeline_page
from users import selectors as user_selectors


class HomeTimelineView(APIView):
    """What the caller sees first."""

    @extend_schema(parameters=PAGE_PARAMETERS, responses=PostPage, tags=["timelines"])
    def get(self, request: Request) -> Response:
        """Posts of the caller and of everybody whom the caller follows, newest first."""
        return _page(request, home_timeline(user_id=caller_id(request)))


class ProfileTimelineView(APIView):
    """What one user has posted."""

    @extend_schema(parameters=PAGE_PARAMETERS, responses=PostPage, tags=["timelines"])
    def get(self, request: Request, username: str) -> Response:
        """Posts of one user, newest first."""
        user_id = user_selectors.user_id_by_username(username=username)
        return _page(request, profile_timeline(user_id=user_id))


def _page(request: Request, timeline: Timeline) -> Response:
    page = page_request(request)
    posts, position = timeline_page(timeline=timeline, before=page.after, limit=page.limit)
    return Response(page_document(request, posts, position))

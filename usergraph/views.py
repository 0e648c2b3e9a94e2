"""Following and unfollowing, and the lists of both sides."""

from collections.abc import Callable

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.http.callers import caller_id
from core.http.pagination import page_request, page_response
from core.http.repetitions import repeatable
from core.http.schema import PAGE_PARAMETERS
from usergraph import selectors, services
from usergraph.serializers import FollowState
from usergraph.visibility import visible_page, visible_people, visible_user_id
from users import selectors as user_selectors
from users.serializers import UserPage


class FollowView(APIView):
    """The caller's edge to a user. PUT and DELETE may be repeated."""

    @extend_schema(request=None, responses=FollowState, tags=["graph"])
    @repeatable(database="default")
    def put(self, request: Request, username: str) -> Response:
        """Follow a user. Answers the same if the caller follows them already."""
        followee_id = visible_user_id(viewer_id=caller_id(request), username=username)
        services.follow_user(follower_id=caller_id(request), followee_id=followee_id)
        counts = selectors.graph_counts(user_id=followee_id)
        return Response({"following": True, "counts": counts})

    @extend_schema(responses={200: FollowState}, tags=["graph"])
    @repeatable(database="default")
    def delete(self, request: Request, username: str) -> Response:
        """Unfollow a user. Answers the same if the caller did not follow them."""
        followee_id = user_selectors.user_id_by_username(username=username, active_only=False)
        services.unfollow_user(follower_id=caller_id(request), followee_id=followee_id)
        people = visible_people(viewer_id=caller_id(request), user_ids=[followee_id])
        is_visible = followee_id in people.documents
        counts = selectors.graph_counts(user_id=followee_id) if is_visible else None
        return Response({"following": False, "counts": counts})


class FollowersView(APIView):
    @extend_schema(parameters=PAGE_PARAMETERS, responses=UserPage, tags=["graph"])
    def get(self, request: Request, username: str) -> Response:
        """List a user's followers, the newest first."""
        return _user_page(request, username, selectors.followers)


class FollowingView(APIView):
    @extend_schema(parameters=PAGE_PARAMETERS, responses=UserPage, tags=["graph"])
    def get(self, request: Request, username: str) -> Response:
        """List the accounts that a user follows, the newest first."""
        return _user_page(request, username, selectors.following)


def _user_page(
    request: Request, username: str, read: Callable[..., list[tuple[int, int]]]
) -> Response:
    page, viewer_id = page_request(request), caller_id(request)
    user_id = visible_user_id(viewer_id=viewer_id, username=username)
    people, cursor = visible_page(
        viewer_id=viewer_id,
        read=lambda after, limit: read(user_id=user_id, after=after, limit=limit),
        after=page.after,
        limit=page.limit,
    )
    return page_response(request, people, cursor)

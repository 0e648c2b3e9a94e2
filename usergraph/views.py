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
from usergraph.visibility import visible_people, visible_user_id
from users import selectors as user_selectors
from users.serializers import UserPage


class FollowView(APIView):
    """The caller's edge to a user. PUT and DELETE may be repeated."""

    @extend_schema(request=None, responses={204: None}, tags=["graph"])
    @repeatable(database="default")
    def put(self, request: Request, username: str) -> Response:
        """Follow a user."""
        services.follow_user(
            follower_id=caller_id(request),
            followee_id=visible_user_id(viewer_id=caller_id(request), username=username),
        )
        return Response(status=204)

    @extend_schema(responses={204: None}, tags=["graph"])
    @repeatable(database="default")
    def delete(self, request: Request, username: str) -> Response:
        """Unfollow a user."""
        services.unfollow_user(
            follower_id=caller_id(request),
            followee_id=user_selectors.user_id_by_username(username=username, active_only=False),
        )
        return Response(status=204)


class FollowersView(APIView):
    @extend_schema(parameters=PAGE_PARAMETERS, responses=UserPage, tags=["graph"])
    def get(self, request: Request, username: str) -> Response:
        """List a user's followers, the newest first."""
        return _user_page(request, username, selectors.followers_page)


class FollowingView(APIView):
    @extend_schema(parameters=PAGE_PARAMETERS, responses=UserPage, tags=["graph"])
    def get(self, request: Request, username: str) -> Response:
        """List the accounts that a user follows, the newest first."""
        return _user_page(request, username, selectors.following_page)


def _user_page(
    request: Request, username: str, read: Callable[..., tuple[list[int], int | None]]
) -> Response:
    page = page_request(request)
    user_id = visible_user_id(viewer_id=caller_id(request), username=username)
    ids, cursor = read(user_id=user_id, after=page.after, limit=page.limit)
    people = visible_people(viewer_id=caller_id(request), user_ids=ids)
    return page_response(request, people.in_order(ids), cursor)

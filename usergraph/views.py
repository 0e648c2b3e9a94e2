"""Follows and requests to follow, blocks and mutes, and their lists."""

from collections.abc import Callable

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.http.callers import caller_id
from core.http.idempotency import idempotent
from core.http.pagination import page_request, page_response
from core.http.repetitions import repeatable
from core.http.schema import PAGE_PARAMETERS
from usergraph import follows, mutes, own_lists, selectors, services, suggestions
from usergraph.models import CloseFriend, Restriction
from usergraph.serializers import (
    AskingPage,
    BlockedPage,
    BlockState,
    CloseFriendPage,
    CloseFriendState,
    FollowerState,
    FollowState,
    MutedPage,
    MuteRequest,
    MuteState,
    RestrictedPage,
    RestrictionState,
    SuggestionPage,
    SuggestionsQuery,
)
from usergraph.visibility import (
    asking_page,
    blocked_page,
    is_hidden,
    muted_page,
    own_list_page,
    visible_author_id,
    visible_page,
    visible_people,
    visible_user_id,
)
from users import selectors as user_selectors
from users.serializers import UserPage


class FollowView(APIView):
    """The caller's edge to a user. PUT and DELETE may be repeated."""

    @extend_schema(request=None, responses=FollowState, tags=["graph"])
    @repeatable(database="default")
    def put(self, request: Request, username: str) -> Response:
        """Follow a user, or ask to, if the account is private.

        Answers the same if the caller follows them, or has asked to, already.
        """
        followee_id = visible_user_id(viewer_id=caller_id(request), username=username)
        following = services.follow_user(follower_id=caller_id(request), followee_id=followee_id)
        counts = selectors.graph_counts(user_id=followee_id)
        return Response({"following": following, "requested": not following, "counts": counts})

    @extend_schema(responses={200: FollowState}, tags=["graph"])
    @repeatable(database="default")
    def delete(self, request: Request, username: str) -> Response:
        """Unfollow a user, or withdraw the request to follow them.

        Answers the same if the caller did neither.
        """
        viewer_id = caller_id(request)
        followee_id = user_selectors.user_id_or_zero(username=username, active_only=False)
        followed = services.unfollow_user(follower_id=viewer_id, followee_id=followee_id)
        is_visible = _refuse_hidden(viewer_id, followee_id, username, has_changed=followed)
        counts = selectors.graph_counts(user_id=followee_id) if is_visible else None
        return Response({"following": False, "requested": False, "counts": counts})


class FollowerView(APIView):
    """A user's edge to the caller."""

    @extend_schema(responses={200: FollowerState}, tags=["graph"])
    @repeatable(database="default")
    def delete(self, request: Request, username: str) -> Response:
        """Remove a follower, or one who asks to. They are not told, and may follow or ask again.

        Answers the same if they did neither.
        """
        viewer_id = caller_id(request)
        follower_id = user_selectors.user_id_or_zero(username=username, active_only=False)
        followed = services.unfollow_user(follower_id=follower_id, followee_id=viewer_id)
        _refuse_hidden(viewer_id, follower_id, username, has_changed=followed)
        return Response({"followed_by": False, "counts": selectors.graph_counts(user_id=viewer_id)})


class FollowRequestsView(APIView):
    @extend_schema(parameters=PAGE_PARAMETERS, responses=AskingPage, tags=["privacy"])
    def get(self, request: Request) -> Response:
        """List the users who ask to follow the caller, the newest request first.

        There are requests only to a private account. When it becomes public, all are accepted.
        """
        page = page_request(request)
        asking, cursor = asking_page(
            viewer_id=caller_id(request), after=page.after, limit=page.limit
        )
        return page_response(request, asking, cursor)


class AcceptView(APIView):
    @extend_schema(request=None, responses={200: FollowerState}, tags=["privacy"])
    @idempotent(database="default")
    def post(self, request: Request, username: str) -> Response:
        """Let a user follow the caller, who has asked to. Answers the same if they follow already.

        404 if they have not asked, or have withdrawn the request.
        """
        return _answered(request, username, follows.accept_request, followed_by=True)


class DeclineView(APIView):
    @extend_schema(request=None, responses={200: FollowerState}, tags=["privacy"])
    @idempotent(database="default")
    def post(self, request: Request, username: str) -> Response:
        """Decline a user's request to follow the caller. They are not told, and may ask again.

        404 if they have not asked, or have withdrawn the request.
        """
        return _answered(request, username, follows.decline_request, followed_by=False)


def _answered(
    request: Request, username: str, answer: Callable[..., None], *, followed_by: bool
) -> Response:
    """Answer a user's request to follow the caller."""
    viewer_id = caller_id(request)
    follower_id = visible_user_id(viewer_id=viewer_id, username=username)
    answer(followee_id=viewer_id, follower_id=follower_id)
    counts = selectors.graph_counts(user_id=viewer_id)
    return Response({"followed_by": followed_by, "counts": counts})


class BlockView(APIView):
    """The caller's block of a user. PUT and DELETE may be repeated."""

    @extend_schema(request=None, responses=BlockState, tags=["privacy"])
    @repeatable(database="default")
    def put(self, request: Request, username: str) -> Response:
        """Block a user.

        From then on neither sees the other: no profile, post, comment, like or name, in no list
        and no search. Their follows of each other end. The blocked user is not told, and gets the
        same answers as for an account that does not exist.
        """
        blocked_id = user_selectors.user_id_or_zero(username=username)
        services.block_user(blocker_id=caller_id(request), blocked_id=blocked_id)
        return Response({"blocking": True})

    @extend_schema(responses={200: BlockState}, tags=["privacy"])
    @repeatable(database="default")
    def delete(self, request: Request, username: str) -> Response:
        """End a block. The follows that it has ended do not come back.

        Answers the same if the caller did not block them.
        """
        viewer_id = caller_id(request)
        blocked_id = user_selectors.user_id_or_zero(username=username, active_only=False)
        ended = services.unblock_user(blocker_id=viewer_id, blocked_id=blocked_id)
        _refuse_hidden(viewer_id, blocked_id, username, has_changed=ended)
        return Response({"blocking": False})


class MuteView(APIView):
    """The caller's mute of a user. PUT and DELETE may be repeated."""

    @extend_schema(request=MuteRequest, responses=MuteState, tags=["privacy"])
    @repeatable(database="default")
    def put(self, request: Request, username: str) -> Response:
        """Mute a user: the caller's home timeline leaves out their posts.

        All else stays, and nobody is told. Sent again, it changes until when.
        """
        muted_id = visible_user_id(viewer_id=caller_id(request), username=username)
        wanted = MuteRequest(data=request.data)
        wanted.is_valid(raise_exception=True)
        mutes.mute_user(muter_id=caller_id(request), muted_id=muted_id, **wanted.validated_data)
        return Response({"muting": True, **wanted.validated_data})

    @extend_schema(responses={200: MuteState}, tags=["privacy"])
    @repeatable(database="default")
    def delete(self, request: Request, username: str) -> Response:
        """End a mute. Answers the same if the caller did not mute them."""
        muted_id = visible_user_id(viewer_id=caller_id(request), username=username)
        mutes.unmute_user(muter_id=caller_id(request), muted_id=muted_id)
        return Response({"muting": False, "until": None})


class CloseFriendView(APIView):
    """Whether a user is one of the caller's close friends. PUT and DELETE may be repeated."""

    @extend_schema(request=None, responses=CloseFriendState, tags=["privacy"])
    @repeatable(database="default")
    def put(self, request: Request, username: str) -> Response:
        """Let a user see the posts that the caller publishes for close friends, and those of
        before.

        They are not told, but see which posts are for close friends. Who may not see the caller's
        other posts does not see these.
        """
        viewer_id = caller_id(request)
        friend_id = visible_user_id(viewer_id=viewer_id, username=username)
        own_lists.add_close_friend(owner_id=viewer_id, friend_id=friend_id)
        return Response({"close_friend": True})

    @extend_schema(responses={200: CloseFriendState}, tags=["privacy"])
    @repeatable(database="default")
    def delete(self, request: Request, username: str) -> Response:
        """Hide the caller's posts for close friends from a user again.

        Answers the same if they were no close friend.
        """
        viewer_id = caller_id(request)
        friend_id = user_selectors.user_id_or_zero(username=username, active_only=False)
        removed = own_lists.remove_close_friend(owner_id=viewer_id, friend_id=friend_id)
        _refuse_hidden(viewer_id, friend_id, username, has_changed=removed)
        return Response({"close_friend": False})


class CloseFriendsView(APIView):
    @extend_schema(parameters=PAGE_PARAMETERS, responses=CloseFriendPage, tags=["privacy"])
    def get(self, request: Request) -> Response:
        """List the caller's close friends, the newest first. Only the caller sees this list."""
        page = page_request(request)
        friends, cursor = own_list_page(
            CloseFriend, viewer_id=caller_id(request), after=page.after, limit=page.limit
        )
        return page_response(request, friends, cursor)


class RestrictionView(APIView):
    """The caller's restriction of a user. PUT and DELETE may be repeated."""

    @extend_schema(request=None, responses=RestrictionState, tags=["privacy"])
    @repeatable(database="default")
    def put(self, request: Request, username: str) -> Response:
        """Restrict a user: their new comments on the caller's posts are seen by themselves alone,
        until the caller approves them; see `/held-comments`. They are not told.
        """
        viewer_id = caller_id(request)
        member_id = visible_user_id(viewer_id=viewer_id, username=username)
        own_lists.restrict_user(owner_id=viewer_id, member_id=member_id)
        return Response({"restricting": True})

    @extend_schema(responses={200: RestrictionState}, tags=["privacy"])
    @repeatable(database="default")
    def delete(self, request: Request, username: str) -> Response:
        """End a restriction. Comments that wait for approval go on waiting.

        Answers the same if the caller did not restrict them.
        """
        viewer_id = caller_id(request)
        member_id = user_selectors.user_id_or_zero(username=username, active_only=False)
        ended = own_lists.end_restriction(owner_id=viewer_id, member_id=member_id)
        _refuse_hidden(viewer_id, member_id, username, has_changed=ended)
        return Response({"restricting": False})


class RestrictedView(APIView):
    @extend_schema(parameters=PAGE_PARAMETERS, responses=RestrictedPage, tags=["privacy"])
    def get(self, request: Request) -> Response:
        """List the users whom the caller restricts, the newest first."""
        page = page_request(request)
        restricted, cursor = own_list_page(
            Restriction, viewer_id=caller_id(request), after=page.after, limit=page.limit
        )
        return page_response(request, restricted, cursor)


class BlocksView(APIView):
    @extend_schema(parameters=PAGE_PARAMETERS, responses=BlockedPage, tags=["privacy"])
    def get(self, request: Request) -> Response:
        """List the users whom the caller blocks, the newest block first."""
        page = page_request(request)
        blocked, cursor = blocked_page(
            viewer_id=caller_id(request), after=page.after, limit=page.limit
        )
        return page_response(request, blocked, cursor)


class MutesView(APIView):
    @extend_schema(parameters=PAGE_PARAMETERS, responses=MutedPage, tags=["privacy"])
    def get(self, request: Request) -> Response:
        """List the users whom the caller mutes, the newest mute first."""
        page = page_request(request)
        muted, cursor = muted_page(viewer_id=caller_id(request), after=page.after, limit=page.limit)
        return page_response(request, muted, cursor)


def _refuse_hidden(viewer_id: int, user_id: int, username: str, *, has_changed: bool) -> bool:
    """Whether the viewer may see a user. Raises `NotFound` for one who does not exist (`user_id` is
    0), and for one whom a block hides, unless the request has changed something.

    It comes after the write, so that both take the same time.
    """
    people = visible_people(viewer_id=viewer_id, user_ids=[user_id])
    is_visible = user_id in people.documents
    if not (is_visible or has_changed):
        hides = is_hidden(viewer_id=viewer_id, user_id=user_id)
        if hides or not user_id:
            raise user_selectors.no_such_user(username.lower())
    return is_visible


class SuggestionsView(APIView):
    @extend_schema(parameters=[SuggestionsQuery], responses=SuggestionPage, tags=["graph"])
    def get(self, request: Request) -> Response:
        """List accounts that the caller might want to follow, on one page.

        Those whom the people follow whom the caller follows, the most of them first; no private
        account, and none that the caller mutes.
        """
        page = page_request(request, query_class=SuggestionsQuery)
        found = suggestions.suggestions(viewer_id=caller_id(request), limit=page.limit)
        return page_response(request, found, None)


class FollowersView(APIView):
    @extend_schema(parameters=PAGE_PARAMETERS, responses=UserPage, tags=["graph"])
    def get(self, request: Request, username: str) -> Response:
        """List a user's followers, the newest first. Those of a private account: 404 for others
        than its followers.
        """
        return _user_page(request, username, selectors.followers)


class FollowingView(APIView):
    @extend_schema(parameters=PAGE_PARAMETERS, responses=UserPage, tags=["graph"])
    def get(self, request: Request, username: str) -> Response:
        """List the accounts that a user follows, the newest first. Those whom a private account
        follows: 404 for others than its followers.
        """
        return _user_page(request, username, selectors.following)


def _user_page(
    request: Request, username: str, read: Callable[..., list[tuple[int, int]]]
) -> Response:
    page, viewer_id = page_request(request), caller_id(request)
    user_id = visible_author_id(viewer_id=viewer_id, username=username)
    people, cursor = visible_page(
        viewer_id=viewer_id,
        read=lambda after, limit: read(user_id=user_id, after=after, limit=limit),
        after=page.after,
        limit=page.limit,
    )
    return page_response(request, people, cursor)

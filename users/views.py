"""Profiles, the search for them, and one's own sessions."""

from django.http import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.http.callers import caller_id
from core.http.etags import IF_NONE_MATCH, UNCHANGED, conditional_answer
from core.http.pagination import page_request, page_response
from core.http.permissions import PublicReads
from core.http.repetitions import repeatable
from users import selectors, services
from users.authentication import session_key
from users.models import AccountDeletion
from users.serializers import (
    AccountToDelete,
    ProfileChanges,
    ProfileDocument,
    SessionPage,
    UserPage,
    UserSearch,
)


class OwnProfileView(APIView):
    @extend_schema(
        parameters=[IF_NONE_MATCH],
        responses={200: ProfileDocument, 304: UNCHANGED},
        tags=["users"],
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Show the caller's profile."""
        return conditional_answer(request, selectors.own_profile(user_id=caller_id(request)))

    @extend_schema(request=ProfileChanges, responses=ProfileDocument, tags=["users"])
    @repeatable(database="default")
    def patch(self, request: Request) -> Response:
        """Change the caller's username, display name, bio, avatar, or who sees what they own.

        For 14 days a former username leads to the caller, who may take it back; nobody else may
        take it, or one that looks like it. With three of them there is no fourth change: 409.
        """
        changes = ProfileChanges(data=request.data)
        changes.is_valid(raise_exception=True)
        services.update_profile(user_id=caller_id(request), changes=changes.validated_data)
        return Response(selectors.own_profile(user_id=caller_id(request)))

    @extend_schema(request=AccountToDelete, responses={202: None}, tags=["users"])
    @repeatable(database="default")
    def delete(self, request: Request) -> Response:
        """Delete the caller's account and all that it owns, for good.

        When the answer comes, the account has gone from every page and its tokens have ended; what
        it owns (posts, pictures, comments, likes, follows) is removed in the background. Accounts
        of staff answer 409.
        """
        user_id = caller_id(request)
        confirmed = AccountToDelete(
            data=request.data, context={"request": request, "user_id": user_id}
        )
        confirmed.is_valid(raise_exception=True)
        requested_by = AccountDeletion.RequestedBy.SELF
        services.delete_account(user_id=user_id, requested_by=requested_by)
        return Response(status=202)


class SessionsView(APIView):
    @extend_schema(responses=SessionPage, tags=["accounts"])
    def get(self, request: Request) -> Response:
        """List the devices on which the caller is logged in, the one used last first."""
        sessions = selectors.own_sessions(
            user_id=caller_id(request), current_key=session_key(request)
        )
        return Response({"results": sessions, "next": None})

    @extend_schema(operation_id="sessions_end_others", responses={204: None}, tags=["accounts"])
    def delete(self, request: Request) -> Response:
        """Log out on all other devices. Their tokens stop working at once."""
        services.end_other_sessions(user_id=caller_id(request), current_key=session_key(request))
        return Response(status=204)


class SessionView(APIView):
    @extend_schema(responses={204: None}, tags=["accounts"])
    def delete(self, request: Request, session_id: str) -> Response:
        """Log out on one device. Its tokens stop working at once."""
        services.end_session(user_id=caller_id(request), session_id=session_id)
        return Response(status=204)


class ProfileView(APIView):
    permission_classes = [PublicReads]

    @extend_schema(
        parameters=[IF_NONE_MATCH],
        responses={200: ProfileDocument, 304: UNCHANGED},
        tags=["users"],
    )
    def get(self, request: Request, username: str) -> HttpResponseBase:
        """Show a user's profile.

        After a rename the former username leads to the user for 14 days, here and in every other
        address; the answer has the present one. An id does so for ever.
        """
        profile = selectors.profile(username=username, viewer_id=caller_id(request))
        return conditional_answer(request, profile)


class ProfileByIdView(APIView):
    @extend_schema(
        operation_id="users_by_id",
        parameters=[IF_NONE_MATCH],
        responses={200: ProfileDocument, 304: UNCHANGED},
        tags=["users"],
    )
    def get(self, request: Request, user_id: int) -> HttpResponseBase:
        """Show a user's profile, by the id, which never changes."""
        profile = selectors.profile_by_id(user_id=user_id, viewer_id=caller_id(request))
        return conditional_answer(request, profile)


class UserSearchView(APIView):
    @extend_schema(
        operation_id="users_list", parameters=[UserSearch], responses=UserPage, tags=["users"]
    )
    def get(self, request: Request) -> Response:
        """List the users who are found by `search`: the exact username first.

        Each of its words must begin a part of the username or a word of the display name; case and
        accents do not count. Usernames that begin with it come before others. A page may have fewer
        users than `limit`, and a next one.
        """
        page = page_request(request, str, query_class=UserSearch)
        users, cursor = selectors.search_users(
            typed=page.parameters["search"],
            viewer_id=caller_id(request),
            after=page.after,
            limit=page.limit,
        )
        return page_response(request, users, cursor)

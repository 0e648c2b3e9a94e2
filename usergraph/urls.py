"""Routes of User Graph, under /api/v1/."""

from django.urls import path

import core.http.converters  # noqa: F401  (registers the path converters)
from usergraph.views import (
    AcceptView,
    BlocksView,
    BlockView,
    CloseFriendsView,
    CloseFriendView,
    DeclineView,
    FollowersView,
    FollowerView,
    FollowingView,
    FollowRequestsView,
    FollowView,
    MutesView,
    MuteView,
    RestrictedView,
    RestrictionView,
    SuggestionsView,
)

urlpatterns = [
    path("users/<username:username>/follow", FollowView.as_view(), name="follow"),
    path("users/<username:username>/follower", FollowerView.as_view(), name="follower"),
    path("users/<username:username>/block", BlockView.as_view(), name="block"),
    path("users/<username:username>/mute", MuteView.as_view(), name="mute"),
    path("users/<username:username>/close-friend", CloseFriendView.as_view(), name="close-friend"),
    path("users/<username:username>/restriction", RestrictionView.as_view(), name="restriction"),
    path("users/me/restricted", RestrictedView.as_view(), name="restricted"),
    path("users/me/close-friends", CloseFriendsView.as_view(), name="close-friends"),
    path("users/me/blocks", BlocksView.as_view(), name="blocks"),
    path("users/me/suggestions", SuggestionsView.as_view(), name="suggestions"),
    path("users/me/mutes", MutesView.as_view(), name="mutes"),
    path("follow-requests", FollowRequestsView.as_view(), name="follow-requests"),
    path("follow-requests/<username:username>/accept", AcceptView.as_view(), name="accept-request"),
    path(
        "follow-requests/<username:username>/decline", DeclineView.as_view(), name="decline-request"
    ),
    path("users/<username:username>/followers", FollowersView.as_view(), name="followers"),
    path("users/<username:username>/following", FollowingView.as_view(), name="following"),
]

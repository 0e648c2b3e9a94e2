"""Routes of User Info, under /api/v1/."""

from django.urls import path

import core.http.converters  # noqa: F401  (registers the path converters)
from users.views import (
    OwnProfileView,
    ProfileByIdView,
    ProfileView,
    SessionsView,
    SessionView,
    UserSearchView,
)

urlpatterns = [
    path("users", UserSearchView.as_view(), name="user-search"),
    path("users/me", OwnProfileView.as_view(), name="own-profile"),
    path("users/me/sessions", SessionsView.as_view(), name="sessions"),
    path("users/me/sessions/<str:session_id>", SessionView.as_view(), name="session"),
    path("users/by-id/<id:user_id>", ProfileByIdView.as_view(), name="profile-by-id"),
    path("users/<username:username>", ProfileView.as_view(), name="profile"),
]

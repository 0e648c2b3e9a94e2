"""Routes of User Info, under /api/v1/."""

from django.urls import path

import core.http.converters  # noqa: F401  (registers the path converters)
from users.views import OwnProfileView, ProfileView, UserSearchView

urlpatterns = [
    path("users", UserSearchView.as_view(), name="user-search"),
    path("users/me", OwnProfileView.as_view(), name="own-profile"),
    path("users/<username:username>", ProfileView.as_view(), name="profile"),
]

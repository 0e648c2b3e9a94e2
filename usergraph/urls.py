"""Routes of User Graph, under /api/v1/."""

from django.urls import path

import core.http.converters  # noqa: F401  (registers the path converters)
from usergraph.views import FollowersView, FollowingView, FollowView

urlpatterns = [
    path("users/<username:username>/follow", FollowView.as_view(), name="follow"),
    path("users/<username:username>/followers", FollowersView.as_view(), name="followers"),
    path("users/<username:username>/following", FollowingView.as_view(), name="following"),
]

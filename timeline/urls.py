"""Routes of Timeline, under /api/v1/."""

from django.urls import path

import core.http.converters  # noqa: F401  (registers the path converters)
from timeline.views import HomeTimelineView, ProfileTimelineView

urlpatterns = [
    path("timeline/home", HomeTimelineView.as_view(), name="home-timeline"),
    path(
        "users/<username:username>/timeline", ProfileTimelineView.as_view(), name="profile-timeline"
    ),
]

"""Routes of Media, under /api/v1/."""

from django.urls import path

import core.http.converters  # noqa: F401  (registers the path converters)
from media.views import (
    CompletionView,
    MediaView,
    SendingView,
    UploadsView,
    UploadView,
    UsageView,
)

urlpatterns = [
    path("media", UploadView.as_view(), name="media-upload"),
    path("media/uploads", UploadsView.as_view(), name="media-uploads"),
    path("media/uploads/<id:media_id>", SendingView.as_view(), name="media-sending"),
    path("media/<id:media_id>", MediaView.as_view(), name="media"),
    path("media/<id:media_id>/complete", CompletionView.as_view(), name="media-complete"),
    path("users/me/usage", UsageView.as_view(), name="media-usage"),
]

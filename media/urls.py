"""Routes of Media, under /api/v1/."""

from django.urls import path

import core.http.converters  # noqa: F401  (registers the path converters)
from media.views import MediaView, UploadView

urlpatterns = [
    path("media", UploadView.as_view(), name="media-upload"),
    path("media/<id:media_id>", MediaView.as_view(), name="media"),
]

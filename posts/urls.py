"""Routes of Post Info, under /api/v1/."""

from django.urls import path

import core.http.converters  # noqa: F401  (registers the path converters)
from posts.views import LikersView, LikeView, PostsView, PostView

urlpatterns = [
    path("posts", PostsView.as_view(), name="posts"),
    path("posts/<id:post_id>", PostView.as_view(), name="post"),
    path("posts/<id:post_id>/like", LikeView.as_view(), name="post-like"),
    path("posts/<id:post_id>/likes", LikersView.as_view(), name="post-likers"),
]

"""Routes of Post Info, under /api/v1/."""

from django.urls import path

import core.http.converters  # noqa: F401  (registers the path converters)
from posts.views import (
    LikersView,
    LikeView,
    PostsView,
    PostView,
    WaitingPostsView,
    WaitingPostView,
)

urlpatterns = [
    path("posts", PostsView.as_view(), name="posts"),
    path("posts/waiting", WaitingPostsView.as_view(), name="waiting-posts"),
    path("posts/waiting/<id:waiting_post_id>", WaitingPostView.as_view(), name="waiting-post"),
    path("posts/<id:post_id>", PostView.as_view(), name="post"),
    path("posts/<id:post_id>/like", LikeView.as_view(), name="post-like"),
    path("posts/<id:post_id>/likes", LikersView.as_view(), name="post-likers"),
]

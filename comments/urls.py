"""Routes of Commenting, under /api/v1/."""

from django.urls import path

import core.http.converters  # noqa: F401  (registers the path converters)
from comments.views import CommentLikersView, CommentLikeView, CommentsView, CommentView

urlpatterns = [
    path("posts/<id:post_id>/comments", CommentsView.as_view(), name="comments"),
    path("comments/<id:comment_id>", CommentView.as_view(), name="comment"),
    path("comments/<id:comment_id>/like", CommentLikeView.as_view(), name="comment-like"),
    path("comments/<id:comment_id>/likes", CommentLikersView.as_view(), name="comment-likers"),
]

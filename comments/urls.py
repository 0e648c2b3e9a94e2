"""Routes of Commenting, under /api/v1/."""

from django.urls import path

import core.http.converters  # noqa: F401  (registers the path converters)
from comments.views import (
    ApproveView,
    CommentingView,
    CommentLikersView,
    CommentLikeView,
    CommentRulesView,
    CommentsView,
    CommentView,
    HeldCommentsView,
)

urlpatterns = [
    path("posts/<id:post_id>/comments", CommentsView.as_view(), name="comments"),
    path("posts/<id:post_id>/commenting", CommentingView.as_view(), name="commenting"),
    path("users/me/commenting", CommentRulesView.as_view(), name="comment-rules"),
    path("held-comments", HeldCommentsView.as_view(), name="held-comments"),
    path("comments/<id:comment_id>/approve", ApproveView.as_view(), name="approve-comment"),
    path("comments/<id:comment_id>", CommentView.as_view(), name="comment"),
    path("comments/<id:comment_id>/like", CommentLikeView.as_view(), name="comment-like"),
    path("comments/<id:comment_id>/likes", CommentLikersView.as_view(), name="comment-likers"),
]

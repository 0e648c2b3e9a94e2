"""Comments: add, list, read, edit, delete, like, list likers."""

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from comments import rules, selectors, services
from comments.held import held_page
from comments.serializers import (
    NEWEST,
    Approval,
    CommentDocument,
    Commenting,
    CommentLikeState,
    CommentPage,
    CommentRulesChanges,
    CommentRulesDocument,
    CommentsQuery,
    CommentText,
    HeldCommentPage,
    HeldCommentsQuery,
    NewComment,
)
from core.http.callers import caller_id
from core.http.idempotency import idempotent
from core.http.pagination import LongCursorQuery, page_request, page_response
from core.http.permissions import PublicReads
from core.http.repetitions import repeatable
from posts import selectors as post_selectors
from users.serializers import UserPage


class CommentsView(APIView):
    permission_classes = [PublicReads]

    @extend_schema(request=NewComment, responses={201: CommentDocument}, tags=["comments"])
    @idempotent(database="comments")
    def post(self, request: Request, post_id: int) -> Response:
        """Comment on a post, or reply to a comment on it."""
        new = NewComment(data=request.data)
        new.is_valid(raise_exception=True)
        post = post_selectors.visible_post(post_id=post_id, viewer_id=caller_id(request))
        comment_id = services.comment_on(post=post, **new.validated_data)
        document = selectors.comment_document_on(post=post, comment_id=comment_id)
        answer = Response(document, status=201)
        answer.headers["Location"] = reverse("comment", args=[comment_id])
        return answer

    @extend_schema(
        operation_id="comments_list",
        parameters=[CommentsQuery],
        responses=CommentPage,
        tags=["comments"],
    )
    def get(self, request: Request, post_id: int) -> Response:
        """List the comments on a post in order of time: with the replies among them, or without
        (`top_level`), or only the replies to one (`reply_to`).
        """
        page = page_request(request, query_class=CommentsQuery)
        comments, cursor = selectors.comment_page(
            post_id=post_id,
            viewer_id=caller_id(request),
            newest_first=page.parameters["order"] == NEWEST,
            reply_to=page.parameters.get("reply_to"),
            top_level=page.parameters["top_level"],
            after=page.after,
            limit=page.limit,
        )
        return page_response(request, comments, cursor)


class CommentView(APIView):
    @extend_schema(responses=CommentDocument, tags=["comments"])
    def get(self, request: Request, comment_id: int) -> Response:
        """Show a comment."""
        return _shown(request, comment_id)

    @extend_schema(request=CommentText, responses=CommentDocument, tags=["comments"])
    @repeatable(database="comments", is_atomic=True)
    def patch(self, request: Request, comment_id: int) -> Response:
        """Change the text of one's own comment. Only a text that differs sets `edited_at`."""
        changes = CommentText(data=request.data)
        changes.is_valid(raise_exception=True)
        services.edit_comment(
            comment_id=comment_id, author_id=caller_id(request), **changes.validated_data
        )
        return _shown(request, comment_id)

    @extend_schema(responses={204: None}, tags=["comments"])
    @repeatable(database="comments")
    def delete(self, request: Request, comment_id: int) -> Response:
        """Delete one's own comment, or a comment on one's own post, and the replies to it."""
        services.delete_comment(comment_id=comment_id, user_id=caller_id(request))
        return Response(status=204)


def _shown(request: Request, comment_id: int) -> Response:
    document = selectors.comment_document(comment_id=comment_id, viewer_id=caller_id(request))
    return Response(document)


class ApproveView(APIView):
    @extend_schema(request=Approval, responses={200: CommentDocument}, tags=["comments"])
    @idempotent(database="comments")
    def post(self, request: Request, comment_id: int) -> Response:
        """Show a comment on one's own post that is held back to everybody who sees the post.

        Answers the same if it is shown already, and 409 if its text has been changed since.
        """
        approval = Approval(data=request.data)
        approval.is_valid(raise_exception=True)
        services.approve_comment(
            comment_id=comment_id, author_id=caller_id(request), **approval.validated_data
        )
        return _shown(request, comment_id)


class HeldCommentsView(APIView):
    @extend_schema(parameters=[HeldCommentsQuery], responses=HeldCommentPage, tags=["comments"])
    def get(self, request: Request) -> Response:
        """List the comments on the caller's posts that wait for approval, newest first.

        They are of people whom the caller restricts, or have one of the caller's hidden words. To
        refuse one, delete it.
        """
        page = page_request(request, query_class=HeldCommentsQuery)
        comments, cursor = held_page(
            author_id=caller_id(request),
            post_id=page.parameters.get("post"),
            after=page.after,
            limit=page.limit,
        )
        return page_response(request, comments, cursor)


class CommentingView(APIView):
    @extend_schema(responses=Commenting, tags=["comments"])
    def get(self, request: Request, post_id: int) -> Response:
        """Tell whether the caller may comment on a post."""
        post = post_selectors.visible_post(post_id=post_id, viewer_id=caller_id(request))
        return Response(rules.commenting(post=post))


class CommentRulesView(APIView):
    @extend_schema(responses=CommentRulesDocument, tags=["privacy"])
    def get(self, request: Request) -> Response:
        """Show who may comment on the caller's posts, and which words hold a comment back."""
        return _rules(request)

    @extend_schema(request=CommentRulesChanges, responses=CommentRulesDocument, tags=["privacy"])
    @repeatable(database="comments", is_atomic=True)
    def patch(self, request: Request) -> Response:
        """Change who may comment on the caller's posts, or which words hold a comment back.

        It holds for comments from now on. No other user sees the words.
        """
        changes = CommentRulesChanges(data=request.data)
        changes.is_valid(raise_exception=True)
        rules.change_rules(author_id=caller_id(request), changes=changes.validated_data)
        return _rules(request)


def _rules(request: Request) -> Response:
    return Response(rules.rules_of(author_id=caller_id(request))._asdict())


class CommentLikeView(APIView):
    """The caller's like of a comment. PUT and DELETE may be repeated."""

    @extend_schema(request=None, responses=CommentLikeState, tags=["likes"])
    def put(self, request: Request, comment_id: int) -> Response:
        """Like a comment. Answers the same if the caller likes it already."""
        services.like_comment(comment_id=comment_id, user_id=caller_id(request))
        return Response({"liked": True, "counts": selectors.comment_counts(comment_id=comment_id)})

    @extend_schema(responses={200: CommentLikeState}, tags=["likes"])
    def delete(self, request: Request, comment_id: int) -> Response:
        """Remove the caller's like of a comment. Answers the same if there was none."""
        services.unlike_comment(comment_id=comment_id, user_id=caller_id(request))
        return Response({"liked": False, "counts": selectors.comment_counts(comment_id=comment_id)})


class CommentLikersView(APIView):
    @extend_schema(parameters=[LongCursorQuery], responses=UserPage, tags=["likes"])
    def get(self, request: Request, comment_id: int) -> Response:
        """List who likes a comment: first whom the caller follows, then others, newest first.

        Whom the caller follows is taken as of the first page; up to 100 of them come first.
        """
        page = page_request(request, str, query_class=LongCursorQuery)
        people, cursor = selectors.likers_page(
            comment_id=comment_id, viewer_id=caller_id(request), after=page.after, limit=page.limit
        )
        return page_response(request, people, cursor)

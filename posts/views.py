"""Posts: publish, read, edit, delete, list by author, like, list likers."""

import orjson
from django.http import HttpResponseBase
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.http.callers import caller_id
from core.http.etags import IF_NONE_MATCH, UNCHANGED, conditional_answer
from core.http.idempotency import idempotent
from core.http.pagination import LongCursorQuery, page_request, page_response
from core.http.rendering import fragments
from core.http.repetitions import repeatable
from posts import selectors, services
from posts.serializers import (
    LikeState,
    NewPost,
    PostChanges,
    PostDocument,
    PostPage,
    PostsQuery,
)
from usergraph.visibility import visible_user_id
from users.serializers import UserPage


class PostsView(APIView):
    @extend_schema(request=NewPost, responses={201: PostDocument}, tags=["posts"])
    @idempotent(database="posts")
    def post(self, request: Request) -> Response:
        """Publish a post of 1 to 10 uploaded media."""
        new = NewPost(data=request.data)
        new.is_valid(raise_exception=True)
        post_id = services.publish_post(
            author_id=caller_id(request),
            caption=new.validated_data["caption"],
            media_ids=new.validated_data["media"],
        )
        answer = Response(_document(request, post_id), status=201)
        answer.headers["Location"] = reverse("post", args=[post_id])
        return answer

    @extend_schema(
        operation_id="posts_list", parameters=[PostsQuery], responses=PostPage, tags=["posts"]
    )
    def get(self, request: Request) -> Response:
        """List an author's posts, newest first."""
        page, viewer_id = page_request(request, query_class=PostsQuery), caller_id(request)
        author_id = visible_user_id(viewer_id=viewer_id, username=page.parameters["author"])
        posts, cursor = selectors.posts_by_author(
            author_id=author_id, viewer_id=viewer_id, before=page.after, limit=page.limit
        )
        return page_response(request, fragments(posts), cursor)


class PostView(APIView):
    @extend_schema(
        parameters=[IF_NONE_MATCH], responses={200: PostDocument, 304: UNCHANGED}, tags=["posts"]
    )
    def get(self, request: Request, post_id: int) -> HttpResponseBase:
        """Show a post."""
        return conditional_answer(request, _document(request, post_id))

    @extend_schema(request=PostChanges, responses=PostDocument, tags=["posts"])
    @repeatable(database="posts", is_atomic=True)
    def patch(self, request: Request, post_id: int) -> Response:
        """Change the caption of one's own post, or close it for comments.

        Only a caption that differs sets `edited_at`.
        """
        changes = PostChanges(data=request.data)
        changes.is_valid(raise_exception=True)
        services.edit_post(
            post_id=post_id, author_id=caller_id(request), changes=changes.validated_data
        )
        return Response(_document(request, post_id))

    @extend_schema(responses={204: None}, tags=["posts"])
    @repeatable(database="posts")
    def delete(self, request: Request, post_id: int) -> Response:
        """Delete one's own post. No timeline shows it any more."""
        services.delete_post(post_id=post_id, author_id=caller_id(request))
        return Response(status=204)


def _document(request: Request, post_id: int) -> orjson.Fragment:
    document = selectors.post_document(post_id=post_id, viewer_id=caller_id(request))
    return orjson.Fragment(document)


class LikeView(APIView):
    """The caller's like of a post. PUT and DELETE may be repeated."""

    @extend_schema(request=None, responses=LikeState, tags=["likes"])
    def put(self, request: Request, post_id: int) -> Response:
        """Like a post. Answers the same if the caller likes it already."""
        services.like_post(post_id=post_id, user_id=caller_id(request))
        return Response({"liked": True, "counts": selectors.post_counts(post_id=post_id)})

    @extend_schema(responses={200: LikeState}, tags=["likes"])
    def delete(self, request: Request, post_id: int) -> Response:
        """Remove the caller's like of a post. Answers the same if there was none."""
        services.unlike_post(post_id=post_id, user_id=caller_id(request))
        return Response({"liked": False, "counts": selectors.post_counts(post_id=post_id)})


class LikersView(APIView):
    @extend_schema(parameters=[LongCursorQuery], responses=UserPage, tags=["likes"])
    def get(self, request: Request, post_id: int) -> Response:
        """List who likes a post: first whom the caller follows, then others, newest first.

        Whom the caller follows is taken as of the first page; up to 100 of them come first.
        """
        page = page_request(request, str, query_class=LongCursorQuery)
        people, cursor = selectors.likers_page(
            post_id=post_id, viewer_id=caller_id(request), after=page.after, limit=page.limit
        )
        return page_response(request, people, cursor)

"""Posts: publish, read, edit, delete, list by author, like, list likers; and waiting posts."""

from typing import Any

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
from core.http.pagination import LongCursorQuery, PageQuery, page_request, page_response
from core.http.permissions import PublicReads
from core.http.rendering import fragments
from core.http.repetitions import repeatable
from posts import selectors, services, waiting
from posts.serializers import (
    LikeState,
    NewPost,
    PostChanges,
    PostDocument,
    PostPage,
    PostsQuery,
    WaitingPostChanges,
    WaitingPostDocument,
    WaitingPostPage,
)
from usergraph.visibility import visible_author_id
from users.serializers import UserPage


class PostsView(APIView):
    @extend_schema(
        request=NewPost, responses={201: PostDocument, 202: WaitingPostDocument}, tags=["posts"]
    )
    @idempotent(database="posts")
    def post(self, request: Request) -> Response:
        """Publish a post of 1 to 10 uploaded media.

        If some of them are still on their way, the answer is 202: only its author sees the post at
        `/posts/waiting`, until all are ready. Then it is published.
        """
        new = NewPost(data=request.data)
        new.is_valid(raise_exception=True)
        submitted = waiting.submit_post(
            author_id=caller_id(request),
            caption=new.validated_data["caption"],
            audience=new.validated_data["audience"],
            media_ids=new.validated_data["media"],
        )
        if submitted.is_published:
            answer = Response(_document(request, submitted.id), status=201)
            answer.headers["Location"] = reverse("post", args=[submitted.id])
        else:
            answer = Response(_waiting(request, submitted.id), status=202)
            answer.headers["Location"] = reverse("waiting-post", args=[submitted.id])
        return answer

    @extend_schema(
        operation_id="posts_list", parameters=[PostsQuery], responses=PostPage, tags=["posts"]
    )
    def get(self, request: Request) -> Response:
        """List an author's posts, newest first."""
        page, viewer_id = page_request(request, query_class=PostsQuery), caller_id(request)
        author_id = visible_author_id(
            viewer_id=viewer_id, username=page.parameters["author"], is_asked_again=True
        )
        posts, cursor = selectors.posts_by_author(
            author_id=author_id, viewer_id=viewer_id, before=page.after, limit=page.limit
        )
        return page_response(request, fragments(posts), cursor)


class PostView(APIView):
    permission_classes = [PublicReads]

    @extend_schema(
        parameters=[IF_NONE_MATCH], responses={200: PostDocument, 304: UNCHANGED}, tags=["posts"]
    )
    def get(self, request: Request, post_id: int) -> HttpResponseBase:
        """Show a post."""
        return conditional_answer(request, _document(request, post_id))

    @extend_schema(request=PostChanges, responses=PostDocument, tags=["posts"])
    @repeatable(database="posts", is_atomic=True)
    def patch(self, request: Request, post_id: int) -> Response:
        """Change the caption of one's own post, who may comment on it, or close it for comments.

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


class WaitingPostsView(APIView):
    @extend_schema(
        operation_id="posts_waiting_list",
        parameters=[PageQuery],
        responses=WaitingPostPage,
        tags=["posts"],
    )
    def get(self, request: Request) -> Response:
        """List the caller's posts that wait until all of their media are ready, newest first."""
        page = page_request(request)
        posts, cursor = selectors.waiting_post_documents(
            author_id=caller_id(request), before=page.after, limit=page.limit
        )
        return page_response(request, posts, cursor)


class WaitingPostView(APIView):
    @extend_schema(responses=WaitingPostDocument, tags=["posts"])
    def get(self, request: Request, waiting_post_id: int) -> Response:
        """Show a waiting post of the caller's, and how its media are getting on.

        Once it is published, `post_id` names the post.
        """
        return Response(_waiting(request, waiting_post_id))

    @extend_schema(request=WaitingPostChanges, responses=WaitingPostDocument, tags=["posts"])
    @repeatable(database="posts", is_atomic=True)
    def patch(self, request: Request, waiting_post_id: int) -> Response:
        """Change one's own waiting post: its caption, its audience, or its media, such as one that
        has failed.

        `media` replaces the whole list. The post is published at once if all of it is ready. Once
        it is published, the answer is 409, but not to a repetition of the last change.
        """
        changes = WaitingPostChanges(data=request.data)
        changes.is_valid(raise_exception=True)
        waiting.change_waiting_post(
            waiting_post_id=waiting_post_id,
            author_id=caller_id(request),
            changes=changes.validated_data,
        )
        return Response(_waiting(request, waiting_post_id))

    @extend_schema(responses={204: None}, tags=["posts"])
    @repeatable(database="posts")
    def delete(self, request: Request, waiting_post_id: int) -> Response:
        """Delete one's own waiting post; its media can be used again.

        Answers 409 once it is published.
        """
        waiting.delete_waiting_post(waiting_post_id=waiting_post_id, author_id=caller_id(request))
        return Response(status=204)


def _waiting(request: Request, waiting_post_id: int) -> dict[str, Any]:
    return selectors.waiting_post_document(
        waiting_post_id=waiting_post_id, author_id=caller_id(request)
    )


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

"""Posts: publish, read, edit, delete, list by author."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from posts import selectors, services
from posts.serializers import NewPost, PostChanges, PostDocument, PostPage, PostsQuery
from socialfeed.common.callers import caller_id
from socialfeed.common.pagination import page_request, page_response
from socialfeed.common.schema import PAGE_PARAMETERS
from users import selectors as user_selectors


class PostsView(APIView):
    """All posts."""

    @extend_schema(request=NewPost, responses={201: PostDocument}, tags=["posts"])
    def post(self, request: Request) -> Response:
        """Publish a post of 1 to 10 uploaded media."""
        new = NewPost(data=request.data)
        new.is_valid(raise_exception=True)
        post_id = services.publish_post(
            author_id=caller_id(request),
            caption=new.validated_data["caption"],
            media_ids=new.validated_data["media"],
        )
        return Response(selectors.post_document(post_id=post_id), status=201)

    @extend_schema(
        operation_id="posts_list",
        parameters=[PostsQuery, *PAGE_PARAMETERS],
        responses=PostPage,
        tags=["posts"],
    )
    def get(self, request: Request) -> Response:
        """List an author's posts, newest first."""
        query = PostsQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        page = page_request(request)
        author_id = user_selectors.user_id_by_username(username=query.validated_data["author"])
        posts, position = selectors.posts_by_author(
            author_id=author_id, before=page.after, limit=page.limit
        )
        return page_response(request, posts, position)


class PostView(APIView):
    """One post."""

    @extend_schema(responses=PostDocument, tags=["posts"])
    def get(self, request: Request, post_id: int) -> Response:
        """Show a post."""
        return Response(selectors.post_document(post_id=post_id))

    @extend_schema(request=PostChanges, responses=PostDocument, tags=["posts"])
    def patch(self, request: Request, post_id: int) -> Response:
        """Change the caption of one's own post."""
        changes = PostChanges(data=request.data)
        changes.is_valid(raise_exception=True)
        services.edit_post(post_id=post_id, author_id=caller_id(request), **changes.validated_data)
        return Response(selectors.post_document(post_id=post_id))

    @extend_schema(responses={204: None}, tags=["posts"])
    def delete(self, request: Request, post_id: int) -> Response:
        """Delete one's own post. It is gone from every timeline at once."""
        services.delete_post(post_id=post_id, author_id=caller_id(request))
        return Response(status=204)

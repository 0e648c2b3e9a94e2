"""What Timeline takes and answers over HTTP."""

from rest_framework import serializers

from core.http.pagination import PageQuery
from core.http.schema import page_of
from posts.serializers import POST_EXAMPLE, PostDocument
from timeline.seen import MAX_TOKEN_LENGTH


class TimelineQuery(PageQuery):
    """The query parameters of a timeline."""

    since = serializers.CharField(
        required=False,
        max_length=MAX_TOKEN_LENGTH,
        help_text="Only posts that have come since: from a page's `newer`.",
    )


TimelineAnswer = page_of(
    PostDocument,
    POST_EXAMPLE,
    name="TimelinePage",
    newer=serializers.URLField(
        allow_null=True,
        help_text="Address that later answers the posts that have come since, newest first, each"
        " exactly once. If they fill several pages, go on from the last page's `newer`. Null on the"
        " later pages of a timeline: keep the first page's.",
        initial="https://feed.example/api/v1/timeline/home?since=3yMYQS9iMtJpNDI",
    ),
)

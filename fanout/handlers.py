"""Fan-out: brings posts, and changes of what they show, into timelines.

In the request, after the commit, it does what the user must see at once. Workers do the rest, step
by step; see `core.outbox`. Any step may run twice.
"""

from collections.abc import Iterable, Iterator, Sequence

from django.conf import settings

from comments import selectors as comment_selectors
from comments import services as comment_services
from comments.events import CommentsChanged, comments_changed
from core.outbox.batches import as_steps
from core.outbox.events import SHORT_PAUSE
from core.outbox.subscriptions import Step
from posts import selectors as post_selectors
from posts import services as post_services
from posts.events import PostChanged, post_deleted, post_published
from timeline import services as timeline_services
from usergraph import selectors as graph_selectors
from usergraph import services as graph_services
from usergraph.events import (
    FollowChanged,
    FollowsRemoved,
    MuteChanged,
    RequestsAccepted,
    follow_changed,
    follows_removed,
    mute_changed,
    requests_accepted,
)


def deliver_to_author(post: PostChanged) -> None:
    """Put a post into its author's own timelines."""
    # A reader may have asked for it too early, and "no such post" may be cached.
    post_services.refresh_records(post_ids=[post.post_id])
    timeline_services.deliver_to_own_timelines(post_id=post.post_id, author_id=post.author_id)


@post_published.subscribe("fanout", first=deliver_to_author)
def deliver_post(post: PostChanged, cursor: int) -> Iterator[Step]:
    """Bring a post into its author's home and profile timelines, and into all followers' home
    timelines. Afterwards every follower's next read shows it.

    It is pushed in batches; the cursor is the last follower reached. If the author has too many
    followers, nothing is pushed: readers pull the posts. If the author has to change from push to
    pull or back, this delivery makes the change. It drops the home timelines of all followers,
    always from the first one, and the next reads build them the new way.
    """
    deliver_to_author(post)
    mode = graph_services.choose_delivery_mode(author_id=post.author_id)
    if mode.change_token is not None:
        for user_ids in _followers(post.author_id, after=0):
            timeline_services.drop_home_timelines(user_ids=user_ids)
            yield Step(user_ids[-1])
        graph_services.finish_mode_change(author_id=post.author_id, change_token=mode.change_token)
    elif not mode.is_pulled:
        lsn = graph_selectors.graph_lsn()
        for user_ids in _followers(post.author_id, after=cursor):
            entries = timeline_services.deliver_to_home_timelines(
                post_id=post.post_id, author_id=post.author_id, user_ids=user_ids, graph_lsn=lsn
            )
            yield Step(user_ids[-1], entries)


def _followers(author_id: int, *, after: int) -> Iterator[list[int]]:
    size = settings.FANOUT_BATCH_SIZE
    return graph_selectors.follower_id_batches(author_id=author_id, after=after, size=size)


@post_deleted.subscribe("fanout", in_request=True)
def withdraw_post(post: PostChanged, cursor: int) -> Iterable[Step]:
    """Remove a deleted post from its author's timelines. Readers leave it out of all others."""
    timeline_services.remove_from_own_timelines(post_id=post.post_id, author_id=post.author_id)
    return ()


@comments_changed.subscribe("fanout", in_request=True)
def show_comments(comments: CommentsChanged, cursor: int) -> Iterator[Step]:
    """Refresh the comment summary of a post, and its record, which all timelines render from.

    If the post was deleted meanwhile, remove the summary stored here and the comments. This check
    comes last: a post that is deleted later has its own delivery.
    """
    post_id = comments.post_id
    summary = comment_selectors.summary(post_id=post_id)
    post_services.store_comment_summary(
        post_id=post_id, version=summary.version, count=summary.count, recent=summary.recent
    )
    if not post_selectors.existing_ids(post_ids=[post_id]):
        yield from as_steps(post_services.remove_dependents(post_ids=[post_id]))
        yield from as_steps(comment_services.remove_all_on_post(post_id=post_id))


@follow_changed.subscribe("fanout", in_request=True, longest_pause=SHORT_PAUSE)
def apply_follow(edge: FollowChanged, cursor: int) -> Iterator[Step]:
    """Drop what was made from the graph before this change."""
    return _apply_graph_change([edge.follower_id], [edge.followee_id])


@requests_accepted.subscribe("fanout", in_request=True)
def apply_accepted_requests(edges: RequestsAccepted, cursor: int) -> Iterator[Step]:
    """Drop what was made from the graph before these users followed."""
    return _apply_graph_change(edges.follower_ids, [edges.followee_id])


@mute_changed.subscribe("fanout", in_request=True)
def apply_mute(mute: MuteChanged, cursor: int) -> Iterator[Step]:
    """Drop what was made while the muter did, or did not, get the author's posts."""
    return _apply_graph_change([mute.muter_id], [mute.muted_id])


@follows_removed.subscribe("fanout", in_request=True, longest_pause=SHORT_PAUSE)
def apply_removed_follows(edges: FollowsRemoved, cursor: int) -> Iterator[Step]:
    """Drop what was made from the graph before these edges were removed."""
    return _apply_graph_change(edges.follower_ids, edges.followee_ids)


def _apply_graph_change(follower_ids: Sequence[int], followee_ids: Sequence[int]) -> Iterator[Step]:
    """Drop the followees' cached followers, then the followers' home timelines.

    The order matters, because deliveries use the cached followers. Saving the cursor in between
    advances the graph LSN. So a delivery that still saw the old followers has an earlier LSN than
    any home timeline that is built after the drop, and does not enter it.
    """
    graph_services.drop_followers(author_ids=followee_ids)
    yield Step(1, is_saved_at_once=True)
    graph_services.refresh_followed(viewer_ids=follower_ids)
    timeline_services.drop_home_timelines(user_ids=follower_ids)

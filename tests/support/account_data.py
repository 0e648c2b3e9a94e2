"""Makes and counts the data of an account and the dependents of a post, in all databases.

A count holds only kinds with at least one row. So the count of deleted data is `{}`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Q, QuerySet

from comments.models import Comment, CommentLike
from comments.services import add_comment, like_comment
from core.counters import Counter, CounterChange, replies_to
from core.http.idempotency_keys import IdempotencyKey
from core.sql import PRIMARIES
from core.valkey import cache_valkey, state_valkey
from media.models import Media
from posts.keys import liked_key
from posts.models import CommentSummary, Like, Post
from posts.services import like_post, publish_post
from posts.store import LIKED
from timeline.keys import home_key, profile_key
from usergraph.keys import followed_key, followers_key
from usergraph.models import Follow, PulledAuthor
from usergraph.services import import_follows
from usergraph.store import FOLLOWED, FRIENDLY, HIDDEN
from users.keys import sessions_key
from users.models import FormerUsername, User
from users.services import ensure_account, update_profile
from users.store import USERS


@dataclass
class AccountData:
    """The ids of the rows that were made for a user."""

    user_id: int
    post_ids: list[int] = field(default_factory=list)
    comment_ids: list[int] = field(default_factory=list)


def make_account_data(
    user_id: int, friend_id: int, upload: Callable[[int], Media], posts: int = 2
) -> AccountData:
    """Give a user posts with pictures, an avatar, an unused upload, and a mutual friend."""
    own = AccountData(user_id)
    for number in range(posts):
        media_ids = [upload(user_id).pk]
        own.post_ids.append(
            publish_post(author_id=user_id, caption=f"No. {number}", media_ids=media_ids)
        )
    update_profile(user_id=user_id, changes={"avatar": upload(user_id).pk})
    upload(user_id)
    list(import_follows(edges=[(user_id, friend_id)]))
    PulledAuthor.objects.create(author_id=user_id)
    Authenticator.objects.create(user_id=user_id, type="totp", data={})
    add_admin_log_entry(user_id)
    return own


def add_admin_log_entry(user_id: int) -> None:
    """Add an admin log entry: a member of staff has changed this account."""
    name = "keeper_of_the_log"
    staff_id, _ = ensure_account(username=name, email=f"{name}@example.org", staff=True)
    LogEntry.objects.create(
        user_id=staff_id,
        content_type=ContentType.objects.get_for_model(User),
        object_id=str(user_id),
        object_repr="the username",
        action_flag=CHANGE,
    )


def like_and_comment(speaker_id: int, about: AccountData, answers: Iterable[int] = ()) -> list[int]:
    """Like and comment on each post; answer and like `answers`. Returns the new comments' ids."""
    said = []
    for post_id in about.post_ids:
        like_post(post_id=post_id, user_id=speaker_id)
        said.append(add_comment(post_id=post_id, author_id=speaker_id, text="Lovely."))
    for comment_id in answers:
        post_id = Comment.objects.get(pk=comment_id).post_id
        said.append(
            add_comment(
                post_id=post_id, author_id=speaker_id, text="Thank you.", reply_to=comment_id
            )
        )
        like_comment(comment_id=comment_id, user_id=speaker_id)
    return said


def counted(**rows: QuerySet[Any]) -> dict[str, int]:
    counts = {name: query.count() for name, query in rows.items()}
    return {name: count for name, count in counts.items() if count}


def count_post_rows(post_id: int, comment_ids: Iterable[int] = ()) -> dict[str, int]:
    """Count the rows of a post and of all its dependents."""
    comment_ids = list(comment_ids)
    subjects = {"subject_id__in": [post_id, *comment_ids, *map(replies_to, comment_ids)]}
    return counted(
        post=Post.objects.filter(pk=post_id),
        likes=Like.objects.filter(subject_id=post_id),
        summaries=CommentSummary.objects.filter(post_id=post_id),
        comments=Comment.objects.filter(post_id=post_id),
        comment_likes=CommentLike.objects.filter(subject_id__in=comment_ids),
        media=Media.objects.filter(used_as="post", used_by_id=post_id),
        **{
            f"{model.__name__}_{database}": model.objects.using(database).filter(**subjects)
            for model in (Counter, CounterChange)
            for database in ("posts", "comments")
        },
    )


def count_account_rows(user_id: int) -> dict[str, int]:
    """Count the rows of an account and of all that it owns."""
    about = {"content_type__model": "user", "object_id": str(user_id)}
    return counted(
        account=User.objects.filter(pk=user_id),
        former_names=FormerUsername.objects.filter(user_id=user_id),
        emails=EmailAddress.objects.filter(user_id=user_id),
        factors=Authenticator.objects.filter(user_id=user_id),
        log=LogEntry.objects.filter(Q(user_id=user_id) | Q(**about)),
        follows=Follow.objects.filter(Q(follower_id=user_id) | Q(followee_id=user_id)),
        pulled=PulledAuthor.objects.filter(author_id=user_id),
        posts=Post.objects.filter(author_id=user_id),
        likes=Like.objects.filter(user_id=user_id),
        media=Media.objects.filter(owner_id=user_id),
        comments=Comment.objects.filter(author_id=user_id),
        comment_likes=CommentLike.objects.filter(user_id=user_id),
        **{
            f"keys_{database}": IdempotencyKey.objects.using(database).filter(caller_id=user_id)
            for database in PRIMARIES
        },
    )


def valkey_keys_of(user_id: int) -> list[str]:
    """The keys in CACHE and STATE that hold data of a user."""
    cache_keys = [
        home_key(user_id),
        profile_key(user_id),
        followers_key(user_id),
        followed_key(user_id),
        liked_key(user_id),
    ]
    found = [key for key in cache_keys if cache_valkey().exists(key)]
    if USERS.get([user_id]):
        found.append("user")
    if state_valkey().exists(sessions_key(user_id)):
        found.append("sessions")
    return found


def warm_cached_values(user_ids: Iterable[int]) -> None:
    """Fill CACHE with these users' likes, documents, and related people."""
    ids = list(user_ids)
    LIKED.get(ids)
    FOLLOWED.get(ids)
    HIDDEN.get(ids)
    FRIENDLY.get(ids)
    USERS.get(ids)

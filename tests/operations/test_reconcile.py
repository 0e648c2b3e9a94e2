"""The reconciler finds and repairs what has drifted, but not what is under way."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from comments.models import Comment, CommentLike
from comments.services import add_comment, like_comment
from comments.services import settle_counters as settle_comments
from core.counters import (
    Counter,
    CounterChange,
    change_counts,
    made_by,
    replies_to,
    subjects_pending,
)
from core.metrics.shared import read_stored
from core.outbox.models import OutboxEvent
from core.valkey import cache_valkey
from operations import reconcile, tasks
from operations.people import People
from operations.reconcile import Drift, Subjects, What
from posts.keys import record_key
from posts.models import CommentSummary, Like
from posts.services import like_post, publish_post
from posts.services import settle_counters as settle_posts
from tests.conftest import ALL_DATABASES
from tests.support.accounts import name_of
from tests.support.api_documents import shown_post
from tests.support.client import wait_until
from tests.support.crashes import die_after_commit
from tests.support.posts_factory import make_posts
from usergraph.services import follow_user

LIMIT = 10_000


@pytest.fixture
def seen(committed: None, person: Callable[[str], int]) -> tuple[int, int, int]:
    """A post with two likes and two comments, one of them liked; all settled. (viewer, post,
    comment)
    """
    alice, bob = person("alice"), person("bob")
    post_id = make_posts(alice, 1)[0]
    for user_id in (alice, bob):
        like_post(post_id=post_id, user_id=user_id)
    comment_id = add_comment(post_id=post_id, author_id=bob, text="Lovely.")
    add_comment(post_id=post_id, author_id=alice, text="Thanks!", reply_to=comment_id)
    like_comment(comment_id=comment_id, user_id=alice)
    while settle_posts(limit=LIMIT) or settle_comments(limit=LIMIT):
        pass
    assert shown_post(post_id, alice)["counts"] == {"likes": 2, "comments": 2}
    return alice, post_id, comment_id


def found(post_id: int, comment_id: int) -> list[Drift]:
    drifts = reconcile.find_drift(subjects=Subjects(posts=[post_id]))
    return drifts + reconcile.find_drift(subjects=Subjects(comments=[comment_id]))


def test_no_drift_is_found_where_there_is_none(seen: tuple[int, int, int]) -> None:
    assert found(*seen[1:]) == []


def miscount(database: str, subject_id: int) -> None:
    Counter.objects.using(database).filter(pk=subject_id).update(value=40)


def lose_rows(post_id: int, comment_id: int) -> None:
    """Rows that were counted vanish: by a restored backup, or by hand."""
    Like.objects.filter(subject_id=post_id).delete()
    CommentLike.objects.filter(subject_id=comment_id).delete()
    Comment.objects.filter(reply_to=comment_id).delete()


def age_summary(post_id: int) -> None:
    CommentSummary.objects.filter(post_id=post_id).update(count=7)


def lose_summary(post_id: int) -> None:
    CommentSummary.objects.filter(post_id=post_id).delete()


def age_record(post_id: int) -> None:
    value = cache_valkey().get(record_key(post_id))
    assert isinstance(value, bytes)
    old = value[:21] + value[21:].replace(b"No. 0", b"No. 9")
    assert old != value
    cache_valkey().set(record_key(post_id), old)


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda post, comment: miscount("posts", post), {What.LIKES, What.RECORD}),
        (
            lambda post, comment: miscount("comments", post),
            {What.COMMENTS, What.SUMMARY},
        ),
        (lambda post, comment: miscount("comments", comment), {What.COMMENT_LIKES}),
        (lambda post, comment: miscount("comments", replies_to(comment)), {What.REPLIES}),
        (
            lose_rows,
            {
                *(What.LIKES, What.COMMENTS, What.COMMENT_LIKES, What.REPLIES),
                *(What.SUMMARY, What.RECORD),
            },
        ),
        (lambda post, comment: age_summary(post), {What.SUMMARY, What.RECORD}),
        (lambda post, comment: lose_summary(post), {What.SUMMARY, What.RECORD}),
        (lambda post, comment: age_record(post), {What.RECORD}),
    ],
    ids=[
        *("likes", "comments", "comment likes", "replies"),
        *("lost rows", "summary", "no summary", "record"),
    ],
)
def test_whatever_drifts_is_found_and_repaired(
    seen: tuple[int, int, int], damage: Callable[[int, int], None], expected: set[What]
) -> None:
    viewer_id, post_id, comment_id = seen
    damage(post_id, comment_id)
    drifts = found(post_id, comment_id)
    assert {drift.what for drift in drifts} == expected
    for drift in drifts:
        reconcile.repair(drift=drift)
    assert found(post_id, comment_id) == []
    likes = Like.objects.filter(subject_id=post_id).count()
    comments = Comment.objects.filter(post_id=post_id).count()
    shown = shown_post(post_id, viewer_id)
    assert shown["counts"] == {"likes": likes, "comments": comments}
    assert len(shown["recent_comments"]) == comments
    assert shown["caption"] == "No. 0"


def test_a_cache_entry_of_a_later_version_than_sql_is_repaired_too(
    seen: tuple[int, int, int],
) -> None:
    """After a failover to a server that lacks the end of the log, or a restored backup."""
    viewer_id, post_id, comment_id = seen
    key = record_key(post_id)
    value = cache_valkey().get(key)
    assert isinstance(value, bytes)
    cache_valkey().set(key, b"r" + b"9" * 20 + value[21:].replace(b"No. 0", b"No. 9"))
    CommentSummary.objects.filter(post_id=post_id).update(count=7, version=2**62)
    for drift in found(post_id, comment_id):
        reconcile.repair(drift=drift)
    assert found(post_id, comment_id) == []
    assert shown_post(post_id, viewer_id)["caption"] == "No. 0"
    assert shown_post(post_id, viewer_id)["counts"]["comments"] == 2


def test_what_is_under_way_is_no_drift(
    seen: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch, person: Callable[[str], int]
) -> None:
    """The requests die after their commit; the rows that they left say so."""
    _, post_id, comment_id = seen
    carol = person("carol")
    die_after_commit(monkeypatch)
    with in_one_transaction():  # so that the stack's own workers cannot repair it yet
        like_post(post_id=post_id, user_id=carol)
        add_comment(post_id=post_id, author_id=carol, text="Me too.")
        assert found(post_id, comment_id) == []
        CounterChange.objects.using("posts").filter(subject_id=post_id).delete()
        OutboxEvent.objects.using("comments").filter(payload={"post_id": post_id}).delete()
        lost = {What.LIKES, What.SUMMARY, What.RECORD}
        assert {drift.what for drift in found(post_id, comment_id)} == lost


@contextmanager
def in_one_transaction() -> Iterator[None]:
    """Roll back at the end what is done inside, in all three databases."""
    with ExitStack() as stack:
        for database in ALL_DATABASES:
            stack.enter_context(transaction.atomic(using=database))
        yield
        for database in ALL_DATABASES:
            transaction.set_rollback(True, using=database)


def test_the_beat_repairs_what_has_changed_lately_and_exports_how_much(
    seen: tuple[int, int, int],
) -> None:
    viewer_id, post_id, _ = seen
    Counter.objects.using("posts").filter(pk=post_id).update(value=5)
    tasks.reconcile_counters()
    metrics = read_stored()
    assert metrics["socialfeed_counters_checked"] >= 2
    assert metrics["socialfeed_counters_drifted"] >= 1
    assert metrics["socialfeed_counter_drift"] >= 3
    assert metrics["socialfeed_counter_check_timestamp_seconds"] > 0
    assert shown_post(post_id, viewer_id)["counts"]["likes"] == 2

    def has_found_nothing() -> bool:
        tasks.reconcile_counters()
        return read_stored()["socialfeed_counter_drift"] == 0

    # The stack's workers may be removing what other tests have inserted uncounted.
    wait_until(has_found_nothing)


@pytest.mark.parametrize(
    ("what", "database", "is_made_by"),
    [
        (What.FOLLOWERS, "default", False),
        (What.FOLLOWING, "default", True),
        (What.POSTS, "posts", True),
    ],
)
@pytest.mark.parametrize("is_folded", [True, False])
def test_a_wrong_count_of_an_account_is_found_and_repaired(
    committed: None,
    person: Callable[[str], int],
    *,
    what: What,
    database: str,
    is_made_by: bool,
    is_folded: bool,
) -> None:
    alice, bob = person("alice"), person("bob")
    for follower_id, followee_id in ((alice, bob), (bob, alice)):
        follow_user(follower_id=follower_id, followee_id=followee_id)
    publish_post(author_id=alice, caption="One.", media_ids=[])
    accounts = Subjects(accounts=[alice, bob])
    assert reconcile.find_drift(subjects=accounts) == []
    subject_id = made_by(alice) if is_made_by else alice
    change_counts(database=database, deltas={subject_id: 3})
    if is_folded:
        wait_until(lambda: not subjects_pending(database=database, subject_ids=[subject_id]))
        recent = reconcile.subjects_lately(seconds=60, limit=LIMIT)
        assert alice in recent.accounts
    (drift,) = reconcile.find_drift(subjects=accounts)
    assert drift == Drift(what, alice, 3)
    reconcile.repair(drift=drift)
    assert reconcile.find_drift(subjects=accounts) == []


def test_a_wrong_count_of_replies_that_was_folded_lately_is_found_and_repaired(
    seen: tuple[int, int, int],
) -> None:
    alice, post_id, _ = seen
    comment_id = add_comment(post_id=post_id, author_id=alice, text="And this?")
    subject_id = replies_to(comment_id)
    change_counts(database="comments", deltas={subject_id: 3})
    wait_until(lambda: not subjects_pending(database="comments", subject_ids=[subject_id]))
    recent = reconcile.subjects_lately(seconds=60, limit=LIMIT)
    assert comment_id in recent.comments
    assert post_id in recent.posts
    assert reconcile.find_drift(subjects=Subjects(posts=[comment_id])) == []
    (drift,) = reconcile.find_drift(subjects=Subjects(comments=[comment_id]))
    assert drift == Drift(What.REPLIES, comment_id, 3)
    assert str(drift) == f"replies to comment {comment_id}: off by +3"
    reconcile.repair(drift=drift)
    assert reconcile.find_drift(subjects=Subjects(comments=[comment_id])) == []


def run(*arguments: str) -> str:
    output = io.StringIO()
    try:
        call_command("counters", *arguments, stdout=output)
    except CommandError as error:
        error.add_note(output.getvalue())
        raise
    return output.getvalue()


def test_posts_that_do_not_exist_are_named_before_anything_is_repaired(
    seen: tuple[int, int, int],
) -> None:
    _, post_id, _ = seen
    miscount("posts", post_id)
    for verb in ("verify", "reconcile"):
        with pytest.raises(CommandError, match=r"^There is no post 1, 2\.$") as refused:
            run(verb, "2", str(post_id), "1")
        assert refused.value.returncode == 1
        assert not getattr(refused.value, "__notes__", None) or refused.value.__notes__ == [""]
    assert {drift.what for drift in reconcile.find_drift(subjects=Subjects(posts=[post_id]))} == {
        What.LIKES,
        What.RECORD,
    }


def test_a_drift_is_told_with_whose_it_is_without_a_query_for_each(
    seen: tuple[int, int, int], django_assert_num_queries: Any
) -> None:
    alice, post_id, comment_id = seen
    bob = Comment.objects.get(pk=comment_id).author_id
    drifts = [
        *(Drift(What.LIKES, post_id, 3), Drift(What.RECORD, post_id, 1)),
        *(Drift(What.COMMENT_LIKES, comment_id, -1), Drift(What.POSTS, bob, 2)),
        *(Drift(What.COMMENTS, 1, 1), Drift(What.COMMENT_LIKES, 1, 1)),
        Drift(What.SHOWN, bob, 1),
    ]
    with (
        django_assert_num_queries(1, using="posts"),
        django_assert_num_queries(1, using="comments"),
    ):
        owners = reconcile.owners(drifts=drifts)
    assert [owners.get(drift) for drift in drifts] == [alice, alice, bob, bob, None, None, bob]
    assert reconcile.owners(drifts=[]) == {}
    with django_assert_num_queries(1):
        people = People(owners.values())
    assert people.document(alice) == {"id": str(alice), "username": name_of(alice)}
    assert people.name(1) == "gone"
    assert people.document(1) == {"id": "1", "username": None}
    with django_assert_num_queries(0):
        People([])


def test_the_command_prints_one_json_document(seen: tuple[int, int, int]) -> None:
    alice, post_id, _ = seen
    sound = {"checked": 1, "drifted": 0, "off_by": 0, "drifts": [], "complete": True}
    assert json.loads(run("verify", "--json", str(post_id))) == sound
    miscount("posts", post_id)
    drift = {
        "subject": {"type": "post", "id": str(post_id)},
        "user": {"id": str(alice), "username": name_of(alice)},
    }
    for verb, repaired in (("verify", False), ("reconcile", True)):
        output = io.StringIO()
        with suppress(CommandError):
            call_command("counters", verb, "--json", str(post_id), stdout=output)
        assert json.loads(output.getvalue()) == {
            "checked": 1,
            "drifted": 2,
            "off_by": 38,
            "drifts": [
                {**drift, "what": "likes", "off_by": 38, "repaired": repaired},
                {**drift, "what": "record", "off_by": None, "repaired": repaired},
            ],
            "complete": True,
        }
    assert json.loads(run("verify", "--json", str(post_id))) == sound


def test_a_document_says_when_something_has_stopped_the_command(
    seen: tuple[int, int, int], closed_cache: None
) -> None:
    output = io.StringIO()
    with pytest.raises(CommandError, match="CACHE_URL"):
        call_command("counters", "verify", "--json", str(seen[1]), stdout=output)
    document = json.loads(output.getvalue())
    assert (document["checked"], document["complete"]) == (0, False)


def test_the_command_verifies_and_reconciles(seen: tuple[int, int, int]) -> None:
    alice, post_id, _ = seen
    assert (
        run("verify", str(post_id))
        == "checked 1 posts, comments and accounts: 0 drifted, off by 0\n"
    )
    Counter.objects.using("posts").filter(pk=post_id).update(value=5)
    output = io.StringIO()
    with pytest.raises(
        CommandError, match=r"2 drifted\. To repair them: manage.py counters reconc"
    ):
        call_command("counters", "verify", str(post_id), stdout=output)
    author = f"by @{name_of(alice)}"
    assert f"likes of post {post_id} ({author}): off by +3\n" in output.getvalue()
    printed = run("reconcile", str(post_id))
    assert f"likes of post {post_id} ({author}): off by +3; repaired\n" in printed
    assert printed.endswith("checked 1 posts, comments and accounts: 2 drifted, off by 3\n")

    def is_repaired(which: list[str]) -> bool:
        run("reconcile", *which)  # repairs what other tests have left, and are leaving
        try:
            return "0 drifted, off by 0" in run("verify", *which)
        except CommandError:
            return False

    assert "0 drifted, off by 0" in run("verify", str(post_id))
    for which in (["--minutes", "5"], ["--all"]):
        wait_until(lambda which=which: is_repaired(which))  # type: ignore[misc]


@pytest.mark.parametrize("arguments", [["verify", "0"], ["verify", "--minutes", "0"], ["fix"], []])
def test_the_command_refuses_what_it_does_not_understand(arguments: list[Any]) -> None:
    with pytest.raises(CommandError):
        run(*arguments)


def test_the_command_says_what_to_do_when_the_cache_is_down(
    seen: tuple[int, int, int], closed_cache: None
) -> None:
    with pytest.raises(CommandError, match="CACHE_URL"):
        run("verify", str(seen[1]))

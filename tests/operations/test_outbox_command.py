"""`manage.py outbox`, for people, scripts and autoscalers."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now

from core.outbox import rows
from core.outbox.models import OutboxEvent
from core.outbox.subscriptions import event_names
from core.sql import PRIMARIES
from operations.management.commands import outbox as command


def run(*args: str) -> list[str]:
    out = StringIO()
    call_command("outbox", *args, stdout=out)
    return out.getvalue().splitlines()


@pytest.fixture
def waiting(db: None) -> None:
    """A post has waited for a minute, and nothing else is pending; rolled back after the test."""
    for database in PRIMARIES:
        OutboxEvent.objects.using(database).filter(done_at=None).update(done_at=Now())
    kind, minute = "post_published", timedelta(minutes=1)
    event_id = rows.record(
        database="posts", kind=kind, subscriber="fanout", payload={"post_id": 1, "author_id": 1}
    )
    OutboxEvent.objects.using("posts").filter(pk=event_id).update(
        created_at=Now() - minute, wake_at=Now() - minute
    )


@pytest.mark.django_db
@pytest.mark.usefixtures("waiting")
def test_it_says_what_is_pending_and_for_how_long() -> None:
    *pending, oldest = run()
    assert pending == [
        "default: 0 pending, 0 overdue",
        "posts: 1 pending (1 post_published), 1 overdue",
        "comments: 0 pending, 0 overdue",
    ]
    text, seconds, unit = oldest.rsplit(" ", 2)
    assert (text, unit) == ("oldest undelivered post:", "s")
    assert 60 <= float(seconds) < 90  # the command takes a moment, too


@pytest.mark.django_db
@pytest.mark.usefixtures("waiting")
def test_it_prints_one_json_document() -> None:
    out = StringIO()
    with pytest.raises(CommandError, match="waited for"):
        call_command("outbox", "--json", "--max-age", "59.5", stdout=out)
    document = json.loads(out.getvalue())
    assert list(document["databases"]) == [*PRIMARIES]
    nothing = dict.fromkeys(event_names(), 0)
    posts = {"pending": 1, "by_kind": nothing | {"post_published": 1}, "overdue": 1}
    assert document["databases"]["posts"] == posts
    assert document["databases"]["comments"] == {"pending": 0, "by_kind": nothing, "overdue": 0}
    assert 60 <= document["oldest_post_age_seconds"] < 90
    OutboxEvent.objects.using("posts").filter(done_at=None).update(done_at=Now())
    assert json.loads("\n".join(run("--json")))["oldest_post_age_seconds"] is None


@pytest.mark.django_db
@pytest.mark.usefixtures("waiting")
def test_its_exit_status_says_whether_a_post_waits_for_too_long() -> None:
    assert run("--max-age", "600")
    with pytest.raises(CommandError, match=r"waited for \d\d\.\d s, more than 59.5 s") as refused:
        run("--max-age", "59.5")
    assert refused.value.returncode == 1
    OutboxEvent.objects.using("posts").filter(done_at=None).update(done_at=Now())
    assert run("--max-age", "0")[-1] == "oldest undelivered post: none"


def test_ctrl_c_ends_it_with_the_status_that_a_shell_expects(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*, kind: str) -> float:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "oldest_age", interrupted)
    with pytest.raises(CommandError, match="Interrupted") as ended:
        run()
    assert ended.value.returncode == 130


@pytest.mark.parametrize("value", ["-1", "soon", "nan"])
def test_an_age_is_a_number_of_seconds(value: str) -> None:
    with pytest.raises(CommandError, match="--max-age"):
        run("--max-age", value)

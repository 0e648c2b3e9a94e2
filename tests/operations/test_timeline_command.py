"""`manage.py timeline`."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from django.test import override_settings

from core.commands import INTERRUPTED
from core.valkey import cache_valkey
from devstack.layout import HOST, PROJECT_DIR
from tests.support.accounts import name_of
from tests.support.client import wait_until
from tests.support.drift import change_header, put, refs_of, warm
from tests.support.posts_factory import make_posts
from timeline import audit, inventory, store
from timeline.entries import Timeline, home_timeline, profile_timeline
from timeline.pages import home_page
from timeline.store import Viewing
from usergraph.services import import_follows

INTERRUPTED_COMMAND = "interrupted-command"  # the name of its session in PostgreSQL
KEEP = "post-deleted:v1:{1}"  # another key of CACHE


@pytest.fixture(autouse=True)
def one_other_key(django_db_setup: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """CACHE holds nothing of other tests, and one key that is no timeline."""
    monkeypatch.setattr(audit, "SECOND_CHECK_AFTER", 0.001)
    cache_valkey().flushall()
    cache_valkey().set(KEEP, "1", ex=300)
    yield
    assert cache_valkey().exists(KEEP), "no verb touches another key"
    cache_valkey().flushall()


@pytest.fixture
def timelines(alice: int, bob: int) -> list[Timeline]:
    """Warm: alice's home timeline (3 posts of hers, 3 of bob's, whom she follows); his profile."""
    list(import_follows(edges=[(alice, bob)]))
    make_posts(alice, 3)
    make_posts(bob, 3)
    both = [home_timeline(user_id=alice), profile_timeline(user_id=bob)]
    for timeline in both:
        warm(timeline)
    return both


def run(*arguments: str) -> str:
    output = io.StringIO()
    call_command("timeline", *arguments, stdout=output)
    return output.getvalue()


def refused(*arguments: str) -> tuple[CommandError, str]:
    """The error that a call ends with, and what it printed before."""
    output = io.StringIO()
    with pytest.raises(CommandError) as error:
        call_command("timeline", *arguments, stdout=output)
    return error.value, output.getvalue()


def everything() -> dict[bytes, Any]:
    """All timelines in Valkey, to the byte."""
    client = cache_valkey()
    keys = [timeline.key for batch in inventory.warm_timelines() for timeline in batch]
    return {key.encode(): client.dump(key) for key in keys}


# --- show ---------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_show_decodes_a_warm_timeline_newest_first(alice: int) -> None:
    old, new = make_posts(alice, 2)
    for timeline in (home_timeline(user_id=alice), profile_timeline(user_id=alice)):
        warm(timeline)
    for options in ([], ["--profile"]):
        lines = run("show", name_of(alice), *options).splitlines()
        assert "2 entries, complete, for 14.0 days" in lines[0]
        assert [line.split()[:3] for line in lines[2:4]] == [
            [str(new), str(alice), f"@{name_of(alice)}"],
            [str(old), str(alice), f"@{name_of(alice)}"],
        ]
        assert lines[-1] == "(end)"
    assert run("show", name_of(alice), "--limit", "1").splitlines()[-1] == "(more)"


@pytest.mark.django_db
def test_show_does_not_count_as_a_read(timelines: list[Timeline], alice: int) -> None:
    cache_valkey().expire(timelines[0].key, 60)
    assert "for 0.0 days" in run("show", name_of(alice))
    assert cache_valkey().ttl(timelines[0].key) <= 60


@pytest.mark.django_db
def test_show_calls_a_cold_timeline_cold_and_one_being_built_so(alice: int) -> None:
    assert "is cold" in run("show", name_of(alice))
    assert "is cold" in run("show", name_of(alice))
    assert store.begin_build(key=home_timeline(user_id=alice).key, graph_lsn=0)
    assert "being built" in run("show", name_of(alice))


@pytest.mark.django_db
def test_show_names_each_author_without_a_query_for_each(
    timelines: list[Timeline], alice: int, bob: int, django_assert_num_queries: Any
) -> None:
    gone = 10**15
    refs = [*refs_of(timelines[0]), (1, gone)]
    put(timelines[0], refs)
    change_header(timelines[0], Viewing(graph_lsn=1, pulled=(bob, gone)))
    owner = f"@{name_of(alice).upper()}"
    with django_assert_num_queries(2):  # whose it is, and all names
        lines = run("show", owner).splitlines()
    assert lines[1] == (
        f"each read pulls the posts of these authors: {bob} (@{name_of(bob)}), {gone} (gone)"
    )
    names = [f"@{name_of(author_id)}" for _, author_id in refs[:-1]]
    assert [line.split()[2] for line in lines[3:-1]] == [*names, "gone"]
    assert len({len(line) for line in lines[3:-1]}) == 1, "a table"


# --- verify -------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_verify_finds_no_drift_in_sound_timelines(timelines: list[Timeline], alice: int) -> None:
    sound = "checked 2 timelines, 9 entries: drift ratio 0.000000\n"
    for arguments in ([], ["--sample", "9"], ["--repair"], ["--grace", "0", "--dry-run"]):
        assert run("verify", *arguments) == sound
    assert run("verify", "--sample", "1").startswith("checked 1 timelines")
    assert run("verify", name_of(alice)) == sound.replace("2", "1").replace("9", "6")


@pytest.mark.django_db
def test_verify_names_what_has_drifted_and_repairs_it_only_when_asked(
    timelines: list[Timeline], alice: int
) -> None:
    refs = refs_of(timelines[0])
    put(timelines[0], [refs[1], refs[0], refs[2], refs[5]])
    before = everything()
    for arguments in (["--grace", "0"], ["--grace", "0", "--repair", "--dry-run"]):
        error, printed = refused("verify", *arguments)
        assert printed.splitlines() == [
            f"home of {name_of(alice)}: 2 missing, 0 extra, 1 misplaced, 0 authors not pulled, "
            "0 pulled but not followed",
            "checked 2 timelines, 9 entries: drift ratio 0.333333",
        ]
        assert error.returncode == 1
        assert "1 timelines have drifted" in str(error)
        assert everything() == before
    assert "pulled but not followed; repaired" in run("verify", "--grace", "0", "--repair")
    assert refs_of(timelines[0]) == refs
    assert "drift ratio 0.000000" in run("verify", "--grace", "0")


# --- rebuild, clear, stats ------------------------------------------------------------------------


@pytest.mark.django_db
def test_rebuild_is_of_one_users_timelines_or_of_all_warm_ones(
    timelines: list[Timeline], alice: int
) -> None:
    sound = [refs_of(timeline) for timeline in timelines]

    def damage() -> None:
        for timeline in timelines:
            put(timeline, sound[0][:1])

    damage()
    spoilt = everything()
    assert run("rebuild", "--all", "--dry-run") == "would rebuild 2 timelines\n"
    assert everything() == spoilt
    assert run("rebuild", "--all") == "rebuilt 2 timelines\n"
    assert [refs_of(timeline) for timeline in timelines] == sound
    damage()
    assert run("rebuild", name_of(alice)) == "rebuilt 2 timelines\n"
    assert refs_of(timelines[0]) == sound[0]
    assert refs_of(timelines[1]) == sound[0][:1], "bob's is as it was"
    assert len(refs_of(profile_timeline(user_id=alice))) == 3


@pytest.mark.django_db
def test_clear_drops_all_timelines_and_nothing_else(timelines: list[Timeline]) -> None:
    homes = [home_timeline(user_id=10**12 + number) for number in range(150)]
    for timeline in homes:
        assert store.begin_build(key=timeline.key, graph_lsn=0)
    before = everything()
    assert run("clear", "--dry-run") == "would drop 152 timelines\n"
    assert everything() == before
    assert run("clear") == "dropped 152 timelines\n"
    assert everything() == {}
    assert run("clear") == "dropped 0 timelines\n"


@pytest.mark.django_db
def test_stats_count_timelines_entries_and_bytes_by_kind(timelines: list[Timeline]) -> None:
    rows = [line.split() for line in run("stats").splitlines()[1:]]
    used = [cache_valkey().memory_usage(timeline.key, samples=0) or 0 for timeline in timelines]
    assert rows == [
        ["home", "1", "6", str(used[0])],
        ["profile", "1", "3", str(used[1])],
        ["all", "2", "9", str(sum(used))],
    ]
    rows = [line.split() for line in run("stats", "--dry-run").splitlines()[1:]]
    assert rows == [["home", "1"], ["profile", "1"], ["all", "2"]]


# --- what can go wrong ----------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("verb", ["show", "verify", "rebuild"])
def test_an_unknown_user_is_named(verb: str) -> None:
    error, _ = refused(verb, "nobody_here")
    assert "no user nobody_here" in str(error)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rebuild"], "one of the arguments username --all is required"),
        (["rebuild", "ada", "--all"], "not allowed with"),
        (["verify", "ada", "--sample", "3"], "not allowed with"),
        (["verify", "--sample", "0"], "must be 1 to 1000000000, not 0"),
        (["verify", "--sample", "few"], "invalid number value: 'few'"),
        (["verify", "--grace", "-1"], "must be 0 to 1000000000, not -1"),
        (["verify", "--grace", "nan"], "must be 0 to 1000000000, not nan"),
        (["verify", "--grace", "inf"], "must be 0 to 1000000000, not inf"),
        (["show", "ada", "--limit", "-1"], "must be 0 to 1000000000, not -1"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments: list[str], said: str) -> None:
    error, _ = refused(*arguments)
    assert said in str(error)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "arguments",
    [["verify"], ["verify", "--sample", "3"], ["rebuild", "--all"], ["clear"], ["stats"]],
    ids=" ".join,
)
def test_a_cache_that_is_down_is_named_with_what_to_do(arguments: list[str], settings: Any) -> None:
    closed = {**settings.CACHES["cache"], "LOCATION": f"redis://{HOST}:9/0"}
    with override_settings(CACHES={**settings.CACHES, "cache": closed}):
        error, _ = refused(*arguments)
    assert "CACHE, the Valkey of timelines and records, does not answer" in str(error)
    assert "CACHE_URL" in str(error)


class PressesCtrlC(io.StringIO):
    """A terminal at which somebody presses Ctrl-C when the first drifted timeline is shown."""

    def write(self, text: str) -> int:
        written = super().write(text)
        if "missing" in text and self.getvalue().count("missing") == 1:
            signal.raise_signal(signal.SIGINT)
        return written


@pytest.mark.django_db
def test_ctrl_c_ends_between_two_timelines_and_says_what_was_done(
    timelines: list[Timeline],
) -> None:
    sound = [refs_of(timeline) for timeline in timelines]
    for timeline, refs in zip(timelines, sound, strict=True):
        put(timeline, refs[1:])
    output = PressesCtrlC()
    with pytest.raises(CommandError, match="Interrupted") as error:
        call_command("timeline", "verify", "--grace", "0", "--repair", stdout=output)
    assert error.value.returncode == INTERRUPTED
    assert output.getvalue().count("repaired") == 1
    # SCAN finds the home timelines first; each kind is a batch of its own.
    assert output.getvalue().splitlines()[-1].startswith("checked 1 timelines, 6 entries")
    assert refs_of(timelines[0]) == sound[0]
    assert refs_of(timelines[1]) == sound[1][1:]


def test_ctrl_c_leaves_readers_with_the_right_page_and_the_shell_with_130(
    committed: None, person: Callable[[str], int]
) -> None:
    """Interrupted in the middle of a build: it waits for a table that is locked."""
    ada = person("ada")
    posts = make_posts(ada, 3)
    home = home_timeline(user_id=ada)
    warm(home)
    with transaction.atomic(using="posts"), connections["posts"].cursor() as cursor:
        cursor.execute("LOCK TABLE posts_post IN ACCESS EXCLUSIVE MODE")
        process = subprocess.Popen(
            [sys.executable, "manage.py", "timeline", "rebuild", "--all"],
            cwd=PROJECT_DIR,
            env=dict(os.environ, PGAPPNAME=INTERRUPTED_COMMAND),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_until(_it_waits_for_posts)
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == INTERRUPTED
    assert out == "rebuilt 0 timelines\n"
    assert "Interrupted." in err
    assert "Traceback" not in err
    page = home_page(viewer_id=home.user_id, limit=9)
    assert list(page.documents) == posts[::-1]


def _it_waits_for_posts() -> bool:
    """Whether the command waits: the stack's own workers may wait for the same lock."""
    with connections["posts"].cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # else it sees its first again
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity "
            "WHERE application_name = %s AND wait_event_type = 'Lock')",
            [INTERRUPTED_COMMAND],
        )
        return bool(cursor.fetchone()[0])

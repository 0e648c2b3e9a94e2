"""`manage.py loadtest`, on the suite's stack, whose own metrics say what has reached it."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import httpx
import orjson
import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from limits import RateLimitItem
from prometheus_client.parser import text_string_to_metric_families

from core.commands import INTERRUPTED
from devstack.layout import PROJECT_DIR
from devstack.lifecycle import Stack
from operations.loadtest.chance import Popularity, Turns
from operations.loadtest.plan import KINDS, NEXT_PROFILE_TIMELINE
from operations.loadtest.world import LOCK, PREFIX
from tests.support.client import wait_until
from tests.support.limits import limited
from users.selectors import imported_accounts
from users.sessions import list_sessions

__all__ = ["limited"]

APIS = ("read-api-1", "read-api-2", "write-api-1", "write-api-2")
# The command itself asks for this one, before the run.
OWN_PROFILE = "api/v1/users/me"


def requests_answered(stack: Stack) -> int:
    """How many requests for the API, and for tokens, all instances have answered."""
    samples = [
        sample
        for name in APIS
        for family in text_string_to_metric_families(
            httpx.get(f"{stack.status(name)[0].url}/metrics").text
        )
        for sample in family.samples
        if sample.name == "socialfeed_requests_total"
    ]
    return sum(
        round(sample.value)
        for sample in samples
        if sample.labels["route"].startswith(("api/v1/", "_allauth/"))
        and sample.labels["route"] != OWN_PROFILE
    )


def people() -> dict[str, int]:
    return imported_accounts(prefix=PREFIX)


@pytest.fixture
def run(
    stack: Stack, committed: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """A function that runs the command; returns what it prints."""

    def run_command(*arguments: str) -> str:
        call_command("loadtest", "--html", str(tmp_path / "report.html"), *arguments)
        return capsys.readouterr().out

    return run_command


def test_people_do_everything_and_are_removed(
    stack: Stack,
    run: Callable[..., str],
    settings: Any,
    tmp_path: Path,
    measured: Callable[[str], None],
) -> None:
    # So that they must be replaced. Tokens count whole seconds, so one of 10 may live for 9 only.
    settings.HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN = 10
    before = requests_answered(stack)
    crowd = ["--people", "12", "--posts", "25"]
    pace = ["--seconds", "7", "--think", "0.05", "--reads-per-write", "1.5"]
    output = run(*crowd, *pace, "--json", str(tmp_path / "figures.json"))
    figures = orjson.loads((tmp_path / "figures.json").read_bytes())
    by_kind = {one["kind"]: one for one in figures["kinds"]}
    # Few authors of so few posts have a second page of them.
    assert set(by_kind) | {NEXT_PROFILE_TIMELINE} == set(KINDS)
    assert figures["failures"] == []
    assert figures["complete"]
    assert figures["not_modified"] > 5
    assert figures["reads"] / figures["writes"] == pytest.approx(1.5, rel=0.1)
    assert figures["total"]["count"] == sum(one["count"] for one in by_kind.values())
    assert figures["total"]["count"] == requests_answered(stack) - before
    assert all(0 < one["p50"] <= one["p95"] <= one["p99"] for one in by_kind.values())
    lines = output.splitlines()
    for kind in (*by_kind, "all"):
        assert any(line.startswith(f"{kind:<20}") for line in lines), output
    assert "failed: none" in lines
    assert "<title>Locust" in (tmp_path / "report.html").read_text()
    assert people() == {}
    measured(f"{figures['total']['count']} requests in {figures['seconds']:.1f} s")


def test_a_failed_request_is_exit_status_1_and_kept_people_are_used_again(
    stack: Stack, run: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The Read API refuses all writes."""
    origin = str(stack.status("read-api-1")[0].url)
    crowd = ["--people", "2", "--posts", "2", "--seconds", "1", "--think", "0.1"]
    with pytest.raises(CommandError, match="Something has failed") as error:
        run(*crowd, "--origin", origin, "--reads-per-write", "1", "--keep")
    assert error.value.returncode == 1
    output = capsys.readouterr().out
    assert "405 Method Not Allowed" in output
    kept = people()
    assert len(kept) == 2
    assert [list_sessions(user_id=user_id) for user_id in kept.values()] == [[], []]
    assert "kept 2 people" in output
    again = run(*crowd, "--reads-per-write", "1e9")
    assert "failed: none" in again
    assert people() == {}


def test_ctrl_c_prints_the_table_and_removes_the_people(
    stack: Stack, committed: None, tmp_path: Path
) -> None:
    before = requests_answered(stack)
    command = [sys.executable, "manage.py", "loadtest", "--people", "2", "--posts", "1"]
    with subprocess.Popen(
        [*command, "--html", str(tmp_path / "report.html")],
        cwd=PROJECT_DIR,
        env=os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_until(lambda: requests_answered(stack) > before)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    assert process.returncode == INTERRUPTED, errors
    assert "home " in output
    assert "failed: none" in output
    assert "Interrupted: the figures" in errors
    assert people() == {}
    assert (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--people", "1"], "must be 2 to 1000, not 1"),
        (["--seconds", "0"], "must be 1 to"),
        (["--think", "0"], "must be 0.01 to 3600, not 0"),
        (["--exponent", "-1"], "must be 0 to 4, not -1"),
        (["--origin", "127.0.0.1:8800"], "must be like http://127.0.0.1:8800"),
        (["--origin", "http://127.0.0.1:9"], "Nothing answers at http://127.0.0.1:9"),
        (["--html", "/proc/report.html"], "Cannot write /proc/report.html"),
    ],
)
def test_what_cannot_work_is_refused_before_anybody_is_made(
    run: Callable[..., str], arguments: list[str], message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        run(*arguments)
    assert people() == {}


def test_another_service_at_the_origin_is_noticed(stack: Stack, run: Callable[..., str]) -> None:
    with pytest.raises(CommandError, match="instead of 401"):
        run("--origin", stack.layout.media_origin)


def test_only_a_local_stack_is_loaded_without_being_told_so(
    run: Callable[..., str], settings: Any
) -> None:
    settings.LOCAL = False
    with pytest.raises(CommandError, match="not a local stack"):
        run()


def test_without_locust_it_says_how_to_install_it(
    run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "operations.management.commands.loadtest.find_spec"
    monkeypatch.setattr(module, lambda name: None)
    with pytest.raises(CommandError, match="make setup"):
        run()


@pytest.mark.parametrize(
    ("name", "limit"), [("ip", "60/minute"), ("read", "60/minute"), ("write", "1/hour")]
)
def test_a_load_that_a_rate_limit_would_stop_is_refused(
    run: Callable[..., str], limited: Callable[[str, str], RateLimitItem], name: str, limit: str
) -> None:
    limited(name, limit)
    with pytest.raises(CommandError, match=f"RATE_LIMIT_{name.upper()}"):
        run("--people", "2", "--think", "1", "--reads-per-write", "100")


def test_two_load_tests_do_not_share_people(run: Callable[..., str]) -> None:
    connections["default"].ensure_connection()
    other = connections["default"].copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
    try:
        with pytest.raises(CommandError, match="Another load test"):
            run()
    finally:
        other.close()


def test_popularity_follows_zipfs_law() -> None:
    random, letters = Random(1), Popularity(list("abcd"), exponent=1)
    drawn = Counter(letters.one(random) for _ in range(10_000))
    weights = {"a": 12, "b": 6, "c": 4, "d": 3}
    for letter, weight in weights.items():
        assert drawn[letter] / 10_000 == pytest.approx(weight / 25, abs=0.02)
    first = Counter(letters.several(random, 2)[0] for _ in range(10_000))
    assert first["a"] / 10_000 == pytest.approx(12 / 25, abs=0.02)
    assert sorted(letters.several(random, 9)) == list("abcd")


@pytest.mark.parametrize("reads_per_write", [0, 0.5, 1, 100])
def test_one_request_of_so_many_is_a_write(reads_per_write: float) -> None:
    turns = Turns(reads_per_write=reads_per_write, random=Random(1))
    writes = sum(turns.is_write() for _ in range(10_100))
    assert writes == pytest.approx(10_100 / (1 + reads_per_write), abs=1)

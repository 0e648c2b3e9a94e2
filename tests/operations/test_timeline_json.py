"""`manage.py timeline VERB --json`."""

import json
import signal
from typing import Any

import pytest

from core.commands import INTERRUPTED
from core.ids import created_at_of
from tests.operations.test_timeline_command import (
    one_other_key,
    refused,
    run,
    timelines,
)
from tests.support.accounts import name_of
from tests.support.drift import change_header, put, refs_of
from timeline import services
from timeline.entries import Timeline, profile_timeline
from timeline.store import Viewing

__all__ = ["one_other_key", "timelines"]
pytestmark = pytest.mark.django_db


def user(user_id: int) -> dict[str, str]:
    return {"id": str(user_id), "username": name_of(user_id)}


def test_show_as_json(timelines: list[Timeline], alice: int, bob: int) -> None:
    shown = json.loads(run("show", name_of(alice), "--limit", "4", "--json"))
    refs = refs_of(timelines[0])[:4]
    assert shown.pop("expires_in_seconds") == pytest.approx(14 * 24 * 3600, abs=60)
    assert shown.pop("posts") == [
        {
            "id": str(post_id),
            "author": user(author_id),
            "published_at": f"{created_at_of(post_id):%FT%T.%f}Z".replace(".000000Z", "Z"),
        }
        for post_id, author_id in refs
    ]
    assert shown == {
        "timeline": "home",
        "user": user(alice),
        "key": timelines[0].key,
        "state": "complete",
        "entries": 6,
        "pulled_authors": [],
        "is_all": False,
    }
    change_header(timelines[0], Viewing(graph_lsn=1, pulled=(bob,)))
    assert json.loads(run("show", name_of(alice), "--json"))["pulled_authors"] == [user(bob)]
    assert json.loads(run("show", name_of(bob), "--profile", "--json"))["is_all"]


def test_show_of_a_cold_timeline_as_json(alice: int) -> None:
    assert json.loads(run("show", name_of(alice), "--profile", "--json")) == {
        "timeline": "profile",
        "user": user(alice),
        "key": profile_timeline(user_id=alice).key,
        "state": "cold",
        "entries": 0,
        "expires_in_seconds": None,
        "pulled_authors": [],
        "posts": [],
        "is_all": False,
    }


def test_explain_as_json(timelines: list[Timeline], alice: int) -> None:
    post_id = refs_of(timelines[0])[0][0]
    explained = json.loads(run("explain", name_of(alice), str(post_id), "--json"))
    gates = explained.pop("gates")
    assert [gate["name"] for gate in gates][:3] == ["post", "author", "follow"]
    assert {*gates[0]} == {"name", "state", "facts"}
    assert gates[0]["state"] == "passed"
    assert explained == {
        "user": user(alice),
        "post_id": str(post_id),
        "expected": True,
        "shown": True,
        "verdict": f"@{name_of(alice)} sees post {post_id}, and should.",
        "cure": "",
    }


def test_verify_as_json(timelines: list[Timeline], alice: int) -> None:
    sound = {"timelines": 2, "entries": 9, "wrong": 0, "drift_ratio": 0.0, "drifted": []}
    assert json.loads(run("verify", "--json")) == {**sound, "complete": True}
    refs = refs_of(timelines[0])
    put(timelines[0], [refs[1], refs[0], refs[2], refs[5]])
    drift = {"missing": 2, "extra": 0, "misplaced": 1, "repaired": False}
    drift |= {"authors_not_pulled": 0, "pulled_not_followed": 0}
    error, printed = refused("verify", "--grace", "0", "--json")
    assert error.returncode == 1
    assert json.loads(printed)["drifted"] == [{"timeline": "home", "user": user(alice), **drift}]
    repaired = json.loads(run("verify", "--grace", "0", "--json", "--repair"))
    assert repaired["wrong"] == 3
    assert [drift["repaired"] for drift in repaired["drifted"]] == [True]


def test_rebuild_clear_and_stats_as_json(timelines: list[Timeline]) -> None:
    def result(*arguments: str) -> Any:
        return json.loads(run(*arguments, "--json"))

    sizes = result("stats")
    assert sizes.pop("complete")
    assert {name: size["entries"] for name, size in sizes.items()} == {
        "home": 6,
        "profile": 3,
        "all": 9,
    }
    assert sizes["all"]["bytes"] == sizes["home"]["bytes"] + sizes["profile"]["bytes"] > 0
    counted = result("stats", "--dry-run")
    assert counted["all"] == {"timelines": 2, "entries": None, "bytes": None}
    for dry_run in (True, False):
        option = ["--dry-run"] if dry_run else []
        assert result("rebuild", "--all", *option) == {
            "rebuilt": 2,
            "dry_run": dry_run,
            "complete": True,
        }
        assert result("clear", *option) == {"dropped": 2, "dry_run": dry_run, "complete": True}


def test_ctrl_c_leaves_one_json_document_that_says_so(
    timelines: list[Timeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(timelines[0], refs_of(timelines[0])[1:])

    def interrupted(**arguments: Any) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(services, "rebuild", interrupted)
    error, printed = refused("verify", "--grace", "0", "--repair", "--json")
    assert error.returncode == INTERRUPTED
    document = json.loads(printed)
    assert (document["complete"], document["drifted"]) == (False, [])

"""`manage.py timeline`."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from tests.posts_factory import make_posts
from timeline.slices import home_timeline, profile_timeline, timeline_slice
from users.models import User

pytestmark = pytest.mark.django_db


def show(user_id: int, *options: str) -> str:
    output = io.StringIO()
    username = User.objects.get(pk=user_id).username
    call_command("timeline", "show", username, *options, stdout=output)
    return output.getvalue()


def test_a_warm_timeline_is_shown_decoded_newest_first(alice: int) -> None:
    old, new = make_posts(alice, 2)
    for timeline in (home_timeline(user_id=alice), profile_timeline(user_id=alice)):
        timeline_slice(timeline=timeline, before=None, limit=1)
    for options in ([], ["--profile"]):
        lines = show(alice, *options).splitlines()
        assert [line.split()[:2] for line in lines[2:4]] == [
            [str(new), str(alice)],
            [str(old), str(alice)],
        ]
        assert lines[-1] == "(end)"
    assert show(alice, "--limit", "1").splitlines()[-1] == "(more)"


def test_a_cold_timeline_is_called_cold_and_stays_so(alice: int) -> None:
    assert "is cold" in show(alice)
    assert "is cold" in show(alice)


def test_an_unknown_user_is_named() -> None:
    with pytest.raises(CommandError, match="no user nobody_here"):
        call_command("timeline", "show", "nobody_here")

"""`manage.py media usage`: who uploads most today."""

import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from media.models import MediaUsage
from media.usage import add_cpu_time, reserve_bytes
from tests.support.accounts import name_of

pytestmark = pytest.mark.django_db


def told(*arguments: str) -> str:
    output = StringIO()
    call_command("media", "usage", *arguments, stdout=output)
    return output.getvalue()


@pytest.fixture
def three(person: Callable[[str], int], settings: Any) -> list[int]:
    """The first has sent half of its bytes, the second took a tenth of its time, the third none."""
    settings.MEDIA_DAILY_BYTES, settings.MEDIA_DAILY_CPU_SECONDS = 200_000_000, 100
    first, second, third = (person(name) for name in ("first", "second", "third"))
    reserve_bytes(owner_id=first, byte_size=100_000_000)
    add_cpu_time(owner_id=second, seconds=10)
    MediaUsage.objects.exclude(owner_id__in=[first, second]).delete()
    return [first, second, third]


def test_the_largest_share_of_any_quota_comes_first(three: list[int]) -> None:
    first, second, _ = three
    assert told().splitlines() == [
        f"@{name_of(first)} ({first}): 100.0 of 200.0 MB, 0.0 of 100.0 s of CPU time",
        f"@{name_of(second)} ({second}): 0.0 of 200.0 MB, 10.0 of 100.0 s of CPU time",
    ]
    assert len(told("--limit", "1").splitlines()) == 1
    add_cpu_time(owner_id=second, seconds=41)
    assert told().splitlines()[0].startswith(f"@{name_of(second)}")


def test_one_account_is_told_also_if_it_has_used_nothing(three: list[int]) -> None:
    third = three[2]
    (line,) = told(name_of(third)).splitlines()
    assert line.endswith(": 0.0 of 200.0 MB, 0.0 of 100.0 s of CPU time")
    with pytest.raises(CommandError, match="no user nobody_at_all"):
        told("nobody_at_all")


def test_as_json_it_is_what_the_owner_sees(three: list[int], api: Callable[[int], Any]) -> None:
    first = three[0]
    (account, _) = json.loads(told("--json"))["accounts"]
    seen = api(first).get("/api/v1/users/me/usage").json()
    assert account == {"id": str(first), "username": name_of(first), **seen}


def test_without_limits_and_without_uploads(three: list[int], settings: Any) -> None:
    settings.MEDIA_DAILY_BYTES = settings.MEDIA_DAILY_CPU_SECONDS = 0
    assert told(name_of(three[0])).endswith(": 100.0 MB, 0.0 s of CPU time\n")
    MediaUsage.objects.all().delete()
    assert told() == "Nobody has uploaded anything today.\n"

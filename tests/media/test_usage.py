"""Quotas of a day: bytes of uploads and CPU time of decoders."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connections

from core.http.problems import Overloaded, Problem, TooLarge, TooManyRequests
from media import services, usage
from media.models import MediaUsage
from media.services import store_image
from tests.media.sending import PICTURE, Api, announce, complete, process, row, sent
from tests.support.direct_uploads import send_form
from tests.support.images import encoded, plain

URL = "/api/v1/users/me/usage"
NOW = datetime(2026, 3, 1, 23, 59, 50, tzinfo=UTC)


def used(user_id: int) -> tuple[int, float]:
    found = usage.usage_of(owner_id=user_id)
    return found.byte_count, found.cpu_seconds


def store(user_id: int, content: bytes = PICTURE) -> None:
    store_image(owner_id=user_id, file=SimpleUploadedFile("picture.jpg", content))


@pytest.mark.django_db
@pytest.mark.parametrize("is_direct", [False, True], ids=["one request", "sent to the store"])
def test_an_upload_is_counted_once(is_direct: bool, alice: int, api: Api) -> None:
    assert used(alice) == (0, 0)
    if is_direct:
        process(row(sent(api(alice))))
    else:
        store(alice)
    byte_count, cpu_seconds = used(alice)
    assert byte_count == len(PICTURE)
    assert 0 < cpu_seconds < 5


@pytest.mark.django_db
def test_a_file_that_is_refused_is_counted_too(alice: int) -> None:
    content = encoded(plain((800, 800)))[:-3000]
    with pytest.raises(Problem):
        store(alice, content)
    byte_count, cpu_seconds = used(alice)
    assert byte_count == len(content)
    assert cpu_seconds > 0


@pytest.mark.django_db
@pytest.mark.parametrize("is_direct", [False, True], ids=["one request", "sent to the store"])
def test_over_the_quota_of_bytes_it_is_refused_until_the_next_day(
    is_direct: bool, alice: int, bob: int, api: Api, settings: Any
) -> None:
    settings.MEDIA_DAILY_BYTES = int(2.5 * len(PICTURE))
    upload: Callable[[int], object] = (lambda user: announce(api(user))) if is_direct else store
    for _ in range(2):
        upload(alice)
    before = used(alice)
    body = {"content_type": "image/jpeg", "byte_size": len(PICTURE)}
    if is_direct:
        answer = api(alice).post("/api/v1/media/uploads", body, format="json")
    else:
        file = SimpleUploadedFile("a.jpg", PICTURE)
        answer = api(alice).post("/api/v1/media", {"file": file}, format="multipart")
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 24 * 3600
    assert "/api/v1/users/me/usage" in answer.json()["detail"]
    assert used(alice) == before, "what is refused is not counted"
    upload(bob)


@pytest.mark.django_db
def test_over_the_quota_of_cpu_time_it_is_refused(alice: int, settings: Any) -> None:
    settings.MEDIA_DAILY_CPU_SECONDS = 5
    usage.add_cpu_time(owner_id=alice, seconds=4.9)
    usage.reserve_bytes(owner_id=alice, byte_size=1)
    usage.add_cpu_time(owner_id=alice, seconds=0.1)
    with pytest.raises(TooManyRequests):
        usage.reserve_bytes(owner_id=alice, byte_size=1)


@pytest.mark.django_db
def test_over_the_quota_of_cpu_time_no_upload_is_completed(
    alice: int, api: Api, settings: Any
) -> None:
    settings.MEDIA_DAILY_CPU_SECONDS = 5
    sending = announce(api(alice))
    assert send_form(sending["form"], PICTURE).status_code == 204
    usage.add_cpu_time(owner_id=alice, seconds=5)
    assert complete(api(alice), sending).status_code == 429
    settings.MEDIA_DAILY_CPU_SECONDS = 6
    assert complete(api(alice), sending).status_code == 200


@pytest.mark.django_db
def test_what_fails_through_no_fault_of_theirs_is_not_counted(
    alice: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(content: bytes, **options: Any) -> None:
        raise Overloaded("no time", wait=1)

    monkeypatch.setattr(services, "decode_image", decode)
    with pytest.raises(Overloaded):
        store(alice)
    assert used(alice) == (0, 0)


@pytest.mark.django_db
def test_the_first_file_of_a_day_may_be_too_large(alice: int, settings: Any) -> None:
    settings.MEDIA_DAILY_BYTES = 100
    with pytest.raises(TooLarge):
        usage.reserve_bytes(owner_id=alice, byte_size=101)
    usage.reserve_bytes(owner_id=alice, byte_size=100)


@pytest.mark.django_db
def test_without_a_limit_everything_is_accepted(alice: int, settings: Any) -> None:
    settings.MEDIA_DAILY_BYTES = settings.MEDIA_DAILY_CPU_SECONDS = 0
    usage.add_cpu_time(owner_id=alice, seconds=10**6)
    usage.reserve_bytes(owner_id=alice, byte_size=10**15)


@pytest.mark.usefixtures("committed")
def test_of_many_files_at_once_no_more_are_accepted_than_fit(
    person: Callable[[str], int], settings: Any
) -> None:
    alice = person("alice")
    settings.MEDIA_DAILY_BYTES = 1000

    def reserve(_: int) -> bool:
        try:
            usage.reserve_bytes(owner_id=alice, byte_size=90)
        except TooManyRequests:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(reserve, range(40))) == 11
    assert used(alice)[0] == 990


@pytest.mark.django_db
def test_a_new_day_begins_at_midnight_utc(alice: int, settings: Any) -> None:
    settings.MEDIA_DAILY_BYTES = 100
    usage.reserve_bytes(owner_id=alice, byte_size=100, now=NOW)
    with pytest.raises(TooManyRequests) as refused:
        usage.reserve_bytes(owner_id=alice, byte_size=1, now=NOW)
    assert 10 <= refused.value.wait <= 11
    usage.reserve_bytes(owner_id=alice, byte_size=100, now=NOW + timedelta(seconds=10))


@pytest.mark.django_db
def test_one_is_told_what_is_left(alice: int, bob: int, api: Api, settings: Any) -> None:
    usage.reserve_bytes(owner_id=bob, byte_size=7)
    store(alice)
    document = api(alice).get(URL).json()
    assert document["bytes"] == {"used": len(PICTURE), "limit": settings.MEDIA_DAILY_BYTES}
    assert document["cpu_seconds"]["limit"] == settings.MEDIA_DAILY_CPU_SECONDS
    assert 0 < document["cpu_seconds"]["used"] < 5
    assert document["resets_at"].endswith("T00:00:00Z")
    settings.MEDIA_DAILY_BYTES = 0
    assert api(alice).get(URL).json()["bytes"]["limit"] is None


@pytest.mark.django_db
def test_what_is_old_is_forgotten(alice: int) -> None:
    now = datetime.now(UTC)
    for days in (0, 1, 2, 3):
        usage.reserve_bytes(owner_id=alice, byte_size=1, now=now - timedelta(days=days))
    usage.forget_old_usage(limit=1000)
    assert MediaUsage.objects.filter(owner_id=alice).count() == 2

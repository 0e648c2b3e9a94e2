"""Files that have arrived: they become media, or fail."""

from collections.abc import Callable, Generator
from contextlib import ExitStack
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from core.http.problems import Unavailable
from core.outbox.subscriptions import Step
from media import incoming, processing, storage
from media.events import UploadSent
from media.handlers import process_upload
from media.models import Media, Upload
from media.usage import add_cpu_time
from media.variants import VARIANTS
from tests.media.sending import (
    PICTURE,
    Api,
    complete,
    deliver_ends,
    keys_of,
    process,
    row,
    sent,
    shown,
)
from tests.support.direct_uploads import send_form
from tests.support.stored import statuses, urls_of

pytestmark = pytest.mark.django_db


class TestProcessing:
    def test_a_file_that_cannot_be_decoded_has_failed(self, alice: int, api: Api) -> None:
        client = api(alice)
        sending = sent(client, PICTURE[: len(PICTURE) // 2])
        upload = row(sending)
        process(upload)
        document = shown(client, sending)
        assert document["state"] == "failed"
        assert document["error"]["code"] == "unsupported_media_type"
        assert "incomplete" in document["error"]["detail"]
        assert deliver_ends(upload) == 2
        assert not keys_of(upload)
        assert complete(client, sending).json() == document
        assert not Media.objects.filter(pk=upload.pk).exists()

    def test_a_file_that_was_exchanged_after_it_was_checked_is_checked_again(
        self, alice: int, api: Api
    ) -> None:
        client = api(alice)
        sending = sent(client)
        page = b"<html>".ljust(len(PICTURE))
        assert send_form(sending["form"], page).status_code == 204
        process(row(sending))
        assert shown(client, sending)["state"] == "failed"

    def test_a_file_that_is_gone_has_failed(self, alice: int, api: Api) -> None:
        client = api(alice)
        sending = sent(client)
        upload = row(sending)
        incoming.remove(key=upload.key)
        process(upload)
        assert shown(client, sending)["error"]["code"] == "upload_lost"

    def test_a_file_that_has_ended_three_workers_has_failed(self, alice: int, api: Api) -> None:
        client = api(alice)
        sending = sent(client)
        upload = row(sending)
        with ExitStack() as dead:
            for number in range(1, processing.MAX_STARTS + 1):
                reached(dead, upload, processing.STORED)
                assert shown(client, sending)["state"] == "processing"
                assert row(sending).unfinished_starts == number
            assert process(upload) == []
            assert shown(client, sending)["error"]["code"] == "not_processed"
            assert len(keys_of(upload)) == 1 + processing.MAX_STARTS * len(VARIANTS)
            deliver_ends(upload)
            assert not keys_of(upload)

    def test_a_worker_that_loses_its_lease_is_not_counted(self, alice: int, api: Api) -> None:
        client = api(alice)
        sending = sent(client)
        upload = row(sending)
        for _ in range(2 * processing.MAX_STARTS):
            with ExitStack() as closed:
                reached(closed, upload, processing.DECODED)
        assert row(sending).unfinished_starts == 0
        process(upload)
        assert shown(client, sending)["state"] == "ready"

    def test_over_the_quota_of_cpu_time_nothing_is_decoded(
        self, alice: int, api: Api, settings: Any
    ) -> None:
        client = api(alice)
        sending = sent(client)
        add_cpu_time(owner_id=alice, seconds=settings.MEDIA_DAILY_CPU_SECONDS)
        process(row(sending))
        document = shown(client, sending)
        assert document["state"] == "failed"
        assert "Try again tomorrow" in document["error"]["detail"]

    def test_a_disk_that_is_full_fails_no_file(
        self, alice: int, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client = api(alice)
        sending = sent(client)

        def fetch(**options: Any) -> Generator[int, None, bool]:
            yield 0
            raise OSError("No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(incoming, "fetch", fetch)
            for _ in range(2 * processing.MAX_STARTS):
                with pytest.raises(OSError, match="No space"):
                    process(row(sending))
        assert row(sending).unfinished_starts == 0
        process(row(sending))
        assert shown(client, sending)["state"] == "ready"

    def test_a_store_that_is_down_fails_no_file(
        self, alice: int, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client = api(alice)
        sending = sent(client)

        def put(**options: Any) -> None:
            raise ClientError({"Error": {"Code": "SlowDown"}}, "PutObject")

        with monkeypatch.context() as patch:
            patch.setattr(storage, "put_variants", put)
            for _ in range(2 * processing.MAX_STARTS):
                with pytest.raises(ClientError):
                    process(row(sending))
        assert row(sending).unfinished_starts == 0
        process(row(sending))
        assert shown(client, sending)["state"] == "ready"

    def test_busy_decoders_fail_no_file(
        self, alice: int, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client = api(alice)
        sending = sent(client)

        def decode(file: Any, **options: Any) -> Generator[int, None, None]:
            yield 0
            raise Unavailable("no decoder")

        with monkeypatch.context() as patch:
            patch.setattr(processing, "decode_file", decode)
            with pytest.raises(Unavailable):
                process(row(sending))
        assert row(sending).unfinished_starts == 0

    @pytest.mark.parametrize("at", [processing.READ, processing.DECODED, processing.STORED])
    def test_a_worker_that_was_suspended_does_no_harm_to_what_another_has_made(
        self, at: int, alice: int, api: Api, stored_keys: Callable[[], set[str]]
    ) -> None:
        client, before = api(alice), stored_keys()
        sending = sent(client)
        upload = row(sending)
        with ExitStack() as late:
            suspended = reached(late, upload, at)
            process(upload)
            document = shown(client, sending)
            list(suspended)
        assert shown(client, sending) == document
        assert statuses(urls_of(document)) == {200}
        deliver_ends(upload)
        assert statuses(urls_of(document)) == {200}
        assert len(keys_of(upload)) == len(VARIANTS), "what it has stored is gone"
        assert stored_keys() - before == keys_of(upload), "under any name"

    def test_what_a_dead_worker_has_stored_goes_with_a_file_that_then_fails(
        self, alice: int, api: Api
    ) -> None:
        client = api(alice)
        sending = sent(client)
        upload = row(sending)
        with ExitStack() as dead:
            reached(dead, upload, processing.STORED)
            send_form(sending["form"], b"<html>".ljust(len(PICTURE)))
            process(upload)
            assert shown(client, sending)["state"] == "failed"
            assert len(keys_of(upload)) == 1 + len(VARIANTS)
            deliver_ends(upload)
            assert not keys_of(upload)

    @pytest.mark.parametrize("at", [processing.READ, processing.DECODED, processing.STORED])
    def test_a_file_that_is_given_up_while_it_is_processed_leaves_nothing(
        self, at: int, alice: int, api: Api
    ) -> None:
        client = api(alice)
        sending = sent(client)
        upload = row(sending)
        with ExitStack() as late:
            steps = reached(late, upload, at)
            assert client.delete(f"/api/v1/media/{sending['id']}").status_code == 204
            list(steps)
        assert process(upload) == [], "nor does the next worker find anything to do"
        deliver_ends(upload)
        assert not keys_of(upload)
        assert client.get(f"/api/v1/media/{sending['id']}").status_code == 404


def reached(stack: ExitStack, upload: Upload, percent: int) -> Generator[Step, None, None]:
    """A worker that has come so far, and stops there until the end of the stack."""
    steps = cast("Generator[Step, None, None]", process_upload(UploadSent(upload.pk), 0))
    stack.callback(steps.close)
    while next(steps).cursor != percent:
        pass
    return steps

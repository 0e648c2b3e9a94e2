"""Files that clients send to the object store themselves, over the API."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.core.files.storage import storages
from django.db.models.functions import Now

from core.outbox.models import OutboxEvent
from media import incoming, processing, uploads
from media.models import Media, Upload
from media.services import remove_media_of_owner
from media.usage import usage_of
from tests.media.sending import (
    LARGE,
    PICTURE,
    URL,
    Api,
    announce,
    complete,
    content_of,
    deliver_ends,
    keys_of,
    process,
    row,
    sent,
    shown,
)
from tests.support.direct_uploads import announcement, send_form, send_parts, slice_of
from tests.support.images import decoded, jpeg_with_gps

pytestmark = pytest.mark.django_db


class TestOneFile:
    def test_it_is_sent_by_a_form_and_becomes_a_media(self, alice: int, api: Api) -> None:
        client, content = api(alice), jpeg_with_gps((1600, 1200), orientation=6)
        sending = announce(client, content, alt="Low tide")
        assert set(sending) == {"id", "state", "expires_at", "form", "parts"}
        assert (sending["state"], sending["parts"]) == ("pending", None)
        waiting = {
            "id": sending["id"],
            "content_type": "image/jpeg",
            "byte_size": len(content),
            "alt": "Low tide",
            "progress": 0,
            "error": None,
        }
        assert shown(client, sending) == {**waiting, "state": "pending"}
        assert send_form(sending["form"], content).status_code == 204
        answer = complete(client, sending)
        assert (answer.status_code, answer.json()) == (200, {**waiting, "state": "processing"})
        upload = row(sending)
        steps = process(upload)
        assert steps == sorted(steps)
        assert (steps[0], steps[1], steps[-1]) == (
            processing.READ,
            processing.DECODED,
            processing.STORED,
        )
        document = shown(client, sending)
        assert (document["id"], document["state"]) == (sending["id"], "ready")
        assert (document["type"], document["alt"]) == ("image", "Low tide")
        assert (document["width"], document["height"]) == (1080, 1440)
        full = httpx.get(document["url"])
        assert decoded(full.content).size == (1080, 1440)
        assert b"Camera" not in full.content
        assert not Upload.objects.filter(pk=upload.pk).exists()
        assert deliver_ends(upload) == 2
        assert {key.partition("/")[0] for key in keys_of(upload)} == {"public"}

    def test_it_is_as_if_it_had_been_sent_by_one_request(
        self, alice: int, api: Api, upload: Callable[..., Media]
    ) -> None:
        client = api(alice)
        sending = sent(client)
        process(row(sending))
        other = upload(alice, PICTURE)
        columns = ["width", "height", "original_width", "original_height", "byte_size", "blurhash"]
        columns += ["alt", "place", "has_webp", "used_as", "used_by_id", "position"]
        direct = Media.objects.filter(pk=sending["id"]).values(*columns).get()
        assert direct == Media.objects.filter(pk=other.pk).values(*columns).get()

    def test_a_large_one_is_sent_in_parts_and_a_client_that_comes_back_asks_for_the_rest(
        self, alice: int, api: Api
    ) -> None:
        client = api(alice)
        sending = announce(client, LARGE)
        assert sending["form"] is None
        assert [part["number"] for part in sending["parts"]] == [1, 2, 3]
        assert b"".join(slice_of(part, LARGE) for part in sending["parts"]) == LARGE
        send_parts(sending["parts"], LARGE, numbers=[2])
        refusal = complete(client, sending)
        assert (refusal.status_code, refusal.json()["type"]) == (409, "/problems/upload-incomplete")
        assert "parts 1, 3 are missing" in refusal.json()["detail"]
        rest = client.get(f"{URL}/{sending['id']}").json()
        assert [part["is_sent"] for part in rest["parts"]] == [False, True, False]
        assert [bool(part["url"]) for part in rest["parts"]] == [True, False, True]
        send_parts(rest["parts"], LARGE)
        assert complete(client, sending).status_code == 200
        assert content_of(row(sending)) == LARGE
        process(row(sending))
        assert shown(client, sending)["state"] == "ready"

    def test_of_a_part_that_was_sent_twice_the_last_one_counts(self, alice: int, api: Api) -> None:
        client = api(alice)
        sending = announce(client, LARGE)
        first = sending["parts"][0]
        assert httpx.put(first["url"], content=bytes(first["byte_size"])).status_code == 200
        # Times in the object store are in whole seconds.
        wait_for_the_next_second()
        send_parts(sending["parts"], LARGE)
        assert complete(client, sending).status_code == 200
        assert content_of(row(sending)) == LARGE

    def test_completing_it_twice_changes_nothing(self, alice: int, api: Api) -> None:
        client = api(alice)
        sending = sent(client)
        again = complete(client, sending)
        assert (again.status_code, again.json()["state"]) == (200, "processing")
        announced = OutboxEvent.objects.using("posts").filter(
            kind="upload_sent", payload__upload_id=int(sending["id"])
        )
        assert announced.count() == 1
        process(row(sending))
        again = complete(client, sending)
        assert (again.status_code, again.json()["state"]) == (200, "ready")

    def test_a_completion_that_died_after_it_joined_the_parts_is_repeated(
        self, alice: int, api: Api
    ) -> None:
        client = api(alice)
        sending = announce(client, LARGE)
        send_parts(sending["parts"], LARGE)
        upload = row(sending)
        etags = incoming.sent_parts(key=upload.key, multipart_id=upload.multipart_id)
        incoming.join_parts(key=upload.key, multipart_id=upload.multipart_id, etags=etags)
        parts = client.get(f"{URL}/{sending['id']}").json()["parts"]
        assert [(part["is_sent"], part["url"]) for part in parts] == [(True, None)] * 3
        assert complete(client, sending).status_code == 200

    def test_its_description_can_be_changed_before_it_is_ready(self, alice: int, api: Api) -> None:
        client = api(alice)
        sending = sent(client)
        changed = client.patch(f"/api/v1/media/{sending['id']}", {"alt": "A pier"}, format="json")
        assert (changed.status_code, changed.json()["alt"]) == (200, "A pier")
        process(row(sending))
        assert shown(client, sending)["alt"] == "A pier"

    def test_it_is_no_avatar_before_it_is_ready(self, alice: int, api: Api) -> None:
        client = api(alice)
        sending = sent(client)
        body = {"avatar": sending["id"]}
        refusal = client.patch("/api/v1/users/me", body, format="json")
        assert refusal.status_code == 400
        assert refusal.json()["errors"][0]["code"] == "media_not_ready"
        assert f"{sending['id']} is not ready" in refusal.json()["errors"][0]["message"]
        process(row(sending))
        assert client.patch("/api/v1/users/me", body, format="json").status_code == 200


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("body", "status", "word"),
        [
            ({"content_type": "text/html", "byte_size": 5}, 415, "image/jpeg"),
            ({"content_type": "image/svg+xml", "byte_size": 5}, 415, "image/jpeg"),
            ({"content_type": "image/jpeg", "byte_size": 50 * 1024 * 1024 + 1}, 413, "52428800"),
            ({"content_type": "image/jpeg", "byte_size": 10**400}, 413, "52428800"),
            ({"content_type": "image/jpeg", "byte_size": 0}, 400, ""),
            ({"content_type": "image/jpeg", "byte_size": -1}, 400, ""),
            ({"content_type": "image/jpeg", "byte_size": "5"}, 400, ""),
            ({"content_type": "image/jpeg", "byte_size": True}, 400, ""),
            ({"content_type": "image/jpeg", "byte_size": 5.5}, 400, ""),
            ({"content_type": "image/jpeg"}, 400, ""),
            ({"byte_size": 5}, 400, ""),
            ({"content_type": "image/jpeg", "byte_size": 5, "alt": "\u202e"}, 400, ""),
        ],
    )
    def test_an_announcement(self, body: Any, status: int, word: str, alice: int, api: Api) -> None:
        answer = api(alice).post(URL, body, format="json")
        assert answer.status_code == status, answer.content
        assert word in answer.json()["detail"]
        assert not Upload.objects.filter(owner_id=alice).exists()

    def test_completing_what_was_not_sent(self, alice: int, api: Api) -> None:
        client = api(alice)
        sending = announce(client)
        refusal = complete(client, sending)
        assert (refusal.status_code, refusal.json()["type"]) == (409, "/problems/upload-incomplete")
        assert shown(client, sending)["state"] == "pending"

    @pytest.mark.parametrize(
        "content",
        [b"<html><script>alert(1)</script>", b"\x89PNG\r\n\x1a\n", b"GIF89a"],
        ids=["HTML", "PNG", "GIF"],
    )
    def test_another_content_than_announced(self, content: bytes, alice: int, api: Api) -> None:
        client = api(alice)
        sending = announce(client, content)
        assert send_form(sending["form"], content).status_code == 204
        answer = complete(client, sending)
        assert (answer.status_code, answer.json()["state"]) == (200, "failed")
        assert answer.json()["error"]["code"] == "other_content"
        upload = row(sending)
        assert deliver_ends(upload) == 2
        assert not keys_of(upload)

    @pytest.mark.parametrize("content", [b"", PICTURE[:-1]], ids=["none", "fewer"])
    def test_a_file_of_another_length_which_a_store_let_through(
        self, content: bytes, alice: int, api: Api
    ) -> None:
        client = api(alice)
        sending = announce(client)
        store: Any = storages["default"]
        store.bucket.put_object(Key=row(sending).key, Body=content)
        refusal = complete(client, sending)
        assert (refusal.status_code, refusal.json()["type"]) == (409, "/problems/upload-incomplete")
        assert f"{len(content)} bytes" in refusal.json()["detail"]

    @pytest.mark.parametrize("state", ["pending", "processing", "failed"])
    def test_other_users(self, state: str, alice: int, bob: int, api: Api) -> None:
        sending = announce(api(alice))
        Upload.objects.filter(pk=sending["id"]).update(state=state)
        bobs, address = api(bob), f"/api/v1/media/{sending['id']}"
        answers = [
            bobs.get(address),
            bobs.get(f"{URL}/{sending['id']}"),
            bobs.patch(address, {"alt": "mine"}, format="json"),
            bobs.delete(address),
            complete(bobs, sending),
        ]
        assert [answer.status_code for answer in answers] == [404] * len(answers)
        assert row(sending).alt == ""

    def test_sending_again_what_was_sent(self, alice: int, api: Api) -> None:
        client = api(alice)
        sending = sent(client)
        upload = row(sending)
        for state in ("processing", "ready"):
            assert shown(client, sending)["state"] == state
            refusal = client.get(f"{URL}/{sending['id']}")
            assert refusal.status_code == 409
            assert refusal.json()["type"] == "/problems/upload-complete"
            process(upload)

    @pytest.mark.usefixtures("closed_store")
    def test_everything_but_small_announcements_while_the_object_store_is_down(
        self, alice: int, api: Api
    ) -> None:
        client = api(alice)
        sending = announce(client)
        before = usage_of(owner_id=alice).byte_count
        for key in ({}, {"HTTP_IDEMPOTENCY_KEY": "a"}):
            assert complete(client, sending).status_code == 503
            assert shown(client, sending)["state"] == "pending"
            answer = client.post(URL, announcement(LARGE), format="json", **key)
            assert answer.status_code == 503
        assert Upload.objects.filter(owner_id=alice).count() == 1
        assert usage_of(owner_id=alice).byte_count == before, "it is no fault of theirs"


class TestWhatIsGivenUp:
    @pytest.mark.parametrize("content", [PICTURE, LARGE], ids=["form", "parts"])
    def test_a_cancelled_file_goes(self, content: bytes, alice: int, api: Api) -> None:
        client = api(alice)
        sending = announce(client, content)
        upload = row(sending)
        if sending["form"]:
            send_form(sending["form"], content)
        else:
            send_parts(sending["parts"], content, numbers=[1])
        assert client.delete(f"/api/v1/media/{sending['id']}").status_code == 204
        assert client.get(f"/api/v1/media/{sending['id']}").status_code == 404
        assert complete(client, sending).status_code == 404
        assert deliver_ends(upload) == 2
        assert not keys_of(upload)
        if upload.multipart_id:
            assert not incoming.sent_parts(key=upload.key, multipart_id=upload.multipart_id)
            answer = httpx.put(
                sending["parts"][1]["url"], content=slice_of(sending["parts"][1], content)
            )
            assert answer.status_code == 404

    def test_the_file_goes_again_once_no_signature_is_valid(self, alice: int, api: Api) -> None:
        sending = sent(api(alice))
        upload = row(sending)
        process(upload)
        first, second = (
            OutboxEvent.objects.using("posts")
            .filter(kind="upload_ended", payload__key=upload.key)
            .order_by("wake_at")
        )
        assert second.wake_at - first.created_at > incoming.LINK_LIFETIME
        assert first.payload == second.payload == {"key": upload.key, "prefixes": []}

    @pytest.mark.parametrize(
        ("state", "hours", "stays"),
        [
            ("pending", 23, True),
            ("pending", 25, False),
            ("failed", 23, True),
            ("failed", 25, False),
            ("processing", 25, True),
        ],
    )
    def test_what_is_not_sent_in_time_goes(
        self, state: str, hours: int, stays: bool, alice: int, api: Api
    ) -> None:
        sending = announce(api(alice))
        Upload.objects.filter(pk=sending["id"]).update(
            state=state, created_at=Now() - timedelta(hours=hours)
        )
        uploads.remove_abandoned_uploads(limit=100)
        assert Upload.objects.filter(pk=sending["id"]).exists() is stays

    def test_all_of_an_account_go_with_it(self, alice: int, bob: int, api: Api) -> None:
        alices = [announce(api(alice)), sent(api(alice))]
        bobs = announce(api(bob))
        ready = sent(api(alice))
        process(row(ready))
        rows = [row(sending) for sending in alices]
        while remove_media_of_owner(owner_id=alice, limit=2):
            pass
        for upload in rows:
            deliver_ends(upload)
            process(upload)
            assert not keys_of(upload)
        assert not Upload.objects.filter(owner_id=alice).exists()
        assert not Media.objects.filter(owner_id=alice).exists()
        assert row(bobs)


def wait_for_the_next_second() -> None:
    """Wait until the clock shows another second."""
    now = int(time.time())
    while int(time.time()) == now:
        time.sleep(0.02)

"""Posts that wait until all of their media are ready, over the API."""

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from django.conf import settings
from django.db.models.functions import Now

from media import claims
from media.models import Media, Upload
from media.selectors import held_documents
from media.services import remove_unused_uploads
from media.uploads import remove_abandoned_uploads
from operations.purge import remove_owned_by_account
from posts import selectors, tasks, waiting
from posts.models import Post, WaitingPost
from posts.services import publish_post
from tests.media.sending import Api, announce, process, row, sent
from tests.support.api_documents import deactivate
from tests.support.deliveries import deliver, deliver_to_all, pending, pending_rows
from tests.support.stored import IS_WITHHELD, objects_of

pytestmark = pytest.mark.django_db
URL = "/api/v1/posts/waiting"
Ids = list[str]


@pytest.fixture
def client(alice: int, api: Api) -> Any:
    return api(alice)


def submit(client: Any, *media_ids: str, caption: str = "Low tide.") -> Any:
    body = {"caption": caption, "media": media_ids}
    return client.post("/api/v1/posts", body, format="json")


def make_ready(media_id: str) -> None:
    """Process a file, and do what a worker then does with the post that holds it."""
    upload = Upload.objects.get(pk=media_id)
    process(upload)
    if upload.used_by_id:
        deliver_to_all("posts", "upload_processed", waiting_post_id=upload.used_by_id)


def fail(media_id: str) -> None:
    Upload.objects.filter(pk=media_id).update(state="failed", error_code="other", error="Broken.")


def media_of(document: Any) -> Ids:
    return [media["id"] for media in document["media"]]


def test_only_its_author_sees_it_until_all_media_are_ready(
    client: Any, bob: int, api: Api, upload: Callable[[int], int], alice: int
) -> None:
    media_ids = [sent(client)["id"], str(upload(alice)), announce(client)["id"]]
    answer = submit(client, *media_ids)
    document = answer.json()
    assert answer.status_code == 202
    assert answer["Location"] == f"{URL}/{document['id']}"
    assert [media["state"] for media in document["media"]] == ["processing", "ready", "pending"]
    assert document["media"][1]["variants"]["thumb"]
    assert media_of(document) == media_ids
    assert (document["state"], document["post_id"]) == ("waiting", None)
    assert client.get(answer["Location"]).json() == document
    assert client.get(URL).json() == {"results": [document], "next": None}
    stranger = api(bob)
    assert stranger.get(URL).json()["results"] == []
    for method in ("get", "delete"):
        assert getattr(stranger, method)(answer["Location"]).status_code == 404
    change = stranger.patch(answer["Location"], {"caption": "Mine."}, format="json")
    assert change.status_code == 404
    assert client.get(f"/api/v1/posts/{document['id']}").status_code == 404
    assert not Post.objects.filter(author_id=alice).exists()


def test_it_is_published_when_the_last_of_its_media_is_ready(client: Any, alice: int) -> None:
    media_ids = [sent(client, alt=alt)["id"] for alt in ("one", "two", "three")]
    address = submit(client, *media_ids)["Location"]
    for media_id in media_ids[::-1]:
        assert client.get(address).json()["state"] == "waiting"
        make_ready(media_id)
    document = client.get(address).json()
    assert (document["state"], document["media"]) == ("published", [])
    post = client.get(f"/api/v1/posts/{document['post_id']}").json()
    assert (post["caption"], media_of(post)) == ("Low tide.", media_ids)
    assert [media["alt"] for media in post["media"]] == ["one", "two", "three"]
    assert int(post["id"]) > int(document["id"])
    assert client.get(URL).json()["results"] == []
    announced = pending_rows("posts", "post_published").filter(payload__author_id=alice)
    assert {event.payload["post_id"] for event in announced} == {int(post["id"])}
    assert client.get("/api/v1/users/me").json()["counts"]["posts"] == 1


def test_it_is_published_for_whom_it_waits(client: Any) -> None:
    media_id = sent(client)["id"]
    body = {"media": [media_id], "audience": "close_friends"}
    waiting = client.post("/api/v1/posts", body, format="json")
    assert waiting.json()["audience"] == "close_friends"
    for audience in ("everyone", "close_friends"):
        changed = client.patch(waiting["Location"], {"audience": audience}, format="json")
        assert changed.json()["audience"] == audience
    make_ready(media_id)
    post_id = client.get(waiting["Location"]).json()["post_id"]
    assert client.get(f"/api/v1/posts/{post_id}").json()["audience"] == "close_friends"
    assert Media.objects.get(pk=media_id).is_confidential
    again = client.patch(waiting["Location"], {"audience": "everyone"}, format="json")
    assert again.status_code == 409


def test_an_event_that_comes_twice_publishes_once(client: Any, alice: int) -> None:
    media_id = sent(client)["id"]
    waiting_post_id = int(submit(client, media_id).json()["id"])
    process(row({"id": media_id}))
    event = pending("posts", "upload_processed", waiting_post_id=waiting_post_id)
    assert deliver("posts", event)
    waiting.publish_if_ready(waiting_post_id=waiting_post_id)
    assert Post.objects.filter(author_id=alice).count() == 1


def test_what_has_failed_is_told_and_can_be_replaced(client: Any) -> None:
    good, bad = sent(client)["id"], sent(client)["id"]
    address = submit(client, good, bad)["Location"]
    make_ready(good)
    fail(bad)
    document = client.get(address).json()
    assert document["state"] == "failed"
    assert document["media"][1]["error"] == {"code": "other", "detail": "Broken."}
    same = client.patch(address, {"media": [bad, good]}, format="json")
    assert (same.status_code, same.json()["errors"][0]["code"]) == (400, "media_not_ready")
    renamed = client.patch(address, {"caption": "High tide."}, format="json").json()
    assert (renamed["caption"], renamed["state"]) == ("High tide.", "failed")
    better = sent(client)["id"]
    mended = client.patch(address, {"media": [better, good]}, format="json").json()
    assert (mended["state"], media_of(mended)) == ("waiting", [better, good])
    assert client.delete(f"/api/v1/media/{bad}").status_code == 204
    make_ready(better)
    post_id = client.get(address).json()["post_id"]
    post = client.get(f"/api/v1/posts/{post_id}").json()
    assert (post["caption"], media_of(post)) == ("High tide.", [better, good])


def test_it_is_published_at_once_without_what_has_failed(client: Any) -> None:
    good, bad = sent(client)["id"], sent(client)["id"]
    address = submit(client, good, bad)["Location"]
    make_ready(good)
    fail(bad)
    document = client.patch(address, {"media": [good]}, format="json").json()
    assert document["state"] == "published"
    assert media_of(client.get(f"/api/v1/posts/{document['post_id']}").json()) == [good]


def test_once_it_is_published_the_post_is_to_be_changed(client: Any) -> None:
    media_id = sent(client)["id"]
    address = submit(client, media_id)["Location"]
    make_ready(media_id)
    post_id = client.get(address).json()["post_id"]
    for answer in (
        client.patch(address, {"caption": "High tide."}, format="json"),
        client.patch(address, {"media": ["7"]}, format="json"),
        client.delete(address),
    ):
        assert answer.status_code == 409
        assert answer.json()["type"] == "/problems/published"
        assert f"/api/v1/posts/{post_id}" in answer.json()["detail"]
    assert client.get(f"/api/v1/posts/{post_id}").json()["caption"] == "Low tide."


def test_the_change_that_publishes_may_be_repeated(
    client: Any, alice: int, upload: Callable[[int], int]
) -> None:
    address = submit(client, sent(client)["id"])["Location"]
    change = {"caption": "High tide.", "media": [str(upload(alice))]}
    answers = [client.patch(address, change, format="json") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["state"] == "published"
    assert Post.objects.filter(author_id=alice).count() == 1


def test_it_is_not_published_without_one_that_is_gone(client: Any, alice: int) -> None:
    first, second = sent(client)["id"], sent(client)["id"]
    address = submit(client, first, second)["Location"]
    Upload.objects.filter(pk=first).delete()  # as a release does that knows no waiting posts
    make_ready(second)
    document = client.get(address).json()
    assert document["state"] == "failed"
    assert [media["state"] for media in document["media"]] == ["failed", "ready"]
    assert document["media"][0]["error"]["code"] == "upload_lost"
    assert not Post.objects.filter(author_id=alice).exists()


def test_what_it_holds_is_used_until_it_is_deleted(
    client: Any, alice: int, upload: Callable[[int], int]
) -> None:
    on_its_way, ready = sent(client)["id"], str(upload(alice))
    address = submit(client, on_its_way, ready)["Location"]
    for media_id in (on_its_way, ready):
        refusal = client.delete(f"/api/v1/media/{media_id}")
        assert (refusal.status_code, address in refusal.json()["detail"]) == (409, True)
        again = submit(client, media_id)
        assert (again.status_code, again.json()["errors"][0]["code"]) == (400, "used_media")
    avatar = client.patch("/api/v1/users/me", {"avatar": ready}, format="json")
    assert avatar.status_code == 400
    assert client.delete(address).status_code == 204
    assert client.get(address).status_code == 404
    assert submit(client, ready).status_code == 201
    assert client.delete(f"/api/v1/media/{on_its_way}").status_code == 204


def test_nothing_is_stored_of_what_is_refused(
    client: Any, alice: int, bob: int, api: Api, upload: Callable[[int], int]
) -> None:
    mine, failed, theirs = sent(client)["id"], sent(client)["id"], sent(api(bob))["id"]
    fail(failed)
    used = str(upload(alice))
    submit(client, used)
    for wrong, code in (
        (failed, "media_not_ready"),
        (theirs, "unknown_media"),
        ("7", "unknown_media"),
        (used, "used_media"),
        (mine, "duplicate"),
    ):
        refusal = submit(client, mine, wrong)
        assert (refusal.status_code, refusal.json()["errors"][0]["code"]) == (400, code)
    assert not WaitingPost.objects.filter(author_id=alice).exists()
    assert not Upload.objects.filter(owner_id=alice, used_by_id__isnull=False).exists()
    assert submit(client, mine).status_code == 202


def test_so_many_wait_at_most(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MAX_WAITING", 2)
    media_ids = [sent(client)["id"] for _ in range(3)]
    first, _, third = (submit(client, media_id) for media_id in media_ids)
    assert third.status_code == 409
    assert third.json()["type"] == "/problems/too-many-waiting-posts"
    assert client.delete(first["Location"]).status_code == 204
    assert submit(client, media_ids[2]).status_code == 202


def test_they_are_paged_newest_first(client: Any) -> None:
    ids = [submit(client, announce(client)["id"]).json()["id"] for _ in range(3)]
    page = client.get(f"{URL}?limit=2").json()
    assert [each["id"] for each in page["results"]] == ids[:0:-1]
    rest = client.get(page["next"]).json()
    assert ([each["id"] for each in rest["results"]], rest["next"]) == ([ids[0]], None)


def test_the_same_request_makes_one(client: Any, alice: int) -> None:
    media_id = sent(client)["id"]
    body = {"caption": "", "media": [media_id]}
    answers = [
        client.post("/api/v1/posts", body, format="json", headers={"Idempotency-Key": "k"})
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    assert answers[0]["Location"] == answers[1]["Location"]
    assert WaitingPost.objects.filter(author_id=alice).count() == 1


def test_an_old_one_goes_and_lets_its_media_go(
    client: Any, alice: int, upload: Callable[[int], int]
) -> None:
    lost, ready = announce(client)["id"], str(upload(alice))
    age = timedelta(days=settings.POST_WAITING_DAYS)
    for model in (Upload, Media):
        model.objects.filter(owner_id=alice).update(created_at=Now() - age)
    address = submit(client, lost, ready)["Location"]
    mine = WaitingPost.objects.filter(author_id=alice)

    def sweep() -> None:
        tasks.remove_old_waiting_posts()
        remove_abandoned_uploads(limit=10_000)
        remove_unused_uploads(limit=10_000)

    mine.update(changed_at=Now() - age - timedelta(hours=1))
    assert client.patch(address, {"caption": "High tide."}, format="json").status_code == 200
    sweep()
    document = client.get(address).json()
    assert [media["state"] for media in document["media"]] == ["pending", "ready"]
    mine.update(changed_at=Now() - age - timedelta(hours=1))
    sweep()
    assert client.get(address).status_code == 404
    for media_id in (lost, ready):
        assert client.get(f"/api/v1/media/{media_id}").status_code == 404


def test_it_goes_with_its_account(client: Any, alice: int) -> None:
    submit(client, sent(client)["id"])
    removed = list(remove_owned_by_account(user_id=alice))
    assert ("waiting posts", 1) in removed
    assert not WaitingPost.objects.filter(author_id=alice).exists()
    assert not Upload.objects.filter(owner_id=alice).exists()


def test_a_page_of_them_costs_three_queries(
    client: Any, django_assert_num_queries: Any, alice: int, upload: Callable[[int], int]
) -> None:
    for _ in range(3):
        submit(client, announce(client)["id"], str(upload(alice)))
    with django_assert_num_queries(3, using="posts"):
        assert len(client.get(URL).json()["results"]) == 3


class TestWhatHappensInBetween:
    """A media worker ends its work between two statements of a request."""

    def test_before_the_media_are_held(
        self, client: Any, alice: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        media_id = sent(client)["id"]

        def publish_and_end(**arguments: Any) -> int:
            monkeypatch.undo()
            try:
                return publish_post(**arguments)
            finally:
                process(row({"id": media_id}))

        monkeypatch.setattr("posts.waiting.publish_post", publish_and_end)
        answer = submit(client, media_id)
        assert (answer.status_code, media_of(answer.json())) == (201, [media_id])
        assert client.get(URL).json()["results"] == []

    @pytest.mark.parametrize("function", ["claim_media", "hold_media"])
    def test_after_one_table_was_read(
        self, client: Any, alice: int, monkeypatch: pytest.MonkeyPatch, function: str
    ) -> None:
        media_id = sent(client)["id"]
        locked, calls = claims._locked, count()
        wanted = {"claim_media": 0, "hold_media": 1}[function]

        def lock_and_end(rows: Any) -> Any:
            found = locked(rows)
            if next(calls) == wanted and not found:
                process(row({"id": media_id}))
            return found

        monkeypatch.setattr(claims, "_locked", lock_and_end)
        answer = submit(client, media_id)
        monkeypatch.undo()
        assert answer.status_code in (201, 202)
        if answer.status_code == 202:
            make_ready(media_id)
        assert Post.objects.filter(author_id=alice).count() == 1

    @pytest.mark.parametrize("change", ["publish", "replace"])
    def test_after_the_row_was_read(
        self, client: Any, alice: int, monkeypatch: pytest.MonkeyPatch, change: str
    ) -> None:
        media_id, other = sent(client)["id"], sent(client)["id"]
        address = submit(client, media_id)["Location"]

        def change_and_read(**arguments: Any) -> Any:
            monkeypatch.undo()
            if change == "publish":
                make_ready(media_id)
            else:
                waiting.change_waiting_post(
                    waiting_post_id=int(address.rpartition("/")[2]),
                    author_id=alice,
                    changes={"media_ids": [int(other)]},
                )
            return held_documents(**arguments)

        monkeypatch.setattr("media.selectors.held_documents", change_and_read)
        document = client.get(address).json()
        assert document["state"] == ("published" if change == "publish" else "waiting")
        assert media_of(document) == ([] if change == "publish" else [other])


def test_media_of_an_account_that_was_deactivated_meanwhile_are_withheld(
    client: Any, alice: int, bob: int
) -> None:
    media_id = sent(client)["id"]
    address = submit(client, media_id)["Location"]
    deactivate(alice)
    make_ready(media_id)
    post_id = WaitingPost.objects.get(pk=address.rpartition("/")[2]).post_id
    assert post_id is not None
    assert selectors.post_documents(post_ids=[post_id], viewer_id=bob) == {}
    media = Media.objects.get(pk=media_id)
    assert objects_of(media.storage_prefix) == IS_WITHHELD

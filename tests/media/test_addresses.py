"""Addresses of objects that are not public: signed, as boto3 would, and ending."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import orjson
import pytest

from core.valkey import recorded_reads
from media import documents, services, storage
from media.addresses import LIFETIME, WINDOW, end_of_signatures, shown_address, signed_address
from media.models import Media

pytestmark = pytest.mark.django_db
NOW = 1_790_000_000 // WINDOW * WINDOW
KEY = "withheld/media/-bits_/full.jpg"


@pytest.mark.parametrize("key", [KEY, "withheld/media/a b/ü+&=%.jpg"])
def test_a_signature_is_the_same_as_that_of_boto3(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = datetime.fromtimestamp(NOW, UTC)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: at)
    client, bucket = storage.client_and_bucket("signatures")
    wanted = client.generate_presigned_url(
        "get_object",
        Params={
            "Bucket": bucket,
            "Key": key,
            "ResponseCacheControl": f"private, max-age={LIFETIME}",
        },
        ExpiresIn=LIFETIME,
    )
    ours, theirs = (urlsplit(url) for url in (signed_address(key, now=NOW), wanted))
    assert ours[:3] == theirs[:3]
    assert dict(parse_qsl(ours.query)) == dict(parse_qsl(theirs.query))


def test_all_addresses_of_a_window_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    first, last, next_ = (signed_address(KEY, now=NOW + at) for at in (0, WINDOW - 0.1, WINDOW))
    assert first == last != next_
    assert end_of_signatures(now=NOW + WINDOW - 0.1) == NOW + LIFETIME
    with recorded_reads() as recording:
        signed_address(KEY, now=NOW + WINDOW)
        signed_address(KEY, now=NOW)
    assert recording.holds_until == NOW + WINDOW


@pytest.fixture
def withheld(alice: int, upload: Any) -> Media:
    media: Media = upload(alice)
    services.place_media(owner_id=alice, is_public=False, limit=5)
    media.refresh_from_db()
    return media


def test_the_store_answers_who_has_the_address_until_it_ends(withheld: Media) -> None:
    key = storage.variant_key(storage.withheld_prefix(withheld.storage_prefix), "full.jpg")
    answer = httpx.get(signed_address(key))
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["Cache-Control"] == f"private, max-age={LIFETIME}"
    altered = signed_address(key).replace("full.jpg", "thumb.jpg")
    ended = signed_address(key, now=datetime.now(UTC).timestamp() - LIFETIME - WINDOW)
    longer = ended.replace(f"X-Amz-Expires={LIFETIME}", "X-Amz-Expires=9999")
    bare = signed_address(key).partition("?")[0]
    for address in (altered, ended, longer, bare):
        assert httpx.get(address).status_code == 403, address


def test_only_addresses_of_a_document_are_signed(withheld: Media) -> None:
    """What its owner has written stays as it is, also if it looks like a key."""
    withheld.alt = f"{KEY} {KEY}"
    withheld.video = {
        "sources": [{"name": "full.mp4", "width": 1, "height": 1}],
        "duration_ms": 1,
        "has_sound": False,
        "loops": False,
    }
    made = documents.media_document(withheld)
    assert not documents.has_addresses(made)
    (shown,) = orjson.loads(documents.shown_json(orjson.dumps([made])))
    assert shown["alt"] == withheld.alt
    addresses = [
        *(shown["url"], *shown["variants"].values(), shown["webp"]["thumb"]),
        *(candidate.split(" ")[0] for candidate in shown["webp"]["srcset"].split(", ")),
        *(source["url"] for source in shown["video"]["sources"]),
    ]
    assert len(addresses) >= 6
    for address in addresses:
        assert address.startswith("http")
        assert "X-Amz-Signature" in address
    assert httpx.get(shown["url"]).status_code == 200
    assert shown["expires_at"].endswith("Z")
    unsigned = {
        name: shown[name] for name in made if name not in ("url", "variants", "webp", "video")
    }
    assert unsigned == {name: made[name] for name in unsigned}


def test_a_document_of_public_media_is_shown_as_it_is(alice: int, upload: Any) -> None:
    made = documents.media_document(upload(alice))
    assert documents.has_addresses(made)
    assert documents.shown(made) == made
    assert "expires_at" not in made
    key = storage.variant_key("public/media/bits", "full.jpg")
    assert shown_address(key) == storage.public_url(key)

"""Uploads over the API."""

import io
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from media.models import Media
from tests.support.hostile import HOSTILE
from tests.support.images import decoded, encoded, jpeg_with_gps, plain, png_bomb

pytestmark = pytest.mark.django_db

Api = Callable[[int], Any]
URL = "/api/v1/media"


def post(client: Any, content: bytes, name: str = "picture.jpg", **fields: str) -> Any:
    file = SimpleUploadedFile(name, content, content_type="text/html")
    return client.post(URL, {"file": file, **fields}, format="multipart")


def post_body(
    client: Any, body: bytes, content_type: str = "multipart/form-data; boundary=x"
) -> Any:
    return client.generic("POST", URL, body, content_type=content_type)


def part(name: str, content: bytes, file_name: str | None = None) -> bytes:
    of_file = f'; filename="{file_name}"' if file_name else ""
    header = f'--x\r\nContent-Disposition: form-data; name="{name}"{of_file}\r\n\r\n'
    return header.encode() + content + b"\r\n"


END = b"--x--\r\n"
PICTURE = part("file", encoded(plain()), "picture.jpg")


def assert_problem(response: Any, status: int, *words: str) -> None:
    document = response.json()
    assert response.status_code == document["status"] == status
    assert response["Content-Type"] == "application/problem+json"
    for word in words:
        assert word in document["detail"]


def test_an_upload_answers_its_document(alice: int, api: Api) -> None:
    """Neither its name nor its Content-Type say that it is an image: its content does."""
    content = jpeg_with_gps((1600, 1200), orientation=6)
    response = post(api(alice), content, name="page.html", alt="Low tide")
    document = response.json()
    assert response.status_code == 201
    assert set(document) == {
        *("id", "type", "url", "width", "height", "original_width", "original_height"),
        *("blurhash", "alt", "variants", "webp", "state"),
    }
    assert document["state"] == "ready"
    assert isinstance(document["id"], str)
    assert (document["type"], document["alt"]) == ("image", "Low tide")
    assert (document["width"], document["height"]) == (1080, 1440)
    assert (document["original_width"], document["original_height"]) == (1200, 1600)
    assert set(document["variants"]) == {"thumb", "small", "medium"}
    full = httpx.get(document["url"])
    assert decoded(full.content).size == (1080, 1440)
    assert b"Camera" not in full.content
    widths = {}
    for candidate in document["webp"]["srcset"].split(", "):
        address, width = candidate.split(" ")
        answer = httpx.get(address)
        assert answer.headers["Content-Type"] == "image/webp"
        assert f"{decoded(answer.content).width}w" == width
        widths[width] = address.rpartition("/")[2]
    assert widths == {"320w": "small.webp", "640w": "medium.webp", "1080w": "full.webp"}
    assert decoded(httpx.get(document["webp"]["thumb"]).content).size == (320, 320)


@pytest.mark.parametrize(
    ("width", "widths"), [(1000, "320 640 1000"), (500, "320 500"), (99, "99")]
)
def test_variants_that_are_equally_wide_are_named_once(
    alice: int, api: Api, width: int, widths: str
) -> None:
    srcset = post(api(alice), encoded(plain((width, 90)))).json()["webp"]["srcset"]
    assert [one.partition(" ")[2] for one in srcset.split(", ")] == [
        f"{w}w" for w in widths.split()
    ]


def test_an_upload_from_before_has_a_medium_variant_and_no_webp(alice: int, api: Api) -> None:
    document = post(api(alice), encoded(plain((1600, 1200)))).json()
    Media.objects.filter(pk=document["id"]).update(has_webp=False)
    old = api(alice).get(f"{URL}/{document['id']}").json()
    assert "webp" not in old
    assert old["variants"] == document["variants"] | {"medium": document["url"]}


def test_its_owner_may_see_an_upload_and_nobody_else(alice: int, bob: int, api: Api) -> None:
    document = post(api(alice), encoded(plain())).json()
    address = f"{URL}/{document['id']}"
    assert api(alice).get(address).json() == document
    assert_problem(api(bob).get(address), 404)


def test_its_owner_deletes_an_unused_upload(alice: int, bob: int, api: Api) -> None:
    address = f"{URL}/{post(api(alice), encoded(plain())).json()['id']}"
    assert_problem(api(bob).delete(address), 404)
    response = api(alice).delete(address)
    assert (response.status_code, response.content) == (204, b"")
    for again in (api(alice).delete(address), api(alice).get(address)):
        assert_problem(again, 404)


def test_what_a_post_or_an_avatar_uses_is_409_and_says_what_to_do(alice: int, api: Api) -> None:
    in_post, avatar = (post(api(alice), encoded(plain())).json() for _ in range(2))
    posted = api(alice).post("/api/v1/posts", {"caption": "", "media": [in_post["id"]]}, "json")
    assert posted.status_code == 201
    assert api(alice).patch("/api/v1/users/me", {"avatar": avatar["id"]}, "json").status_code == 200
    uses = [(in_post, f"Post {posted.json()['id']}"), (avatar, "PATCH /api/v1/users/me")]
    for document, words in uses:
        response = api(alice).delete(f"{URL}/{document['id']}")
        assert_problem(response, 409, words)
        assert api(alice).get(f"{URL}/{document['id']}").json() == document


@pytest.mark.parametrize("id_", ["5", str(2**63), "9" * 40, "x"])
def test_an_unknown_id_is_not_found(alice: int, api: Api, id_: str) -> None:
    for method, body in (("get", None), ("patch", {"alt": "Low tide"}), ("delete", None)):
        assert_problem(getattr(api(alice), method)(f"{URL}/{id_}", body, format="json"), 404)


def test_its_owner_may_describe_an_upload_and_nobody_else(alice: int, bob: int, api: Api) -> None:
    document = post(api(alice), encoded(plain())).json()
    address = f"{URL}/{document['id']}"

    def patch(user_id: int, changes: dict[str, Any]) -> Any:
        return api(user_id).patch(address, changes, format="json")

    for alt in ("Low tide", "", "Low tide"):
        described = patch(alice, {"alt": alt})
        assert described.status_code == 200
        assert described.json() == document | {"alt": alt} == api(alice).get(address).json()
    assert_problem(patch(bob, {"alt": "Mine"}), 404)
    for wrong in (
        {},
        {"alt": None},
        {"alt": "x" * 1001},
        {"alt": "a\u202eb"},
        {"alt": ["a"]},
        {"alt": 7},
    ):
        refused = patch(alice, wrong)
        assert_problem(refused, 400)
        assert refused.json()["errors"][0]["field"] == "alt"
    assert api(alice).get(address).json()["alt"] == "Low tide"


def test_without_a_token_nothing_is_taken(client: Any, django_db_setup: None) -> None:
    assert_problem(post(client, encoded(plain())), 401)


@pytest.mark.parametrize(
    "content",
    [
        encoded(plain(), "TIFF"),
        b"<svg/>",
        encoded(plain((640, 480)))[:2000],
        encoded(plain(), "WEBP", save_all=True, append_images=[plain(color="lime")]),
    ],
    ids=["tiff", "svg", "cut off", "animated"],
)
def test_what_is_no_image_is_415_and_says_what_to_send(
    alice: int, api: Api, stored_keys: Callable[[], set[str]], content: bytes
) -> None:
    before = stored_keys()
    assert_problem(post(api(alice), content, name="picture.jpg"), 415, "JPEG", "PNG", "WebP")
    assert not Media.objects.filter(owner_id=alice).exists()
    assert stored_keys() <= before


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (PICTURE + PICTURE + END, ("file", "one file")),
        (PICTURE + part("other", b"text", "other.txt") + END, ("file", "one file")),
        (PICTURE + part("alt", b"a\0b") + END, ("alt", "Null")),
        (PICTURE + part("alt", b"a\xed\xa0\x80b") + END, ("alt", "UTF-8")),
        (PICTURE + part("alt", b"a\xffb") + END, ("alt", "UTF-8")),
        (PICTURE[:200], ("file", "No file")),
        (b"nonsense", ("file", "No file")),
        (b"", ("file", "No file")),
    ],
    ids=[
        *("two files", "another file", "NUL", "lone surrogate", "no UTF-8"),
        *("cut off", "nonsense", "nothing"),
    ],
)
def test_a_body_that_breaks_a_rule_is_400_and_stores_nothing(
    alice: int, api: Api, stored_keys: Callable[[], set[str]], body: bytes, problem: tuple[str, str]
) -> None:
    before = stored_keys()
    response = post_body(api(alice), body)
    assert_problem(response, 400, problem[1])
    assert response.json()["errors"][0]["field"] == problem[0]
    assert not Media.objects.filter(owner_id=alice).exists()
    assert stored_keys() <= before


@pytest.mark.parametrize("boundary", ["", "; boundary=", "; boundary=é"])
def test_a_body_without_a_usable_boundary_is_400(alice: int, api: Api, boundary: str) -> None:
    response = post_body(api(alice), PICTURE + END, f"multipart/form-data{boundary}")
    assert_problem(response, 400, "boundary", "`file`")


@pytest.mark.parametrize("charset", ["utf-16", "hex", "no-such"])
def test_text_is_utf8_whatever_the_header_says(alice: int, api: Api, charset: str) -> None:
    body = PICTURE + part("alt", "Ebbe ür".encode()) + END
    response = post_body(api(alice), body, f"multipart/form-data; boundary=x; charset={charset}")
    assert response.status_code == 201
    assert response.json()["alt"] == "Ebbe ür"


def test_a_missing_or_empty_file_is_400_and_named(alice: int, api: Api) -> None:
    for response in (
        api(alice).post(URL, {"alt": "nothing"}, format="multipart"),
        api(alice).post(URL, {"file": "text"}, format="multipart"),
        post(api(alice), b""),
    ):
        assert_problem(response, 400)
        assert response.json()["errors"][0]["field"] == "file"


def test_an_alt_text_that_is_too_long_is_400_and_named(alice: int, api: Api) -> None:
    response = post(api(alice), encoded(plain()), alt="x" * 1001)
    assert_problem(response, 400, "1000")
    assert response.json()["errors"][0]["field"] == "alt"


def test_a_body_of_another_kind_is_415(alice: int, api: Api) -> None:
    for kind in ("application/json", "image/jpeg", "application/x-www-form-urlencoded"):
        response = post_body(api(alice), b'{"file": "text"}', kind)
        assert_problem(response, 415, "multipart/form-data", "`file`")


def test_too_many_bytes_are_413(alice: int, api: Api, settings: Any) -> None:
    content = encoded(plain())
    settings.MEDIA_MAX_BYTES = len(content)
    assert post(api(alice), content).status_code == 201
    settings.MEDIA_MAX_BYTES = len(content) - 1
    assert_problem(post(api(alice), content), 413, str(settings.MEDIA_MAX_BYTES))


def test_a_body_that_says_it_is_too_large_is_not_even_read(alice: int, api: Api) -> None:
    class Unread(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise AssertionError("the body was read")

    response = api(alice).generic(
        "POST",
        URL,
        content_type="multipart/form-data; boundary=x",
        **{"CONTENT_LENGTH": str(11 * 2**20), "wsgi.input": Unread()},
    )
    assert_problem(response, 413, "10485760")


def test_too_many_pixels_are_413(alice: int, api: Api, settings: Any) -> None:
    assert_problem(post(api(alice), png_bomb()), 413, "pixels")
    over = encoded(Image.new("1", (8000, 7000)), "PNG")
    assert_problem(post(api(alice), over), 413, "8000 x 7000", "at most 30000000")


@pytest.mark.parametrize("name", ["fill bytes", "empty IDATs", "34 bytes of WebP"])
def test_a_file_that_would_cost_much_is_415_and_says_what_to_change(
    alice: int, api: Api, stored_keys: Callable[[], set[str]], name: str
) -> None:
    before = stored_keys()
    hostile = HOSTILE[name]
    assert_problem(
        post(api(alice), hostile.make()), 415, hostile.reason, "JPEG, PNG, WebP, HEIC, AVIF or GIF"
    )
    assert not Media.objects.filter(owner_id=alice).exists()
    assert stored_keys() <= before


@pytest.mark.usefixtures("closed_store")
def test_a_store_that_is_down_is_503(alice: int, api: Api) -> None:
    response = post(api(alice), encoded(plain()))
    assert_problem(response, 503, "Try again")
    assert response["Retry-After"]

"""What the object store refuses of clients that send files to it."""

import socket
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import httpx
import pytest
from botocore.exceptions import BotoCoreError

from devstack.layout import HOST
from media import incoming, storage
from tests.media.sending import LARGE, PICTURE, Api, announce, complete, keys_of, row
from tests.support.direct_uploads import send_form, slice_of

pytestmark = pytest.mark.django_db


class TestItRefuses:
    @pytest.mark.parametrize(
        ("content", "changed"),
        [
            (PICTURE + b"x", {}),
            (PICTURE[:-1], {}),
            (PICTURE, {"Content-Type": "text/html"}),
            (PICTURE, {"key": "public/media/mine/full.jpg"}),
            (PICTURE, {"x-amz-acl": "public-read"}),
            (PICTURE, {"policy": ""}),
        ],
        ids=["longer", "shorter", "another type", "another key", "another field", "no policy"],
    )
    def test_a_form_for_another_file(
        self, content: bytes, changed: dict[str, str], alice: int, api: Api
    ) -> None:
        client = api(alice)
        sending = announce(client)
        assert send_form(sending["form"], content, **changed).status_code in {400, 403}
        assert complete(client, sending).status_code == 409
        assert not keys_of(row(sending))

    @pytest.mark.parametrize("change", [-1, 1], ids=["shorter", "longer"])
    def test_a_part_of_another_length(self, change: int, alice: int, api: Api) -> None:
        part = announce(api(alice), LARGE)["parts"][0]
        answer = httpx.put(part["url"], content=bytes(part["byte_size"] + change), timeout=30)
        assert answer.status_code == 403

    @pytest.mark.parametrize(
        ("old", "new"),
        [("partNumber=1", "partNumber=2"), ("/incoming/", "/public/"), ("X-Amz-Expires=600", "")],
        ids=["another part", "another key", "no end"],
    )
    def test_a_part_at_another_address(self, old: str, new: str, alice: int, api: Api) -> None:
        part = announce(api(alice), LARGE)["parts"][0]
        assert old in part["url"]
        address = part["url"].replace(old, new)
        answer = httpx.put(address, content=bytes(part["byte_size"]), timeout=30)
        assert answer.status_code in {400, 403}

    def test_what_comes_too_late(
        self, alice: int, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(incoming, "_LINK_SECONDS", -1)
        client = api(alice)
        assert send_form(announce(client)["form"], PICTURE).status_code == 403
        part = announce(client, LARGE)["parts"][0]
        answer = httpx.put(part["url"], content=slice_of(part, LARGE), timeout=30)
        assert answer.status_code in {400, 403}

    def test_everybody_who_wants_to_read_it(self, alice: int, api: Api) -> None:
        sending = announce(api(alice))
        assert send_form(sending["form"], PICTURE, acl="public-read").status_code in {204, 403}
        assert send_form(sending["form"], PICTURE).status_code == 204
        address = f"{sending['form']['url']}/{sending['form']['fields']['key']}"
        assert httpx.get(address).status_code == 403


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_page_of_another_origin_may_send_files(method: str, alice: int, api: Api) -> None:
    sending = announce(api(alice), LARGE if method == "PUT" else PICTURE)
    url = sending["parts"][0]["url"] if method == "PUT" else sending["form"]["url"]
    answer = httpx.options(
        url,
        headers={
            "Origin": "https://app.example.org",
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "content-type",
        },
    )
    assert answer.status_code in {200, 204}
    assert answer.headers["Access-Control-Allow-Origin"] in {"*", "https://app.example.org"}
    allowed = answer.headers["Access-Control-Allow-Methods"]
    assert allowed == "*" or method in allowed


def test_a_download_that_breaks_off_is_no_file(settings: Any) -> None:
    with socket.create_server((HOST, 0)) as server, ThreadPoolExecutor(1) as pool:

        def answer_and_break_off() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                head = b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n"
                connection.sendall(head + bytes(1_000_000))

        answered = [pool.submit(answer_and_break_off) for _ in range(1)]
        default = settings.STORAGES["default"]
        address = f"http://{HOST}:{server.getsockname()[1]}"
        options = default["OPTIONS"] | {"endpoint_url": address}
        settings.STORAGES = {**settings.STORAGES, "default": {**default, "OPTIONS": options}}
        with pytest.raises(BotoCoreError):
            list(incoming.fetch(key="incoming/a", into=BytesIO(), limit=10_000_000))
        answered[0].result()


def test_while_the_store_does_not_answer_no_request_waits_for_it(
    closed_store: None, alice: int, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    sending = announce(api(alice))
    assert complete(api(alice), sending).status_code == 503
    monkeypatch.setattr(storage, "storages", {})  # to ask it now would raise a KeyError
    assert complete(api(alice), sending).status_code == 503

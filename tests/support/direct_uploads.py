"""Sends files to the object store, as a client does that has the answer of POST /media/uploads."""

from collections.abc import Callable, Collection
from typing import Any

import httpx

from tests.support.client import Person


def announcement(content: bytes, content_type: str = "image/jpeg", **rest: Any) -> dict[str, Any]:
    """The body of POST /media/uploads for a file."""
    return {"content_type": content_type, "byte_size": len(content), **rest}


def announce(person: Person, content: bytes, content_type: str = "image/jpeg") -> Any:
    """Announce a file; returns the answer of POST /media/uploads."""
    answer = person.http.post("/api/v1/media/uploads", json=announcement(content, content_type))
    assert answer.status_code == 201, answer.text
    return answer.json()


def complete(person: Person, sending: Any) -> None:
    """Say that a file has been sent."""
    answer = person.http.post(f"/api/v1/media/{sending['id']}/complete")
    assert answer.status_code == 200, answer.text


def send(person: Person, sending: Any, content: bytes) -> None:
    """Send a file that was announced, and say so."""
    if sending["form"]:
        assert send_form(sending["form"], content).status_code == 204
    else:
        send_parts(sending["parts"], content)
    complete(person, sending)


def sent(person: Person, content: bytes, content_type: str = "image/jpeg") -> Any:
    """Announce a file, and send it; returns the answer of POST /media/uploads."""
    sending = announce(person, content, content_type)
    send(person, sending, content)
    return sending


def is_ready(person: Person, sending: Any) -> Callable[[], bool]:
    """A function that asks whether a file is ready, and fails if it has failed."""

    def check() -> bool:
        document = person.get(f"/media/{sending['id']}")
        assert document["state"] != "failed", document
        return bool(document["state"] == "ready")

    return check


def waiting_post(person: Person) -> str:
    """The id of a post of a person's that waits for a file which nobody sends."""
    body = {"caption": "Low tide.", "media": [announce(person, b"x")["id"]]}
    answer = person.http.post("/api/v1/posts", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def send_form(form: dict[str, Any], content: bytes, **changed: str) -> httpx.Response:
    """POST a file as the form says, with some fields changed."""
    data = {**form["fields"], **changed}
    return httpx.post(form["url"], data=data, files={"file": ("file", content)}, timeout=30)


def send_parts(
    parts: Collection[dict[str, Any]], content: bytes, numbers: Collection[int] = ()
) -> None:
    """PUT the parts that are not sent yet: all of them, or those of some numbers."""
    for part in parts:
        if part["is_sent"] or (numbers and part["number"] not in numbers):
            continue
        answer = httpx.put(part["url"], content=slice_of(part, content), timeout=30)
        assert answer.status_code == 200, answer.text


def slice_of(part: dict[str, Any], content: bytes) -> bytes:
    """The bytes of a part."""
    return content[part["offset"] : part["offset"] + part["byte_size"]]

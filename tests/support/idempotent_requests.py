"""Builds and sends POST requests with an `Idempotency-Key`, in this process."""

from typing import Any

import orjson


def multipart_body(content: bytes, boundary: str, **fields: str) -> dict[str, Any]:
    """A multipart upload with this boundary. A client uses a new boundary for each attempt."""
    parts = [("file", '; filename="a.jpg"', content)]
    parts += [(name, "", value.encode()) for name, value in fields.items()]
    body = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode()
        + value
        + b"\r\n"
        for name, more, value in parts
    )
    return {
        "data": body + f"--{boundary}--\r\n".encode(),
        "content_type": f"multipart/form-data; boundary={boundary}",
    }


def json_body(**members: Any) -> dict[str, Any]:
    """A JSON body."""
    return {"data": orjson.dumps(members), "content_type": "application/json"}


def send(client: Any, path: str, body: dict[str, Any], key: str | None) -> Any:
    """POST a body, with this key, or without one (None)."""
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.generic("POST", path, **body, headers=headers)


def assert_problem(response: Any, status: int, code: str, *words: str) -> None:
    """Check that the answer is a problem document of this code, with these words in its detail."""
    problem = response.json()
    assert response.status_code == problem["status"] == status
    assert response["Content-Type"] == "application/problem+json"
    assert problem["type"] == f"/problems/{code.replace('_', '-')}"
    for word in words:
        assert word in problem["detail"]

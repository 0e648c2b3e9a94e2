"""What the fuzzer may find without failing. Each entry says why."""

import re
from dataclasses import dataclass
from typing import Any

from schemathesis.core.failures import Failure


@dataclass(frozen=True)
class Exclusion:
    """Failures with this `title`, for the reason `why`.

    Only of operations whose label contains `operation`, whose message contains `message`, whose
    address has a part that matches the pattern `address`, and in whose body the property that the
    message names matches `text`.
    """

    title: str
    why: str
    operation: str = ""
    message: str = ""
    address: str = ""
    text: str = ""


_TOO_LONG = "Go's HTTP parser answers an address of more than a megabyte, before any handler."
EXCLUSIONS = [
    Exclusion(
        "Unexpected response to invalid authentication",
        "An unknown X-Session-Token is 410, by which clients of django-allauth know that it ended.",
        operation="/_allauth/",
        message="410 Gone",
    ),
    Exclusion(
        "Schema-violating request accepted",
        "An empty limit is none: forms send their empty fields.",
        message="parameter `limit` in query",
        address=r"limit=(&|$)",
    ),
    Exclusion(
        "Schema-violating request accepted",
        "White space around a text is dropped before the text is measured.",
        message="violates `maxLength`",
        text=r"^\s|\s\Z",
    ),
    Exclusion(
        "Schema-violating request accepted",
        "A form has texts only: an object in a field is the text of its JSON.",
        operation="POST /api/v1/media",
        message="violates `type` at /properties/alt",
    ),
    Exclusion(
        "Deleted resource still available",
        "Who takes a like back deletes the like, and not the list of likes.",
        operation="/likes",
        message="/like`",
    ),
    Exclusion(
        "Deleted resource still available",
        "Who removes a follower ends one follow, and not the list of followers.",
        operation="/followers",
        message="/follower`",
    ),
    Exclusion("Undocumented Content-Type", _TOO_LONG, message="text/plain; charset=utf-8"),
    Exclusion(
        "Custom check failed: `answers_errors_as_problems`",
        _TOO_LONG,
        message="an error of content type 'text/plain; charset=utf-8'",
    ),
]


def explained(failure: Failure, operation: str, address: str, body: Any) -> bool:
    """Whether a failure is expected."""
    named = re.search(r" at /properties/(\w+)", failure.message)
    text = str(body.get(named[1], "")) if named and isinstance(body, dict) else ""
    return any(
        one.title == failure.title
        and one.operation in operation
        and one.message in failure.message
        and re.search(one.address, address)
        and re.search(one.text, text)
        for one in EXCLUSIONS
    )

"""What the web client says about problems: texts for all that people can meet, and true limits."""

import json
import re
from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import (
    MinimumLengthValidator,
    get_default_password_validators,
)
from drf_spectacular.generators import SchemaGenerator

from devstack.layout import PROJECT_DIR
from socialfeed.problem_types import PROBLEM_TYPES
from users.accounts.adapter import EMAIL_LENGTH

MESSAGES = PROJECT_DIR / "web" / "src" / "i18n"
# Those that only a wrong program meets, and those whose `errors` say more.
WITHOUT_A_TEXT = {
    *("bad-request", "parse-error", "validation", "invalid", "cursor", "method-not-allowed"),
    *("idempotency-in-flight", "idempotency-key-reused", "too-many", "upload-complete"),
    *("duplicate", "not-a-picture"),
}


def test_each_type_that_people_can_meet_has_a_text() -> None:
    text = (MESSAGES / "problems.en.ts").read_text()
    named = set(re.findall(r"^  (\w+)[,:]", text, flags=re.MULTILINE))
    known = {name.replace("-", "_") for name in PROBLEM_TYPES.keys() - WITHOUT_A_TEXT}
    assert known <= named, known - named
    assert not named & {name.replace("-", "_") for name in WITHOUT_A_TEXT}


def lengths() -> dict[str, set[int]]:
    """The longest texts that requests take, by field."""
    schema: Any = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    found: dict[str, set[int]] = {}
    for body in schema["components"]["schemas"].values():
        for name, field in body.get("properties", {}).items():
            if "maxLength" in field:
                found.setdefault(name, set()).add(field["maxLength"])
    return found


def test_the_limits_in_texts_are_those_of_the_api() -> None:
    limits = json.loads((MESSAGES / "limits.json").read_text())
    (shortest,) = (
        one.min_length
        for one in get_default_password_validators()
        if isinstance(one, MinimumLengthValidator)
    )
    assert limits.pop("password_too_short") == shortest
    assert limits.pop("max_email_addresses") == settings.ACCOUNT_MAX_EMAIL_ADDRESSES
    assert limits.pop("email.max_length") == EMAIL_LENGTH
    found = lengths()
    assert limits
    for key, limit in limits.items():
        field, code = key.split(".")
        assert (code, found[field]) == ("max_length", {limit}), key

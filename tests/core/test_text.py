"""The rule for text that people write, and that nothing of theirs escapes it."""

import unicodedata
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from drf_spectacular.generators import SchemaGenerator
from hypothesis import given
from hypothesis import strategies as st

from comments.models import Comment
from core.text import is_blank, refuse_deceptive_name, refuse_deceptive_text
from media.models import Media
from posts.models import Post, WaitingPost
from users.models import User


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Low tide",
        "two\nlines\tand a tab\r\n",
        "👩‍👩‍👧‍👦",  # joined by U+200D
        "❤️",  # with a variation selector
        "می‌خواهم",  # Persian, with U+200C
        "שלום \u200e(hi)\u200f",
        "e\u0301",
    ],
)
def test_what_people_write_is_allowed(text: str) -> None:
    refuse_deceptive_text(text)


@pytest.mark.parametrize(
    "character", "\x00\x07\x1b\x7f\x85\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
def test_controls_and_changes_of_direction_are_refused_by_name_and_place(character: str) -> None:
    with pytest.raises(ValidationError) as refused:
        refuse_deceptive_text(f"ada{character}b")
    assert f"U+{ord(character):04X} at position 4" in refused.value.message


@pytest.mark.parametrize(
    "text",
    [
        *("\u200b", "\u3164", " \u2800 ", "\u115f\u1160", "\ufeff", "\xad", "\ue000", "\uffff"),
        *("\U0001d159", "\U00016fe4"),
    ],
)
def test_a_text_that_nobody_can_see_is_refused(text: str) -> None:
    for rule in (refuse_deceptive_text, refuse_deceptive_name):
        with pytest.raises(ValidationError) as refused:
            rule(text)
        assert refused.value.code == "blank"


@pytest.mark.parametrize("line_end", "\n\r\t\u2028\u2029")
def test_a_name_has_one_line(line_end: str) -> None:
    with pytest.raises(ValidationError) as refused:
        refuse_deceptive_name(f"Ada{line_end}Lovelace")
    assert refused.value.code == "several_lines"


@given(st.text(max_size=30))
def test_what_is_accepted_can_be_seen_and_has_no_control(text: str) -> None:
    try:
        refuse_deceptive_name(text)
    except ValidationError:
        return
    assert not text or not is_blank(text)
    assert not any(unicodedata.category(character) == "Cc" for character in text)
    assert not any(unicodedata.bidirectional(c) in {"LRO", "RLO", "PDF", "LRI"} for c in text)


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (User, ["display_name", "bio"]),
        (Post, ["caption"]),
        (WaitingPost, ["caption"]),
        (Comment, ["text"]),
        (Media, ["alt"]),
    ],
)
def test_the_forms_of_the_admin_have_the_rule(model: Any, fields: list[str]) -> None:
    for name in fields:
        with pytest.raises(ValidationError):
            model._meta.get_field(name).clean("a\u202eb", None)


# Texts that people send but do not write: they name, find or open something.
_NOT_WRITTEN = {"username", "password", "code", "content_type"}


def test_every_text_that_a_request_body_takes_has_the_rule() -> None:
    """Walks the schema: each text field of a body of ours is one of those checked above."""
    schema: Any = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    components = schema["components"]["schemas"]
    texts: set[tuple[str, str]] = set()
    for path, item in schema["paths"].items():
        for operation in item.values() if path.startswith("/api/v1/") else ():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                name = content["schema"]["$ref"].rpartition("/")[2]
                for field, described in components[name]["properties"].items():
                    is_id = described.get("pattern") or described.get("format")
                    if described.get("type") == "string" and not is_id:
                        texts.add((name, field))
    fields = {field for _, field in texts} - _NOT_WRITTEN
    assert fields == {"alt", "bio", "caption", "display_name", "text"}

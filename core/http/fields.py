"""Fields of JSON bodies and queries that take a value of their own type only.

DRF's own fields convert: the number 5 becomes the text "5", and the text "yes" becomes true. The
schema says text and boolean, so a client's mistake is refused instead.
"""

import re
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.ids import MAX_ID

_ID = re.compile("[0-9]{1,19}")
ID_PATTERN = f"^{_ID.pattern}$"


class TextField(serializers.CharField):
    """A text."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class FlagField(serializers.BooleanField):
    """True or false."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class CountField(serializers.IntegerField):
    """A whole number."""

    def to_internal_value(self, data: Any) -> int:
        # A boolean is an `int` in Python.
        if type(data) is not int:
            self.fail("invalid")
        return super().to_internal_value(data)


class QueryFlagField(serializers.BooleanField):
    """True or false in a query: the texts `true` and `false`."""

    default_error_messages = {"invalid": "This is neither `true` nor `false`."}

    def to_internal_value(self, data: Any) -> bool:
        if data not in ("true", "false"):
            self.fail("invalid", input=data)
        return bool(data == "true")


@extend_schema_field({"type": "string", "pattern": ID_PATTERN})
class IdField(serializers.Field[int, Any, str, Any]):
    """A 64-bit id: a text of digits, as answers write it. A number is taken too."""

    default_error_messages = {"invalid": "This is not an id: a text of 1 to 19 digits."}

    def to_internal_value(self, data: Any) -> int:
        is_text = isinstance(data, str) and _ID.fullmatch(data)
        # A boolean is an `int` in Python.
        if not (is_text or type(data) is int) or not 0 < int(data) <= MAX_ID:
            self.fail("invalid")
        return int(data)

    def to_representation(self, value: int) -> str:
        return str(value)

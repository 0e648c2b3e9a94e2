"""Path converters shared by the apps' `urls.py`; importing this module registers them."""

from django.urls.converters import IntConverter, StringConverter, register_converter

from core.ids import MAX_ID


class IdConverter(IntConverter):
    """A 64-bit id in decimal. With a greater number the address does not exist (404)."""

    regex = "[0-9]{1,19}"

    def to_python(self, value: str) -> int:
        if int(value) > MAX_ID:
            raise ValueError("not a 64-bit id")
        return int(value)


class UsernameConverter(StringConverter):
    """A username, in upper or lower case. With any other text the address does not exist (404)."""

    regex = "[A-Za-z0-9_.]{1,30}"

    def to_python(self, value: str) -> str:
        return value.lower()


register_converter(IdConverter, "id")
register_converter(UsernameConverter, "username")

"""The rule for all text that people write: names, captions, comments, descriptions.

Text is stored as it was sent. So what would deceive its readers is refused, by the API and by the
admin's forms alike: a name that nobody can see, a control character, and a character that turns the
direction of the text around it (Unicode Technical Report 36, 2.4 and 2.10).
"""

import re
import unicodedata

from django.core.exceptions import ValidationError

# Blanks, controls and formats. Not unassigned characters: these may be new emoji.
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
# Invisible characters of other categories: fillers, joiners, variation selectors, the empty Braille
# cell, the null notehead; and those that no font need have: private use, noncharacters.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ue000-\uf8ff\ufe00-\ufe0f"
    "\uffa0\ufff0-\ufff8\ufffe\uffff\U00016fe4\U0001d159\U000e0000-\U000e0fff"
    "\U000f0000-\U0010ffff]"
)
# Controls but tab and line ends; embeddings, overrides and isolates of direction. The marks U+200E
# and U+200F stay: languages that are written from right to left need them, and they turn nothing.
_REFUSED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_LINE_ENDS = re.compile("[\t\n\r\u2028\u2029]")


def without_invisible(text: str) -> str:
    """A text without the characters that nobody sees, but for blanks and line ends."""
    return "".join(
        character
        for character in _INVISIBLE.sub("", text)
        if unicodedata.category(character) != "Cf"
    )


def is_blank(text: str) -> bool:
    """Whether no character of a text is visible."""
    return all(
        unicodedata.category(character) in _INVISIBLE_CATEGORIES
        for character in _INVISIBLE.sub("", text)
    )


def refuse_deceptive_text(text: str) -> None:
    """Validator: raises `ValidationError` for text that breaks the rule. "" is allowed."""
    if found := _REFUSED.search(text):
        raise ValidationError(
            f"The character U+{ord(found[0]):04X} at position {found.start() + 1} is not allowed: "
            "it is a control character, or changes the direction of text. Remove it.",
            code="control_character",
        )
    if text and is_blank(text):
        raise ValidationError("This text has no visible character.", code="blank")


def refuse_deceptive_name(text: str) -> None:
    """Validator: the same for a text of one line."""
    if found := _LINE_ENDS.search(text):
        raise ValidationError(
            f"Write this in one line: U+{ord(found[0]):04X} is at position {found.start() + 1}.",
            code="several_lines",
        )
    refuse_deceptive_text(text)

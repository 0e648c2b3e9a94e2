"""Parses the body of an upload: multipart/form-data in UTF-8, of limited size, with one file.

A body that breaks these rules raises a `Problem` before a serializer sees it.
"""

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import DataAndFiles, MultiPartParser

from core.http.problems import Invalid, TooLarge

# The size of the boundaries and of the fields besides the file.
FORM_BYTES = 64 * 1024


class UploadParser(MultiPartParser):
    """Parses an upload; raises `TooLarge` before reading and `Invalid` after."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> "DataAndFiles[Any, Any]":
        context = dict(parser_context or {})
        declared = context["request"].META.get("CONTENT_LENGTH") or ""
        if declared.isdecimal() and int(declared) > settings.MEDIA_MAX_BYTES + FORM_BYTES:
            raise TooLarge(
                f"The upload has {declared} bytes; a file of at most {settings.MEDIA_MAX_BYTES} is "
                "accepted. Scale the image down or compress it more.",
                field="file",
            )
        try:
            # Ignore the charset that the client names: Python would accept "hex" as one.
            parsed = super().parse(stream, media_type, context | {"encoding": "utf-8"})
        except ParseError as error:
            reason = str(error.detail).rstrip(".")
            raise Invalid(
                f"{reason}. Send multipart/form-data with the image in the field `file`."
            ) from error
        if sum(len(files) for _, files in parsed.files.lists()) > 1:
            raise Invalid(
                "There is more than one file. Upload each image with a request of its own.",
                field="file",
                code="too_many",
            )
        return parsed

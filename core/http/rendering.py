"""JSON answers by orjson, which is fast and writes times as RFC 3339."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer


class OrjsonRenderer(JSONRenderer):
    """Renders dictionaries, lists, text, numbers, aware datetimes (`Z`, UTC), `orjson.Fragment`."""

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        if data is None:
            return b""
        return orjson.dumps(data, option=orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC)


class OneKindNegotiation(DefaultContentNegotiation):
    """Ignores `Accept` and `?format=` for views that have only one renderer.

    Errors have another media type, so a client that accepts neither could not be told so anyway.
    """

    def select_renderer(
        self, request: Any, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        first, *others = renderers
        if not others:
            return first, first.media_type
        chosen: tuple[BaseRenderer, str] = super().select_renderer(
            request, renderers, format_suffix
        )
        return chosen


def fragments(documents: Iterable[bytes]) -> list[orjson.Fragment]:
    """Ready JSON documents as values that orjson copies into an answer."""
    return [orjson.Fragment(document) for document in documents]

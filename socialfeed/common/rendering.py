"""JSON answers by orjson: faster than the standard library, and its times are RFC 3339."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from rest_framework.renderers import BaseRenderer


class OrjsonRenderer(BaseRenderer):
    """Dictionaries, lists, text, numbers, aware datetimes (`Z`, UTC) and `orjson.Fragment`."""

    media_type = "application/json"
    format = "json"
    charset = None
    render_style = "binary"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        if data is None:
            return b""
        return orjson.dumps(data, option=orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC)


def fragments(documents: Iterable[bytes]) -> list[orjson.Fragment]:
    """Documents that are JSON already, for an answer to be made of."""
    return [orjson.Fragment(document) for document in documents]

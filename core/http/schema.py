"""Parts of the OpenAPI schema that all endpoints share: problem documents, pages, keys.

To make the schema takes half a second of CPU. So it is made once a release, into files that the web
server serves (`write_schema`).
"""

import gzip
from pathlib import Path
from typing import Any, Literal

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer, inline_serializer
from rest_framework import serializers

from core.files import etag_of, replace_file
from core.http import idempotency
from core.http.idempotency_keys import MAX_LENGTH
from core.http.pagination import PageQuery
from core.http.permissions import READS, PublicReads
from core.http.problems import CONTENT_TYPE

Direction = Literal["request", "response"]
_RENDERERS = {"openapi.json": OpenApiJsonRenderer, "openapi.yaml": OpenApiYamlRenderer}


class FieldError(serializers.Serializer[Any]):
    """One field that has to change."""

    field = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class ProblemDocument(serializers.Serializer[Any]):
    """An error (RFC 9457)."""

    type = serializers.CharField(
        help_text="Names the kind of problem, and leads to a page that explains it."
    )
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="What is wrong and what to change.")
    request_id = serializers.CharField(
        required=False, help_text="Of an error on our side: what to name when you report it."
    )
    errors = FieldError(many=True, required=False)  # type: ignore[assignment]  # a field's name


_KEY_PARAMETER = {
    "in": "header",
    "name": idempotency.HEADER,
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH, "pattern": "^[!-~]+$"},
    "description": (
        "A random text, new for each new request. Sent again with the same key within 24 hours, "
        "the request makes nothing anew and gets the same answer, with "
        f"`{idempotency.REPLAYED}: true`."
    ),
    # No example: who sends the same key again and again makes one post, and no second.
}
_KEY_PROBLEMS = {
    "409": "The first request with this key is still being answered; or another conflict.",
    "422": "This key was used for another request: another body, or another address.",
}


class ProblemAutoSchema(AutoSchema):
    """Adds to operations the problem document as their default answer, and the idempotency key.

    The first line of a view method's docstring becomes the operation's summary.
    """

    def get_summary(self) -> str | None:
        described = super().get_description() or ""
        return described.partition("\n")[0].rstrip(".") or None

    def get_description(self) -> str:  # type: ignore[override]  # drf-spectacular's own signature
        described = super().get_description() or ""
        return described.partition("\n")[2].strip() or described

    def get_auth(self) -> list[dict[str, list[str]]]:
        auth: list[dict[str, list[str]]] = super().get_auth()
        is_public = PublicReads in getattr(self.view, "permission_classes", [])
        return [*auth, {}] if is_public and self.method in READS else auth

    def get_request_serializer(self) -> Any:
        # A DELETE has a body only if `extend_schema` says so, which does not come here.
        return None if self.method == "DELETE" else super().get_request_serializer()

    def _get_request_body(self, direction: Direction = "request") -> dict[str, Any] | None:
        if self.method == "DELETE" and self.get_request_serializer() is None:
            return None
        method = self.method
        if method == "DELETE":
            self.method = "POST"  # drf-spectacular gives a DELETE no body
        try:
            body: dict[str, Any] | None = super()._get_request_body(direction)  # type: ignore[no-untyped-call]
        finally:
            self.method = method
        if body is not None:
            body["required"] = True  # drf-spectacular takes that of a PATCH for optional
        return body

    def _get_response_bodies(self, direction: Direction = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        component = self.resolve_serializer(ProblemDocument, direction)
        problems = _KEY_PROBLEMS if self._takes_key() else {}
        for status, description in {
            **problems,
            "default": "An error, as a problem document.",
        }.items():
            bodies[status] = {
                "description": description,
                "content": {CONTENT_TYPE: {"schema": component.ref}},
            }
        return bodies

    def _get_parameters(self) -> list[dict[str, Any]]:
        parameters: list[dict[str, Any]] = super()._get_parameters()
        return [*parameters, _KEY_PARAMETER] if self._takes_key() else parameters

    def _takes_key(self) -> bool:
        return idempotency.takes_key(getattr(self.view, self.method.lower(), None))


PAGE_PARAMETERS = [PageQuery]


def page_of(
    item: type[serializers.BaseSerializer[Any]],
    example: dict[str, Any],
    *,
    name: str = "",
    **more: serializers.Field[Any, Any, Any, Any],
) -> serializers.Serializer[Any]:
    """The schema of a page of `item`, with an example of one; `more` are further members."""
    page = inline_serializer(
        name=name or f"{item.__name__.removesuffix('Document')}Page",
        fields={
            "results": item(many=True),
            "next": serializers.URLField(
                allow_null=True, help_text="Address of the next page; null at the end."
            ),
            **more,
        },
    )
    value = {"results": [example], "next": None} | {key: more[key].initial for key in more}
    extend_schema_serializer(examples=[OpenApiExample("The last page", value)])(type(page))
    return page


def render_schema() -> dict[str, bytes]:
    """The schema of the whole service, by the name of its file: `openapi.json`, `openapi.yaml`."""
    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    rendered: dict[str, Any] = {
        name: renderer().render(schema, renderer_context={})
        for name, renderer in _RENDERERS.items()
    }
    return rendered


def write_schema(*, folder: Path) -> None:
    """Write the schema as JSON and YAML, each with a `.gz` beside it, and an `.etag` for both.

    The ETags come last: at worst, a client gets a new schema with an old ETag, and then asks once
    too often.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, bytes] = {}
    etags: dict[str, bytes] = {}
    for name, content in render_schema().items():
        for suffix, written in (("", content), (".gz", gzip.compress(content, mtime=0))):
            files[name + suffix] = written
            etags[f"{name}{suffix}.etag"] = etag_of(content, suffix=suffix)
    for name, content in (files | etags).items():
        replace_file(folder / name, content)

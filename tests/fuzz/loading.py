"""Loads the API's schema into Schemathesis, with the tokens, names and ids of a turn's people."""

from collections.abc import Mapping
from typing import Any

import schemathesis
from hypothesis import strategies
from schemathesis import AuthContext, BaseSchema, Case

from tests.fuzz.people import People
from tests.support.client import PASSWORD
from tests.support.images import encoded, jpeg_with_gps, plain

# The longest that an answer may take, in seconds.
TIMEOUT = 60
# How often a name, an id, a password or a text that is fine stands in for a random one.
EXISTING = 0.5
# Schemathesis's checks that cannot hold here. The schema does not say all that makes data right,
# such as that an id exists; and whose object is whose is checked by `Makers`.
UNUSED_CHECKS = ("positive_data_acceptance", "object_level_authorization")
# How wrong data may be refused: also because the session has ended, or there is too much of it.
REFUSALS = [*("400", "401", "403", "404", "405", "409", "410", "413", "415", "422", "429", "431")]
# These take a secret that only a mail or another device has. In chains they would only take room.
DEAD_ENDS = "/(email/verify|password/reset|2fa/[a-z]+|reauthenticate)$"
_AUTH = "/_allauth/app/v1"
# Links that Schemathesis does not infer: POSTs whose answer, of this status, makes the body of
# another POST.
LINKS = [
    ("/api/v1/media", "201", "/api/v1/posts", {"media": ["$response.body#/id"]}),
    ("/api/v1/media/uploads", "201", "/api/v1/posts", {"media": ["$response.body#/id"]}),
    (
        f"{_AUTH}/auth/login",
        "200",
        f"{_AUTH}/tokens/refresh",
        {"refresh_token": "$response.body#/meta/refresh_token"},
    ),
]
# Which dictionary a parameter or a field takes its values from.
_PLACES = {
    "path.username": "username",
    "path.post_id": "post_id",
    "path.waiting_post_id": "waiting_post_id",
    "path.comment_id": "comment_id",
    "path.media_id": "media_id",
    "query.author": "username",
    "query.search": "username",
    "body.username": "username",
    "body.email": "email",
    "body.password": "password",
    "body.current_password": "password",
    "body.reply_to": "comment_id",
    "body.media[*]": "media_id",
    "body.content_type": "content_type",
    **{f"body.{field}": "text" for field in ("text", "caption", "display_name", "bio")},
}

# A file is mostly a picture, not random bytes.
schemathesis.openapi.format(
    "binary",
    strategies.one_of(
        strategies.sampled_from([jpeg_with_gps(), encoded(plain(), "PNG")]), strategies.binary()
    ),
)


def load_schema(document: Mapping[str, Any], *, origin: str, people: People) -> BaseSchema:
    """The schema of the service at `origin`; its requests are those of `people`."""
    config = schemathesis.Config.from_dict(_config(origin, people))
    schema = schemathesis.openapi.from_dict(dict(document), config=config)

    @schema.auth(refresh_interval=None)
    class Tokens:
        def get(self, case: Case[Any], context: AuthContext) -> str | None:
            operation = context.operation
            # Each of these is enough; `{}`: so is nothing.
            ways = operation.definition.raw.get("security") or [{}]
            return people.token(operation.label, is_needed={} not in ways)

        def set(self, case: Case[Any], token: str, context: AuthContext) -> None:
            case.headers["Authorization"] = f"Bearer {token}"

    return schema


def add_links(document: dict[str, Any]) -> None:
    """Add LINKS to a schema."""
    paths = document["paths"]
    for source, status, target, body in LINKS:
        link = {
            "operationId": paths[target]["post"]["operationId"],
            "requestBody": body,
            "x-schemathesis": {"merge_body": False},
        }
        responses = paths[source]["post"]["responses"]
        responses[status] = _resolved(responses[status], document) | {"links": {"next": link}}


def _resolved(node: dict[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" not in node:
        return node
    _, components, kind, name = node["$ref"].split("/")
    found: dict[str, Any] = document[components][kind][name]
    return found


def _config(origin: str, people: People) -> dict[str, Any]:
    """Schemathesis's configuration, in the form of its file schemathesis.toml."""
    residents = people.residents
    dictionaries: dict[str, list[str]] = {
        "username": [resident.person.username for resident in residents],
        "email": [f"{resident.person.username}@example.org" for resident in residents],
        "password": [PASSWORD],
        "text": ["Lovely."],
        "content_type": ["image/jpeg", "image/heic"],
        **{
            kind: [id_ for resident in residents for id_ in resident.ids[kind]]
            for kind in residents[0].ids
        },
    }
    return {
        "base-url": origin,
        "generation": {"with-security-parameters": False},
        "checks": {
            "max_response_time": TIMEOUT,
            "negative_data_rejection": {"expected-statuses": REFUSALS},
            **{name: {"enabled": False} for name in UNUSED_CHECKS},
        },
        "dictionaries": {name: {"values": values} for name, values in dictionaries.items()},
        "parameters": _from_dictionaries(_PLACES),
        "operations": [
            {"include-path-regex": DEAD_ENDS, "phases": {"stateful": {"enabled": False}}},
            # What these delete is not what the other requests name.
            *[
                {
                    "include-name": f"DELETE /api/v1/{kind}s/{{{kind}_id}}",
                    "parameters": _from_dictionaries({f"path.{kind}_id": f"doomed_{kind}_id"}),
                }
                for kind in ("post", "comment")
            ],
        ],
    }


def _from_dictionaries(places: Mapping[str, str]) -> dict[str, Any]:
    return {place: {"dictionary": name, "probability": EXISTING} for place, name in places.items()}

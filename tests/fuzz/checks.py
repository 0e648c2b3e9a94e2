"""Rules that are this service's own, beside those of Schemathesis."""

from typing import Any

from schemathesis import Case, CheckContext, Response

from socialfeed.problem_types import ADDRESS, PROBLEM_TYPES
from tests.fuzz.people import People

# Whose answer shows or changes what only its maker may see or change, by the address's parameter.
_ONLY_MAKER = {
    "PATCH /api/v1/posts/{post_id}": "post_id",
    "DELETE /api/v1/posts/{post_id}": "post_id",
    "PATCH /api/v1/comments/{comment_id}": "comment_id",
    "GET /api/v1/media/{media_id}": "media_id",
    "PATCH /api/v1/media/{media_id}": "media_id",
    "DELETE /api/v1/media/{media_id}": "media_id",
}
# The author of the post may delete a comment, too.
_NOT_EVERYBODY = _ONLY_MAKER | {"DELETE /api/v1/comments/{comment_id}": "comment_id"}
_TYPES = {"about:blank", *(ADDRESS + name for name in PROBLEM_TYPES)}
_MAKES = {
    "POST /api/v1/posts": "post_id",
    "POST /api/v1/posts/{post_id}/comments": "comment_id",
    "POST /api/v1/media": "media_id",
}


def answers_errors_as_problems(context: CheckContext, response: Response, case: Case[Any]) -> None:
    """Every error is a problem document (RFC 9457) of a known type, and says what is wrong."""
    if response.status_code < 400:
        return
    kind = response.headers.get("content-type", [""])[0]
    assert kind == "application/problem+json", f"an error of content type {kind!r}"
    document = response.json()
    assert document["status"] == response.status_code, document
    assert len(document["detail"]) > 10, document
    assert document["type"] in _TYPES, document


class Makers:
    """Who has made which post, comment and upload."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._makers: dict[tuple[str, str], str] = {}
        for resident in people.residents:
            for kind, ids in resident.ids.items():
                parameter = kind.removeprefix("doomed_")
                self._makers |= {(parameter, id_): resident.person.username for id_ in ids}

    def keeps_people_apart(
        self, context: CheckContext, response: Response, case: Case[Any]
    ) -> None:
        """Nobody changes another's post, comment or upload, or sees or deletes another's upload."""
        operation = case.operation.label
        sender = self._sender(response)
        if sender is None or not response.status_code < 300:
            return
        if kind := _MAKES.get(operation):
            self._makers[kind, response.json()["id"]] = sender
        if operation in _ONLY_MAKER:
            maker = self._maker(case)
            assert maker in (None, sender), f"{sender} reached what {maker} has made"

    def hidden_from_sender(self, response: Response, case: Case[Any]) -> bool:
        """Whether 404 is right for what exists: somebody else has made it."""
        return self._maker(case) not in (None, self._sender(response))

    def _sender(self, response: Response) -> str | None:
        return self._people.sender(str(response.request.headers.get("Authorization", "")))

    def _maker(self, case: Case[Any]) -> str | None:
        """Who has made what this operation is about, if it is not for everybody."""
        kind = _NOT_EVERYBODY.get(case.operation.label)
        return self._makers.get((kind, str(case.path_parameters[kind]))) if kind else None

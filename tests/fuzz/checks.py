"""Rules that are this service's own, beside those of Schemathesis."""

from http import HTTPStatus
from typing import Any, cast

from schemathesis import Case, CheckContext, Response

from socialfeed.problem_types import ADDRESS, PROBLEM_TYPES
from tests.fuzz.people import People

# Whose answer shows or changes what only its maker may see or change, by the address's parameter.
_ONLY_MAKER = {
    "PATCH /api/v1/posts/{post_id}": "post_id",
    "DELETE /api/v1/posts/{post_id}": "post_id",
    "PATCH /api/v1/comments/{comment_id}": "comment_id",
    "GET /api/v1/posts/waiting/{waiting_post_id}": "waiting_post_id",
    "PATCH /api/v1/posts/waiting/{waiting_post_id}": "waiting_post_id",
    "DELETE /api/v1/posts/waiting/{waiting_post_id}": "waiting_post_id",
    "GET /api/v1/media/{media_id}": "media_id",
    "PATCH /api/v1/media/{media_id}": "media_id",
    "DELETE /api/v1/media/{media_id}": "media_id",
    "GET /api/v1/media/uploads/{media_id}": "media_id",
    "POST /api/v1/media/{media_id}/complete": "media_id",
}
# The author of the post may delete a comment, too.
_NOT_EVERYBODY = _ONLY_MAKER | {"DELETE /api/v1/comments/{comment_id}": "comment_id"}
_TYPES = {"about:blank", *(ADDRESS + name for name in PROBLEM_TYPES)}
_MAKES = {
    "POST /api/v1/posts": "post_id",
    "POST /api/v1/posts/{post_id}/comments": "comment_id",
    "POST /api/v1/media": "media_id",
    "POST /api/v1/media/uploads": "media_id",
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
    """Who has made which post, comment and upload, and which uploads went with what used them."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._makers: dict[tuple[str, str], str] = {}
        self._media_of_post: dict[str, list[str]] = {}
        self._avatars: dict[str, str] = {}  # by user
        self._gone_media: set[str] = set()
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
            if response.status_code == HTTPStatus.ACCEPTED:
                kind = "waiting_post_id"
            self._makers[kind, response.json()["id"]] = sender
        if operation in _ONLY_MAKER:
            maker = self._maker(case)
            assert maker in (None, sender), f"{sender} reached what {maker} has made"
        self._note_use(operation, sender, response, case)

    def _note_use(self, operation: str, sender: str, response: Response, case: Case[Any]) -> None:
        """Note uploads that a post or an avatar uses now, or that have gone with it."""
        body = cast("dict[str, Any]", case.body)
        if operation == "POST /api/v1/posts" and response.status_code == HTTPStatus.CREATED:
            document = response.json()
            self._media_of_post[document["id"]] = [media["id"] for media in document["media"]]
        elif operation == "DELETE /api/v1/posts/{post_id}":
            post_id = str(case.path_parameters["post_id"])
            self._gone_media.update(self._media_of_post.pop(post_id, []))
        elif operation == "PATCH /api/v1/users/me" and "avatar" in body:
            before, now = self._avatars.get(sender), str(body["avatar"])
            self._avatars[sender] = now
            if before not in (None, now):
                self._gone_media.add(str(before))

    def has_gone_with_its_use(self, case: Case[Any]) -> bool:
        """Whether 404 is right: the upload's post was deleted, or another avatar took its place."""
        return str(case.path_parameters.get("media_id")) in self._gone_media

    def hidden_from_sender(self, response: Response, case: Case[Any]) -> bool:
        """Whether 404 is right for what exists: somebody else has made it."""
        return self._maker(case) not in (None, self._sender(response))

    def _sender(self, response: Response) -> str | None:
        return self._people.sender(str(response.request.headers.get("Authorization", "")))

    def _maker(self, case: Case[Any]) -> str | None:
        """Who has made what this operation is about, if it is not for everybody."""
        kind = _NOT_EVERYBODY.get(case.operation.label)
        return self._makers.get((kind, str(case.path_parameters[kind]))) if kind else None

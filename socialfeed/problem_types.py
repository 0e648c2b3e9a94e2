"""The kinds of problems that the API answers, each with the page that its `type` leads to.

A problem's `type` is the address of a page of this service, such as `/problems/comments-closed`. A
test finds every type that the code can answer, and fails if one is missing here. The web server's
own errors have the type `about:blank`: their status says all.
"""

from dataclasses import dataclass
from typing import Any

from django.http import Http404
from django.views.generic import TemplateView

ADDRESS = "/problems/"


@dataclass(frozen=True)
class ProblemType:
    """A kind of problem: its status, what has happened, and what to change."""

    status: int
    meaning: str
    advice: str


_FIX_BODY = "Change the fields that `errors` names, as their messages say, and send it again."
_LOG_IN = "Log in, or exchange the refresh token, and send the request with the new access token."
_LATER = "Send the same request again after the seconds in `Retry-After`."
_WITH_KEY = "A POST with an `Idempotency-Key` may be sent again without making anything twice."

PROBLEM_TYPES = {
    # Requests
    "bad-request": ProblemType(
        400,
        "The request is malformed: its address, a header or its body cannot be read.",
        "Send it as the API's documentation says. A body is a JSON object in UTF-8.",
    ),
    "parse-error": ProblemType(
        400,
        "The body is no valid JSON, or no valid form.",
        "Correct the body. The detail says where reading it failed.",
    ),
    "validation": ProblemType(400, "Some fields of the request break a rule.", _FIX_BODY),
    "invalid": ProblemType(400, "The request breaks a rule, which the detail names.", _FIX_BODY),
    "required": ProblemType(
        400, "The request lacks a field that this account needs.", "Send the field in `errors`."
    ),
    "cursor": ProblemType(
        400,
        "The cursor is not one of this list's.",
        "Use the addresses in a page as they are, or begin again without a cursor.",
    ),
    "method-not-allowed": ProblemType(
        405, "The address does not take this method.", "Use a method that `Allow` names."
    ),
    "not-found": ProblemType(
        404,
        "There is nothing at this address, or nothing that the caller may see.",
        "Check the id or the name. What was deleted stays away.",
    ),
    "private-account": ProblemType(
        404,
        "The account is private: only its followers see its posts and lists.",
        "Ask to follow it: PUT /api/v1/users/{username}/follow. It may accept.",
    ),
    "gone": ProblemType(410, "The session has ended.", "Log in again."),
    "conflict": ProblemType(
        409,
        "The request is valid, but does not fit what is there now.",
        "Read what is there now, and decide again. The detail says what stands in the way.",
    ),
    "too-large": ProblemType(
        413,
        "The body, the picture or the video is larger than what is accepted.",
        "Send less. Scale a picture down, or compress it more; cut a video shorter.",
    ),
    "unsupported-media-type": ProblemType(
        415,
        "The address does not take content of this type, or the file is no picture or video.",
        "Send JSON; or, to upload, multipart/form-data with an image: JPEG, PNG, WebP, HEIC, AVIF "
        "or GIF. `POST /api/v1/media/uploads` takes videos too.",
    ),
    "idempotency-in-flight": ProblemType(
        409, "The first request with this `Idempotency-Key` is still being answered.", _LATER
    ),
    "idempotency-key-reused": ProblemType(
        422,
        "This `Idempotency-Key` was used for another request.",
        "Use a new key for each new request, and the same one only to send a request again.",
    ),
    # Who is asking
    "unauthorized": ProblemType(401, "Nobody is logged in, or the session has ended.", _LOG_IN),
    "not-authenticated": ProblemType(401, "The request has no access token.", _LOG_IN),
    "authentication-failed": ProblemType(
        401, "The access token is not valid, or not any more.", _LOG_IN
    ),
    "forbidden": ProblemType(
        403, "The caller is known, and may not do this.", "Nothing: another account may do it."
    ),
    "permission-denied": ProblemType(
        403, "The caller is known, and may not do this.", "Nothing: another account may do it."
    ),
    "log-in-again": ProblemType(
        403, "The password has changed since this log-in began.", "Begin the log-in again."
    ),
    "account-deleted": ProblemType(
        403, "The account is being deleted.", "Nothing: it does not come back."
    ),
    "account-suspended": ProblemType(
        403,
        "The account is suspended.",
        "Write to the people who run the site if you think that this is a mistake.",
    ),
    "wrong-password": ProblemType(
        400, "This is not the password of the account.", "Send the right one."
    ),
    "wrong-code": ProblemType(
        400,
        "The code of the second factor is not valid, or not any more.",
        "Send a new one, or a recovery code.",
    ),
    # Accounts and people
    "staff-account": ProblemType(
        409,
        "Accounts of staff cannot be deleted.",
        "Let another member of staff take its staff status away first.",
    ),
    "too-many-renames": ProblemType(
        409, "The username was changed too often.", "Wait until the time that the detail names."
    ),
    "oneself": ProblemType(
        400, "Nobody follows, blocks, mutes or lists themselves.", "Name another user."
    ),
    "following-limit": ProblemType(
        409, "The caller follows as many accounts as one may.", "Unfollow some first."
    ),
    "block-limit": ProblemType(
        409, "The caller blocks as many accounts as one may.", "End some blocks first."
    ),
    "mute-limit": ProblemType(
        409, "The caller mutes as many accounts as one may.", "End some mutes first."
    ),
    "comments-limited": ProblemType(
        403,
        "The author of the post does not let everybody comment.",
        "`GET /api/v1/posts/{post_id}/commenting` says who may.",
    ),
    "held-comment": ProblemType(
        409, "A comment waits for the caller's approval.", "Approve it first, or delete it."
    ),
    "changed-comment": ProblemType(
        409, "The comment's text is another one than the caller has seen.", "Read it again."
    ),
    "list-limit": ProblemType(
        409, "The caller's list has as many accounts as it may.", "Take some off it first."
    ),
    # Pictures and videos
    "empty": ProblemType(400, "The file is empty.", "Send its content."),
    "too-many": ProblemType(
        400, "The upload has more than one file.", "Upload each with a request of its own."
    ),
    "too-expensive": ProblemType(
        413,
        "To decode the picture or the video takes too much time or memory.",
        "Scale it down, or save it again with an editor.",
    ),
    "upload-incomplete": ProblemType(
        409,
        "The file that was announced is not in the object store, or not all of it.",
        "Send what `GET /api/v1/media/uploads/{id}` asks for, and complete the upload again.",
    ),
    "upload-complete": ProblemType(
        409, "The file has been sent.", "Ask `GET /api/v1/media/{id}` how it is getting on."
    ),
    # Posts and comments
    "media-not-ready": ProblemType(
        400,
        "A media of the request has failed; or an avatar is not ready yet.",
        "Wait until `GET /api/v1/media/{id}` answers the state `ready`. Upload one that has failed "
        "again.",
    ),
    "duplicate": ProblemType(400, "The same picture is named twice.", "Name each once."),
    "unknown-media": ProblemType(
        400,
        "The caller has not uploaded a picture that the request names.",
        "Upload it first, and use the id in the answer.",
    ),
    "used-media": ProblemType(
        400, "A picture that the request names is used already.", "Upload the picture again."
    ),
    "not-a-picture": ProblemType(
        400, "An avatar is a picture, and this is a video.", "Upload a picture."
    ),
    "media-in-use": ProblemType(
        409,
        "The picture belongs to a post, published or waiting, or is an avatar.",
        "Delete the post, or set another avatar.",
    ),
    "published": ProblemType(
        409,
        "The waiting post is published by now.",
        "Change or delete the post that the detail names.",
    ),
    "too-many-waiting-posts": ProblemType(
        409,
        "Too many posts of the caller wait for their media.",
        "Wait until some are published, or delete some; see `GET /api/v1/posts/waiting`.",
    ),
    "comments-closed": ProblemType(
        409, "The author has closed the post for comments.", "Nothing: it may be opened again."
    ),
    "unknown-comment": ProblemType(
        400, "The post has no comment of the id in `reply_to`.", "Name a comment on this post."
    ),
    "reply-to-a-reply": ProblemType(
        400, "Nobody replies to a reply.", "Reply to the comment that it replies to."
    ),
    # Load and failures
    "too-many-requests": ProblemType(
        429,
        "There were more requests of this kind than the limit allows. Nothing has been done.",
        f"{_LATER} The `RateLimit-` headers say what is left.",
    ),
    "throttled": ProblemType(429, "There were too many requests of this kind.", _LATER),
    "overloaded": ProblemType(
        503, "There is more to do at the moment than can be done.", f"{_LATER} {_WITH_KEY}"
    ),
    "unavailable": ProblemType(
        503, "Something that the request needs does not answer.", f"{_LATER} {_WITH_KEY}"
    ),
    "service-unavailable": ProblemType(503, "A database does not answer.", f"{_LATER} {_WITH_KEY}"),
    "internal-server-error": ProblemType(
        500,
        "Something broke on our side. It has been logged.",
        f"Try again once. If it stays, report it with the problem's `request_id`. {_WITH_KEY}",
    ),
}


class ProblemsView(TemplateView):
    """The list of all kinds of problems."""

    template_name = "problem_types.html"
    extra_context = {"types": PROBLEM_TYPES}


class ProblemView(TemplateView):
    """What one kind of problem means."""

    template_name = "problem_type.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        kind = PROBLEM_TYPES.get(kwargs["name"])
        if kind is None:
            raise Http404
        return super().get_context_data(type=kind, **kwargs)


def add_problem_types(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """drf-spectacular's hook: name all types that a problem document may have.

    They are no `enum`, by which a client would refuse types of later releases.
    """
    document = result["components"]["schemas"]["ProblemDocument"]
    document["properties"]["type"] |= {
        "format": "uri-reference",
        "x-extensible-enum": ["about:blank", *(ADDRESS + name for name in PROBLEM_TYPES)],
    }
    return result

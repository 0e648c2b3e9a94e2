"""Bad requests to the endpoints of likes and comments."""

from typing import Any

from tests.flows.bad_requests import (
    ABSENT,
    TOO_BIG,
    Bad,
    no_object,
    page_cases,
    unknown_ids,
    with_json,
    wrong_text,
    wrong_type,
)

_POST = "/posts/<id:post_id>"
_COMMENTS = f"{_POST}/comments"
_COMMENT = "/comments/<id:comment_id>"

_COMMENT_TEXTS = [
    ("no text", {}, "text"),
    ("another field", {"caption": "x"}, "text"),
    ("text empty", {"text": ""}, "text"),
    ("text blank", {"text": " \u3000\n"}, "text"),
    ("text that cannot be seen", {"text": "\u200b\ufe0f"}, "text"),
    *wrong_text("text", 2200),
]
_REPLY_TO: list[Any] = [
    *("$their_reply", "$elsewhere", "$theirs", ABSENT, TOO_BIG, 10**400),
    *(0, -1, "", "abc", True, 1.5, {}, []),
]
_NEW_COMMENTS = [
    *_COMMENT_TEXTS,
    *[
        (f"reply_to {str(value)[:20]}", {"text": "Half.", "reply_to": value}, "reply_to")
        for value in _REPLY_TO
    ],
]

_RULES = "/users/me/commenting"
_NO_TIMES: list[Any] = ["", "yesterday", 7, True, [], {}]
_NEW_RULES = [
    ("nothing", {}, "body"),
    ("unknown field", {"words": ["x"]}, "body"),
    *[
        (f"comments_from {value!r}", {"comments_from": value}, "comments_from")
        for value in ("account", "friends", "", None, 1, ["everyone"])
    ],
    *[
        (f"hidden_words {what}", {"hidden_words": value, "comments_from": "nobody"}, names)
        for what, value, names in [
            ("null", None, "hidden_words"),
            ("a text", "spoiler", "hidden_words"),
            ("an object", {"0": "spoiler"}, "hidden_words"),
            ("with a number", [1], "hidden_words.0"),
            ("with null", [None], "hidden_words.0"),
            ("with an empty one", ["spoiler", ""], "hidden_words.1"),
            ("that nobody sees", ["\u200b"], "hidden_words.0"),
            ("that turns text around", ["a\u202eb"], "hidden_words.0"),
            ("with a blank", [" \u3000"], "hidden_words.0"),
            ("with a NUL", ["a\u0000b"], "hidden_words.0"),
            ("of 61 characters", ["x" * 61], "hidden_words.0"),
            ("of 101 words", [f"word {number}" for number in range(101)], "hidden_words"),
        ]
    ],
]

COMMENT_CASES: list[Bad] = [
    Bad("GET", _RULES, "no token", 401, _RULES, headers={"Authorization": ""}),
    *no_object("PATCH", _RULES, _RULES),
    *wrong_type("PATCH", _RULES, _RULES),
    *with_json("PATCH", _RULES, _RULES, _NEW_RULES),
    *unknown_ids("GET", f"{_POST}/commenting", "/posts/{}/commenting"),
    *unknown_ids("POST", f"{_COMMENT}/approve", "/comments/{}/approve", '{"edited_at": null}'),
    *no_object("POST", f"{_COMMENT}/approve", "/comments/$my_comment/approve"),
    *wrong_type("POST", f"{_COMMENT}/approve", "/comments/$my_comment/approve"),
    *with_json(
        "POST",
        f"{_COMMENT}/approve",
        "/comments/$my_comment/approve",
        [
            ("nothing", {}, "edited_at"),
            *[(f"edited_at {value!r}", {"edited_at": value}, "edited_at") for value in _NO_TIMES],
        ],
    ),
    Bad(
        *("POST", f"{_COMMENT}/approve", "on another's post", 404),
        *("/comments/$their_comment/approve", "", '{"edited_at": null}', "application/json"),
    ),
    *page_cases("/held-comments", "/held-comments"),
    *[
        Bad("GET", "/held-comments", f"post {value!r}", 400, f"/held-comments?post={value}", "post")
        for value in ("", "0", "-1", "abc", "1.5", TOO_BIG, "%00")
    ],
    *page_cases(f"{_POST}/likes", "/posts/$theirs/likes"),
    *page_cases(f"{_COMMENT}/likes", "/comments/$their_comment/likes"),
    *[
        bad
        for route, path in ((_POST, "/posts/{}"), (_COMMENT, "/comments/{}"))
        for method, tail in (("PUT", "/like"), ("DELETE", "/like"), ("GET", "/likes"))
        for bad in unknown_ids(method, route + tail, path + tail)
    ],
    *page_cases(_COMMENTS, "/posts/$theirs/comments"),
    *[
        Bad("GET", _COMMENTS, f"{name} {value!r}", 400, f"{path}?{name}={value}", name)
        for path in ["/posts/$theirs/comments"]
        for name, values in {
            "order": ("", "best", "%00", "OLDEST"),
            "reply_to": ("", "0", "-1", "abc", "1.5", TOO_BIG, "%00"),
            "top_level": ("", "1", "yes", "TRUE", "null", "%00", "true&reply_to=5"),
        }.items()
        for value in values
    ],
    *unknown_ids("GET", _COMMENTS, "/posts/{}/comments"),
    *unknown_ids("POST", _COMMENTS, "/posts/{}/comments", '{"text": "x"}'),
    *no_object("POST", _COMMENTS, "/posts/$theirs/comments"),
    *wrong_type("POST", _COMMENTS, "/posts/$theirs/comments"),
    *with_json("POST", _COMMENTS, "/posts/$theirs/comments", _NEW_COMMENTS),
    Bad(
        "POST",
        _COMMENTS,
        "closed for comments",
        409,
        "/posts/$closed/comments",
        "",
        '{"text": "x"}',
        "application/json",
    ),
    *unknown_ids("GET", _COMMENT, "/comments/{}"),
    *unknown_ids("DELETE", _COMMENT, "/comments/{}"),
    *unknown_ids("PATCH", _COMMENT, "/comments/{}", '{"text": "x"}'),
    Bad("DELETE", _COMMENT, "somebody else's", 404, "/comments/$their_comment"),
    Bad(
        "PATCH",
        _COMMENT,
        "somebody else's",
        404,
        "/comments/$their_comment",
        "",
        '{"text": "x"}',
        "application/json",
    ),
    Bad(
        "PATCH",
        _COMMENT,
        "somebody else's on one's own post",
        404,
        "/comments/$elsewhere",
        "",
        '{"text": "x"}',
        "application/json",
    ),
    *no_object("PATCH", _COMMENT, "/comments/$my_comment"),
    *wrong_type("PATCH", _COMMENT, "/comments/$my_comment"),
    *with_json("PATCH", _COMMENT, "/comments/$my_comment", _COMMENT_TEXTS),
]

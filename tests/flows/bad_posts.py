"""Bad requests to the endpoints of posts; see tests/flows/bad_requests.py."""

from tests.flows.bad_requests import (
    ABSENT,
    TOO_BIG,
    Bad,
    media_ids,
    no_object,
    page_cases,
    unknown_ids,
    with_json,
    wrong_text,
    wrong_type,
)

_POST = "/posts/<id:post_id>"
_WAITING = "/posts/waiting/<id:waiting_post_id>"
_NEW_POSTS = [
    ("no media", {"caption": "x"}, "media"),
    ("empty media", {"media": []}, "media"),
    ("11 media", {"media": ["$unused"] * 11}, "media"),
    ("the same media twice", {"media": ["$unused", "$unused"]}, "media"),
    ("a used media", {"media": ["$unused", "$used"]}, "media"),
    ("media null", {"media": None}, "media"),
    ("media an object", {"media": {"0": "$unused"}}, "media"),
    ("media a text", {"media": "$unused"}, "media"),
    *media_ids("media", lambda id_: ["$unused", id_], caption="Half."),
    *wrong_text("caption", 2200, media=["$unused"]),
    *[
        (f"audience {value!r}", {"media": ["$unused"], "audience": value}, "audience")
        for value in ("friends", "", None, 1, ["everyone"])
    ],
]

_CLOSED = "comments_closed"
_POST_CHANGES = [
    ("nothing", {}, "body"),
    ("unknown field", {"media": []}, "body"),
    ("the audience", {"audience": "everyone"}, "body"),
    *wrong_text("caption", 2200, comments_closed=True),
    *[
        (f"comments_closed {value!r}", {"comments_closed": value, "caption": "Half."}, _CLOSED)
        for value in (None, "maybe", 2, [True], {"a": 1})
    ],
    *[
        (f"comments_from {value!r}", {"comments_from": value, "caption": "Half."}, "comments_from")
        for value in (None, "", "friends", 1, ["nobody"])
    ],
]
_WAITING_CHANGES = [
    ("nothing", {}, "body"),
    ("unknown field", {"comments_closed": True}, "body"),
    *(
        (what, {"caption": "x", **body}, names)
        for what, body, names in _NEW_POSTS
        if "media" in body
    ),
]
POST_CASES: list[Bad] = [
    *page_cases("/posts", "/posts?author=$other"),
    Bad("GET", "/posts", "no author", 400, "/posts", "author"),
    Bad("GET", "/posts", "an unknown author", 404, "/posts?author=nobody.at.all"),
    Bad("GET", "/posts", "an author with a NUL", 400, "/posts?author=%00", "author"),
    *no_object("POST", "/posts", "/posts"),
    *wrong_type("POST", "/posts", "/posts"),
    *with_json("POST", "/posts", "/posts", _NEW_POSTS),
    *unknown_ids("GET", _POST, "/posts/{}"),
    *unknown_ids("DELETE", _POST, "/posts/{}"),
    Bad("DELETE", _POST, "somebody else's", 404, "/posts/$theirs"),
    *no_object("PATCH", _POST, "/posts/$mine"),
    *wrong_type("PATCH", _POST, "/posts/$mine"),
    *with_json("PATCH", _POST, "/posts/$mine", _POST_CHANGES),
    *[
        Bad(
            "PATCH",
            _POST,
            f"id {id_}",
            404,
            f"/posts/{id_}",
            "",
            '{"caption": "x"}',
            "application/json",
        )
        for id_ in (ABSENT, TOO_BIG, "$theirs")
    ],
    *page_cases("/posts/waiting", "/posts/waiting"),
    *unknown_ids("GET", _WAITING, "/posts/waiting/{}"),
    *unknown_ids("DELETE", _WAITING, "/posts/waiting/{}"),
    Bad("GET", _WAITING, "somebody else's", 404, "/posts/waiting/$their_waiting"),
    Bad("DELETE", _WAITING, "somebody else's", 404, "/posts/waiting/$their_waiting"),
    *no_object("PATCH", _WAITING, "/posts/waiting/$my_waiting"),
    *wrong_type("PATCH", _WAITING, "/posts/waiting/$my_waiting"),
    *with_json("PATCH", _WAITING, "/posts/waiting/$my_waiting", _WAITING_CHANGES),
    *[
        Bad(
            "PATCH",
            _WAITING,
            f"id {id_}",
            404,
            f"/posts/waiting/{id_}",
            "",
            '{"caption": "x"}',
            "application/json",
        )
        for id_ in (ABSENT, TOO_BIG, "$their_waiting")
    ],
    Bad(
        "PATCH",
        _POST,
        "somebody else's to close",
        404,
        "/posts/$theirs",
        "",
        '{"comments_closed": true}',
        "application/json",
    ),
]

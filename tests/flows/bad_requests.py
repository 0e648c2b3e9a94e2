"""Bad requests to each endpoint, with the expected status.

`$name` in a path or a body is replaced by a value of the test's world: `me`, `other` (usernames),
`mine`, `theirs`, `closed` (posts; the last two are the other's), `my_comment` and `their_comment`
(on `theirs`), `their_reply` (to `their_comment`), `elsewhere` (a comment on `mine`), `unused`,
`used`, `foreign` (media), `my_waiting` and `their_waiting` (waiting posts), `token`, `id_cursor`,
`name_cursor`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

AUTH = "/_allauth/app/v1"
TOO_BIG = 2**63
ABSENT = 2**62 + 1


@dataclass(frozen=True)
class Bad:
    """One bad request. A test compares the `route` patterns with all endpoints.

    `names`: the field that the problem document must name.
    """

    method: str
    route: str
    what: str
    status: int
    path: str
    names: str = ""
    content: str | bytes | None = None
    content_type: str = ""
    files: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.route} {self.what}"


def with_json(
    method: str, route: str, path: str, cases: Sequence[tuple[str, Any, str]]
) -> list[Bad]:
    """JSON objects with a mistake, which get 400. A case is (what, body, field to be named)."""
    return [
        Bad(method, route, what, 400, path, names, json.dumps(body), "application/json")
        for what, body, names in cases
    ]


def no_object(method: str, route: str, path: str) -> list[Bad]:
    """Bodies that are not a JSON object."""
    bodies: list[tuple[str, str | bytes | None]] = [
        ("not JSON", "caption=x"),
        ("cut short", '{"caption": '),
        ("an array", "[1]"),
        ("a number", "7"),
        ("a text", '"text"'),
        ("null", "null"),
        ("NaN", '{"caption": NaN}'),
        ("nested too deeply", "[" * 100_000),
        ("invalid UTF-8", b'{"caption": "\xff\xfe"}'),
        ("empty", None),
    ]
    return [
        Bad(method, route, what, 400, path, "", content, "application/json")
        for what, content in bodies
    ]


def wrong_type(method: str, route: str, path: str) -> list[Bad]:
    """Bodies of an unsupported content type."""
    return [
        Bad(method, route, kind, 415, path, "", '{"caption": "x"}', kind)
        for kind in ("text/plain", "application/xml", "application/x-www-form-urlencoded")
    ]


def wrong_text(name: str, longest: int, **rest: Any) -> list[tuple[str, Any, str]]:
    """Wrong values of a text field; `rest` are the other fields."""
    values: dict[str, Any] = {
        "too long": "x" * (longest + 1),
        "with a NUL": "a\0b",
        "with a lone surrogate": "low-tide \ud800 at dawn",
        "an object": {"a": 1},
        "a list": ["a"],
        "a boolean": True,
        "null": None,
    }
    return [(f"{name} {what}", {name: value} | rest, name) for what, value in values.items()]


def page_cases(
    route: str, path: str, cursor: str = "$name_cursor", names: Sequence[str] = ("cursor",)
) -> list[Bad]:
    """Wrong limits and cursors of a list. `cursor` is valid, but for another kind of list.

    `names` are the parameters that take a cursor.
    """
    glue = "&" if "?" in path else "?"
    garbage = ("garbage", "%00", "%ff", "ä", "=" * 9, "a" * 201, "AAAAAAAAAABpOTk5")
    queries = [
        *(("limit", value) for value in ("0", "-1", "101", "abc", "1.5", "9" * 30, "%00")),
        *((name, value) for name in names for value in (*garbage, cursor)),
    ]
    return [
        Bad("GET", route, f"{name} {value[:20]!r}", 400, f"{path}{glue}{name}={value}", name)
        for name, value in queries
    ]


def unknown_ids(method: str, route: str, path: str, body: str = "{}") -> list[Bad]:
    """Addresses of objects that do not exist, with a valid `body`; GET takes none."""
    values = (0, -1, ABSENT, TOO_BIG, 10**19, "abc", "1.5", "%00", "1%202")
    sent = ("", None, "") if method == "GET" else ("", body, "application/json")
    return [Bad(method, route, f"id {value}", 404, path.format(value), *sent) for value in values]


def unknown_users(method: str, route: str, path: str) -> list[Bad]:
    """Addresses of users who do not exist."""
    values = ("nobody.at.all", "x" * 31, "a%00b", "%ff", "a%20b", "..%2fme", "%ED%A0%80")
    return [Bad(method, route, f"user {value}", 404, path.format(value)) for value in values]


_USER = "/users/<username:username>"
_REQUESTS = "/follow-requests"
_USER_BY_ID = "/users/by-id/<id:user_id>"
_MEDIA = "/media/<id:media_id>"


def media_ids(name: str, wrap: Any, **rest: Any) -> list[tuple[str, Any, str]]:
    """Wrong media ids in a body. `wrap` puts an id into the shape that the endpoint takes."""
    values: list[Any] = ["$foreign", ABSENT, 0, -1, TOO_BIG, 10**400, "abc", True, 1.5, {}, [[]]]
    return [(f"media {str(value)[:20]}", {name: wrap(value)} | rest, "") for value in values]


_UPLOADS_APART = "/media/uploads"
_JPEG = {"content_type": "image/jpeg", "byte_size": 5}
_ANNOUNCEMENTS = [
    ("nothing", {}, "content_type"),
    ("no length", {"content_type": "image/jpeg"}, "byte_size"),
    *[
        (f"length {value!r}", {**_JPEG, "byte_size": value}, "byte_size")
        for value in (0, -1, 1.5, "5", True, None, [5])
    ],
    *wrong_text("content_type", 100, byte_size=5),
    *wrong_text("alt", 1000, **_JPEG),
]
_UPLOAD = "/media"
_PNG = b"\x89PNG\r\n\x1a\n"
_UPLOADS = [
    Bad("POST", _UPLOAD, "no file", 400, _UPLOAD, "file", fields={"alt": "x"}, files={"x": b"x"}),
    Bad("POST", _UPLOAD, "an empty file", 400, _UPLOAD, "file", files={"file": ("a.jpg", b"")}),
    Bad("POST", _UPLOAD, "a text file", 415, _UPLOAD, "file", files={"file": ("a.jpg", b"text")}),
    Bad("POST", _UPLOAD, "half a PNG", 415, _UPLOAD, "file", files={"file": ("a.png", _PNG)}),
    Bad(
        "POST",
        _UPLOAD,
        "an alt text with a NUL",
        400,
        _UPLOAD,
        "alt",
        files={"file": ("a.png", _PNG)},
        fields={"alt": "a\0b"},
    ),
    Bad(
        "POST",
        _UPLOAD,
        "an alt text too long",
        400,
        _UPLOAD,
        "alt",
        files={"file": ("a.png", _PNG)},
        fields={"alt": "x" * 1001},
    ),
    Bad("POST", _UPLOAD, "no multipart boundary", 400, _UPLOAD, "", "x", "multipart/form-data"),
    Bad(
        "POST",
        _UPLOAD,
        "cut short",
        400,
        _UPLOAD,
        "",
        '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n',
        "multipart/form-data; boundary=b",
    ),
    Bad("POST", _UPLOAD, "JSON", 415, _UPLOAD, "", "{}", "application/json"),
    Bad(
        "POST",
        _UPLOAD,
        "a file as a text",
        400,
        _UPLOAD,
        "file",
        '--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--b--\r\n',
        "multipart/form-data; boundary=b",
    ),
]

_ME = "/users/me"
_PROFILE_CHANGES = [
    ("nothing", {}, "body"),
    ("unknown field", {"nickname": "x"}, "body"),
    ("unknown beside known field", {"bio": "x", "is_staff": True}, "body"),
    *wrong_text("display_name", 60),
    *wrong_text("bio", 500, display_name="Half."),
    *wrong_text("username", 30, bio="Half."),
    ("username empty", {"username": ""}, "username"),
    ("username with a space", {"username": "a b"}, "username"),
    ("username in Cyrillic", {"username": "ада"}, "username"),
    ("username reserved", {"username": "Admin"}, "username"),
    *[
        (what, body, "avatar")
        for what, body, _ in [
            *media_ids("avatar", lambda id_: id_, bio="Half."),
            ("media used by a post", {"avatar": "$used", "bio": "Half."}, ""),
        ]
    ],
]
_UNTIL: list[Any] = [
    *("2020-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "tomorrow", "", "2027-02-30"),
    *(7, True, [], {}, "9" * 5000),
]
_MUTES = [
    ("nothing", {}, "until"),
    *[(f"until {str(value)[:30]!r}", {"until": value}, "until") for value in _UNTIL],
]
# Every endpoint under /api/v1 except those of posts, likes and comments.
CASES: list[Bad] = [
    *page_cases("/users", "/users?search=a", "$id_cursor"),
    *[
        Bad("GET", "/users", f"search {what}", 400, f"/users{query}", "search")
        for what, query in {
            "missing": "",
            "empty": "?search=",
            "too long": "?search=" + "a" * 61,
            "with a NUL": "?search=%00",
        }.items()
    ],
    Bad("GET", _ME, "with a garbage token", 401, _ME, headers={"Authorization": "Bearer x.y.z"}),
    *[
        Bad(method, path, "no token", 401, path, headers={"Authorization": ""})
        for method, path in [
            ("GET", f"{_ME}/sessions"),
            ("DELETE", f"{_ME}/sessions"),
            ("GET", f"{_ME}/usage"),
        ]
    ],
    *[
        Bad("DELETE", f"{_ME}/sessions/<str:session_id>", f"{id_}", 404, f"{_ME}/sessions/{id_}")
        for id_ in ("unknown", "%00", "x" * 1000)
    ],
    *no_object("PATCH", _ME, _ME),
    *wrong_type("PATCH", _ME, _ME),
    *with_json("PATCH", _ME, _ME, _PROFILE_CHANGES),
    Bad(
        "PATCH",
        _ME,
        "a taken username",
        409,
        _ME,
        "username",
        '{"username": "$other"}',
        "application/json",
    ),
    *no_object("DELETE", _ME, _ME),
    *wrong_type("DELETE", _ME, _ME),
    *with_json(
        "DELETE",
        _ME,
        _ME,
        [
            ("no password", {}, "password"),
            ("another's password", {"password": "high-tide-at-dusk"}, "password"),
            ("an empty password", {"password": ""}, "password"),
            *wrong_text("password", 1000),
        ],
    ),
    *unknown_users("GET", _USER, "/users/{}"),
    *[
        bad
        for method, tail in [
            ("PUT", "/follow"),
            ("DELETE", "/follow"),
            ("DELETE", "/follower"),
            ("PUT", "/block"),
            ("DELETE", "/block"),
            ("PUT", "/mute"),
            ("DELETE", "/mute"),
            ("PUT", "/close-friend"),
            ("DELETE", "/close-friend"),
            ("PUT", "/restriction"),
            ("DELETE", "/restriction"),
            ("GET", "/followers"),
            ("GET", "/following"),
            ("GET", "/timeline"),
        ]
        for bad in unknown_users(method, _USER + tail, "/users/{}" + tail)
    ],
    *[
        bad
        for verb in ("accept", "decline")
        for bad in unknown_users(
            "POST", f"{_REQUESTS}/<username:username>/{verb}", f"{_REQUESTS}/{{}}/{verb}"
        )
    ],
    *page_cases(_REQUESTS, _REQUESTS),
    *page_cases(f"{_ME}/suggestions", f"{_ME}/suggestions", names=()),
    Bad("PUT", f"{_USER}/follow", "oneself", 400, "/users/$me/follow"),
    Bad("PUT", f"{_USER}/block", "oneself", 400, "/users/$me/block"),
    Bad("PUT", f"{_USER}/close-friend", "oneself", 400, "/users/$me/close-friend"),
    *no_object("PUT", f"{_USER}/mute", "/users/$other/mute"),
    *wrong_type("PUT", f"{_USER}/mute", "/users/$other/mute"),
    *with_json("PUT", f"{_USER}/mute", "/users/$other/mute", _MUTES),
    *with_json("PUT", f"{_USER}/mute", "/users/$me/mute", [("oneself", {"until": None}, "")]),
    *page_cases(f"{_ME}/blocks", f"{_ME}/blocks"),
    *page_cases(f"{_ME}/mutes", f"{_ME}/mutes"),
    *page_cases(f"{_ME}/close-friends", f"{_ME}/close-friends"),
    Bad("PUT", f"{_USER}/restriction", "oneself", 400, "/users/$me/restriction"),
    *page_cases(f"{_ME}/restricted", f"{_ME}/restricted"),
    *page_cases(f"{_USER}/followers", "/users/$other/followers"),
    *page_cases(f"{_USER}/following", "/users/$other/following"),
    *page_cases(f"{_USER}/timeline", "/users/$other/timeline", names=("cursor", "since")),
    *page_cases("/timeline/home", "/timeline/home", names=("cursor", "since")),
    *_UPLOADS,
    *unknown_ids("GET", _USER_BY_ID, "/users/by-id/{}"),
    *unknown_ids("GET", _MEDIA, "/media/{}"),
    Bad("GET", _MEDIA, "somebody else's", 404, "/media/$foreign"),
    *unknown_ids("PATCH", _MEDIA, "/media/{}", '{"alt": "x"}'),
    Bad(
        *("PATCH", _MEDIA, "somebody else's", 404, "/media/$foreign", ""),
        *('{"alt": "x"}', "application/json"),
    ),
    *no_object("PATCH", _MEDIA, "/media/$unused"),
    *wrong_type("PATCH", _MEDIA, "/media/$unused"),
    *with_json(
        *("PATCH", _MEDIA, "/media/$unused"),
        [("nothing", {}, "alt"), *wrong_text("alt", 1000)],
    ),
    *no_object("POST", _UPLOADS_APART, _UPLOADS_APART),
    *wrong_type("POST", _UPLOADS_APART, _UPLOADS_APART),
    *with_json("POST", _UPLOADS_APART, _UPLOADS_APART, _ANNOUNCEMENTS),
    *unknown_ids("GET", f"{_UPLOADS_APART}/<id:media_id>", "/media/uploads/{}"),
    *unknown_ids("POST", f"{_MEDIA}/complete", "/media/{}/complete"),
    *unknown_ids("DELETE", _MEDIA, "/media/{}"),
    Bad("DELETE", _MEDIA, "somebody else's", 404, "/media/$foreign"),
]

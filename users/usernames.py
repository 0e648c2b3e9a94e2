"""Which usernames an account may not take: words of the site's own, names that others had until
lately, and what looks like either.
"""

import hashlib
import re

from django.core.exceptions import ValidationError
from django.db import connections

_OF_STAFF = (
    *("admin", "administrator", "moderator", "moderation", "security", "support", "staff"),
    *("official", "socialfeed"),
)
# Words that URLs of the site or of the API use, or that look like the people who run the site.
_RESERVED = (
    *("me", "api", "docs", "schema", "health", "healthz", "metrics", "static", "media", "account"),
    *("login", "logout", "signup", "register", "settings", "search", "explore", "tags", "live"),
    *("notifications", "home", "about", "help", "terms", "privacy", "legal", "null", "undefined"),
    *_OF_STAFF,
    *("root", "system", "team", "mod", "abuse", "contact", "info"),
    *("postmaster", "webmaster", "hostmaster", "noreply", "everyone", "anonymous", "deleted"),
)
# Digits are read as letters, `1` and `i` as `l`; dots and underscores are overlooked.
_READ_AS = str.maketrans("01i34578", "olleastb", "._")


def _skeleton(username: str) -> str:
    """What a username looks like: two names with one skeleton are easily taken for each other."""
    return username.lower().translate(_READ_AS).replace("rn", "m").replace("vv", "w")


def look(username: str) -> str:
    """A hash of what a username looks like, by which it is held after its account has given it up.

    The hash is all that is stored of the name of a deleted account.
    """
    return hashlib.sha256(_skeleton(username).encode()).hexdigest()


def is_held(*, username: str, user_id: int | None) -> bool:
    """Whether another account has lately given up a username, or one that looks like it.

    `user_id`: who wants it, and may take back an own one; None: a new account. The database refuses
    a held name by itself, with an `IntegrityError`. One query, on the primary.
    """
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT users_username_is_held(%s, %s)", [username, user_id or 0])
        return bool(cursor.fetchone()[0])


_RESERVED_SKELETONS = frozenset(map(_skeleton, _RESERVED))
_OF_STAFF_SKELETONS = frozenset(map(_skeleton, _OF_STAFF))


def refuse_reserved_username(username: str) -> None:
    """Validator: raises `ValidationError` for a reserved username, and for what looks like one.

    Names of staff are reserved as a part of a name, too: `the_admin`, `admin1`.
    """
    parts = [_skeleton(part.rstrip("0123456789")) for part in re.split("[._]", username)]
    if _skeleton(username) in _RESERVED_SKELETONS or _OF_STAFF_SKELETONS & {*parts}:
        raise ValidationError("This username is reserved. Choose another.", code="reserved")

"""Which usernames nobody may take: words of the site's own, and names that look like them."""

from django.core.exceptions import ValidationError

# Words that URLs of the site or of the API use, or that look like the people who run the site.
_RESERVED = (
    *("me", "api", "docs", "schema", "health", "healthz", "metrics", "static", "media", "account"),
    *("login", "logout", "signup", "register", "settings", "search", "explore", "tags", "live"),
    *("notifications", "home", "about", "help", "terms", "privacy", "legal", "null", "undefined"),
    *("admin", "administrator", "root", "system", "socialfeed", "official", "staff", "team"),
    *("support", "security", "moderator", "moderation", "mod", "abuse", "contact", "info"),
    *("postmaster", "webmaster", "hostmaster", "noreply", "everyone", "anonymous", "deleted"),
)
# Digits are read as letters, `1` and `i` as `l`; dots and underscores are overlooked.
_READ_AS = str.maketrans("01i34578", "olleastb", "._")


def _skeleton(username: str) -> str:
    """What a username looks like: two names with one skeleton are easily taken for each other."""
    return username.lower().translate(_READ_AS)


_RESERVED_SKELETONS = frozenset(map(_skeleton, _RESERVED))


def refuse_reserved_username(username: str) -> None:
    """Validator: raises `ValidationError` for a reserved username, and for what looks like one."""
    if _skeleton(username) in _RESERVED_SKELETONS:
        raise ValidationError("This username is reserved. Choose another.", code="reserved")

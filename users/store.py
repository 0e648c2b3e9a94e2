"""User documents, cached in CACHE as ready JSON: what every answer shows of a person.

    {"id", "username", "display_name", "avatar_url", "is_private"}

An account that is deactivated or deleted has none. A change of what a document shows announces
`users.events.user_changed`; then the document changes everywhere at once.
"""

from collections.abc import Callable, Sequence
from typing import Any, NewType, cast

import orjson
from django.db import connections, router

from core.cached_values import VERSION_SQL, CachedValue, Versioned
from media import selectors as media_selectors
from users.keys import SLOTS, USER_TTL, user_key
from users.models import User

UserJson = NewType("UserJson", bytes)

_DOCUMENTS_SQL = f"""
SELECT asked.id, {VERSION_SQL}, account.id IS NOT NULL,
    account.username, account.display_name, account.avatar_key, account.is_private
FROM unnest(%s::bigint[]) AS asked (id)
LEFT JOIN users_user AS account ON account.id = asked.id AND account.is_active
"""  # noqa: S608  (a constant)


# How a public account's document ends: so a page asks each author without parsing.
_PUBLIC = b'"is_private":false}'


def user_document(
    user_id: int, username: str, display_name: str, avatar_key: str, is_private: bool
) -> dict[str, Any]:
    """The document of a person, from the columns of the row."""
    return {
        "id": str(user_id),
        "username": username,
        "display_name": display_name,
        "avatar_url": media_selectors.public_url(avatar_key) if avatar_key else None,
        "is_private": is_private,
    }


def is_private(document: UserJson) -> bool:
    """Whether the account of a document is private."""
    return not document.endswith(_PUBLIC)


def _load(user_ids: Sequence[int]) -> dict[int, Versioned[UserJson]]:
    # Raw SQL: every page names people, and the ORM costs more than the rest of this.
    with connections[router.db_for_read(User)].cursor() as cursor:
        cursor.execute(_DOCUMENTS_SQL, [list(user_ids)])
        return {
            user_id: (version, _json(user_id, *columns) if is_active else None)
            for user_id, version, is_active, *columns in cursor.fetchall()
        }


def _json(*columns: Any) -> UserJson:
    return UserJson(orjson.dumps(user_document(*columns)))


# `bytes` gives back the same object: it is a faster `UserJson`.
USERS: CachedValue[UserJson] = CachedValue(
    database="default",
    key=user_key,
    load=_load,
    encode=bytes,
    decode=cast("Callable[[bytes], UserJson]", bytes),
    ttl_seconds=USER_TTL,
    slots=SLOTS,
)

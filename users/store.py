"""User documents in the CACHE Valkey, as ready JSON: what every answer shows of a person.

    {"id", "username", "display_name", "avatar_url"}

Of an account that is switched off or gone there is an empty one. Whoever changes what is in it
announces `users.events.user_changed`, and it shows everywhere at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from django.db import connections, router

from core.cached_values import VERSION_SQL, Copies, Versioned
from media import selectors as media_selectors
from users.keys import SLOTS, USER_TTL, user_key
from users.models import User

_DOCUMENTS_SQL = f"""
SELECT asked.id, {VERSION_SQL}, account.id IS NOT NULL,
    account.username, account.display_name, account.avatar_key
FROM unnest(%s::bigint[]) AS asked (id)
LEFT JOIN users_user AS account ON account.id = asked.id AND account.is_active
"""  # noqa: S608  (a constant)


def user_document(
    *, user_id: int, username: str, display_name: str, avatar_key: str
) -> dict[str, Any]:
    """The document of a person, from the row."""
    return {
        "id": str(user_id),
        "username": username,
        "display_name": display_name,
        "avatar_url": media_selectors.public_url(avatar_key) if avatar_key else None,
    }


def _load(user_ids: Sequence[int]) -> dict[int, Versioned]:
    # By hand: every page names people, and the ORM would cost more than the rest of it.
    with connections[router.db_for_read(User)].cursor() as cursor:
        cursor.execute(_DOCUMENTS_SQL, [list(user_ids)])
        return {
            user_id: (version, _payload(user_id, *columns) if is_active else b"")
            for user_id, version, is_active, *columns in cursor.fetchall()
        }


def _payload(user_id: int, username: str, display_name: str, avatar_key: str) -> bytes:
    return orjson.dumps(
        user_document(
            user_id=user_id, username=username, display_name=display_name, avatar_key=avatar_key
        )
    )


USERS = Copies(database="default", key=user_key, load=_load, ttl_seconds=USER_TTL, slots=SLOTS)

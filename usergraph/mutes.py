"""Mutes: whose posts a home timeline does not show. Nobody else notices, and nothing else changes.

A muted author is left out when a home timeline is built, and the muter when a post is delivered. So
a mute takes the same way as an unfollow: it drops the muter's home timeline and the author's cached
followers. Reads do nothing for it.
"""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from core.http.problems import Conflict, Invalid, NotFound
from usergraph.events import MuteChanged, mute_changed
from usergraph.models import Mute
from usergraph.related import newest

MAX_MUTES = 10_000  # of one account


def mute_user(*, muter_id: int, muted_id: int, until: datetime | None = None) -> bool:
    """Leave a user's posts out of another's home timeline; returns False if they were muted before.

    `until`: when the mute ends by itself, some seconds late at most; None: never. It replaces that
    of a mute before. Raises `Invalid` for oneself, `NotFound` if an account is gone, `Conflict`
    over MAX_MUTES.
    """
    if muter_id == muted_id:
        raise Invalid("You cannot mute yourself.", code="oneself")
    try:
        with transaction.atomic(using="default"):
            mine = Mute.objects.filter(muter_id=muter_id)
            is_muted = mine.filter(muted_id=muted_id).exists()
            if not is_muted and mine[:MAX_MUTES].count() == MAX_MUTES:
                raise Conflict(
                    f"You mute {MAX_MUTES} accounts already, which is the limit. End some mutes "
                    "first.",
                    code="mute_limit",
                )
            _, is_new = Mute.objects.update_or_create(
                muter_id=muter_id, muted_id=muted_id, defaults={"until": until}
            )
            if is_new:
                mute_changed.announce(MuteChanged(muter_id, muted_id))
    except IntegrityError as error:
        raise NotFound("This account does not exist any more.") from error
    return is_new


def unmute_user(*, muter_id: int, muted_id: int) -> bool:
    """End a mute; returns False if there was none."""
    with transaction.atomic(using="default"):
        is_ended, _ = Mute.objects.filter(muter_id=muter_id, muted_id=muted_id).delete()
        if is_ended:
            mute_changed.announce(MuteChanged(muter_id, muted_id))
    return bool(is_ended)


def end_mutes(*, limit: int = 200) -> int:
    """End the mutes whose time has come, `limit` in a transaction; returns how many.

    May run many times at once.
    """
    ended = 0
    while True:
        with transaction.atomic(using="default"):
            due = Mute.objects.filter(until__lte=Now()).order_by("until")
            rows = list(due.select_for_update(skip_locked=True)[:limit])
            Mute.objects.filter(pk__in=[row.pk for row in rows]).delete()
            for row in rows:
                mute_changed.announce(MuteChanged(row.muter_id, row.muted_id))
        ended += len(rows)
        if len(rows) < limit:
            return ended


def muted_users(
    *, muter_id: int, after: int | None, limit: int
) -> list[tuple[int, int, datetime, datetime | None]]:
    """Up to `limit` active users whom a user mutes, newest first: (user id, mute id, since, until).

    `after`: the last mute before.
    """
    mutes = Mute.objects.filter(muter_id=muter_id, muted__is_active=True)
    return newest(mutes, "muted_id", "created_at", "until", after=after, limit=limit)

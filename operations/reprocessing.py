"""Makes the variants that pictures of older releases lack, one picture after the other.

Each is done or not done; so a run may end at any moment, and the next one does the rest.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

from core.http.problems import Problem
from media import audit as media_audit
from media import services as media_services
from media.audit import OldMedia

BATCH = 500


class Outcome(StrEnum):
    """What has become of a picture."""

    # In a dry run: it would be.
    MADE = "made"
    # Its account is deactivated or private, or its post is for close friends.
    WITHHELD = "withheld"
    # Deleted or withheld meanwhile, or another process has made its variants.
    CHANGED = "changed"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Reprocessed:
    """A picture, and what has become of it. `reason`: why it is unreadable."""

    media_id: int
    outcome: Outcome
    reason: str = ""


def reprocess_all(*, dry_run: bool, limit: int | None = None) -> Iterator[Reprocessed]:
    """Make the variants of all pictures that lack some, oldest first, until `limit` are made.

    Object store down: raises `services.Unreachable`. No time to decode: raises the problem.
    """
    made = 0
    for batch in media_audit.old_media(size=BATCH):
        for media in batch:
            if made == limit:
                return
            done = _reprocess(media, dry_run=dry_run)
            made += done.outcome == Outcome.MADE
            yield done


def _reprocess(media: OldMedia, *, dry_run: bool) -> Reprocessed:
    if not media.is_public:
        return Reprocessed(media.media_id, Outcome.WITHHELD)
    if dry_run:
        return Reprocessed(media.media_id, Outcome.MADE)
    try:
        is_made = media_services.remake_media(media_id=media.media_id)
    except Problem as problem:
        if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
        return Reprocessed(media.media_id, Outcome.UNREADABLE, problem.detail)
    return Reprocessed(media.media_id, Outcome.MADE if is_made else Outcome.CHANGED)

"""Report to Timeline how far the deliveries are."""

from datetime import timedelta

from django.utils import timezone

from core.ids import created_at_of, first_id_at
from core.outbox.lookup import oldest_pending_id
from posts.events import post_published
from timeline import services as timeline_services

# A post gets its id before its transaction commits; its outbox row appears with the commit. Every
# request is shorter than this.
_LONGEST_TRANSACTION = timedelta(seconds=60)


def note_what_is_delivered() -> None:
    """Report to Timeline the post up to which everything has been delivered.

    It does not advance while workers are down or behind. Only publications count: a removal may
    wait for the object store for hours.
    """
    now = timezone.now()
    oldest = oldest_pending_id(
        database=post_published.database, kind=post_published.name, subscriber="fanout"
    )
    undone_since = now if oldest is None else min(now, created_at_of(oldest))
    timeline_services.note_delivered_up_to(post_id=first_id_at(undone_since - _LONGEST_TRANSACTION))

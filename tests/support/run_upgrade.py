"""A program: migrates the databases of an old release to this code, and delivers their events.

The environment names the databases. Prints a JSON object: the pending events before and after, and
what people see afterwards.
"""

import json
import os
from collections import Counter
from datetime import timedelta
from typing import Any

import django

A_MINUTE = timedelta(minutes=1)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "socialfeed.settings")


def main() -> None:
    django.setup()
    from django.core.management import call_command  # noqa: PLC0415  (after `setup`)

    from core.sql import PRIMARIES  # noqa: PLC0415

    for database in PRIMARIES:
        call_command("migrate", database=database, interactive=False, verbosity=0)
    report: dict[str, Any] = {"before": {name: _pending(name) for name in PRIMARIES}}
    for database in PRIMARIES:
        while _deliver_all(database):
            pass
    report["after"] = {name: _pending(name) for name in PRIMARIES}
    report |= _seen()
    print(json.dumps(report))


def _pending(database: str) -> dict[str, int]:
    from core.outbox.models import OutboxEvent  # noqa: PLC0415

    rows = OutboxEvent.objects.using(database).filter(done_at=None)
    return dict(Counter(rows.values_list("kind", flat=True)))


def _deliver_all(database: str) -> int:
    """Deliver the rows that are due within a minute. Returns their number."""
    from django.db.models.functions import Now  # noqa: PLC0415

    from core.outbox.delivery import deliver_event  # noqa: PLC0415
    from core.outbox.models import OutboxEvent  # noqa: PLC0415

    rows = OutboxEvent.objects.using(database).filter(done_at=None)
    ids = list(rows.filter(wake_at__lt=Now() + A_MINUTE).values_list("pk", flat=True))
    for event_id in ids:
        assert deliver_event(database=database, event_id=event_id)
    return len(ids)


def _seen() -> dict[str, Any]:
    from timeline import store  # noqa: PLC0415
    from timeline.keys import home_key  # noqa: PLC0415
    from timeline.pages import home_page  # noqa: PLC0415
    from users.models import User  # noqa: PLC0415
    from users.selectors import profile  # noqa: PLC0415

    people = dict(User.objects.values_list("username", "pk"))
    homes: dict[str, list[dict[str, Any]]] = {}
    profiles: dict[str, Any] = {}
    for name, user_id in people.items():
        page = home_page(viewer_id=user_id, limit=50)
        homes[name] = [json.loads(document) for document in page.documents.values()]
        stored = store.peek(key=home_key(user_id))
        assert stored is not None
        assert len(stored.refs) == len(set(stored.refs))
        profiles[name] = profile(username=name, viewer_id=user_id)["counts"]
    return {"homes": homes, "profiles": profiles}


if __name__ == "__main__":
    main()

"""Celery: the broker, and what beat wakes when."""

from __future__ import annotations

from socialfeed.settings.environment import _env, _required

CELERY_BROKER_URL = _required("STATE_URL")
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "global_keyprefix": "celery:",
    "socket_timeout": 5,
    "socket_connect_timeout": 1,
    "max_retries": 1,
    "interval_start": 0,
}
# A request that cannot wake a worker answers all the same: the sweeper wakes it later.
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# After so many tasks Celery closes a worker's connections to the databases; by itself after each,
# though to connect anew costs more than most tasks, here and on the server.
CELERY_DB_REUSE_MAX = 10_000
# How often the durable counters are brought up to date with the likes and comments, in seconds.
# Nobody sees that they lag, as what is not in them yet is added to them.
COUNTERS_SETTLE_SECONDS = _env.float("COUNTERS_SETTLE_SECONDS", default=2.0)
# How often those that have changed are compared with what was counted, in seconds.
_COUNTERS_CHECK_SECONDS = _env.float("COUNTERS_CHECK_SECONDS", default=60.0)
# How often a sample of timelines is compared with SQL, in seconds.
_TIMELINE_AUDIT_SECONDS = _env.float("TIMELINE_AUDIT_SECONDS", default=60.0)
# A delivery that has not saved its cursor for so many seconds is taken over by another worker.
OUTBOX_LEASE_SECONDS = _env.int("OUTBOX_LEASE_SECONDS", default=30)
# How often overdue deliveries are woken again, in seconds.
_SWEEP_SECONDS = _env.float("OUTBOX_SWEEP_SECONDS", default=5.0)
# Done outbox rows are kept for so many days, for staff to look at.
OUTBOX_DAYS = _env.int("OUTBOX_DAYS", default=7)
# How often beat itself measures what is still to be delivered, in seconds.
OUTBOX_EXPORT_SECONDS = _env.float("OUTBOX_EXPORT_SECONDS", default=5.0)
CELERY_BEAT_SCHEDULE = {
    "sweep-outbox": {
        "task": "core.outbox.tasks.sweep_outbox",
        "schedule": _SWEEP_SECONDS,
    },
    "note-what-is-delivered": {
        "task": "fanout.tasks.note_what_is_delivered",
        "schedule": _SWEEP_SECONDS,
    },
    "settle-users-counters": {
        "task": "usergraph.tasks.settle_counters",
        "schedule": COUNTERS_SETTLE_SECONDS,
    },
    "settle-posts-counters": {
        "task": "posts.tasks.settle_counters",
        "schedule": COUNTERS_SETTLE_SECONDS,
    },
    "settle-comments-counters": {
        "task": "comments.tasks.settle_counters",
        "schedule": COUNTERS_SETTLE_SECONDS,
    },
    "reconcile-counters": {
        "task": "operations.tasks.reconcile_counters",
        "schedule": _COUNTERS_CHECK_SECONDS,
    },
    "prune-outbox": {"task": "core.outbox.tasks.prune_outbox", "schedule": 3600.0},
    "prune-idempotency-keys": {
        "task": "core.tasks.prune_idempotency_keys",
        "schedule": 3600.0,
    },
    "audit-timelines": {
        "task": "timeline.tasks.audit_timelines",
        "schedule": _TIMELINE_AUDIT_SECONDS,
        # The next one does as well: none piles up while no worker runs.
        "options": {"expires": _TIMELINE_AUDIT_SECONDS},
    },
}

"""Celery: the broker, and the schedule of beat."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured as _ImproperlyConfigured

from socialfeed.settings.environment import _env, _required, _sentinel_options, _sentinels

# The broker is STATE, unless it has a URL of its own.
_BROKER = "BROKER_URL" if _env.str("BROKER_URL", default="") else "STATE_URL"
_SENTINELS = _sentinels(_BROKER)
CELERY_BROKER_URL = _required(_BROKER) if _SENTINELS is None else _SENTINELS.broker_url
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {"max_retries": 1, "interval_start": 0}
_NODES = len(CELERY_BROKER_URL.split(";"))
_IS_RABBITMQ = CELERY_BROKER_URL.startswith("amqp")
if _IS_RABBITMQ:
    # A message counts as sent when a majority of the queue's nodes have it. Each node is tried for
    # a second; `connect_retries_timeout` is for all of them.
    CELERY_BROKER_TRANSPORT_OPTIONS |= {
        "confirm_publish": True,
        "max_retries": _NODES,
        "connect_retries_timeout": 2 * _NODES,
    }
    CELERY_BROKER_CONNECTION_TIMEOUT = 1
    CELERY_BROKER_FAILOVER_STRATEGY = "shuffle"
    # A consumer notices that its node has frozen within twice as many seconds.
    CELERY_BROKER_HEARTBEAT = 10
    CELERY_TASK_DEFAULT_QUEUE_TYPE = CELERY_TASK_CREATE_MISSING_QUEUE_TYPE = "quorum"
else:
    CELERY_BROKER_TRANSPORT_OPTIONS |= {
        "global_keyprefix": "celery:",
        "socket_timeout": 5,
        "socket_connect_timeout": 1,
    }
if _SENTINELS is not None:
    CELERY_BROKER_TRANSPORT_OPTIONS |= {
        "master_name": _SENTINELS.name,
        "sentinel_kwargs": _sentinel_options(_SENTINELS, 1),
    }
# A request that cannot send a task succeeds all the same: the sweeper sends the task later. A retry
# is what replaces a connection to a node of RabbitMQ that is gone, by one to the next node.
CELERY_TASK_PUBLISH_RETRY = _IS_RABBITMQ
CELERY_TASK_PUBLISH_RETRY_POLICY = {
    "max_retries": _NODES,
    "interval_start": 0,
    "interval_step": 0,
}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Celery closes a worker's connections to the databases after so many tasks. Its default is after
# each, but a new connection costs more than most tasks.
CELERY_DB_REUSE_MAX = 10_000
# How often changes are added to the durable counters, in seconds. Nobody sees that these lag: a
# read adds the changes that are not in them yet.
COUNTERS_SETTLE_SECONDS = _env.float("COUNTERS_SETTLE_SECONDS", default=2.0)
# How often changed counters are compared with the rows, in seconds.
_COUNTERS_CHECK_SECONDS = _env.float("COUNTERS_CHECK_SECONDS", default=60.0)
# How often a sample of timelines is compared with SQL, in seconds.
_TIMELINE_AUDIT_SECONDS = _env.float("TIMELINE_AUDIT_SECONDS", default=60.0)
for _old, _new in (("LEASE_SECONDS",) * 2, ("SWEEP_SECONDS",) * 2, ("OUTBOX_DAYS", "DAYS")):
    if f"FANOUT_{_old}" in _env.ENVIRON:
        raise _ImproperlyConfigured(f"FANOUT_{_old} is called OUTBOX_{_new} now.")
# Another worker takes over a delivery that has not saved its cursor for so many seconds.
OUTBOX_LEASE_SECONDS = _env.int("OUTBOX_LEASE_SECONDS", default=30)
# How often overdue deliveries are woken again, in seconds.
_SWEEP_SECONDS = _env.float("OUTBOX_SWEEP_SECONDS", default=2.0)
# Done outbox rows are deleted after so many days.
OUTBOX_DAYS = _env.int("OUTBOX_DAYS", default=7)
# How often beat measures what is still to be delivered, in seconds.
OUTBOX_EXPORT_SECONDS = _env.float("OUTBOX_EXPORT_SECONDS", default=5.0)
# How often uploads are removed whose requests have died, or that nobody has used, in seconds.
MEDIA_SWEEP_SECONDS = _env.float("MEDIA_SWEEP_SECONDS", default=10.0)
# How often mutes are ended whose time has come, in seconds.
MUTE_SWEEP_SECONDS = 10.0
# How often the search indexes names that were written without it, in seconds.
SEARCH_INDEX_SECONDS = 60.0
# How often beat sends each task, in seconds.
_SCHEDULE = {
    "core.outbox.tasks.sweep_outbox": _SWEEP_SECONDS,
    "fanout.tasks.note_what_is_delivered": 10.0,
    "media.tasks.sweep_uploads": MEDIA_SWEEP_SECONDS,
    "operations.tasks.settle_counters": COUNTERS_SETTLE_SECONDS,
    "operations.tasks.reconcile_counters": _COUNTERS_CHECK_SECONDS,
    "timeline.tasks.audit_timelines": _TIMELINE_AUDIT_SECONDS,
    "core.outbox.tasks.prune_outbox": 3600.0,
    "core.tasks.prune_idempotency_keys": 3600.0,
    "posts.tasks.remove_old_waiting_posts": 3600.0,
    "users.tasks.free_former_usernames": 3600.0,
    "usergraph.tasks.end_mutes": MUTE_SWEEP_SECONDS,
    "users.tasks.index_stale_names": SEARCH_INDEX_SECONDS,
}
CELERY_BEAT_SCHEDULER = "core.beat:LeadingScheduler"
CELERY_BEAT_SCHEDULE = {
    task: {"task": task, "schedule": seconds, "options": {}} for task, seconds in _SCHEDULE.items()
}
# So that audits do not pile up while no worker runs.
CELERY_BEAT_SCHEDULE["timeline.tasks.audit_timelines"]["options"] = {
    "expires": _TIMELINE_AUDIT_SECONDS
}

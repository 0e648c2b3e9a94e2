"""The Celery application. Its tasks are wake-ups: what has to be done is in SQL, in the outbox.

So tasks are acknowledged early, results are not kept, and a lost message costs only the time
until the sweeper finds the row.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "socialfeed.settings")

app = Celery("socialfeed", task_cls="core.sql.tasks:NotedTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["core.outbox"])

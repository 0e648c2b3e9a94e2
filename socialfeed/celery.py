"""The Celery application. Its tasks are wake-ups: the work to do is in SQL, in the outbox.

So messages are acknowledged early and results are not stored. A lost message only delays its work
until the sweeper finds the row.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "socialfeed.settings")

app = Celery("socialfeed", task_cls="core.sql.middleware:NotedTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["core.outbox"])

"""The WSGI application of the Read API and the Write API (`API_ROLE` says which)."""

import os
from functools import partial

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from core import sql
from core.http.receiving import ReceivingWorker
from core.http.serving import DrainingWorker, Load, shedding
from core.metrics import local as local_metrics
from core.sql import connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "socialfeed.settings")

_django = get_wsgi_application()
connections.close_lost_after_requests()
if settings.API_ROLE != "all":
    sql.watch()

_note_refused = partial(local_metrics.note_refused, role=settings.API_ROLE)
ReceivingWorker.note_unread = staticmethod(
    partial(local_metrics.note_unread, role=settings.API_ROLE)
)
DrainingWorker.note_refused = staticmethod(_note_refused)
Load.note = staticmethod(partial(local_metrics.note_in_flight, role=settings.API_ROLE))
application = shedding(_django, settings.MAX_REQUESTS_IN_FLIGHT, on_refused=_note_refused)

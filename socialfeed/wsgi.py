"""The WSGI application of the Read API and the Write API (`API_ROLE` says which)."""

import os
from collections.abc import Iterable
from functools import partial
from io import BytesIO
from wsgiref.types import StartResponse, WSGIEnvironment

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from core import sql
from core.http.serving import shedding
from core.metrics import local as local_metrics
from core.sql import connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "socialfeed.settings")

# The web server refuses longer bodies; see deploy/Caddyfile.
MAX_BODY_BYTES = 12 * 1024 * 1024

_django = get_wsgi_application()
connections.close_lost_after_requests()
if settings.API_ROLE != "all":
    sql.watch()


def _application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Django, with a Content-Length for chunked bodies: without one it reads nothing."""
    if environ.get("wsgi.input_terminated") and not environ.get("CONTENT_LENGTH"):
        body = environ["wsgi.input"].read(MAX_BODY_BYTES)
        environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    return _django(environ, start_response)


application = shedding(
    _application,
    settings.MAX_REQUESTS_IN_FLIGHT,
    on_refused=partial(local_metrics.note_refused, role=settings.API_ROLE),
)

"""Around a request or a task: decides where its reads may go, and stores the LSNs of its writes."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from celery import Task
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from kombu.exceptions import OperationalError

from core.beat import is_outdated
from core.sql import deadlines, lsns
from core.sql.reads import replica_reads, store_what_was_seen
from core.sql.statements import noted_failures, noted_writes

logger = logging.getLogger(__name__)


class ConsistencyMiddleware:
    """In the Read API, lets reads go to replicas; elsewhere, stores the LSNs of writes."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        respond = self._read if settings.API_ROLE == "read" else self._write
        with deadlines.budget(settings.REQUEST_SECONDS):
            return respond(request)

    def _write(self, request: HttpRequest) -> HttpResponse:
        with noted_writes() as written:
            response = self.get_response(request)
        if written:
            reached = lsns.lsns_after_commit(written)
            response.headers[lsns.TOKEN_HEADER] = lsns.token_of(reached)
            user_id = getattr(getattr(request, "user", None), "pk", None)
            lsns.store_lsns(reached, user_id=user_id)
        return response

    def _read(self, request: HttpRequest) -> HttpResponse:
        token = request.META.get(lsns.TOKEN_META)
        with replica_reads(token=token), noted_failures() as failed:
            response = self.get_response(request)
            if response.status_code < 500:
                store_what_was_seen()
        if failed and response.status_code >= 500:
            with replica_reads(token=token, avoid=failed):
                response = self.get_response(request)
                store_what_was_seen()
        return response


# RabbitMQ stops answering, and says nothing, when it has no memory or no disk. Then an API process
# does not ask it again for some seconds: messages are only wake-ups, and requests would wait.
SECONDS_TO_SEND = 2.0
SECONDS_OF_SILENCE = 5.0


@dataclass
class _Silence:
    """Until when this process does not ask the broker."""

    until: float = 0.0


_silence = _Silence()


class NotedTask(Task[Any, Any]):
    """The class of this project's Celery tasks: everybody's reads see soon what a task writes.

    A message from a beat that does not lead any more does nothing.
    """

    def apply_async(self, *args: Any, **options: Any) -> Any:
        """Send a message. If the broker does not confirm it within SECONDS_TO_SEND, it is down.

        Raises the broker's errors; `kombu.exceptions.OperationalError` if it was silent just now.
        """
        began = time.monotonic()
        if began < _silence.until and settings.API_ROLE != "all":
            raise OperationalError("The broker did not answer a moment ago")
        limits = {"timeout": SECONDS_TO_SEND, "confirm_timeout": SECONDS_TO_SEND}
        try:
            return super().apply_async(*args, **(limits | options))
        except Exception:  # each broker has its own; one that refuses at once costs nothing
            if time.monotonic() - began > SECONDS_TO_SEND / 2:
                _silence.until = time.monotonic() + SECONDS_OF_SILENCE
            raise

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if is_outdated(self.request.headers):
            logger.info("dropped %s, sent by a beat that does not lead any more", self.name)
            return None
        with noted_writes() as written:
            try:
                return super().__call__(*args, **kwargs)
            finally:  # a task that fails may have committed something before
                if written:
                    lsns.store_lsns(lsns.lsns_after_commit(written), user_id=None)

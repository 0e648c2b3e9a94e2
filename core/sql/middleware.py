"""Around each request: where its reads may go, and how far its writes have come."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from core.sql import deadlines, positions
from core.sql.reads import replica_reads
from core.sql.statements import noted_failures, noted_writes


class ConsistencyMiddleware:
    """The Read API reads from replicas; everywhere else, what a request writes is noted."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with deadlines.budget(settings.REQUEST_SECONDS):
            return self._respond(request)

    def _respond(self, request: HttpRequest) -> HttpResponse:
        if settings.API_ROLE == "read":
            return self._read(request)
        with noted_writes() as written:
            response = self.get_response(request)
        if written:
            reached = positions.after_commit(written)
            response.headers[positions.TOKEN_HEADER] = positions.token_of(reached)
            user_id = getattr(getattr(request, "user", None), "pk", None)
            positions.keep(reached, user_id=user_id)
        return response

    def _read(self, request: HttpRequest) -> HttpResponse:
        token = request.META.get(positions.TOKEN_META)
        with replica_reads(token=token), noted_failures() as gone:
            response = self.get_response(request)
        if gone and response.status_code >= 500:
            with replica_reads(token=token, avoid=gone):
                response = self.get_response(request)
        return response

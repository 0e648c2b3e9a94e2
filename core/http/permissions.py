"""Who may send a request at all. Who may see what is decided in `usergraph.visibility`."""

from django.conf import settings
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

READS = frozenset({"GET", "HEAD"})


class PublicReads(BasePermission):
    """Reads without a token are answered too, if PUBLIC_PAGES says so; all else needs one."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.user.is_authenticated:
            return True
        return request.method in READS and settings.PUBLIC_PAGES

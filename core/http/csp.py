"""The Content-Security-Policy of our pages: what they may load, run and send.

CONTENT_SECURITY_POLICY in the settings says it, and django-csp writes the header. All other answers
(JSON, files, errors) get a policy that allows nothing from the web server (deploy/Caddyfile).
"""

from csp.middleware import CSPMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase


class PagePolicyMiddleware(CSPMiddleware):
    """Adds the policy to pages only: to write it takes longer than some answers."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if response.get("Content-Type", "").startswith("text/html"):
            return super().process_response(request, response)
        return response

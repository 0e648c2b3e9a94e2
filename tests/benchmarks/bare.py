r"""The reference for requests: a Django view and a DRF view that do nothing.

    DJANGO_SETTINGS_MODULE=tests.benchmarks.bare_settings \
        gunicorn --config deploy/gunicorn.conf.py tests.benchmarks.bare:application

No middleware, no authentication, no database: only what every use of Django, or of DRF, needs.
"""

from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

HELLO = {"hello": "world"}


def bare_django(request: HttpRequest) -> JsonResponse:
    """Plain Django's answer."""
    return JsonResponse(HELLO)


class BareDrf(APIView):
    """DRF's answer."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    renderer_classes = (JSONRenderer,)

    def get(self, request: Request) -> Response:
        return Response(HELLO)


class SizedDrf(BareDrf):
    """DRF's answer with its length, for a client that keeps the connection."""

    def get(self, request: Request) -> Response:
        length = len(JSONRenderer().render(HELLO))
        return Response(HELLO, headers={"Content-Length": str(length)})


urlpatterns = [
    path("django", bare_django),
    path("drf", BareDrf.as_view()),
    # What a web server in front asks for, and passes on.
    path("healthz/accepting", bare_django),
    path("api/v1/drf", SizedDrf.as_view()),
]

application = get_wsgi_application()

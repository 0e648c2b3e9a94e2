"""All URLs of the service."""

from collections.abc import Callable

from django.conf import settings
from django.contrib import admin
from django.http.response import HttpResponseBase
from django.urls import include, path
from django.views.generic import RedirectView, TemplateView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

import comments.urls
import media.urls
import posts.urls
import timeline.urls
import usergraph.urls
import users.urls
from operations import views as operations_views

# The most used come first. One list: each `include` would cost every request one more step.
api = [
    *timeline.urls.urlpatterns,
    *posts.urls.urlpatterns,
    *comments.urls.urlpatterns,
    *users.urls.urlpatterns,
    *usergraph.urls.urlpatterns,
    *media.urls.urlpatterns,
]


def _page(template: str, **context: str) -> Callable[..., HttpResponseBase]:
    return TemplateView.as_view(template_name=template, extra_context=context)


urlpatterns = [
    path("api/v1/", include(api)),
    path("", _page("front.html", origin=settings.PUBLIC_ORIGIN), name="front"),
    # Links in mails lead to these. The first has a button, so that mail scanners verify nothing.
    path("account/verify-email/<str:key>", _page("verify_email.html"), name="verify-email"),
    path("account/password-reset/<str:key>", _page("reset_password.html"), name="reset-password"),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("_allauth/", include("users.accounts.urls")),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path(
        "admin/operations/explain/",
        admin.site.admin_view(operations_views.explain),
        name="explain-home",
    ),
    path("admin/", admin.site.urls),
]

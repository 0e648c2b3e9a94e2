"""All URLs of the service."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpResponse
from django.urls import include, path
from django.views.generic import RedirectView, TemplateView
from drf_spectacular.views import SpectacularSwaggerSplitView

import comments.urls
import media.urls
import posts.urls
import timeline.urls
import usergraph.urls
import users.urls
from operations import views as operations_views
from socialfeed.problem_types import ProblemsView, ProblemView
from socialfeed.public_pages import post_page, profile_page

# The most used come first. One list: each `include` would cost every request one more step.
api = [
    *timeline.urls.urlpatterns,
    *posts.urls.urlpatterns,
    *comments.urls.urlpatterns,
    *users.urls.urlpatterns,
    *usergraph.urls.urlpatterns,
    *media.urls.urlpatterns,
]


class _KeyPage(TemplateView):
    """A page with a secret key in its address, which the browser must not store or pass on."""

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        headers = {"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
        return super().render_to_response(context, headers=headers, **kwargs)


class _HomePage(RedirectView):
    """Leads to the front page. The redirect is not permanent: the web client may soon be here."""

    pattern_name = "front"
    http_method_names = ["get", "head", "options"]


urlpatterns = [
    path("api/v1/", include(api)),
    # The web server has the web client here, if that is built.
    path("", _HomePage.as_view(), name="home"),
    # The web client's pages that people without an account see too.
    path("p/<id:post_id>", post_page, name="post-page"),
    path("u/<username:username>", profile_page, name="profile-page"),
    path(
        "developers/",
        TemplateView.as_view(
            template_name="front.html", extra_context={"origin": settings.PUBLIC_ORIGIN}
        ),
        name="front",
    ),
    # Links in mails lead to these. The first has a button, so that mail scanners verify nothing.
    path(
        "account/verify-email/<str:key>",
        _KeyPage.as_view(template_name="verify_email.html"),
        name="verify-email",
    ),
    path(
        "account/password-reset/<str:key>",
        _KeyPage.as_view(template_name="reset_password.html"),
        name="reset-password",
    ),
    # The web server serves the schema itself, which is a file.
    path(
        "api/docs/",
        SpectacularSwaggerSplitView.as_view(url="/api/schema/", template_name="api_docs.html"),
        name="docs",
    ),
    path("problems/", ProblemsView.as_view(), name="problems"),
    path("problems/<slug:name>", ProblemView.as_view(), name="problem"),
    path("_allauth/", include("users.accounts.urls")),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path(
        "admin/operations/explain/",
        admin.site.admin_view(operations_views.explain),
        name="explain-home",
    ),
    path("admin/", admin.site.urls),
]

"""Every address of the service, by app."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from socialfeed import front

admin.site.site_header = admin.site.site_title = "socialfeed"

# What is asked for most comes first.
api = [
    path("", include("timeline.urls")),
    path("", include("posts.urls")),
    path("", include("comments.urls")),
    path("", include("users.urls")),
    path("", include("usergraph.urls")),
    path("", include("media.urls")),
]

urlpatterns = [
    path("api/v1/", include(api)),
    path("", front.front_page, name="front"),
    path("account/verify-email/<str:key>", front.verify_email, name="verify-email"),
    path("account/password-reset/<str:key>", front.reset_password, name="reset-password"),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("_allauth/", include("allauth.headless.urls")),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
]

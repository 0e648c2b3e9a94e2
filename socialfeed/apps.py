"""The project as a Django app, for its templates; and the admin, with our own site."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig

# In every process, `shared_task` must belong to this Celery application.
from socialfeed.celery import app as celery_app

__all__ = ["SocialfeedConfig", "StaffAdminConfig", "celery_app"]


class SocialfeedConfig(AppConfig):
    name = "socialfeed"


class StaffAdminConfig(AdminConfig):
    """`django.contrib.admin`, whose `admin.site` asks staff for a second factor."""

    default_site = "users.staff.site.StaffSite"

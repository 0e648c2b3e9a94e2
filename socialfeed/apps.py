"""The project as an app, for its pages."""

from django.apps import AppConfig

# Makes this Celery app the one that `shared_task` belongs to, in whichever process.
from socialfeed.celery import app as celery_app

__all__ = ["SocialfeedConfig", "celery_app"]


class SocialfeedConfig(AppConfig):
    name = "socialfeed"

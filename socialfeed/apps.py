"""The project as a Django app, for its templates."""

from django.apps import AppConfig

# In every process, `shared_task` must belong to this Celery application.
from socialfeed.celery import app as celery_app

__all__ = ["SocialfeedConfig", "celery_app"]


class SocialfeedConfig(AppConfig):
    name = "socialfeed"

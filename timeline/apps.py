"""Timeline: home and profile timelines. Valkey only; what they hold is a copy of SQL."""

from django.apps import AppConfig


class TimelineConfig(AppConfig):
    name = "timeline"

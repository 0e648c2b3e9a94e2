"""Timeline: home and profile timelines. Valkey only; SQL has all that they hold."""

from django.apps import AppConfig


class TimelineConfig(AppConfig):
    name = "timeline"

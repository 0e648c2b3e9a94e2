"""Fan-out: brings posts, and changes of what they show, into timelines."""

from django.apps import AppConfig


class FanoutConfig(AppConfig):
    name = "fanout"

    def ready(self) -> None:
        from fanout import handlers  # noqa: F401, PLC0415  (needs the app registry)

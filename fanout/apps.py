"""Fan-out: the outbox, and the delivery of what it holds."""

from django.apps import AppConfig


class FanoutConfig(AppConfig):
    name = "fanout"

    def ready(self) -> None:
        from fanout import listeners  # noqa: F401, PLC0415  (needs the app registry)

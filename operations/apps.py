"""Operations: what looks after the services."""

from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "operations"

    def ready(self) -> None:
        from operations import handlers  # noqa: F401, PLC0415  (needs the app registry)

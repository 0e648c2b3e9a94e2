"""Operations: what looks after the services."""

from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "operations"

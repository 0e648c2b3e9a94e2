"""Commenting: comments on posts."""

from django.apps import AppConfig


class CommentsConfig(AppConfig):
    name = "comments"

    def ready(self) -> None:
        from comments import handlers  # noqa: F401, PLC0415  (needs the app registry)

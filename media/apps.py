"""Media: uploads, their variants, and the object store."""

from django.apps import AppConfig


class MediaConfig(AppConfig):
    name = "media"

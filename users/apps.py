"""User Info: accounts and profiles."""

from django.apps import AppConfig


class UsersConfig(AppConfig):
    name = "users"

    def ready(self) -> None:
        from users import handlers, listeners  # noqa: F401, PLC0415  (needs the app registry)

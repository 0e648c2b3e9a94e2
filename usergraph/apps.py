"""User Graph: who follows whom."""

from django.apps import AppConfig


class UsergraphConfig(AppConfig):
    name = "usergraph"

    def ready(self) -> None:
        from usergraph.selectors import profile_part  # noqa: PLC0415  (needs the app registry)
        from users.selectors import add_profile_part  # noqa: PLC0415

        add_profile_part(profile_part)

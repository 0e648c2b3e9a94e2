"""User Graph: who follows whom."""

from django.apps import AppConfig


class UsergraphConfig(AppConfig):
    name = "usergraph"

    def ready(self) -> None:
        # Imported here because they need the app registry.
        from usergraph import selectors, visibility  # noqa: PLC0415
        from users.selectors import add_hiding_rule, add_profile_part  # noqa: PLC0415

        add_profile_part(selectors.profile_part)
        add_hiding_rule(lambda viewer_id: visibility.hidden_user_ids(viewer_id=viewer_id))

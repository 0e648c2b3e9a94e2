"""Post Info: posts."""

from django.apps import AppConfig


class PostsConfig(AppConfig):
    name = "posts"

    def ready(self) -> None:
        from posts.selectors import profile_part  # noqa: PLC0415  (needs the app registry)
        from users.selectors import add_profile_part  # noqa: PLC0415

        add_profile_part(profile_part)

"""`manage.py seed_demo`: fill the local stack with a small demo, through the apps' services."""

from argparse import ArgumentParser
from random import Random
from tempfile import TemporaryFile
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from comments.selectors import summary
from comments.services import add_comment, like_comment
from core.commands import at_least, errors_with_advice
from media.services import store_file, store_image
from operations.clips import clip
from operations.pictures import picture
from operations.web_client import is_built, published_folder
from posts.selectors import post_count, post_refs, visible_post
from posts.services import like_post, publish_post
from usergraph.services import follow_user
from users.selectors import own_profile
from users.services import ensure_account, update_profile

DEMO_LOGIN = ("demo", "demo-tide-and-light")
ADMIN_LOGIN = ("admin", "admin-tide-and-light")
NAMES = (
    "Ada Bela Cleo Dario Edda Femi Gita Hugo Ines Joao Kaya Lena Milo Nora Omar Pia Quinn Rosa "
    "Sami Tess Ugo Vera Wim Xenia Yara Zeno Anouk Bruno Carla"
)
CAPTIONS = (
    "Low tide.|First light over the ridge.|Nobody else was up.|Found this on the way home.|"
    "Again, because why not.|Sunday, slowly.|The long way round was worth it.|City hum.|"
    "Colours by the rain.|A study in shapes."
)
COMMENTS = (
    "Lovely.|Where is this?|That light!|I was there on Tuesday and saw nothing like it.|😍|"
    "More of these, please.|The colours 🌊|How early did you get up for this?|Stunning.|"
    "This made my day."
)
REPLIES = "Thank you!|Just around the corner.|You should have come along.|🙏|Next time!"
COMMENTS_EACH = 4
AVATAR_WIDTH = 320
FOLLOWS_EACH = 8
# One post of so many has a video.
VIDEO_EACH = 15


def _log_in_address() -> str:
    """The log-in page of the web client with the demo's name and password filled in.

    They are in the fragment, which no browser sends to a server.
    """
    username, password = DEMO_LOGIN
    filled_in = urlencode({"username": username, "password": password})
    return f"{settings.PUBLIC_ORIGIN}/log-in#{filled_in}"


class Command(BaseCommand):
    """Adds only what is missing, so it may be interrupted and run again."""

    help = (
        "Fill the local stack with 30 accounts, pictures, videos, follows, posts, likes and "
        "comments."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--posts", type=at_least(0), default=60, help="How many posts (default 60)."
        )

    @errors_with_advice()
    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.LOCAL:
            raise CommandError("seed_demo makes accounts with public passwords: local stack only.")
        username, password = ADMIN_LOGIN
        ensure_account(username=username, email="admin@example.org", password=password, staff=True)
        random = Random(2024)  # noqa: S311  (the same demo everywhere)
        user_ids = self._accounts()
        for user_id in tqdm(user_ids, "follows"):
            for followee_id in random.sample(user_ids, FOLLOWS_EACH):
                if followee_id != user_id:
                    follow_user(follower_id=user_id, followee_id=followee_id)
        for number in tqdm(range(post_count(author_ids=user_ids), options["posts"]), "posts"):
            author_id = random.choice(user_ids)
            publish_post(
                author_id=author_id,
                caption=random.choice(CAPTIONS.split("|")),
                media_ids=[self._post_media(author_id, number)],
            )
        count = post_count(author_ids=user_ids)
        newest_first = post_refs(author_ids=user_ids, before=None, limit=count)
        for number, (post_id, author_id) in enumerate(tqdm(newest_first[::-1], "likes, comments")):
            # Seeded by the post's number: each run gives a post the same likes and comments.
            self._talk(post_id, author_id, user_ids, Random(number))  # noqa: S311
        for what, (username, password) in (("demo", DEMO_LOGIN), ("admin", ADMIN_LOGIN)):
            self.stdout.write(f"{what} login: {username} / {password}")
        if is_built(published_folder()):
            self.stdout.write(f"One click:   {_log_in_address()}")

    def _accounts(self) -> list[int]:
        """Create the demo's accounts where missing; returns their ids. The first has a password."""
        username, password = DEMO_LOGIN
        people = [(username, "Demo", password)]
        people += [(f"demo_{name.lower()}", name, "") for name in NAMES.split()]
        user_ids = []
        for number, (username, name, password) in enumerate(tqdm(people, "accounts")):
            user_id, _ = ensure_account(
                username=username,
                email=f"{username}@example.org",
                display_name=name,
                password=password or None,
            )
            if own_profile(user_id=user_id)["avatar_url"] is None:
                avatar = self._upload(user_id, 1000 + number, width=AVATAR_WIDTH)
                update_profile(user_id=user_id, changes={"avatar": avatar})
            user_ids.append(user_id)
        return user_ids

    def _talk(self, post_id: int, author_id: int, user_ids: list[int], random: Random) -> None:
        """Add likes (few posts get many), and comments if it has none and they are open."""
        for user_id in random.sample(user_ids, round(len(user_ids) * random.random() ** 3)):
            like_post(post_id=post_id, user_id=user_id)
        post = visible_post(post_id=post_id, viewer_id=author_id)
        if post.comments_closed or summary(post_id=post_id).count:
            return
        for _ in range(random.randint(0, COMMENTS_EACH)):
            comment_id = add_comment(
                post_id=post_id,
                author_id=random.choice(user_ids),
                text=random.choice(COMMENTS.split("|")),
            )
            for user_id in random.sample(user_ids, random.randint(0, 2)):
                like_comment(comment_id=comment_id, user_id=user_id)
            if random.random() < 1 / 3:
                text = random.choice(REPLIES.split("|"))
                add_comment(post_id=post_id, author_id=author_id, text=text, reply_to=comment_id)

    def _post_media(self, owner_id: int, number: int) -> int:
        if number % VIDEO_EACH != VIDEO_EACH - 1:
            return self._upload(owner_id, number)
        with TemporaryFile() as file:
            file.write(clip(number // VIDEO_EACH))
            file.flush()
            return store_file(owner_id=owner_id, file=file, alt="A generated video").pk

    def _upload(self, owner_id: int, seed: int, width: int | None = None) -> int:
        upload = SimpleUploadedFile(f"{seed}.jpg", picture(seed, width=width))
        return store_image(owner_id=owner_id, file=upload, alt="A generated picture").pk

"""`manage.py seed_graph --edges FILE`: load a real follower graph, in bulk."""

from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from core.commands import at_least, errors_with_advice
from media.services import store_image
from operations.pictures import picture
from posts.services import publish_post
from timeline.services import drop_home_timelines
from usergraph.services import import_follows
from users.services import import_users

PICTURE_WIDTH = 160


class Command(BaseCommand):
    """Safe to interrupt and to run again: it skips what exists already."""

    help = (
        "Load an undirected graph from a file with one edge `A B` a line: A follows B, and B "
        "follows A. The account of node N is member_N. "
        "Example: manage.py seed_graph --edges ego-facebook.txt --posts 200"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--edges", type=Path, required=True, help="The file of edges.")
        parser.add_argument(
            "--posts",
            type=at_least(0),
            default=0,
            help="Then publish so many posts by random members, with fan-out (default 0).",
        )

    @errors_with_advice()
    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.LOCAL:
            raise CommandError("seed_graph makes accounts without owners: local stack only.")
        edges = list(self._edges(options["edges"]))
        nodes = sorted({node for edge in edges for node in edge}, key=int)
        ids = import_users(usernames=[f"member_{node}" for node in nodes])
        self.stdout.write(f"{len(ids)} accounts")
        both_ways = (
            (ids[f"member_{follower}"], ids[f"member_{followee}"])
            for edge in edges
            for follower, followee in (edge, edge[::-1])
        )
        with tqdm(total=2 * len(edges), desc="follows", unit_scale=True) as progress:
            for inserted in import_follows(edges=both_ways):
                progress.update(inserted)
        drop_home_timelines(user_ids=ids.values())
        self._publish(list(ids.values()), options["posts"])

    def _edges(self, path: Path) -> Iterator[tuple[str, str]]:
        try:
            lines = path.read_text().splitlines()
        except OSError as error:
            raise CommandError(f"Cannot read {path}: {error.strerror}.") from error
        for number, line in enumerate(lines, start=1):
            if not line.strip() or line.startswith("#"):
                continue
            nodes = line.split()
            if len(nodes) != 2 or not all(node.isdecimal() for node in nodes):
                raise CommandError(f"{path}:{number}: expected two numbers `A B`, not {line!r}.")
            if nodes[0] != nodes[1]:
                yield nodes[0], nodes[1]

    def _publish(self, user_ids: list[int], posts: int) -> None:
        random = Random(2024)  # noqa: S311  (the same posts everywhere)
        for number in tqdm(range(posts), "posts", disable=not posts):
            author_id = random.choice(user_ids)
            upload = SimpleUploadedFile("picture.jpg", picture(number, width=PICTURE_WIDTH))
            media_id = store_image(owner_id=author_id, file=upload).pk
            publish_post(author_id=author_id, caption=f"No. {number}", media_ids=[media_id])

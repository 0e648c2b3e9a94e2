"""The demo has likes and comments, and each once when it is seeded twice."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.management import CommandError, call_command

from comments.models import Comment, CommentLike
from media.documents import media_document
from media.models import Media
from posts.models import Like, Post

pytestmark = pytest.mark.django_db
# One of them has a video.
POSTS = 15


def test_the_demo_has_likes_and_comments_once(
    settings: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.STATIC_ROOT = str(tmp_path)
    before = {model: set(model.objects.values_list("pk", flat=True)) for model in (Post, Like)}

    def posts() -> list[int]:
        new = Post.objects.exclude(pk__in=before[Post]).order_by("pk")
        return list(new.values_list("pk", flat=True))

    def made() -> tuple[list[tuple[int, ...]], list[str]]:
        """Likes, comments, replies and likes of comments of each post; all texts."""
        rows: list[tuple[int, ...]] = []
        texts: list[str] = []
        for post_id in posts():
            comments = Comment.objects.filter(post_id=post_id)
            liked = CommentLike.objects.filter(subject_id__in=comments.values("pk"))
            replies = comments.filter(reply_to__isnull=False)
            likes = Like.objects.filter(subject_id=post_id)
            rows.append((likes.count(), comments.count(), replies.count(), liked.count()))
            texts += comments.order_by("pk").values_list("text", flat=True)
        return rows, texts

    call_command("seed_demo", posts=POSTS)
    first = made()
    rows, texts = first
    assert len(rows) == POSTS
    likes, comments, replies, liked = (sum(column) for column in zip(*rows, strict=True))
    assert POSTS < likes < 30 * POSTS
    assert POSTS < comments < 6 * POSTS
    assert 0 < replies < comments
    assert liked > 0
    assert len(set(texts)) > 5
    made_for = Media.objects.filter(used_as="post", used_by_id__in=posts())
    (video,) = made_for.filter(video__isnull=False)
    urls = [source["url"] for source in media_document(video)["video"]["sources"]]
    assert {httpx.get(url).headers["Content-Type"] for url in urls} == {"video/mp4"}
    assert "One click" not in capsys.readouterr().out, "the web client is not built"
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "index.html").touch()
    call_command("seed_demo", posts=POSTS)
    assert made() == first
    said = capsys.readouterr().out
    assert "demo login: demo / demo-tide-and-light\n" in said
    one_click = "/log-in#username=demo&password=demo-tide-and-light\n"
    assert f"One click:   {settings.PUBLIC_ORIGIN}{one_click}" in said


@pytest.mark.parametrize(
    "command", [["seed_demo"], ["seed_graph", "--edges", "none"]], ids=" ".join
)
def test_a_negative_number_of_posts_is_refused(command: list[str]) -> None:
    with pytest.raises(CommandError, match="must be 0 to 1000000000, not -1"):
        call_command(*command, "--posts", "-1")

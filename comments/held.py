"""Comments that are held back: only who wrote them sees them, and the author of the post, who asks
for them, until that one approves them.

Held back are new comments, and changed texts, of people whom the author of the post restricts, and
those with one of the author's hidden words. A reply to a comment that is held back is held back,
too. Nobody is told. They are not counted, and not in previews.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from comments.models import Comment
from comments.rules import Rules
from comments.selectors import PAGE_SQL, full_page, read_rows, shown_documents
from core.http.problems import Conflict
from core.ids import MAX_ID
from usergraph.selectors import Standing
from usergraph.visibility import VisiblePeople

_HELD = "held_for = %(viewer_id)s AND id < %(below)s"


def is_to_be_held(text: str, rules: Rules, stands: Standing) -> bool:
    """Whether a text by somebody else is held back on an author's posts."""
    return stands.restricts or rules.hide(text)


def held_page(
    *, author_id: int, post_id: int | None, after: int | None, limit: int
) -> tuple[list[dict[str, Any]], int | None]:
    """The comments that are held back for an author, newest first: {"post_id", "comment": {…}}.

    `post_id`: only those on this post. Also returns the cursor of the next page, None at the end.
    """
    which = _HELD if post_id is None else f"{_HELD} AND post_id = %(post_id)s"
    sql = PAGE_SQL.format(which=which, of="held_for", direction="DESC")
    parameters = {"viewer_id": author_id, "post_id": post_id}

    def read(cursor: int | None, wanted: int) -> list[Any]:
        return read_rows(sql, parameters | {"below": cursor or MAX_ID, "limit": wanted})

    def documents(
        rows: Sequence[Any], people: VisiblePeople
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        for id_, on_post, comment in shown_documents(rows, people):
            yield id_, {"post_id": str(on_post), "comment": comment}

    return full_page(author_id, read, documents, after, limit)


def hold(*, comment_id: int, author_id: int) -> bool:
    """Hold a comment back for the author of its post, in the caller's transaction; returns whether
    it was shown, and so counted.
    """
    row = Comment.objects.select_for_update().get(pk=comment_id)
    was_shown = row.is_shown
    row.is_shown, row.held_for = False, row.held_for or author_id
    row.save(update_fields=["is_shown", "held_for"])
    return was_shown


def approve(
    *, comment_id: int, author_id: int, edited_at: datetime | None
) -> tuple[int, int | None] | None:
    """Show a comment that is held back for an author, in the caller's transaction; returns its post
    and what it replies to, or None if it is not held back for the author.

    Raises `Conflict` if its text is not that of `edited_at`, or it replies to one that is held
    back.
    """
    row = Comment.objects.select_for_update().filter(pk=comment_id, held_for=author_id).first()
    if row is None:
        return None
    if row.edited_at != edited_at:
        raise Conflict(
            "The text of this comment has been changed. Read it again before you approve it.",
            code="changed_comment",
        )
    answered = Comment.objects.filter(replies=row.pk, held_for__isnull=False)
    if answered.exists():
        raise Conflict(
            f"It replies to comment {row.reply_to_id}, which waits for your approval, too. "
            "Approve that one first.",
            code="held_comment",
        )
    row.is_shown, row.held_for = True, None
    row.save(update_fields=["is_shown", "held_for"])
    return row.post_id, row.reply_to_id

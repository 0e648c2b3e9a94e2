"""Who may comment on an account's posts, and the words that hold a comment back.

An account's rules are one row, or none. A post may say otherwise who may comment on it. The author
of a post may always comment on it, unless it is closed.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from comments.models import CommentRules
from core.http.problems import Forbidden
from core.sql import primary_reads
from core.text import without_invisible
from posts.selectors import CommentsFrom, VisiblePost
from usergraph.selectors import Standing, standing

MAX_WORDS = 100  # of one account
# Thai, Lao, Burmese, Khmer, Japanese and Chinese do not put blanks between words.
_WITHOUT_BLANKS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]"
)
_REFUSALS = {
    CommentsFrom.FOLLOWING: "Only people whom the author follows may comment on this post.",
    CommentsFrom.FOLLOWERS: "Only followers of the author may comment on this post.",
    CommentsFrom.NOBODY: "Only the author may comment on this post.",
}


class Rules(NamedTuple):
    """The rules of an account."""

    comments_from: str = CommentsFrom.EVERYONE
    hidden_words: Sequence[str] = ()

    def for_post(self, post: VisiblePost) -> str:
        """Who may comment on a post of the account; not ACCOUNT."""
        is_own_rule = post.comments_from != CommentsFrom.ACCOUNT
        return post.comments_from if is_own_rule else self.comments_from

    def hide(self, text: str) -> bool:
        """Whether a text holds one of the words, in upper or lower case.

        A word is found as a whole: `ass` not in `class`. Of writing systems without blanks between
        words, it is found anywhere.
        """
        words = _plain_words(tuple(self.hidden_words))
        return bool(words) and _has_one_of(_plain(text), words)


def rules_of(*, author_id: int) -> Rules:
    """The rules of an account, from the primary; one query."""
    with primary_reads():
        rows = CommentRules.objects.filter(author_id=author_id)
        found = rows.values_list("comments_from", "hidden_words").first()
    return Rules() if found is None else Rules(*found)


def change_rules(*, author_id: int, changes: dict[str, Any]) -> None:
    """Change `comments_from` or `hidden_words`, for comments from now on."""
    CommentRules.objects.update_or_create(author_id=author_id, defaults=changes)


def forget_rules(*, author_id: int) -> None:
    """Remove the rules of an account that is being deleted."""
    CommentRules.objects.filter(author_id=author_id).delete()


def refuse_unless_let_in(post: VisiblePost, rules: Rules, stands: Standing) -> None:
    """Raise `Forbidden` if the viewer of a post may not comment on it, who is not its author.

    `stands`: how the author stands to the viewer.
    """
    comments_from = rules.for_post(post)
    if not _lets_in(comments_from, stands):
        raise Forbidden(_REFUSALS[CommentsFrom(comments_from)], code="comments_limited")


def commenting(*, post: VisiblePost) -> dict[str, Any]:
    """Whether the viewer of a post may comment on it, and who may, of those who see it:
    {"may_comment", "comments_from"}. At most two queries.
    """
    if post.comments_closed:
        return {"may_comment": False, "comments_from": CommentsFrom.NOBODY}
    comments_from = rules_of(author_id=post.author_id).for_post(post)
    may_comment = post.viewer_id == post.author_id or comments_from == CommentsFrom.EVERYONE
    if not may_comment and comments_from != CommentsFrom.NOBODY:
        stands = standing(author_id=post.author_id, user_id=post.viewer_id)
        may_comment = _lets_in(comments_from, stands)
    return {"may_comment": may_comment, "comments_from": comments_from}


def _lets_in(comments_from: str, stands: Standing) -> bool:
    return {
        CommentsFrom.EVERYONE: True,
        CommentsFrom.FOLLOWING: stands.follows,
        CommentsFrom.FOLLOWERS: stands.is_followed,
        CommentsFrom.NOBODY: False,
    }[CommentsFrom(comments_from)]


def _plain(text: str) -> str:
    """A text in the form in which it is compared: one case, one form of each character, nothing
    invisible, and one blank between words.
    """
    one_form = unicodedata.normalize("NFKC", without_invisible(text))
    return " ".join(one_form.casefold().split())


@lru_cache(maxsize=256)
def _plain_words(words: tuple[str, ...]) -> list[str]:
    return [plain for word in words if (plain := _plain(word))]


def _has_one_of(text: str, words: Sequence[str]) -> bool:
    for word in words:
        at = text.find(word)
        while at >= 0:
            end = at + len(word)
            goes_on = _is_letter(text[end : end + 1]) and _is_letter(word[-1])
            if not goes_on and not (_is_letter(text[at - 1 : at]) and _is_letter(word[0])):
                return True
            at = text.find(word, at + 1)
    return False


def _is_letter(character: str) -> bool:
    """Whether a character, or none, is part of a word that has blanks around it."""
    if not character or _WITHOUT_BLANKS.match(character):
        return False
    is_mark = unicodedata.category(character).startswith("M")
    return is_mark or character == "_" or character.isalnum()

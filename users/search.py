"""The search for people, in the users database; owns the table of search terms.

A term is a beginning by which a user is found, folded (`fold`): the whole username (place FIRST),
or a later part of it or a word of the display name (place LATER). What is a beginning of the whole
username already is no term of its own. A search reads an index from the first term that fits, in
order, so a page costs the same however many users there are. Terms in two places, and the order
within a place, rank the results: the exact username is first, then come usernames that begin with
what is searched for, then others.

Who writes a name calls `index_names` in the same transaction. `index_stale_names` finds by an index
the users for whom nobody did (instances of an older release, SQL by hand), and makes up for it:
`User.searched_as` has the names that the terms are of.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from django.db import connections, router, transaction

from core.http.pagination import not_of_this_list
from users.models import SearchTerm, User

FIRST, LATER = SearchTerm.Place.FIRST, SearchTerm.Place.LATER
TERM_LENGTH = 30
# A search goes by so many of its words at most, the longest.
_MAX_WORDS = 5
# A page reads so many terms in a place at most; if few of their users fit, it is shorter.
WINDOW = 2000
# Letters that Unicode does not decompose into one without an accent.
_FOLDED = str.maketrans("øđðłħŧ\u0131", "oddlhti") | str.maketrans({"æ": "ae", "œ": "oe"})
_WORD = re.compile(r"[^\W_]+")
# Where a part of a word begins: letters after digits, and digits after letters.
_INNER = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
# Sorts after all that goes on after a prefix.
_LAST = "\U0010ffff"

_STALE_SQL = r"""
SELECT id, username, display_name FROM users_user
WHERE searched_as <> username || E'\n' || display_name AND id > %s
ORDER BY id LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
"""
_STORE_SQL = r"""
WITH outdated AS (DELETE FROM users_searchterm WHERE user_id = ANY(%(user_ids)s)),
noted AS (
    UPDATE users_user SET searched_as = username || E'\n' || display_name
    WHERE id = ANY(%(user_ids)s)
)
INSERT INTO users_searchterm (user_id, place, term)
SELECT * FROM unnest(%(owners)s::bigint[], %(places)s::smallint[], %(terms)s::text[])
"""
# From a row, which is the only lower bound: of two, PostgreSQL may begin at the lesser one.
_READ = """
SELECT term, user_id FROM users_searchterm
WHERE place = %(place)s AND term < %(prefix)s || %(last)s
    AND (term, user_id) > (%(after_term)s, %(after_id)s)
ORDER BY term, user_id
"""
# Results, and if they are few and more terms are to be read, the last term that was read.
_PAGE_SQL = f"""
(
    SELECT found.term, found.user_id,
        account.username, account.display_name, account.avatar_key, account.is_private
    FROM ({_READ} LIMIT %(window)s) AS found
    CROSS JOIN LATERAL (
        SELECT username, display_name, avatar_key, is_private FROM users_user
        WHERE id = found.user_id AND is_active AND id <> ALL(%(hidden)s)
            AND NOT username ^@ ANY(%(before)s)
        OFFSET 0
    ) AS account
    WHERE {{others}}
    ORDER BY found.term, found.user_id
    LIMIT %(wanted)s
)
UNION ALL
SELECT term, user_id, NULL, NULL, NULL, NULL
FROM ({_READ} OFFSET %(window)s - 1 LIMIT 1) AS last_read
LIMIT %(wanted)s
"""  # noqa: S608  (constants)
# `OFFSET 0`: asked for each user, whatever the planner thinks of their number.
_ALSO_SQL = """EXISTS (
    SELECT FROM users_searchterm AS other WHERE other.user_id = found.user_id
        AND other.term >= %(word_{0})s AND other.term < %(word_{0})s || %(last)s
    OFFSET 0
)"""
# A user with several terms that fit is found by the first of them.
_ONCE_SQL = """NOT EXISTS (
    SELECT FROM users_searchterm AS earlier WHERE earlier.user_id = found.user_id
        AND earlier.place = %(place)s AND earlier.term >= %(prefix)s AND earlier.term < found.term
    OFFSET 0
)"""


def fold(text: str) -> str:
    """A text without case and accents: both `Zoë` and `ZOE` are `zoe`."""
    decomposed = unicodedata.normalize("NFKD", text.casefold().translate(_FOLDED))
    plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return unicodedata.normalize("NFC", plain.casefold())


def words(text: str) -> list[str]:
    """The words of a folded text, in order."""
    return [word[:TERM_LENGTH] for word in _WORD.findall(text)]


def terms_of(*, username: str, display_name: str) -> dict[str, SearchTerm.Place]:
    """The terms by which a user is found, with their places."""
    whole = fold(username)[:TERM_LENGTH]
    parts = [
        word[at:]
        for word in words(whole)
        for at in (0, *(inner.start() for inner in _INNER.finditer(word)))
    ]
    later = {*parts, *words(fold(display_name))}
    return {term: LATER for term in later if not whole.startswith(term)} | {whole: FIRST}


def index_names(*, names: Mapping[int, tuple[str, str]]) -> None:
    """Store the terms of users whose rows the caller's transaction has written or locked.

    `names`: username and display name by user id, as they are stored. One statement.
    """
    rows = [
        (user_id, place, term)
        for user_id, (username, display_name) in names.items()
        for term, place in terms_of(username=username, display_name=display_name).items()
    ]
    owners, places, terms = (
        (list(column) for column in zip(*rows, strict=True)) if rows else ([],) * 3
    )
    parameters = {"user_ids": list(names), "owners": owners, "places": places, "terms": terms}
    with connections["default"].cursor() as cursor:
        cursor.execute(_STORE_SQL, parameters)


def names_of(*, user_ids: Collection[int]) -> dict[int, tuple[str, str]]:
    """The names of users, as the caller's transaction has written or locked them."""
    rows = User.objects.filter(pk__in=user_ids).values_list("pk", "username", "display_name")
    return {user_id: (username, display_name) for user_id, username, display_name in rows}


def index_stale_names(*, batch_size: int = 2000, batches: int | None = None) -> int:
    """Index the users whose names were written without, or `batches` of them; returns their number.

    A transaction for each batch; rows that somebody else has locked are left for the next time. Raw
    SQL that names its columns: a migration calls this, too. May run many times at once.
    """
    indexed, last = 0, 0
    for _ in count() if batches is None else range(batches):
        # From where the last batch ended: the index still has what that has indexed.
        with transaction.atomic(using="default"), connections["default"].cursor() as cursor:
            cursor.execute(_STALE_SQL, [last, batch_size])
            stale = {user_id: (name, shown) for user_id, name, shown in cursor.fetchall()}
            if not stale:
                break
            index_names(names=stale)
        indexed, last = indexed + len(stale), max(stale)
    return indexed


@dataclass(frozen=True)
class _Stage:
    """One walk along the terms of a place.

    `prefix`: with what they begin. `others`: words with which other terms of the user must begin.
    `before`: beginnings of usernames that an earlier stage has shown.
    """

    place: int
    prefix: str
    others: tuple[str, ...] = ()
    before: tuple[str, ...] = ()


def _stages(typed: str) -> list[_Stage]:
    """The walks that find what somebody has typed, the best results first."""
    folded = fold(typed).strip().removeprefix("@")[:TERM_LENGTH]
    wanted = sorted({*words(fold(typed))}, key=lambda word: (-len(word), word))[:_MAX_WORDS]
    stages = []
    if folded and re.fullmatch(r"[a-z0-9_.]+", folded):
        stages.append(_Stage(FIRST, folded))
    if wanted:
        rarest, *rest = wanted
        others, shown = tuple(rest), tuple(stage.prefix for stage in stages)
        if rarest not in shown:
            stages.append(_Stage(FIRST, rarest, others, shown))
        stages.append(_Stage(LATER, rarest, others, tuple({*shown, rarest})))
    return stages


# (user id, username, display name, key of the avatar, whether the account is private)
Found = tuple[int, str, str, str, bool]


def find_people(
    *, typed: str, hidden: Collection[int], after: str | None, limit: int
) -> tuple[list[Found], str | None]:
    """Active users with names in which each word of `typed` begins a part, ranked.

    Also the cursor of the next page, None at the end. `hidden`: whom to leave out. A page may be
    shorter than `limit`, even empty, and have a next one. Up to three queries.
    """
    stages = _stages(typed)
    begin, after_term, after_id = _read_cursor(after)
    found: list[Found] = []
    for number, stage in enumerate(stages[begin:], start=begin):
        rows = _walk(stage, hidden, (after_term, after_id), limit + 1 - len(found))
        for term, user_id, *columns in rows:
            if len(found) == limit or columns[0] is None:
                if columns[0] is None:
                    after_term, after_id = term, user_id
                return found, f"{number}:{after_id}:{after_term}"
            found.append((user_id, *columns))
            after_term, after_id = term, user_id
        after_term, after_id = "", 0
    return found, None


def _read_cursor(cursor: str | None) -> tuple[int, str, int]:
    """The number of the stage, and the term and the user after which it goes on."""
    if cursor is None:
        return 0, "", 0
    match = re.fullmatch(r"([0-9]):([0-9]{1,19}):(.*)", cursor)
    if match is None:
        raise not_of_this_list("cursor")
    return int(match[1]), match[3], int(match[2])


def _walk(
    stage: _Stage, hidden: Collection[int], after: tuple[str, int], wanted: int
) -> Iterator[Any]:
    conditions = [_ALSO_SQL.format(number) for number in range(len(stage.others))]
    if stage.place == LATER:
        conditions.append(_ONCE_SQL)
    # No id is 0, so nothing that begins with the prefix comes before this.
    after_term, after_id = max(after, (stage.prefix, 0))
    parameters: dict[str, Any] = {
        "place": stage.place,
        "prefix": stage.prefix,
        "last": _LAST,
        "after_term": after_term,
        "after_id": after_id,
        "window": WINDOW,
        "hidden": list(hidden),
        "before": list(stage.before),
        "wanted": wanted,
        **{f"word_{number}": word for number, word in enumerate(stage.others)},
    }
    with connections[router.db_for_read(User)].cursor() as cursor:
        cursor.execute(_PAGE_SQL.format(others=" AND ".join(conditions) or "true"), parameters)
        return iter(cursor.fetchall())

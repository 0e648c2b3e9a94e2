"""The search for people: what is found, in which order, page by page, and at which cost."""

import re
from collections.abc import Callable

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from core.http.problems import Invalid
from tests.support.api_documents import deactivate
from usergraph.related import HiddenPeople
from usergraph.store import IdSet
from users import search, selectors
from users.models import SearchTerm, User
from users.search import fold, index_stale_names, terms_of, words
from users.services import ensure_account, import_users, store_sign_up, update_profile
from users.tasks import index_stale_names as task

pytestmark = pytest.mark.django_db


def found(typed: str, viewer_id: int = 0, limit: int = 100) -> list[str]:
    """The usernames of all pages of a search."""
    names: list[str] = []
    after = None
    for _ in range(50):
        page, after = selectors.search_users(
            typed=typed, viewer_id=viewer_id, after=after, limit=limit
        )
        assert len(page) <= limit
        names += [user["username"] for user in page]
        if after is None:
            return names
    raise AssertionError("The pages do not end.")


# The exact name, a name that begins so, and others by the part that begins so.
ROSAS = ["rosa", "rosalind.9", "demo_rosa", "pink", "demo2rosa7"]


@pytest.fixture
def people() -> None:
    for username, display_name in {
        "rosa": "Somebody",
        "rosalind.9": "Rosa of Rosenheim",
        "demo_rosa": "",
        "demo2rosa7": "",
        "pink": "Ana Rósa",
        "zoe_b": "ZOË Bergström",
        "luc": "François-Łukasz Ærø",
        "hanako": "田中 花子",
        "prosa": "Corosal",
    }.items():
        ensure_account(username=username, email=f"{username}@e.org", display_name=display_name)


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("rosa", ROSAS),
        ("ROSÁ", ROSAS),
        ("@rosa", ROSAS),
        ("rosen", ["rosalind.9"]),
        ("rosa rosen", ["rosalind.9"]),
        ("rosenh of ro", ["rosalind.9"]),
        ("rosalind 9", ["rosalind.9"]),
        ("demo_rosa", ["demo_rosa", "demo2rosa7"]),
        ("demo rosa", ["demo2rosa7", "demo_rosa"]),
        ("rosa demo", ["demo2rosa7", "demo_rosa"]),
        ("2rosa", ["demo2rosa7"]),
        ("rosa ana", ["pink"]),
        ("zoe", ["zoe_b"]),
        ("bergstrom zoë", ["zoe_b"]),
        ("zoe.b", ["zoe_b"]),
        ("lukasz FRANC aero", ["luc"]),
        ("花", ["hanako"]),
        ("osa", []),
        ("rosa nobody", []),
        ("%", []),
        ("_____", []),
        ("rosa_", ROSAS),
        ("rosa_x", []),
        ("'\\", []),
        ("🌊", []),
    ],
)
@pytest.mark.parametrize("limit", [1, 2, 100])
def test_each_word_begins_a_part_of_a_name(typed: str, expected: list[str], limit: int) -> None:
    assert [name for name in found(typed, limit=limit) if "_t" not in name] == expected


@pytest.mark.usefixtures("people")
def test_nobody_is_found_whom_the_viewer_must_not_see(
    alice: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    deactivate(User.objects.get(username="rosa").pk)
    hidden = frozenset({User.objects.get(username="demo_rosa").pk})

    def rule(viewer_id: int) -> HiddenPeople:
        ids: frozenset[int] = hidden if viewer_id == alice else frozenset()
        return HiddenPeople(viewer_id, IdSet(ids, is_whole=True))

    monkeypatch.setattr(selectors, "_hiding_rules", [rule])
    assert found("rosa", alice) == ["rosalind.9", "pink", "demo2rosa7"]
    assert found("rosa") == ROSAS[1:]


def test_a_search_knows_a_name_as_soon_as_it_is_written(
    alice: int, unique: Callable[[str], str]
) -> None:
    first, second = unique("vera").replace("_", ""), unique("vera").replace("_", "")
    ensure_account(username=f"a_{first}", email=f"{first}@e.org")
    assert found(first) == [f"a_{first}"]
    user = User(username=f"b_{first}", email=f"{second}@e.org", display_name="Signed Up")
    store_sign_up(user=user)
    import_users(usernames=[f"c_{first}", f"d_{first}"])
    assert found(first) == [f"{letter}_{first}" for letter in "abcd"]
    assert found(f"{first} signed") == [f"b_{first}"]
    update_profile(user_id=user.pk, changes={"display_name": second})
    update_profile(user_id=user.pk, changes={"bio": "Diver."})
    assert found(second) == [f"b_{first}"]
    update_profile(user_id=user.pk, changes={"username": f"e_{first}"})
    assert found(f"{first} {second}") == [f"e_{first}"]
    assert found("signed up") == []


def test_what_is_written_without_the_search_is_found_after_the_task(
    alice: int, bob: int, unique: Callable[[str], str]
) -> None:
    """As an instance of the release before does, or SQL by hand."""
    name, shown = unique("vera").replace("_", ""), unique("Shown").replace("_", "")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO users_user (username, password, display_name, bio, email, is_superuser,"
            " is_staff, is_active, date_joined, avatar_key)"
            " VALUES (%s, '', %s, '', '', false, false, true, now(), '')",
            [name, shown],
        )
    User.objects.filter(pk=bob).update(display_name=shown)
    assert found(name) == found(shown) == []
    task()
    assert found(name) == [name]
    assert sorted(found(shown)) == sorted([name, User.objects.get(pk=bob).username])
    assert index_stale_names() == 0


def test_the_terms_go_with_the_account(alice: int) -> None:
    assert SearchTerm.objects.filter(user_id=alice).exists()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM account_emailaddress WHERE user_id = %s", [alice])
        cursor.execute("DELETE FROM users_user WHERE id = %s", [alice])
    assert not SearchTerm.objects.filter(user_id=alice).exists()


def test_a_cursor_of_another_list_is_refused(alice: int) -> None:
    for cursor in ("", "ada", "1:x:", "9" * 30, "0:99999999999999999999:a"):
        with pytest.raises(Invalid) as refused:
            selectors.search_users(typed="a", viewer_id=alice, after=cursor, limit=5)
        assert refused.value.code == "cursor"
    page = selectors.search_users(typed="a", viewer_id=alice, after="7:1:a", limit=5)
    assert page == ([], None), "of another search"


def test_a_page_of_many_who_do_not_fit_is_short_and_leads_on(
    unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "WINDOW", 5)
    prefix = unique("crowd").replace("_", "")
    names = [f"{prefix}{number:02}" for number in range(17)]
    ids = import_users(usernames=names)
    User.objects.filter(pk__in=[ids[name] for name in names[:11]]).update(is_active=False)
    page, after = selectors.search_users(typed=prefix, viewer_id=0, after=None, limit=3)
    assert page == []
    assert after is not None
    for limit in (1, 3, 100):
        assert found(prefix, limit=limit) == names[11:]


NAMES = st.text("ab2_.", min_size=1, max_size=6).filter(lambda name: name[0] != ".")
SHOWN = st.text("abÁ é", max_size=6)


def fits(typed: str, username: str, display_name: str) -> bool:
    """The oracle: what a search should find."""
    folded = fold(typed).strip().removeprefix("@")
    if folded and username.startswith(folded):
        return True
    whole, shown = fold(username), words(fold(display_name))
    begins = {whole[at:] for at in range(len(whole)) if at == 0 or _is_inner(whole, at)}
    wanted = words(fold(typed))
    return bool(wanted) and all(
        any(one.startswith(word) for one in (*begins, *shown)) for word in wanted
    )


def _is_inner(name: str, at: int) -> bool:
    before, here = name[at - 1], name[at]
    return here.isalnum() and (not before.isalnum() or before.isdigit() != here.isdigit())


@given(
    st.dictionaries(NAMES, SHOWN, max_size=12),
    st.text("abáé2_. ", min_size=1, max_size=6),
    st.integers(1, 5),
)
@hypothesis_settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_every_user_who_fits_is_found_once(names: dict[str, str], typed: str, limit: int) -> None:
    SearchTerm.objects.all().delete()
    User.objects.all().delete()
    connection.cursor().execute("DELETE FROM users_formerusername")
    User.objects.bulk_create(
        User(username=name, display_name=shown) for name, shown in names.items()
    )
    index_stale_names()
    answer = found(typed, limit=limit)
    assert sorted(answer) == sorted(
        name for name, shown in names.items() if fits(typed, name, shown)
    )
    assert answer == found(typed)
    exact = fold(typed).strip().removeprefix("@")
    if exact in names:
        assert answer[0] == exact


def test_terms_are_few_and_fit_their_column() -> None:
    terms = terms_of(username="a1" * 15, display_name="ﷺ" * 60)
    assert len(terms) < 40
    assert max(map(len, terms)) <= search.TERM_LENGTH


PEOPLE = 20_000


def plans(typed: str) -> list[str]:
    """The plans of the queries of a search, without the steps that were not needed."""
    with CaptureQueriesContext(connection) as queries:
        page, _ = selectors.search_users(typed=typed, viewer_id=0, after=None, limit=20)
    assert page
    told = []
    # Others find whom the viewer follows.
    for query in [query for query in queries if "searchterm" in query["sql"]]:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) {query['sql']}")
            lines = [line for (line,) in cursor.fetchall() if "never executed" not in line]
            told.append("\n".join(lines))
    return told


def pages_of(step: str) -> int:
    """How many pages a step of a plan has read."""
    buffers = re.search(r"Buffers: shared(?: hit=(\d+))?(?: read=(\d+))?", step)
    assert buffers
    return sum(int(pages or 0) for pages in buffers.groups())


def test_a_search_reads_a_bounded_part_of_indexes() -> None:
    User.objects.bulk_create(
        User(username=f"person_{n}", display_name=f"Rosa P{n}") for n in range(PEOPLE)
    )
    index_stale_names()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE users_user, users_searchterm")
    searches = ("p", "p1", "rosa", "person rosa", "rosa p", "person_1")
    for plan in [plan for typed in searches for plan in plans(typed)]:
        assert "Seq Scan" not in plan, plan
        rows = re.findall(r"Index.* Scan .*\(actual rows=(\d+)", plan)
        assert rows
        assert max(map(int, rows)) <= search.WINDOW, plan
        # Pages of 8 kB: a walk that began too early would read hundreds.
        walks = [pages_of(part) for part in plan.split("search_term_in_order")[1:]]
        assert walks
        assert max(walks) < 60, plan


def test_the_task_is_sent_by_beat() -> None:
    assert "users.tasks.index_stale_names" in settings.CELERY_BEAT_SCHEDULE

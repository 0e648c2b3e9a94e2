"""`manage.py media reprocess`: pictures of an older release get the variants that they lack."""

import json
import signal
import sys
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from core import commands
from core.commands import INTERRUPTED
from media import services, storage
from media.documents import media_document
from media.models import Media
from posts.services import publish_post
from tests.support.client import wait_until
from tests.support.deliveries import KilledError, deliver_to_all, object_store_down
from tests.support.images import encoded, plain
from tests.support.old_media import OLD_VARIANTS, make_old, put
from tests.support.stored import (
    IS_GONE,
    IS_PUBLIC,
    deliver_removals,
    objects_of,
    statuses,
)
from users.models import User
from users.services import update_profile

Upload = Callable[..., Media]
UNTOUCHED = (OLD_VARIANTS, set[str]())


@pytest.fixture
def old(upload: Upload) -> Callable[[int], Media]:
    """A function that stores a picture as the older release did."""
    return lambda owner_id: make_old(upload(owner_id, encoded(plain((1200, 900)))))


@pytest.fixture
def three(alice: int, old: Callable[[int], Media]) -> list[Media]:
    """Three pictures of the older release."""
    return [old(alice) for _ in range(3)]


def run(*options: str, command: str = "reprocess") -> list[str]:
    out = StringIO()
    call_command("media", command, *options, stdout=out)
    return out.getvalue().splitlines()


def refused(*options: str) -> tuple[CommandError, str]:
    """The error of a run, and what it has printed before."""
    out = StringIO()
    with pytest.raises(CommandError) as error:
        call_command("media", "reprocess", *options, stdout=out)
    return error.value, out.getvalue()


def summary(made: int, *, verb: str = "made", withheld: int = 0, unreadable: int = 0) -> str:
    return (
        f"{verb} the variants of {made} pictures; left {withheld} that are withheld, 0 that have "
        f"changed meanwhile, {unreadable} that cannot be read"
    )


def now(media: Media) -> Media:
    return Media.objects.get(pk=media.pk)


def addresses_of(document: Any) -> list[str]:
    """All addresses in the document of a media."""
    webps = [one.split(" ")[0] for one in document["webp"]["srcset"].split(", ")]
    return [document["url"], *document["variants"].values(), document["webp"]["thumb"], *webps]


@pytest.mark.usefixtures("committed")
def test_a_post_and_an_avatar_are_shown_with_their_new_variants(
    person: Callable[[str], int], api: Callable[[int], Any], old: Callable[[int], Media]
) -> None:
    """With the workers of the stack, and what was shown before in CACHE."""
    alice = person("alice")
    in_post, avatar = old(alice), old(alice)
    update_profile(user_id=alice, changes={"avatar": avatar.pk})
    post_id = publish_post(author_id=alice, caption="", media_ids=[in_post.pk])

    def shown() -> Any:
        (post,) = api(alice).get("/api/v1/timeline/home").json()["results"]
        assert post["id"] == str(post_id)
        return post

    before = shown()
    assert "webp" not in before["media"][0]
    assert run() == [summary(2)]
    (document,) = shown()["media"]
    assert document == media_document(now(in_post))
    assert document["url"] != before["media"][0]["url"]
    assert statuses(addresses_of(document)) == {200}
    thumb = media_document(now(avatar))["variants"]["thumb"]
    wait_until(lambda: bool(shown()["author"]["avatar_url"] == thumb))
    assert statuses([thumb]) == {200}
    assert api(alice).get("/api/v1/users/me").json()["avatar_url"] == thumb
    deliver_removals(in_post, avatar)
    for media in (in_post, avatar):
        assert objects_of(media.storage_prefix) == IS_GONE
        assert objects_of(now(media).storage_prefix) == IS_PUBLIC
    assert run() == [summary(0)], "a second run finds nothing"


@pytest.mark.django_db
def test_a_dry_run_changes_nothing(three: list[Media]) -> None:
    error, printed = refused("--dry-run")
    assert str(error) == "3 pictures lack variants. To make them: manage.py media reprocess"
    assert printed.splitlines() == [summary(3, verb="would make")]
    assert {*Media.objects.filter(owner_id=three[0].owner_id)} == {*three}
    for media in three:
        assert now(media).storage_prefix == media.storage_prefix
        assert objects_of(media.storage_prefix) == UNTOUCHED
    error, printed = refused("--dry-run", "--json", "--limit", "2")
    counts = {"made": 2, "withheld": 0, "changed": 0, "unreadable": []}
    assert json.loads(printed) == {"dry_run": True, **counts, "complete": True}
    run()
    assert run("--dry-run") == [summary(0, verb="would make")]


@pytest.mark.django_db
def test_the_oldest_come_first_up_to_the_limit(three: list[Media]) -> None:
    assert run("--limit", "2") == [summary(2)]
    assert [now(media).has_webp for media in three] == [True, True, False]
    assert run("--limit", "2") == [summary(1)]


@pytest.mark.django_db
@pytest.mark.parametrize(("options", "total"), [([], 3), (["--limit", "2"], 2)])
@pytest.mark.usefixtures("three")
def test_on_a_terminal_a_bar_shows_how_many_there_are(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    total: int,
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(commands, "SECONDS_BEFORE_PROGRESS", 0.0)
    assert run(*options) == [summary(total)]
    assert f"0/{total} [" in capsys.readouterr().err


@pytest.mark.django_db
def test_pictures_that_cannot_be_read_are_named_and_the_rest_goes_on(three: list[Media]) -> None:
    broken, lost, whole = three
    put(broken, "full.jpg", b"no picture")
    storage.remove_objects(prefixes=[lost.storage_prefix], variants=["full.jpg"])
    error, printed = refused()
    assert (error.returncode, str(error)) == (
        1,
        "2 pictures cannot be read. They stay as they are.",
    )
    first, second, last = printed.splitlines()
    assert first.startswith(f"media {broken.pk}: The file is not ")
    assert second == f"media {lost.pk}: Its full.jpg is not in the object store."
    assert last == summary(1, unreadable=2)
    assert [now(media).has_webp for media in three] == [False, False, True]
    assert objects_of(now(whole).storage_prefix) == IS_PUBLIC
    _, printed = refused("--json")
    unreadable = json.loads(printed)["unreadable"]
    assert [one["id"] for one in unreadable] == [str(broken.pk), str(lost.pk)]


@pytest.mark.django_db
def test_pictures_of_deactivated_accounts_are_left(
    three: list[Media], bob: int, old: Callable[[int], Media]
) -> None:
    bobs = old(bob)
    services.place_media(owner_id=three[0].owner_id, is_public=False, limit=20)
    assert run() == [summary(1, withheld=3)]
    assert now(bobs).has_webp
    services.place_media(owner_id=three[0].owner_id, is_public=True, limit=20)
    assert run() == [summary(3)]


@pytest.mark.django_db
def test_what_is_deleted_meanwhile_is_left(
    three: list[Media], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_variants = storage.put_variants

    def put_late(**stored: Any) -> None:
        put_variants(**stored)
        if Media.objects.filter(pk=three[0].pk).exists():
            services.delete_media(media_id=three[0].pk, owner_id=three[0].owner_id)

    monkeypatch.setattr(storage, "put_variants", put_late)
    (line,) = run()
    assert "1 that have changed meanwhile" in line
    assert [*Media.objects.filter(owner_id=three[0].owner_id).order_by("pk")] == three[1:]


@pytest.mark.django_db
@pytest.mark.usefixtures("own_bucket", "no_other_rows")
def test_a_run_that_dies_leaves_nothing_that_gc_does_not_know(
    alice: int, old: Callable[[int], Media], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies between the storing and the switch. gc leaves these objects to the sweep, and
    removes them if the row is lost.
    """
    media = old(alice)
    put_variants = storage.put_variants

    def put_and_die(**stored: Any) -> None:
        put_variants(**stored)
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(storage, "put_variants", put_and_die)
        with pytest.raises(KilledError):
            run()
    dead = Media.objects.get(place="arriving")
    assert run("--grace", "0", command="gc") == ["checked 12 rows and objects: 0 astray"]
    Media.objects.filter(pk=dead.pk).delete()
    run("--grace", "0", command="gc")
    assert objects_of(dead.storage_prefix) == IS_GONE
    assert objects_of(media.storage_prefix) == UNTOUCHED
    assert run() == [summary(1)]
    deliver_removals(media)
    assert run("--grace", "0", command="gc") == ["checked 9 rows and objects: 0 astray"]


@pytest.mark.django_db
@pytest.mark.usefixtures("own_bucket", "no_other_rows")
def test_gc_leaves_an_avatar_that_its_user_still_shows_at_the_former_address(
    alice: int, old: Callable[[int], Media]
) -> None:
    media = old(alice)
    update_profile(user_id=alice, changes={"avatar": media.pk})
    run()
    run("--grace", "0", command="gc")
    assert User.objects.get(pk=alice).avatar_key == f"{media.storage_prefix}/thumb.jpg"
    assert objects_of(media.storage_prefix) == UNTOUCHED
    deliver_to_all("posts", "avatar_remade", media_id=media.pk)
    assert User.objects.get(pk=alice).avatar_key == f"{now(media).storage_prefix}/thumb.jpg"
    deliver_removals(media)
    assert objects_of(media.storage_prefix) == IS_GONE


@pytest.mark.django_db
def test_ctrl_c_says_what_was_done_and_the_next_run_does_the_rest(
    three: list[Media], monkeypatch: pytest.MonkeyPatch
) -> None:
    read, reads = storage.read_object, list[str]()

    def interrupted(*, key: str) -> bytes | None:
        reads.append(key)
        if len(reads) == 2:
            signal.raise_signal(signal.SIGINT)
        return read(key=key)

    with monkeypatch.context() as patch:
        patch.setattr(storage, "read_object", interrupted)
        error, printed = refused("--json")
    assert error.returncode == INTERRUPTED
    assert (json.loads(printed)["made"], json.loads(printed)["complete"]) == (1, False)
    assert run() == [summary(2)]


@pytest.mark.django_db
@pytest.mark.usefixtures("three")
def test_a_store_that_is_down_is_named() -> None:
    with object_store_down():
        error, _ = refused()
    assert "S3_ENDPOINT_URL" in str(error)
    assert run() == [summary(3)]


@pytest.mark.django_db
def test_a_picture_that_is_an_avatar_no_more_leaves_the_avatar_alone(
    alice: int, upload: Upload, old: Callable[[int], Media]
) -> None:
    media, other = old(alice), upload(alice)
    update_profile(user_id=alice, changes={"avatar": media.pk})
    run()
    update_profile(user_id=alice, changes={"avatar": other.pk})
    deliver_to_all("posts", "avatar_remade", media_id=media.pk)
    assert User.objects.get(pk=alice).avatar_key == f"{other.storage_prefix}/thumb.jpg"
    deliver_removals(media)
    assert objects_of(media.storage_prefix) == IS_GONE


def test_its_example_is_in_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call_command("media", "reprocess", "--help")
    assert "manage.py media reprocess --limit 1000" in capsys.readouterr().out

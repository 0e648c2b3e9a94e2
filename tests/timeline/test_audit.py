"""Audits find what has drifted, by kind and number, and take nothing else for drift."""

import time
from collections.abc import Callable
from random import Random
from threading import Event
from typing import Any

import pytest

from core.valkey import cache_valkey
from posts.models import Post
from tests.support.drift import change_header, put, refs_of, warm
from tests.support.posts_factory import make_posts
from timeline import audit, inventory, services, store
from timeline.audit import Finding, Totals
from timeline.entries import Timeline, profile_timeline
from timeline.store import Viewing
from usergraph.models import Follow, PulledAuthor

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("short_pause")]
CAP = 10  # of the fixture `home`


def check(timeline: Timeline, grace_seconds: float = 0) -> Finding:
    time.sleep(0.002)  # ids have milliseconds: now all is older than a grace of 0
    (finding,) = audit.audit(timelines=[timeline], grace_seconds=grace_seconds)
    return finding


def pull(author_id: int, state: str = "pulled") -> None:
    PulledAuthor.objects.update_or_create(author_id=author_id, defaults={"state": state})


def numbers(finding: Finding) -> tuple[int, int, int, int, int]:
    parts = (finding.missing, finding.extra, finding.misplaced)
    return (*map(len, parts), len(finding.unpulled), len(finding.unfollowed))  # type: ignore[return-value]


SOUND = (0, 0, 0, 0, 0)


# --- no drift -----------------------------------------------------------------------------------


def test_a_complete_timeline_is_sound(home: Timeline) -> None:
    finding = check(home)
    assert numbers(finding) == SOUND
    assert finding.compared == 6
    assert not finding.has_drifted


def test_a_profile_timeline_is_sound(home: Timeline, bob: int) -> None:
    profile = profile_timeline(user_id=bob)
    warm(profile)
    assert numbers(check(profile)) == SOUND
    assert check(profile).compared == 4


def test_a_cut_timeline_is_sound_though_sql_has_more(home: Timeline, bob: int) -> None:
    make_posts(bob, 2 * CAP)
    services.rebuild(timeline=home)
    assert check(home).compared == CAP
    assert numbers(check(home)) == SOUND


def test_a_timeline_just_at_the_cap_is_sound(home: Timeline, bob: int) -> None:
    make_posts(bob, CAP - 6)
    services.rebuild(timeline=home)
    found = inventory.peek(timeline=home)
    assert found is not None
    assert found.state == "complete"
    assert numbers(check(home)) == SOUND


def test_entries_whose_posts_are_deleted_are_no_drift(home: Timeline, bob: int) -> None:
    """Complete, and cut: with a hole at the head, in the middle, and where it was cut."""
    Post.objects.filter(pk__in=[refs_of(home)[i][0] for i in (0, 2, 5)]).delete()
    assert numbers(check(home)) == SOUND
    make_posts(bob, 2 * CAP)
    services.rebuild(timeline=home)
    Post.objects.filter(pk__in=[refs_of(home)[i][0] for i in (0, 4, CAP - 1)]).delete()
    assert numbers(check(home)) == SOUND


def test_deleted_posts_by_somebody_unfollowed_are_no_drift(
    home: Timeline, alice: int, bob: int
) -> None:
    Post.objects.filter(author_id=bob).delete()
    Follow.objects.filter(follower_id=alice).delete()
    assert numbers(check(home)) == SOUND


def test_own_posts_that_are_withdrawn_are_no_drift(home: Timeline, alice: int, bob: int) -> None:
    make_posts(bob, 2 * CAP)
    own = make_posts(alice, 1)[0]
    services.rebuild(timeline=home)
    Post.objects.filter(pk=own).delete()
    services.remove_from_own_timelines(post_id=own, author_id=alice)
    assert numbers(check(home)) == SOUND
    assert check(home).compared == CAP - 1


def test_posts_of_a_pulled_author_need_not_be_in_the_list(
    home: Timeline, alice: int, bob: int
) -> None:
    pull(bob)
    services.rebuild(timeline=home)
    assert {author_id for _, author_id in refs_of(home)} == {alice}
    make_posts(bob, 3)
    assert numbers(check(home)) == SOUND


def test_while_an_author_begins_to_be_pulled_a_list_may_still_hold_the_posts(
    home: Timeline, bob: int
) -> None:
    pull(bob, "entering")
    make_posts(bob, 1)
    assert numbers(check(home)) == SOUND


def test_while_an_author_ceases_to_be_pulled_a_list_may_still_pull(
    home: Timeline, bob: int
) -> None:
    pull(bob)
    services.rebuild(timeline=home)
    for state in ("leaving", None):
        pull(bob, state) if state else PulledAuthor.objects.all().delete()
        assert numbers(check(home)) == SOUND


def test_young_posts_may_be_under_way(home: Timeline, bob: int) -> None:
    make_posts(bob, 3)
    assert numbers(check(home, grace_seconds=60)) == SOUND
    assert numbers(check(home, grace_seconds=0)) == (3, 0, 0, 0, 0)


def test_cold_timelines_and_those_being_built_are_left_out(home: Timeline, bob: int) -> None:
    services.drop_timelines(timelines=[home])
    assert audit.audit(timelines=[home]) == []
    assert store.begin_build(key=home.key, graph_lsn=0)
    store.deliver(keys=[home.key], refs=[(make_posts(bob, 1)[0], bob)])
    assert audit.audit(timelines=[home], grace_seconds=0) == []


# --- drift --------------------------------------------------------------------------------------


def repair(timeline: Timeline) -> None:
    services.rebuild(timeline=timeline)
    assert numbers(check(timeline)) == SOUND


def test_missing_entries_are_counted(home: Timeline) -> None:
    refs = refs_of(home)
    put(home, [refs[1], refs[3], refs[4]])
    finding = check(home)
    assert finding.missing == {refs[0], refs[2], refs[5]}
    assert numbers(finding) == (3, 0, 0, 0, 0)
    assert (finding.compared, finding.wrong) == (6, 3)
    repair(home)


def test_a_hole_in_a_cut_timeline_is_found_and_what_is_older_is_not(
    home: Timeline, bob: int
) -> None:
    make_posts(bob, 2 * CAP)
    services.rebuild(timeline=home)
    refs = refs_of(home)
    put(home, [*refs[:3], *refs[5:-1]])
    finding = check(home)
    assert finding.missing == set(refs[3:5])
    assert numbers(finding) == (2, 0, 0, 0, 0)
    repair(home)


def test_a_timeline_that_calls_itself_complete_and_is_not_is_found(
    home: Timeline, bob: int
) -> None:
    """The cap is where it was cut, so that only the post after it is missing."""
    make_posts(bob, CAP)
    services.rebuild(timeline=home)
    header = cache_valkey().lindex(home.key, 0)
    assert isinstance(header, bytes)
    cache_valkey().lset(home.key, 0, store.COMPLETE + header[1:])  # type: ignore[arg-type]
    assert numbers(check(home)) == (1, 0, 0, 0, 0)
    repair(home)


def test_posts_of_somebody_unfollowed_are_extra(home: Timeline, alice: int, bob: int) -> None:
    Follow.objects.filter(follower_id=alice, followee_id=bob).delete()
    finding = check(home)
    assert {author_id for _, author_id in finding.extra} == {bob}
    assert numbers(finding) == (0, 4, 0, 0, 0)
    assert (finding.compared, finding.wrong) == (6, 4)
    repair(home)


def test_somebody_elses_post_in_a_profile_is_extra(home: Timeline, alice: int, bob: int) -> None:
    profile = profile_timeline(user_id=bob)
    warm(profile)
    services.deliver_to_own_timelines(post_id=make_posts(alice, 1)[0], author_id=alice)
    strange = refs_of(home)[0]
    store.deliver(keys=[profile.key], refs=[strange])
    assert check(profile).extra == {strange}
    repair(profile)


def test_entries_out_of_order_and_twice_are_misplaced(home: Timeline) -> None:
    refs = refs_of(home)
    put(home, [refs[1], refs[0], refs[2], refs[3], refs[3], refs[4], refs[5]])
    finding = check(home)
    assert finding.misplaced == {refs[0], refs[3]}
    assert numbers(finding) == (0, 0, 2, 0, 0)
    assert (finding.compared, finding.wrong) == (6, 2)
    repair(home)


def test_pulled_authors_unknown_to_a_list_are_found_with_what_it_misses(
    home: Timeline, bob: int
) -> None:
    pull(bob)
    assert numbers(check(home)) == (0, 0, 0, 1, 0), "the list has all of bob's posts so far"
    make_posts(bob, 2)
    finding = check(home)
    assert finding.unpulled == {bob}
    assert numbers(finding) == (2, 0, 0, 1, 0)
    repair(home)


def test_authors_who_are_pulled_though_not_followed_are_found(
    home: Timeline, alice: int, bob: int, person: Callable[[str], int]
) -> None:
    stranger = person("stranger")
    change_header(home, Viewing(graph_lsn=1, pulled=(stranger,)))
    finding = check(home)
    assert finding.unfollowed == {stranger}
    assert numbers(finding) == (0, 0, 0, 0, 1)
    repair(home)


def test_the_drift_ratio_is_of_entries(home: Timeline, bob: int) -> None:
    totals = Totals()
    assert totals.drift_ratio == 0
    put(home, refs_of(home)[:5])
    profile = profile_timeline(user_id=bob)
    warm(profile)
    time.sleep(0.002)
    for finding in audit.audit(timelines=[home, profile], grace_seconds=0):
        totals.add(finding)
    assert (totals.timelines, totals.entries, totals.wrong) == (2, 10, 1)
    assert totals.drift_ratio == 0.1
    assert [finding.timeline for finding in totals.drifted] == [home]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_taken_out_of_a_timeline_is_what_is_missing(
    seed: int, home: Timeline, bob: int
) -> None:
    """Any length around the cap, any entries gone but the last, which says how far a list goes."""
    random = Random(seed)
    make_posts(bob, random.randrange(2 * CAP))
    services.rebuild(timeline=home)
    *refs, last = refs_of(home)
    gone = set(random.sample(refs, random.randrange(len(refs))))
    put(home, [*(ref for ref in refs if ref not in gone), last])
    finding = check(home)
    assert finding.missing == gone
    assert finding.wrong == len(gone)
    assert finding.compared == len(refs) + 1


# --- a second check -----------------------------------------------------------------------------


def between_checks(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let something happen in the pause between the two checks."""
    monkeypatch.setattr(time, "sleep", lambda seconds: act())


def test_a_second_check_forgives_a_timeline_that_was_dropped_in_between(
    home: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(home, refs_of(home)[:2])
    time.sleep(0.002)
    between_checks(monkeypatch, lambda: services.drop_timelines(timelines=[home]))
    assert audit.audit(timelines=[home], grace_seconds=0) == []


def test_a_second_check_forgives_what_was_delivered_in_between(
    home: Timeline, bob: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost, late = make_posts(bob, 2)
    time.sleep(0.002)
    between_checks(monkeypatch, lambda: store.deliver(keys=[home.key], refs=[(late, bob)]))
    (finding,) = audit.audit(timelines=[home], grace_seconds=0)
    assert finding.missing == {(lost, bob)}


def test_a_second_check_forgives_whatever_was_repaired_in_between(
    home: Timeline, bob: int, person: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = person("stranger")
    refs, strange = refs_of(home), (make_posts(stranger, 1)[0], stranger)
    put(home, [strange, refs[1], refs[0], *refs[3:]])
    change_header(home, Viewing(graph_lsn=1, pulled=(stranger,)))
    pull(bob)
    assert numbers(check(home)) == (1, 1, 1, 1, 1)
    between_checks(monkeypatch, lambda: services.rebuild(timeline=home))
    (finding,) = audit.audit(timelines=[home], grace_seconds=0)
    assert numbers(finding) == SOUND


def test_a_second_check_does_not_count_what_it_alone_finds(
    home: Timeline, bob: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make_posts(bob, 1)[0]
    time.sleep(0.002)

    def act() -> None:
        make_posts(bob, 1)
        Event().wait(0.002)

    between_checks(monkeypatch, act)
    (finding,) = audit.audit(timelines=[home], grace_seconds=0)
    assert finding.missing == {(first, bob)}


def test_timelines_that_agree_are_checked_once_without_a_pause(
    home: Timeline,
    monkeypatch: pytest.MonkeyPatch,
    round_trips: Callable[[], int],
    django_assert_num_queries: Any,
) -> None:
    between_checks(monkeypatch, lambda: pytest.fail("no pause"))
    before = round_trips()
    with (
        django_assert_num_queries(1, using="default"),
        django_assert_num_queries(1, using="posts"),
    ):
        assert len(audit.audit(timelines=[home])) == 1
    assert round_trips() - before == 1


def test_how_long_an_audit_takes(
    empty_cache: None, home: Timeline, bob: int, measured: Callable[[str], None], settings: Any
) -> None:
    settings.TIMELINE_CAP = 800
    make_posts(bob, 900)
    services.rebuild(timeline=home)
    start = time.perf_counter()
    audit.audit(timelines=[home] * 20)
    measured(f"{1000 * (time.perf_counter() - start) / 20:.1f} ms for a timeline of 800 entries")

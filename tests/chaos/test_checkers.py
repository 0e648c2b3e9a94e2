"""Each checker finds its faults, in histories that are wrong in one way each."""

from dataclasses import replace

import pytest

from tests.chaos.checkers import (
    SetResult,
    check_availability,
    check_own_reads,
    check_set,
    falsely_acknowledged,
    good_rate,
    quantiles,
    replica_share,
)
from tests.chaos.history import Kind, Outcome, Read, Rows, Write
from tests.chaos.mixed_reads import Shown, forks, went_back

AUTHOR, FOLLOWER = 1, 2
OK, UNKNOWN, REFUSED = Outcome.ACKNOWLEDGED, Outcome.UNKNOWN, Outcome.REFUSED


def posted(id_: int | None, outcome: Outcome = OK, seen: bool | None = True) -> Write:
    return Write(Kind.POST, AUTHOR, outcome, mark=f"post {id_}", id=id_, seen=seen)


def deleted(post_id: int, outcome: Outcome = OK) -> Write:
    return Write(Kind.DELETE, AUTHOR, outcome, subject=post_id)


def named(name: str, outcome: Outcome = OK) -> Write:
    return Write(Kind.RENAME, AUTHOR, outcome, mark=name)


def checked(writes: list[Write], rows: set[int], *shown: int, **more: str) -> SetResult:
    """Check posts: the author sees all rows, the follower sees `shown`. `more`: captions by id."""
    posts = {id_: f"post {id_}" for id_ in rows} | {int(id_[1:]): more[id_] for id_ in more}
    return check_set(
        writes=writes,
        rows=Rows(posts=posts),
        shown={AUTHOR: list(posts), FOLLOWER: list(shown)},
        audience={AUTHOR: {AUTHOR, FOLLOWER}},
    )


def faults_of(result: SetResult) -> dict[str, object]:
    names = ("lost", "undelivered", "duplicated", "doubled", "resurrected", "stale")
    return {name: set(getattr(result, name)) for name in names if getattr(result, name)}


def test_a_good_history_has_no_faults() -> None:
    writes = [posted(1), posted(2), deleted(2), posted(None, UNKNOWN), posted(None, REFUSED)]
    result = checked(writes, {1}, 1)
    assert faults_of(result) == {}
    counts = (result.attempts, result.acknowledged, result.refused, result.unknown, result.entries)
    assert counts == (4, 2, 1, 1, 2)


def test_an_acknowledged_post_that_a_follower_does_not_see_is_lost() -> None:
    result = checked([posted(1), posted(2)], {1, 2}, 2)
    assert faults_of(result) == {"lost": {(FOLLOWER, 1)}}
    assert result.lost_posts == {1}


def test_a_post_that_is_in_no_row_is_lost_to_everybody() -> None:
    assert faults_of(checked([posted(1)], set())) == {"lost": {(AUTHOR, 1), (FOLLOWER, 1)}}


@pytest.mark.parametrize("outcome", [OK, UNKNOWN])
def test_what_may_have_been_deleted_need_not_be_seen(outcome: Outcome) -> None:
    assert faults_of(checked([posted(1), deleted(1, outcome)], set())) == {}


def test_what_could_not_be_deleted_must_be_seen() -> None:
    result = checked([posted(1), deleted(1, REFUSED)], {1})
    assert faults_of(result) == {"lost": {(FOLLOWER, 1)}}


def test_an_unknown_post_may_be_there_but_then_for_everybody_and_once() -> None:
    unknown = replace(posted(None, UNKNOWN), mark="post 1")
    assert checked([unknown], {1}, 1).unknown_present == 1
    assert faults_of(checked([unknown], {1}, 1)) == {}
    assert faults_of(checked([unknown], set())) == {}
    assert faults_of(checked([unknown], {1})) == {"undelivered": {(FOLLOWER, 1)}}
    twice = checked([unknown], {1}, 1, 5, _5="post 1")
    assert faults_of(twice) == {"doubled": {"post 1"}}


def test_an_entry_that_is_shown_twice_is_a_duplicate() -> None:
    assert faults_of(checked([posted(1)], {1}, 1, 1)) == {"duplicated": {(FOLLOWER, 1)}}


def test_a_deleted_post_that_is_shown_or_has_a_row_is_resurrected() -> None:
    writes = [posted(1), deleted(1)]
    assert faults_of(checked(writes, set(), 1)) == {"resurrected": {(FOLLOWER, 1)}}
    found = checked(writes, {1}).resurrected
    assert found == {(0, 1), (AUTHOR, 1)}


def test_a_post_that_its_author_did_not_see_next_is_stale() -> None:
    writes = [posted(1, seen=False), posted(2, seen=None)]
    assert faults_of(checked(writes, {1, 2}, 1, 2)) == {"stale": {1}}


def test_an_acknowledged_write_without_its_row_was_acknowledged_falsely() -> None:
    comment = Write(Kind.COMMENT, AUTHOR, OK, mark="comment 1", subject=7, id=3)
    like = Write(Kind.LIKE, AUTHOR, OK, subject=7)
    writes = [posted(1), comment, like, named("a"), deleted(9)]
    rows = Rows({1: "post 1"}, {3: "comment 1"}, frozenset({(AUTHOR, 7)}), {AUTHOR: "a"})

    def false(**changed: object) -> list[Write]:
        return falsely_acknowledged(writes=writes, rows=replace(rows, **changed))  # type: ignore[arg-type]

    assert false() == []
    assert false(posts={}) == [writes[0]]
    assert false(posts={1: "another"}) == [writes[0]]
    assert false(comments={}) == [comment]
    assert false(likes=frozenset()) == [like]
    assert false(names={AUTHOR: "before"}) == [writes[3]]
    assert false(posts={1: "post 1", 9: "back"}) == [writes[4]]


def test_what_went_with_a_deleted_post_is_not_false() -> None:
    comment = Write(Kind.COMMENT, AUTHOR, OK, mark="comment 1", subject=7, id=3)
    like = Write(Kind.LIKE, AUTHOR, OK, subject=7)
    assert falsely_acknowledged(writes=[comment, like, deleted(7, UNKNOWN)], rows=Rows()) == []


def test_a_name_is_the_last_that_was_acknowledged_or_one_of_unknown_outcome() -> None:
    writes = [named("a"), named("b", UNKNOWN), named("c")]
    for name, is_false in {"a": True, "b": False, "c": False}.items():
        rows = Rows(names={AUTHOR: name})
        assert bool(falsely_acknowledged(writes=writes, rows=rows)) == is_false


def test_own_reads_that_miss_a_write_are_counted_and_unanswered_ones_say_nothing() -> None:
    result = check_own_reads([True, False, None, True])
    assert (result.pairs, result.not_seen, result.unanswered) == (3, 1, 1)


def test_availability_counts_the_reads_that_begin_within_the_span() -> None:
    reads = [Read(200, 0.0, 2.0), Read(503, 1.0, 1.1), Read(0, 1.5, 9.0), Read(200, 1.9, 3.0)]
    result = check_availability([*reads, Read(200, 2.0, 2.1)], since=1.0, until=2.0)
    assert (result.reads, result.answered, result.share) == (3, 1, 1 / 3)
    assert check_availability([], since=0, until=1).share == 0.0


def test_goodput_counts_good_answers_by_their_end() -> None:
    reads = [Read(200, 0.0, 1.5), Read(200, 1.0, 5.0), Read(503, 1.0, 1.5), Read(200, 1.9, 2.9)]
    assert good_rate([*reads, Read(200, 0.5, 1.2)], since=1.0, until=3.0) == 1.5


def test_a_replica_that_serves_nothing_has_no_share() -> None:
    assert replica_share(primary=10, replica=90) == 0.9
    assert replica_share(primary=0, replica=0) == 0.0


def test_quantiles_are_of_the_values_and_not_between_them() -> None:
    assert quantiles(number / 1000 for number in range(1, 101)) == "51 / 96 / 100 / 100 ms"
    assert quantiles([]) == "nothing"


def shown(person: int, *comments: int, post: int = 5) -> Shown:
    return Shown(person, post, frozenset(comments))


def test_who_is_shown_less_than_before_went_back() -> None:
    assert went_back([shown(1, 7), shown(1, 7, 8), shown(1, 7, 8)]) == 0
    assert went_back([shown(1, 7, 8), shown(2, 7), shown(1, post=6)]) == 0, "not the same list"
    assert went_back([shown(1, 7, 8), shown(1, 8)]) == 1
    assert went_back([shown(1, 7, 8), shown(1), shown(1, 8)]) == 2, "each answer counts"


def test_two_answers_that_each_have_something_of_their_own_are_a_fork() -> None:
    assert forks([shown(1, 7), shown(2, 7, 8), shown(3), shown(1, 7, 8)]) == 0
    assert forks([shown(1, 7), shown(2, 8)]) == 1
    assert forks([shown(1, 7), shown(2, 8, post=6)]) == 0
    assert forks([shown(1), shown(1, 7, 8), shown(2, 8, 9), shown(1, 7, 8, 9)]) == 1

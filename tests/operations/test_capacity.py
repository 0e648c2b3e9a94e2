"""`manage.py capacity`: the model, worked out by hand, and what the command prints."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from devstack.layout import PROJECT_DIR
from operations.capacity import coefficients as files
from operations.capacity import model
from operations.capacity.assumptions import MIX, Assumptions, numbers, option
from operations.capacity.coefficients import READS, WRITES, Coefficients, CoefficientsError, Cost
from operations.capacity.followers import EdgesError, mean_pushed
from operations.capacity.model import GIB, Needs, busy_cores, highest_rate, needs, rates
from posts import keys as posts_keys
from tests.support.measured_docs import markers
from timeline import keys as timeline_keys
from timeline import page_replay
from users import keys as users_keys

ROLES = (
    *("read-api", "write-api", "worker", "media-worker", "caddy", "s3", "beat"),
    *("valkey-cache", "valkey-state", "postgres-primary", "postgres-replica"),
)
A_SECOND = 30 * 86_400  # requests a month that are one request a second
# Of the reads only homes, and of the writes only posts.
ONLY = dict.fromkeys(MIX, 0.0) | {"home": 1.0, "publish": 1.0}


def run(*args: str) -> str:
    out = StringIO()
    call_command("capacity", *args, stdout=out)
    return out.getvalue()


@pytest.fixture
def coefficients() -> Coefficients:
    """A home takes a millisecond of the Read API, a post two of the Write API."""
    home = cost(
        {"read-api": 1000.0, "caddy": 400.0, "valkey-cache": 100.0},
        bytes_in=500,
        bytes_out=4000,
        valkey={"cache": {"commands": 20, "round_trips": 3, "bytes_in": 100, "bytes_out": 900}},
    )
    post = cost(
        {"write-api": 2000.0, "postgres-primary": 3000.0},
        sql=10,
        wal_bytes=2000,
        rows=2,
        stored_bytes=1000,
        log_bytes=100,
    )
    return Coefficients(
        commit="abc1234",
        machine="2 cores",
        mixing=1.1,
        home_us=1400.0,
        costs=dict.fromkeys((*READS, *WRITES), cost({}))
        | {
            "home": home,
            "publish": post,
            "delivery": cost({"worker": 1.0, "valkey-cache": 5.0}),
            "upload": cost({"media-worker": 1e6}, object_bytes=500_000),
        },
        idle_cores=dict.fromkeys(ROLES, 0.0),
        memory={
            "timeline_entry": 20,
            "post": 1000,
            "user": 200,
            "viewer": 800,
            "page_replay": 6000,
            "session": 500,
        },
    )


def cost(cpu_us: dict[str, float], **rest: Any) -> Cost:
    return Cost(n=1, cpu_us=dict.fromkeys(ROLES, 0.0) | cpu_us, **rest)


def load(**changed: Any) -> Assumptions:
    """A thousand requests a second, of which a hundred are posts; the peak is twice that."""
    return replace(
        Assumptions(
            requests_per_month=1000 * A_SECOND,
            peak_factor=2,
            write_share=0.1,
            mean_followers=50,
            mix=ONLY,
        ),
        **changed,
    )


def test_the_design_s_load_is_28_000_requests_a_second() -> None:
    assert Assumptions().mean_rate == pytest.approx(28_009, abs=1)


def test_shares_are_scaled_to_the_reads_and_the_writes() -> None:
    mix = ONLY | {"home": 3.0, "post": 1.0, "like": 3.0}
    found = rates(load(mix=mix), 1000)
    assert found["home"] == pytest.approx(675)  # 3 of 4 of 900 reads
    assert found["post"] == pytest.approx(225)
    assert found["like"] == pytest.approx(75)  # 3 of 4 of 100 writes
    assert found["publish"] == pytest.approx(25)
    assert found["delivery"] == pytest.approx(25 * 50)


def test_cores_are_rates_times_costs(coefficients: Coefficients) -> None:
    """900 homes, 100 posts, and 5,000 deliveries a second."""
    busy = busy_cores(coefficients, rates(load(), 1000))
    assert busy["read-api"] == pytest.approx(0.9)
    assert busy["write-api"] == pytest.approx(0.2)
    assert busy["worker"] == pytest.approx(0.005)
    assert busy["valkey-cache"] == pytest.approx(0.09 + 0.025)


def test_instances_have_room_and_one_may_be_lost(coefficients: Coefficients) -> None:
    """At the peak: 1.8 cores of Read API, 0.72 of web server, 0.4 of Write API, 0.6 of primary."""
    found = needs(load(utilisation=0.7, processes=2, web_cores=1, spare=1), coefficients)
    by_name = {role.name: role for role in found.roles}
    assert by_name["read-api"].busy == pytest.approx(1.8)
    assert (by_name["read-api"].processes, by_name["read-api"].instances) == (3, 3)
    assert (by_name["write-api"].processes, by_name["write-api"].instances) == (1, 2)
    assert (by_name["caddy"].processes, by_name["caddy"].instances) == (2, 3)  # 0.72 / 0.7 = 1.03
    assert (by_name["worker"].processes, by_name["worker"].instances) == (1, 2)
    assert found.postgres.primary_busy == pytest.approx(0.6)
    cores = 1.8 + 0.72 + 0.18 + 0.4 + 0.6 + 0.01 + 0.05  # with CACHE, and 10,000 deliveries
    assert found.rate_a_core == pytest.approx(2000 / cores)


def test_what_idle_processes_use_leaves_less_for_requests(coefficients: Coefficients) -> None:
    idle = replace(coefficients, idle_cores={**coefficients.idle_cores, "read-api": 0.1})
    (read_api, *_) = needs(load(utilisation=0.6), idle).roles
    assert read_api.processes == 4  # 1.8 / (0.6 - 0.1) = 3.6


def test_cores_that_are_twice_as_fast_take_half_the_time(coefficients: Coefficients) -> None:
    """But as many bytes, and statements."""
    found = replace(coefficients, idle_cores={"read-api": 0.1}).at_speed(2.0)
    assert found.costs["home"].cpu_us["read-api"] == 500.0
    assert found.idle_cores == {"read-api": 0.05}
    assert found.home_us == 700.0
    cpu_us = coefficients.costs["publish"].cpu_us
    assert replace(found.costs["publish"], cpu_us=cpu_us) == coefficients.costs["publish"]
    slow, fast = (needs(load(core_speed=speed), coefficients) for speed in (1.0, 2.0))
    assert fast.rate_a_core == pytest.approx(2 * slow.rate_a_core)


def test_cache_is_sized_by_memory_or_by_cores(coefficients: Coefficients) -> None:
    """A user takes 100 entries of 20 bytes, a document of 200, and 800 more: 3,000 bytes."""
    users = 10 * GIB / 3000
    found = needs(
        load(users=users, timeline_entries=100, valkey_gib=4, valkey_fill=0.5, cached_days=0),
        coefficients,
    )
    assert found.cache.bytes == pytest.approx(10 * GIB)
    # Of 64 hash tags, 160 MiB each, a primary of 2 GiB holds 12: so there are 6.
    assert (found.cache.primaries, found.cache.nodes) == (6, 12)
    assert found.cache.commands == pytest.approx(1800 * 20)
    small = load(
        users=1, core_speed=0.1, cached_days=0
    )  # 0.18 cores of homes and 0.05 of deliveries, slower
    assert needs(small, coefficients).cache.busy == pytest.approx(2.3)
    assert needs(small, coefficients).cache.primaries == 4


@pytest.mark.parametrize(("users", "primaries"), [(64, 64), (33, 64), (32, 32), (31, 32), (65, 65)])
def test_what_has_one_hash_tag_is_not_divided(
    users: int, primaries: int, coefficients: Coefficients
) -> None:
    """So many gibibytes, and a gibibyte for each server. 33 servers would have to hold two each."""
    found = needs(
        load(
            users=users * GIB / 3000,
            timeline_entries=100,
            valkey_gib=1,
            valkey_fill=1,
            cached_days=0,
            core_speed=100,
        ),
        coefficients,
    )
    assert found.cache.primaries == primaries


def test_records_of_new_posts_are_cached_for_a_day(coefficients: Coefficients) -> None:
    found = needs(load(users=1, active_share=0.0, cached_days=1), coefficients)
    assert found.cache.bytes == pytest.approx(100 * 86_400 * 1000)


def test_rows_and_bytes_are_those_of_the_mean_and_the_log_that_of_the_peak(
    coefficients: Coefficients,
) -> None:
    postgres = needs(load(log_days=2), coefficients).postgres
    assert postgres.rows_a_day == pytest.approx(100 * 86_400 * 2)
    assert postgres.bytes_a_day == pytest.approx(100 * 86_400 * 1000)
    assert postgres.bytes_a_year == pytest.approx(365 * 100 * 86_400 * 1000)
    assert postgres.log_bytes == pytest.approx(2 * 100 * 86_400 * 100)
    assert postgres.wal_bytes == pytest.approx(200 * 2000)
    assert postgres.statements == pytest.approx(200 * 10)
    assert (postgres.primaries, postgres.replicas) == (3, 6)


def test_photos_fill_the_object_store_and_the_network(coefficients: Coefficients) -> None:
    mix = ONLY | {"upload": 1.0}  # 50 posts and 50 photos a second
    found = needs(load(mix=mix, pictures_per_read=2, picture_bytes=1000), coefficients)
    assert found.object_bytes_a_day == pytest.approx(50 * 86_400 * 500_000)
    assert found.network.media == pytest.approx(1800 * 2 * 1000)
    assert found.network.to_clients == pytest.approx(1800 * 4000)
    assert found.network.valkey == pytest.approx(1800 * 1000)


def test_limits_are_told_when_they_are_met(coefficients: Coefficients) -> None:
    assert needs(load(users=1), coefficients).limits == ()
    state = replace(coefficients.costs["home"], cpu_us=dict.fromkeys(ROLES, 5000.0))
    slow = replace(coefficients, costs={**coefficients.costs, "home": state})
    told = " ".join(needs(load(users=1e9, valkey_gib=1, database_cores=1), slow).limits)
    for word in ("timelines have 64", "documents have 8", "STATE keeps", "STATE has", "primaries"):
        assert word in told


def test_the_first_role_that_is_full_bounds_a_machine() -> None:
    busy = {"read-api": 0.002, "caddy": 0.001}
    rate, bound = highest_rate(busy, limits={"read-api": 1}, machine=2)
    assert (round(rate), bound) == (500, "read-api")
    rate, bound = highest_rate(busy, limits={"read-api": 4}, machine=2)
    assert (round(rate), bound) == (667, "machine")


def amounts(found: Needs) -> list[float]:
    """All numbers of a result that must not fall when the load rises."""
    return [
        *(amount for role in found.roles for amount in (role.busy, role.processes, role.instances)),
        *(amount for one in (found.cache, found.state) for amount in (one.busy, one.nodes)),
        *(found.cache.bytes, found.cache.commands, found.postgres.replicas),
        *(found.postgres.primary_busy, found.postgres.bytes_a_day, found.postgres.wal_bytes),
        *(found.object_bytes_a_day, found.network.to_clients, found.network.media),
    ]


@pytest.mark.parametrize(
    "name", ["requests_per_month", "peak_factor", "users", "mean_followers", "spare"]
)
def test_twice_the_load_never_needs_less(name: str) -> None:
    """With the measured costs, from next to nothing to more than the design's load."""
    coefficients = files.load()
    smaller = [Assumptions(requests_per_month=1e6 * 10**power) for power in range(7)]
    for less in smaller:
        more = replace(less, **{name: 2 * getattr(less, name)})
        pairs = zip(
            amounts(needs(less, coefficients)), amounts(needs(more, coefficients)), strict=True
        )
        assert all(twice >= once for once, twice in pairs)


def test_what_the_model_knows_of_the_code_is_so() -> None:
    assert model.TIMELINE_SLOTS == timeline_keys.SLOTS
    assert {posts_keys.SLOTS, users_keys.SLOTS} == {model.DOCUMENT_SLOTS}
    assert model.REPLAY_SECONDS == page_replay.TTL_SECONDS
    # Each entry is read again within its life, as long as its post is on a first page.
    assert posts_keys.RECORD_TTL >= 86_400
    assert Assumptions().timeline_entries == settings.TIMELINE_CAP
    assert Assumptions().log_days == settings.OUTBOX_DAYS


def test_followers_are_counted_up_to_the_push_limit() -> None:
    star = ["# hub and three others", "0 1", "0 2", "0 3", "", "1 2", "4 4"]
    assert mean_pushed(star, push_limit=10) == (3 + 2 + 2 + 1) / 4
    assert mean_pushed(star, push_limit=2) == (2 + 2 + 1) / 4  # the hub's posts are pulled
    with pytest.raises(EdgesError, match=r"line 2: expected two names `A B`, not '1 2 3'"):
        mean_pushed(["0 1", "1 2 3"], push_limit=10)
    with pytest.raises(EdgesError, match="no edges"):
        mean_pushed([], push_limit=10)


# --- the command ----------------------------------------------------------------------------------


def test_every_assumption_is_printed_with_its_value_source_and_option() -> None:
    lines = run("--users", "123456").splitlines()
    for one in numbers():
        (line,) = (line for line in lines if line.startswith(f"{option(one.name)} "))
        assert str(one.metadata["source"]) in line
    assert any("123,456" in line and "as given" in line for line in lines)
    for kind, share in MIX.items():
        assert any(line.startswith(f"--mix {kind}={share:g} ") for line in lines)


def test_the_document_has_what_the_table_has() -> None:
    document, text = json.loads(run("--json")), run()
    roles = {role["name"]: role for role in document["needs"]["roles"]}
    (line,) = (line for line in text.splitlines() if line.startswith("Read API"))
    assert line.split()[2:] == [
        f"{roles['read-api']['busy']:.1f}",
        f"{roles['read-api']['processes']:,}",
        f"{roles['read-api']['instances']:,}",
    ]
    cache = document["needs"]["cache"]
    assert f"{cache['bytes'] / GIB:,.0f} GiB" in text
    assert f"{cache['primaries']:,} primaries" in text
    for limit in document["needs"]["limits"]:
        assert limit in text
    costs = document["coefficients"]
    assert f"{costs['mixing']:.2f} times as much" in text
    assert f"{costs['home_us']:,.0f} us" in text
    assert document["assumptions"]["peak_factor"] == {
        "value": 3.0,
        "source": "the design: the peak, by the mean",
        "option": "--peak-factor",
    }


def test_a_smaller_load_has_fewer_users_unless_they_are_given() -> None:
    smaller = json.loads(run("--json", "--requests-per-month", "3.3e6"))["assumptions"]
    assert smaller["users"]["value"] == 10_000  # 30 visits a month of 11 requests
    assert not smaller["users"]["source"].startswith("as given")
    given = json.loads(run("--json", "--requests-per-month", "3.3e6", "--users", "9"))
    assert given["assumptions"]["users"]["value"] == 9


def test_followers_come_from_a_file(tmp_path: Path) -> None:
    graph = tmp_path / "graph.txt"
    graph.write_text("a b\nb c\n")
    followers = json.loads(run("--json", "--followers", str(graph)))["assumptions"]
    assert followers["mean_followers"]["value"] == pytest.approx(4 / 3)
    assert followers["mean_followers"]["source"].startswith("graph.txt")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--write-share", "1.5"], "argument --write-share: must be 0 to 1, not 1.5"),
        (["--requests-per-month", "many"], "argument --requests-per-month: invalid number value"),
        (["--peak-factor", "nan"], "must be 1 to 100"),
        (["--spare", "0.5"], "must be a whole number, not 0.5"),
        (["--mix", "stories=1"], "there is no kind 'stories': home, home-next"),
        (["--mix", "home"], "'home' has no share: home=0.1, for example"),
        (["--mix", "home=-1"], "must be 0 to 1e\\+06, not -1"),
        (["--followers", "/nowhere"], "Cannot read /nowhere"),
        ([f"--mix={kind}=0" for kind in READS], "--mix leaves no reads: give one of home"),
    ],
)
def test_a_bad_argument_ends_in_an_error_that_says_what_to_change(
    args: list[str], message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        run(*args)


def test_a_file_of_other_costs_ends_in_an_error_that_says_how_to_measure(tmp_path: Path) -> None:
    path = tmp_path / "coefficients.json"
    with pytest.raises(CoefficientsError, match=r"No such file.*make bench"):
        files.load(path)
    document = json.loads(files.FILE.read_text())
    del document["costs"]["delivery"]
    path.write_text(json.dumps(document))
    with pytest.raises(CoefficientsError, match="lacks the costs of delivery"):
        files.load(path)


def test_what_is_written_is_what_is_read(tmp_path: Path, coefficients: Coefficients) -> None:
    path = tmp_path / "coefficients.json"
    coefficients.write(path)
    assert files.load(path) == coefficients
    assert (
        path.read_text()
        == json.dumps(json.loads(path.read_text()), indent=1, sort_keys=True) + "\n"
    )


def test_the_page_shows_what_the_command_prints() -> None:
    """To mend it: `manage.py capacity --markdown`, between the marks of docs/capacity.md."""
    page = (PROJECT_DIR / "docs" / "capacity.md").read_text()
    begin, end = markers()
    shown = page.partition(f"{begin}\n")[2].partition(f"\n{end}")[0]
    assert shown == run("--markdown").rstrip("\n")

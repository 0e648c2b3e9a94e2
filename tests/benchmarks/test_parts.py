"""The benchmark's own parts: when a figure passes, and what its client understands."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from devstack.layout import PROJECT_DIR
from tests.benchmarks import browser, figures
from tests.benchmarks.figures import Figure, Series
from tests.benchmarks.scrolling import Screen, scrolling
from tests.benchmarks.wire import _unchunked, request
from tests.support.measured_docs import markers


def a_figure(
    value: float,
    *,
    ratio: float | None = None,
    at_most: float | None = None,
    at_least: float | None = None,
) -> Figure:
    return Figure("speed", value, "us", 10, ratio=ratio, at_most=at_most, at_least=at_least)


@pytest.mark.parametrize(
    ("figure", "is_right", "is_gross"),
    [
        (a_figure(5.0, at_most=5.0), True, False),
        (a_figure(5.1, at_most=5.0), False, False),
        (a_figure(10.1, at_most=5.0), False, True),
        (a_figure(9.0, ratio=4.0, at_most=5.0), True, False),  # the ratio counts, if there is one
        (a_figure(1.0, ratio=6.0, at_most=5.0), False, False),
        (a_figure(1.0, ratio=0.6, at_least=0.6), True, False),
        (a_figure(1.0, ratio=0.5, at_least=0.6), False, False),
        (a_figure(1.0, ratio=0.2, at_least=0.6), False, True),
        (a_figure(1.0, at_most=0.0), False, True),  # a target of 0 stays strict with a slack
        (Figure("nothing", 1.0, "us", 0, at_most=5.0), False, True),
    ],
)
def test_a_figure_passes_falls_short_or_has_grossly_regressed(
    figure: Figure, is_right: bool, is_gross: bool
) -> None:
    assert figure.is_right() == is_right
    assert (not figure.is_right(Figure.GROSS)) == is_gross


def test_a_figure_says_what_it_is_compared_with() -> None:
    figure = Figure(
        "home", 900.0, "us CPU", 20, reference=200.0, reference_name="bare", ratio=4.5, at_most=5
    )
    assert figure.cells() == [
        *("home", "900 us CPU", "200 us CPU (bare)", "4.5x", "at most 5x", "pass", "20", ""),
    ]
    assert "home" in figures.table([figure])
    assert "| 4.5x | at most 5x | pass |" in figures.markdown([figure])


def test_the_file_holds_what_programs_compare(tmp_path: Path) -> None:
    path = tmp_path / "new" / "bench.json"
    figures.write_json(path, [a_figure(6.0, ratio=6.0, at_most=5.0), a_figure(1.0)])
    compared, counted = json.loads(path.read_text())
    assert {"figure", "value", "unit", "reference", "ratio", "target", "pass"} <= compared.keys()
    assert (compared["ratio"], compared["target"], compared["pass"]) == (6.0, "at most 5x", False)
    assert (counted["ratio"], counted["target"], counted["pass"]) == (None, None, True)


def test_a_chunked_body_is_joined() -> None:
    chunks = b"3\r\nabc\r\n10\r\n0123456789\r\n4567\r\n0\r\n\r\n"
    assert _unchunked(chunks) == b"abc0123456789\r\n4567"
    assert _unchunked(b"0\r\n\r\n") == b""


def test_a_request_has_a_body_of_its_length() -> None:
    head, _, body = request("POST", "/x", token="t", body={"text": "é"}).partition(b"\r\n\r\n")
    assert head.startswith(b"POST /x HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Bearer t" in head
    assert b"\r\nContent-Length: %d" % len(body) in head
    assert json.loads(body) == {"text": "é"}


def test_the_page_has_a_place_for_the_result() -> None:
    page = figures.PAGE.read_text()
    begin, end = markers()
    assert page.index(begin) < page.index(end)


def test_the_command_lists_the_parts_on_an_unknown_name() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", "--only", "typo"],
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "No part typo. There are: reads, layers, writes," in done.stderr


@pytest.mark.parametrize("part", [browser.first_feed, browser.lighthouse, scrolling])
def test_a_part_that_needs_a_browser_says_that_there_is_none(
    monkeypatch: pytest.MonkeyPatch, part: Callable[[Any], Iterator[Figure]]
) -> None:
    monkeypatch.setattr(browser, "find_browser", lambda: None)
    with pytest.raises(browser.NoBrowserError, match="There is no browser"):
        next(part(None))


def test_a_frame_of_the_screen_counts_once_and_only_while_the_page_scrolls() -> None:
    screen = Screen()
    reports = [
        (1, "STATE_PRESENTED_ALL", "SCROLL_NONE", True),
        (2, "STATE_DROPPED", "SCROLL_COMPOSITOR_THREAD", False),
        (2, "STATE_PRESENTED_PARTIAL", "SCROLL_COMPOSITOR_THREAD", False),
        (3, "STATE_PRESENTED_ALL", "SCROLL_MAIN_THREAD", True),
        (4, "STATE_DROPPED", "SCROLL_COMPOSITOR_THREAD", True),
    ]
    names = ("frame_sequence", "state", "scroll_state", "has_missing_content")
    events = [
        {"args": {"frame_reporter": dict(zip(names, report, strict=True))}} for report in reports
    ]
    screen.collect({"value": [{"args": {}}, *events]})
    assert (screen.frames, screen.blank) == ({2: True, 3: True, 4: False}, {3})


def test_a_figure_may_have_a_chart_by_size() -> None:
    series = Series("A home read", "posts", "bare views", {10_000: 4.0, 1_000_000: 4.4})
    figure = Figure("home", 4.4, "bare views", 1, series=series)
    chart = figures.markdown([figure]).partition("```mermaid\n")[2]
    assert 'x-axis "posts" ["10,000", "1,000,000"]' in chart
    assert 'y-axis "bare views" 0 --> 6.6' in chart
    assert "line [4, 4.4]" in chart

"""docs/security.md: the register names tests that exist, and counts its rows rightly."""

import re
from collections import Counter

from devstack.layout import PROJECT_DIR

PAGE = (PROJECT_DIR / "docs" / "security.md").read_text()
# `tests/a.py::test_b`; within a row, `::test_c` is of the file before it.
TEST = re.compile(r"`(tests/[\w/]+\.py)?::(test_\w+)")
ROW = re.compile(r"^\| (\d+\.[^|]+) \|[^|]+\| (met|not applicable|not met)", re.MULTILINE)
# As in "15.1.1", "6.1.2, 6.2.11" and "12.3.1-4".
NUMBER = re.compile(r"\d+\.\d+\.(\d+)(?:-(\d+))?")


def test_each_test_that_the_register_names_exists() -> None:
    file, named = "", 0
    for name in TEST.finditer(PAGE):
        file = name[1] or file
        assert f"def {name[2]}(" in (PROJECT_DIR / file).read_text(), f"{file}::{name[2]}"
        named += 1
    assert named > 150


def test_the_register_counts_its_requirements() -> None:
    counted: Counter[str] = Counter()
    for row in ROW.finditer(PAGE):
        for number in NUMBER.finditer(row[1]):
            first, last = int(number[1]), int(number[2] or number[1])
            counted[row[2]] += last - first + 1
    text = " ".join(PAGE.split())
    said = re.search(
        r"Of (\d+) requirements (\d+) are met, (\d+) are met without a test, (\d+) are not "
        r"applicable, and (\d+) are not met\.",
        text,
    )
    assert said
    total, met, untested, outside, unmet = map(int, said.groups())
    assert counted == {"met": met + untested, "not applicable": outside, "not met": unmet}
    assert counted.total() == total

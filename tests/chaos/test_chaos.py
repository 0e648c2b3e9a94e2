"""The short scenarios of the chaos suite, run like `make chaos`, on a stack of their own."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.chaos.test_parts import chaos

SECONDS = 240


def test_the_short_scenarios_find_nothing_wrong(
    tmp_path: Path, measured: Callable[[str], None]
) -> None:
    file = tmp_path / "figures.json"
    only = ("--only", "frozen_workers,replica_killed", "--scale", "0.01", "--seed", "7")
    done = chaos(*only, "--json", str(file), seconds=SECONDS)

    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(file.read_text())
    assert found["broken"] == {}
    assert list(found["figures"]) == ["frozen_workers", "replica_killed"]
    for figures in found["figures"].values():
        for figure in figures:
            measured(f"{figure['what']}: {figure['value']:g} of {figure['n']:,}")

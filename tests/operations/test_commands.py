"""All commands of Operations."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from operations.management import commands

# They ask no server.
OFFLINE = {"capacity"}
# A call of each command that reads or writes the users database first.
CALLS = {
    "counters": ["verify", "--all"],
    "delete_account": ["ada", "--yes"],
    "loadtest": [],
    "media": ["gc", "--dry-run"],
    "outbox": [],
    "prepare": [],
    "reset_second_factor": ["ada"],
    "seed_demo": [],
    "seed_graph": ["--edges", "edges.txt"],
    "shared_emails": [],
    "timeline": ["show", "ada"],
}


def test_each_command_has_a_call() -> None:
    (folder,) = commands.__path__
    assert {*CALLS} | OFFLINE == {path.stem for path in Path(folder).glob("[a-z]*.py")}


@pytest.mark.usefixtures("committed", "reconnect_after_test")
@pytest.mark.parametrize("name", CALLS)
def test_a_database_that_is_down_is_named_in_a_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("edges.txt").write_text("1 2\n")
    for connection in connections.all():
        monkeypatch.setitem(connection.settings_dict, "PORT", 9)
        connection.close()
    with pytest.raises(CommandError, match="A database does not answer: connection to server"):
        call_command(name, *CALLS[name])

"""How many instances a stack has: the words of a command, and the stack's memory."""

from pathlib import Path

import pytest

from devstack import instances
from devstack.layout import Layout, StackError


def test_a_new_stack_has_the_usual_numbers_and_remembers_others(tmp_path: Path) -> None:
    var_dir = tmp_path / "var"
    assert instances.remembered(var_dir) == instances.DEFAULTS
    instances.remember(var_dir, {**instances.DEFAULTS, "worker": 5})
    assert instances.remembered(var_dir) == {**instances.DEFAULTS, "worker": 5}


@pytest.mark.parametrize("text", ["", "[]", "5", '{"worker": "many"}', '{"worker": null}'])
def test_a_file_that_is_broken_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "instances.json").write_text(text)
    with pytest.raises(StackError, match=r"instances\.json has no numbers .* remove it"):
        instances.remembered(tmp_path)


def test_a_role_of_a_later_release_has_its_usual_number(tmp_path: Path) -> None:
    (tmp_path / "instances.json").write_text('{"worker": 3}')
    assert instances.remembered(tmp_path) == {**instances.DEFAULTS, "worker": 3}


def test_numbers_in_words() -> None:
    assert instances.parsed([]) == {}
    assert instances.parsed(["read-api=3", "beat=10"]) == {"read-api": 3, "beat": 10}


@pytest.mark.parametrize(
    "word", ["caddy=2", "worker", "worker=", "worker=0", "worker=11", "worker=-1", "worker=1.5"]
)
def test_other_words_are_refused_with_what_is_possible(word: str) -> None:
    with pytest.raises(StackError, match="from 1 to 10: for example `read-api=3`"):
        instances.parsed(["worker=2", word])


def test_instances_have_names_and_ports_in_order(tmp_path: Path) -> None:
    layout = Layout(9000, tmp_path)
    numbers = {**instances.DEFAULTS, "read-api": 3, "write-api": 1}
    assert instances.names(numbers, "read-api") == ["read-api-1", "read-api-2", "read-api-3"]
    assert instances.api_ports(layout, "read-api") == range(9010, 9020)
    assert instances.role_of("media-worker-12") == "media-worker"
    assert instances.role_of("postgres-primary") is None

"""How many instances of each role a stack runs: their numbers, names and ports.

The numbers are remembered in the stack's folder: every command knows them, and so does the next
start. Imports the standard library only.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from devstack.layout import Layout, StackError

# By role: the numbers that a new stack begins with.
DEFAULTS = {"read-api": 2, "write-api": 2, "worker": 2, "media-worker": 1, "beat": 1}
# Each API has so many ports.
MOST = 10

Instances = Mapping[str, int]  # by role


def remembered(var_dir: Path) -> dict[str, int]:
    """The numbers of the stack in a folder. Raises StackError if its file cannot be read."""
    file = _memory(var_dir)
    try:
        stored = json.loads(file.read_text())
        return {role: int(stored.get(role, number)) for role, number in DEFAULTS.items()}
    except FileNotFoundError:
        return dict(DEFAULTS)
    except (ValueError, TypeError, AttributeError) as error:
        raise StackError(f"{file} has no numbers of instances: remove it.") from error


def remember(var_dir: Path, instances: Instances) -> None:
    """Store the numbers of the stack in a folder, which is made if need be."""
    var_dir.mkdir(parents=True, exist_ok=True)
    file = _memory(var_dir)
    written = file.with_suffix(".new")
    written.write_text(f"{json.dumps(instances)}\n")
    written.replace(file)


def parsed(words: Iterable[str]) -> dict[str, int]:
    """The numbers in words like `read-api=3`. Raises StackError, which says what is possible."""
    found = {}
    for word in words:
        role, _, number = word.partition("=")
        if role not in DEFAULTS or not number.isdecimal() or not 1 <= int(number) <= MOST:
            raise StackError(
                f"{word!r} is no role and its number of instances. The roles are "
                f"{', '.join(DEFAULTS)}, and the numbers are from 1 to {MOST}: for example "
                "`read-api=3`."
            )
        found[role] = int(number)
    return found


def names(instances: Instances, role: str) -> list[str]:
    """The names of a role's instances: `worker-1`, `worker-2`, ..."""
    return [f"{role}-{number}" for number in range(1, instances[role] + 1)]


def role_of(name: str) -> str | None:
    """The role of an instance; None for a service that has no instances."""
    role = name.rpartition("-")[0]
    return role if role in DEFAULTS else None


def api_ports(layout: Layout, role: str) -> range:
    """The ports of an API: of its first instance, of the second, and so on to the last possible."""
    first = layout.port(role)
    return range(first, first + MOST)


def _memory(var_dir: Path) -> Path:
    return var_dir / "instances.json"

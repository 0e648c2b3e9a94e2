"""The measured costs: what one request, delivery or upload takes of every component.

The file is written by `make bench ARGS="--only coefficients"`, and read by `manage.py capacity`.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

FILE = Path(__file__).with_name("coefficients.json")
READS = (
    "home",
    "home-next",
    "home-unchanged",
    "home-cold",
    "profile-timeline",
    "profile",
    "post",
    "comments",
    "likers",
)
WRITES = ("like", "comment", "follow", "publish", "upload")
# A post that is put into the timeline of one follower.
DELIVERY = "delivery"


class CoefficientsError(ValueError):
    """The file is not one that the benchmark has written. The message says what to do."""


@dataclass(frozen=True)
class Cost:
    """What one event of a kind takes: a request, an upload, or a delivery."""

    n: int  # measured so often
    cpu_us: Mapping[str, float]  # CPU microseconds by role
    bytes_in: float = 0.0  # between the client and the web server
    bytes_out: float = 0.0
    sql: float = 0.0  # statements of the request itself
    # By server, "cache" and "state": commands, round_trips, bytes_in, bytes_out.
    valkey: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    wal_bytes: float = 0.0
    rows: float = 0.0  # that stay
    stored_bytes: float = 0.0  # of tables with their indexes
    log_bytes: float = 0.0  # of tables whose rows are deleted after some days
    object_bytes: float = 0.0

    @property
    def cpu(self) -> float:
        """The CPU microseconds of all roles."""
        return sum(self.cpu_us.values())

    def scaled(self, factor: float) -> "Cost":
        """The same, with so many times the CPU time."""
        return replace(self, cpu_us=_times(self.cpu_us, factor))


@dataclass(frozen=True)
class Coefficients:
    """All measured costs, and where they were measured."""

    commit: str
    machine: str
    # How many times as much CPU time reads took with all kinds mixed, by each kind alone. The costs
    # of reads are those of the mix.
    mixing: float
    # CPU microseconds of all roles for a home read, with nothing but home reads: how fast the cores
    # were.
    home_us: float
    costs: Mapping[str, Cost]  # by kind
    idle_cores: Mapping[str, float]  # of one instance of each role that does nothing
    memory: Mapping[str, float]  # bytes of CACHE and STATE by what is kept, keys included

    def at_speed(self, core_speed: float) -> "Coefficients":
        """The costs on cores that are so many times as fast as those of the measurement."""
        return replace(
            self,
            home_us=self.home_us / core_speed,
            costs={kind: cost.scaled(1 / core_speed) for kind, cost in self.costs.items()},
            idle_cores=_times(self.idle_cores, 1 / core_speed),
        )

    def write(self, path: Path = FILE) -> None:
        """Store them, sorted, with four significant digits."""
        document = _rounded(asdict(self))
        path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")


def load(path: Path = FILE) -> Coefficients:
    """Read the file. Raises CoefficientsError if it is missing, or has another form."""
    try:
        document = json.loads(path.read_text())
        costs = {kind: Cost(**cost) for kind, cost in document.pop("costs").items()}
        found = Coefficients(costs=costs, **document)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CoefficientsError(
            f"{path} has no coefficients ({error}). To measure them: "
            'make bench ARGS="--only coefficients"'
        ) from error
    if missing := {*READS, *WRITES, DELIVERY} - costs.keys():
        raise CoefficientsError(
            f"{path} lacks the costs of {', '.join(sorted(missing))}. To measure them: "
            'make bench ARGS="--only coefficients"'
        )
    return found


def _times(amounts: Mapping[str, float], factor: float) -> dict[str, float]:
    return {name: amount * factor for name, amount in amounts.items()}


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value

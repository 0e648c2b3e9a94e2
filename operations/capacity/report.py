"""Shows what a load needs: as a table, as JSON, and as a chart."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from operations.capacity.assumptions import MIX_SOURCE, Assumptions, numbers, option
from operations.capacity.coefficients import READS, WRITES, Coefficients
from operations.capacity.model import GIB, Needs, Valkey

TITLES = {
    "read-api": "Read API",
    "write-api": "Write API",
    "worker": "worker",
    "media-worker": "media worker",
    "caddy": "web server",
    "s3": "object store",
}
_PREFIXES = ("", "k", "M", "G", "T", "P", "E")
Row = tuple[str, ...]


def table(needs: Needs, assumptions: Assumptions, coefficients: Coefficients) -> str:
    """All of it as text, with every assumption."""
    parts = [
        _requests(needs),
        _servers(needs),
        _stores(needs),
        _assumptions(assumptions),
    ]
    text = "\n\n".join("\n".join(_aligned(list(part))) for part in parts)
    limits = "".join(f"\n- {limit}" for limit in needs.limits) or " none"
    measured = (
        f"Costs: commit {coefficients.commit}, {coefficients.machine}. Reads took "
        f"{coefficients.mixing:.2f} times as much with all kinds mixed; the costs are those of the "
        f"mix. A home read took {coefficients.home_us:,.0f} us of all components, with nothing but "
        "home reads."
    )
    return f"{text}\n\nWhat more servers do not solve:{limits}\n\n{measured}"


def document(needs: Needs, assumptions: Assumptions, coefficients: Coefficients) -> dict[str, Any]:
    """All of it for programs. Rates are per second, sizes are bytes."""
    return {
        "needs": {
            **asdict(needs),
            "postgres": {
                **asdict(needs.postgres),
                "bytes_a_year": needs.postgres.bytes_a_year,
            },
        },
        "assumptions": {
            **{
                one.name: {
                    "value": getattr(assumptions, one.name),
                    "source": assumptions.source(one.name),
                    "option": option(one.name),
                }
                for one in numbers()
            },
            "mix": {
                "value": dict(assumptions.mix),
                "source": MIX_SOURCE,
                "option": "--mix KIND=SHARE",
            },
        },
        "coefficients": {
            name: getattr(coefficients, name) for name in ("commit", "machine", "mixing", "home_us")
        },
    }


def chart(needs: Needs) -> str:
    """The cores that the peak keeps busy, by role, in Mermaid."""
    cores = {
        **{TITLES[role.name]: role.busy for role in needs.roles},
        "CACHE": needs.cache.busy,
        "STATE": needs.state.busy,
        "primaries": needs.postgres.primary_busy,
        "replicas": needs.postgres.replica_busy,
    }
    names = ", ".join(f'"{name}"' for name in cores)
    values = ", ".join(f"{value:.3g}" for value in cores.values())
    return (
        '```mermaid\nxychart-beta horizontal\n    title "Cores that the peak keeps busy"\n'
        f'    x-axis [{names}]\n    y-axis "cores" 0 --> {1.1 * max(cores.values()):.3g}\n'
        f"    bar [{values}]\n```"
    )


def _requests(needs: Needs) -> Iterator[Row]:
    yield ("requests a second", "mean", "peak")
    for name, kinds in (
        ("all", (*READS, *WRITES)),
        ("reads", READS),
        ("writes", WRITES),
        ("deliveries (no requests)", ("delivery",)),
    ):
        yield (
            name,
            *(_count(sum(events[kind] for kind in kinds)) for events in (needs.mean, needs.peak)),
        )
    yield ("for each busy core, of all roles", _count(needs.rate_a_core), "")


def _servers(needs: Needs) -> Iterator[Row]:
    yield ("servers, at the peak", "busy cores", "processes or cores", "instances")
    for role in needs.roles:
        yield (TITLES[role.name], f"{role.busy:.1f}", f"{role.processes:,}", f"{role.instances:,}")
    for title, valkey in (("Valkey CACHE", needs.cache), ("Valkey STATE", needs.state)):
        yield (title, f"{valkey.busy:.1f}", *_nodes(valkey))
    postgres = needs.postgres
    yield (
        "PostgreSQL primaries",
        f"{postgres.primary_busy:.1f}",
        "one a database",
        f"{postgres.primaries}",
    )
    yield ("PostgreSQL replicas", f"{postgres.replica_busy:.1f}", "", f"{postgres.replicas}")


def _nodes(valkey: Valkey) -> Row:
    one = valkey.primaries == 1
    return f"{valkey.primaries:,} primar{'y' if one else 'ies'}", f"{valkey.nodes:,}"


def _stores(needs: Needs) -> Iterator[Row]:
    postgres, network = needs.postgres, needs.network
    yield ("stores and network", "", "")
    for title, valkey in (("CACHE", needs.cache), ("STATE", needs.state)):
        yield (f"{title}: memory of all primaries", f"{valkey.bytes / GIB:,.0f} GiB", "")
        yield (
            f"{title}: commands, round trips",
            f"{_count(valkey.commands)}/s",
            f"{_count(valkey.round_trips)}/s",
        )
    yield ("SQL statements of requests", f"{_count(postgres.statements)}/s", "")
    yield ("write-ahead log, all primaries", f"{_bytes(postgres.wal_bytes)}/s", "")
    yield ("rows that stay", f"{_count(postgres.rows_a_day)} a day", "")
    yield (
        "their bytes, with indexes",
        f"{_bytes(postgres.bytes_a_day)} a day",
        f"{_bytes(postgres.bytes_a_year)} a year",
    )
    yield ("logs, at most", _bytes(postgres.log_bytes), "")
    yield (
        "object store",
        f"{_bytes(needs.object_bytes_a_day)} a day",
        f"{_bytes(365 * needs.object_bytes_a_day)} a year",
    )
    yield (
        "web servers: from, to clients",
        f"{_bytes(network.from_clients)}/s",
        f"{_bytes(network.to_clients)}/s",
    )
    yield ("pictures, from a CDN or the store", f"{_bytes(network.media)}/s", "")
    yield ("between the APIs and Valkey", f"{_bytes(network.valkey)}/s", "")


def _assumptions(assumptions: Assumptions) -> Iterator[Row]:
    yield ("assumed; each is an option", "value", "what, and why")
    for one in numbers():
        value = _count(getattr(assumptions, one.name))
        yield (option(one.name), value, assumptions.source(one.name))
    for name, share in assumptions.mix.items():
        of = "reads" if name in READS else "writes"
        yield (f"--mix {name}={share:g}", f"{share:g}", f"{MIX_SOURCE} {of}")


def _aligned(rows: Sequence[Row]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _count(number: float) -> str:
    """A number with at most four significant digits, and a unit from a million on."""
    if abs(number) < 1e6:
        return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"
    units = ((12, "trillion"), (9, "billion"), (6, "million"))
    power, unit = next(one for one in units if abs(number) >= 10 ** one[0])
    return f"{number / 10**power:.4g} {unit}"


def _bytes(size: float) -> str:
    """Bytes with a decimal prefix and three significant digits."""
    for prefix in _PREFIXES[:-1]:
        if size < 999.5:
            return f"{size:.3g} {prefix}B"
        size /= 1000
    return f"{size:,.3g} {_PREFIXES[-1]}B"

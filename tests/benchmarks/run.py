"""Runs the parts of the benchmark on one stack, and reports."""

import sys
import traceback
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from tqdm import tqdm

from tests.benchmarks import (
    browser,
    clustered,
    coefficients,
    deliveries,
    figures,
    growth,
    latency,
    layers,
    media,
    mixed,
    privacy,
    publishing,
    push_or_pull,
    removals,
    requests,
    revocation,
    scrolling,
    sizes,
    uploads,
)
from tests.benchmarks.browser import NoBrowserError
from tests.benchmarks.figures import Figure
from tests.benchmarks.population import Population, analyze
from tests.benchmarks.requests import Bench
from tests.benchmarks.servers import bare_server, cores_apart, instance
from tests.chaos.world import Setup, World, running
from tests.support.graphs import graph_file

INTERRUPTED = 130
# A quick run uses only so many nodes of the graph.
QUICK_NODES = 400
# A quick run has as many, because a delivery has a fixed cost.
FOLLOWERS = 10_000


@dataclass(frozen=True)
class Part:
    """Figures that are measured together. `in_quick`: also in a quick run.

    `is_pinned`: the web workers have a core of their own.
    """

    summary: str
    measure: Callable[[Bench], Iterator[Figure]]
    in_quick: bool = True
    is_pinned: bool = True


def _fan_out(bench: Bench) -> Iterator[Figure]:
    return deliveries.fan_out(followers=FOLLOWERS, rounds=bench.rounds)


PARTS = {
    "reads": Part("What reads cost the web worker.", requests.reads),
    "layers": Part(
        "What each layer of a home read costs.",
        partial(layers.layers, rounds=200),
        in_quick=False,
        is_pinned=False,
    ),
    "writes": Part("What writes cost the web worker.", requests.writes),
    "sizes": Part("What a home read asks of the stores; bytes.", sizes.sizes),
    "fan-out": Part("Deliveries a second, and what they cost.", _fan_out, is_pinned=False),
    "push-or-pull": Part(
        "What it would save to choose for each follower and author.",
        push_or_pull.push_or_pull,
        in_quick=False,
        is_pinned=False,
    ),
    "growth": Part("Home reads as everything grows.", growth.growth, in_quick=False),
    "cluster": Part(
        "CACHE on a cluster, against one server.",
        clustered.clustered,
        in_quick=False,
        is_pinned=False,
    ),
    "privacy": Part(
        "What blocks, mutes and private accounts cost, and what a blocked person can tell.",
        privacy.privacy,
    ),
    "revocation": Part(
        "How soon nobody sees what was taken from them.",
        revocation.revocation,
        in_quick=False,
        is_pinned=False,
    ),
    "latency": Part(
        "Waiting times under load.",
        partial(latency.latency, rounds=7),
        in_quick=False,
        is_pinned=False,
    ),
    "visible": Part(
        "From a post to its audience.",
        partial(publishing.visible, posts=100),
        in_quick=False,
        is_pinned=False,
    ),
    "uploads": Part(
        "Likes while others upload what costs much.",
        uploads.uploads,
        in_quick=False,
        is_pinned=False,
    ),
    "media": Part(
        "Photos and videos until they are ready, and what encoding costs.",
        media.media,
        in_quick=False,
        is_pinned=False,
    ),
    "removals": Part(
        "Until the files of what is deleted are gone.",
        removals.removals,
        in_quick=False,
        is_pinned=False,
    ),
    "audiences": Part(
        "Publishing to few and to many.",
        partial(publishing.audiences, posts=100),
        in_quick=False,
        is_pinned=False,
    ),
    "coefficients": Part(
        "What each kind of request costs every component; writes what `manage.py capacity` reads.",
        coefficients.coefficients,
        in_quick=False,
        is_pinned=False,
    ),
    "capacity": Part(
        "Whether `manage.py capacity` says how much a stack of this machine can take.",
        mixed.capacity,
        in_quick=False,
        is_pinned=False,
    ),
    "first-feed": Part(
        "The web client on a slow network, in a browser.",
        browser.first_feed,
        in_quick=False,
        is_pinned=False,
    ),
    "lighthouse": Part(
        "The scores of the web client.", browser.lighthouse, in_quick=False, is_pinned=False
    ),
    "scrolling": Part(
        "A long home timeline, scrolled on a slow processor.",
        scrolling.scrolling,
        in_quick=False,
        is_pinned=False,
    ),
}


def chosen(only: str | None, *, is_quick: bool) -> dict[str, Part]:
    """The named parts. Raises SystemExit on an unknown name."""
    if only is None:
        return {name: part for name, part in PARTS.items() if part.in_quick or not is_quick}
    names = only.split(",")
    if unknown := [name for name in names if name not in PARTS]:
        sys.exit(f"No part {', '.join(unknown)}. There are: {', '.join(PARTS)}")
    return {name: part for name, part in PARTS.items() if name in names}


def run(options: Namespace, folder: Path) -> int:
    """Run what the command line asks for. Returns the exit status."""
    parts = chosen(options.only, is_quick=options.quick)
    if options.list:
        for name, part in parts.items():
            print(f"{name:12} {part.summary}")
        return 0
    found: list[Figure] = []
    with tqdm(total=len(parts), desc="benchmark", unit="part") as bar:
        bar.set_postfix_str("starting a stack")
        with running(Setup("benchmark"), bar.write) as world:
            try:
                _measure(parts, world, folder, found, bar, is_quick=options.quick)
            except KeyboardInterrupt:
                print(figures.table(found))
                return INTERRUPTED
    print(figures.table(found))
    figures.write_json(options.json, found)
    if options.write_docs:
        figures.write_docs(found)
    if options.quick:
        guarded = [figure for figure in found if not figure.moves_with_machine]
        return 0 if all(figure.is_right(Figure.GROSS) for figure in guarded) else 1
    return 0 if all(figure.n for figure in found) else 1


def _measure(
    parts: dict[str, Part],
    world: World,
    folder: Path,
    found: list[Figure],
    bar: "tqdm[Any]",
    *,
    is_quick: bool,
) -> None:
    bar.set_postfix_str("making people and posts")
    population = Population(graph_file(folder), limit=QUICK_NODES if is_quick else None)
    bar.write(f"{len(population.members):,} people, {population.follows:,} follows.")
    analyze()
    with bare_server(folder) as bare:
        bench = Bench(
            bare=bare,
            read_api=instance(world.stack, "read-api-1"),
            write_api=instance(world.stack, "write-api-1"),
            cache=psutil.Process(world.stack.supervisor.programs()["valkey-cache"].pid),
            stack=world.stack,
            population=population,
            rounds=3 if is_quick else 15,
            times=200 if is_quick else 2000,
            is_quick=is_quick,
        )
        servers = [bench.bare, bench.read_api, bench.write_api]
        for name, part in parts.items():
            bar.set_postfix_str(name)
            try:
                with cores_apart(world.stack, servers) if part.is_pinned else nullcontext():
                    for figure in part.measure(bench):
                        found.append(figure)
                        bar.write("  " + "  ".join(cell for cell in figure.cells() if cell))
            except NoBrowserError as reason:
                bar.write(f"  {name}: skipped. {reason}")
            except Exception:  # go on with the other parts
                bar.write(traceback.format_exc())
                found.append(Figure(f"{name}: broken", 0.0, "", 0))
            bar.update()

"""Follower graphs for tests: a real one, or a similar one where the real file is missing."""

from collections import Counter
from pathlib import Path
from random import Random

from devstack.layout import PROJECT_DIR

# The ego networks of ten Facebook users, undirected: 4,039 nodes, 88,234 edges (SNAP, Stanford).
REAL_GRAPH = PROJECT_DIR.parent / "shared" / "data" / "ego-facebook.txt"


def graph_file(folder: Path) -> Path:
    """The file of a graph, one edge per line: the real one, or a similar one in `folder`."""
    if REAL_GRAPH.exists():
        return REAL_GRAPH
    path = folder / "edges.txt"
    write_similar_graph(path)
    return path


def write_similar_graph(path: Path) -> None:
    """Write a graph of 4,039 nodes by preferential attachment, with a hub of degree 1,045."""
    random = Random(1)
    ends = [0, 1]
    edges = {(0, 1)}
    for node in range(2, 4039):
        for _ in range(min(node, 21)):
            other = random.choice(ends)
            if other != node:
                edges.add((other, node))
                ends += [node, other]
    hub = Counter(end for edge in edges for end in edge).most_common(1)[0][0]
    others = {sum(edge) - hub for edge in edges if hub in edge}
    missing = [node for node in range(4039) if node not in others | {hub}]
    edges |= {(hub, node) for node in missing[: max(0, 1045 - len(others))]}
    path.write_text("\n".join(f"{one} {other}" for one, other in sorted(edges)))

"""The result of a load test as a table."""

from collections.abc import Iterable, Iterator

from operations.loadtest.plan import READS, WRITES, Figures, Result

_WIDTH = 29
_COLUMNS = ("count", "failures", "requests/s", "p50 ms", "p95 ms", "p99 ms", "bytes")


def table(result: Result) -> Iterator[str]:
    """The lines: one for each kind of request, and the totals."""
    yield _line("", _COLUMNS)
    for figures in result.kinds:
        yield _line(figures.kind, _cells(figures))
    yield _line("all", _cells(result.total))
    reads, writes = result.count(READS), result.count(WRITES)
    share = result.not_modified / reads if reads else 0.0
    ratio = f", {reads / writes:.1f} to 1" if writes else ""
    yield f"reads: {reads}, writes: {writes}{ratio}; in {result.seconds:.1f} s"
    yield f"304, unchanged: {result.not_modified}, {share:.0%} of the reads"
    for failure in result.failures:
        yield f"failed: {failure.count} x {failure.kind}: {failure.reason}"
    if not result.failures:
        yield "failed: none"


def _cells(figures: Figures) -> list[str]:
    times = (figures.p50, figures.p95, figures.p99)
    return [
        *(str(figures.count), str(figures.failures), f"{figures.per_second:.2f}"),
        *(f"{time:.0f}" for time in times),
        f"{figures.mean_bytes:.0f}",
    ]


def _line(name: str, cells: Iterable[str]) -> str:
    return f"{name:<{_WIDTH}}" + "".join(f"{cell:>11}" for cell in cells)

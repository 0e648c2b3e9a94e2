"""Writes measured figures into pages of docs/."""

import subprocess
from pathlib import Path

from devstack.layout import PROJECT_DIR


def markers(of: str = "measured") -> tuple[str, str]:
    """The lines before and after a table in a page."""
    return f"<!-- {of}: begin -->", f"<!-- {of}: end -->"


def measured_commit() -> str:
    """The short id of the measured commit, with a + when tracked files have changed since."""

    def git(*args: str) -> str:
        done = subprocess.run(
            ["git", *args], cwd=PROJECT_DIR, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    return (git("rev-parse", "--short", "HEAD") or "unknown") + (
        "+" if git("status", "--porcelain", "--untracked-files=no") else ""
    )


def replace_measured(page: Path, text: str, *, of: str = "measured") -> None:
    """Replace the text between the markers of a page. `of`: which ones, if it has several."""
    begin, end = markers(of)
    before, _, rest = page.read_text().partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}")

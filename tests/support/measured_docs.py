"""Pages in docs/ that hold what was measured."""

from __future__ import annotations

import subprocess
from pathlib import Path

from devstack.layout import PROJECT_DIR

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def measured_commit() -> str:
    """The commit that is being measured; with a + when something was changed since."""

    def git(*args: str) -> str:
        done = subprocess.run(
            ["git", *args], cwd=PROJECT_DIR, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    return (git("rev-parse", "--short", "HEAD") or "unknown") + (
        "+" if git("status", "--porcelain", "--untracked-files=no") else ""
    )


def replace_measured(page: Path, text: str) -> None:
    """Put a text between the marks of a page, instead of what is there."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")

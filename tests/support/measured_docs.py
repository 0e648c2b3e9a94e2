"""Writes measured figures into pages of docs/."""

import subprocess
from pathlib import Path

from devstack.layout import PROJECT_DIR

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


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


def replace_measured(page: Path, text: str) -> None:
    """Replace the text between the BEGIN and END markers of a page."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")

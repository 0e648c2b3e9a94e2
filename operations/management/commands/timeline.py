"""`manage.py timeline VERB`: show, explain, verify and rebuild the timelines in Valkey."""

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.commands import (
    at_least,
    errors_with_advice,
    summed_up,
    username,
    with_progress,
    write_json,
    write_line,
)
from core.ids import created_at_of
from operations.explain.report import explain_home
from operations.people import People
from timeline import audit, inventory, services
from timeline.audit import Finding, Totals
from timeline.inventory import BATCH_SIZE, Batch, Size
from users.selectors import user_id_by_username

Options = dict[str, Any]


class Command(BaseCommand):
    """Each verb is a method; its docstring is its help. Ctrl-C leaves no timeline half done."""

    help = "Show the timelines in Valkey, compare them with SQL, and repair them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

        def add_verb(run: Callable[[Options], None], example: str) -> ArgumentParser:
            name, text = run.__name__, run.__doc__
            epilog = f"Example: manage.py timeline {name} {example}"
            verb = verbs.add_parser(name, help=text, description=text, epilog=epilog)
            verb.set_defaults(run=run)
            verb.add_argument("--json", action="store_true", help="Print one JSON document.")
            return verb

        show = add_verb(self.show, "ada --limit 50")
        show.add_argument("username", type=username)
        show.add_argument("--profile", action="store_true", help="Not the home timeline.")
        show.add_argument(
            "--limit", type=at_least(0), default=20, help="How many entries (default 20)."
        )
        explain = add_verb(self.explain, "ada 766239539009160193")
        explain.add_argument("username", type=username, help="The owner of the home timeline.")
        explain.add_argument("post_id", help="The id of the post, which need not exist.")
        verify = add_verb(self.verify, "--sample 1000 --repair")
        which = verify.add_mutually_exclusive_group()
        which.add_argument(
            "username", nargs="?", type=username, help="Only the timelines of this user."
        )
        which.add_argument("--sample", type=at_least(1), metavar="N", help="Only N at random.")
        verify.add_argument("--repair", action="store_true", help="Rebuild what has drifted.")
        verify.add_argument(
            "--grace",
            type=at_least(0, float),
            default=audit.GRACE_SECONDS,
            metavar="SECONDS",
            help="A younger post may be missing, because its delivery may still be running "
            f"(default {audit.GRACE_SECONDS:.0f}).",
        )
        rebuild = add_verb(self.rebuild, "ada")
        which = rebuild.add_mutually_exclusive_group(required=True)
        which.add_argument(
            "username", nargs="?", type=username, help="The timelines of this user, warm or not."
        )
        which.add_argument("--all", action="store_true", help="All timelines that are warm.")
        for verb in (verify, rebuild, add_verb(self.clear, "--dry-run"), add_verb(self.stats, "")):
            verb.add_argument(
                "--dry-run", action="store_true", help="Change nothing, only say what it would do."
            )

    def handle(self, *args: Any, **options: Any) -> None:
        with errors_with_advice():
            options["run"](options)

    def show(self, options: Options) -> None:
        """Print the entries of one timeline, newest first. Does not count as a read."""
        user_id = _user_id(options)
        home, profile = inventory.timelines_of(user_id=user_id)
        timeline = profile if options["profile"] else home
        stored = inventory.peek(timeline=timeline)
        refs = stored.refs[: options["limit"]] if stored else []
        pulled = stored.viewing.pulled if stored else []
        people = People([user_id, *pulled, *(author_id for _, author_id in refs)])
        is_all = stored is not None and stored.state == "complete" and refs == stored.refs
        if options["json"]:
            document = {
                "timeline": timeline.name,
                "user": people.document(user_id),
                "key": timeline.key,
                "state": stored.state if stored else "cold",
                "entries": len(stored.refs) if stored else 0,
                "expires_in_seconds": stored.ttl_seconds if stored else None,
                "pulled_authors": [people.document(author_id) for author_id in pulled],
                "posts": [
                    {
                        "id": str(post_id),
                        "author": people.document(author_id),
                        "published_at": created_at_of(post_id),
                    }
                    for post_id, author_id in refs
                ],
                "is_all": is_all,
            }
            write_json(self.stdout, document)
            return
        if stored is None:
            self.stdout.write(f"{timeline.key} is cold: the next read builds it from SQL.")
            return
        days = stored.ttl_seconds / (24 * 3600)
        self.stdout.write(
            f"{timeline.key}: {len(stored.refs)} entries, {stored.state}, for {days:.1f} days"
        )
        if pulled:
            named = ", ".join(f"{author_id} ({people.name(author_id)})" for author_id in pulled)
            self.stdout.write(f"each read pulls the posts of these authors: {named}")
        rows = [("post", "author", "", "published")]
        for post_id, author_id in refs:
            at = f"{created_at_of(post_id):%F %T.%f}"
            rows.append((str(post_id), str(author_id), people.name(author_id), at))
        width = max(len(name) for _, _, name, _ in rows)
        for post, author, name, at in rows:
            self.stdout.write(f"{post:>20} {author:>20} {name:<{width}}  {at}")
        self.stdout.write("(end)" if is_all else "(more)")

    def explain(self, options: Options) -> None:
        """Say, gate by gate, why a post is or is not in a user's home timeline."""
        try:
            post_id = int(options["post_id"])
        except ValueError as error:
            raise CommandError(f"A post's id is a number, not {options['post_id']!r}.") from error
        user_id = _user_id(options)
        explanation = explain_home(viewer_id=user_id, post_id=post_id)
        if options["json"]:
            viewer = {"id": str(user_id), "username": options["username"]}
            head = {"user": viewer, "post_id": str(post_id)}
            write_json(self.stdout, head | asdict(explanation))
            return
        names = max(len(gate.name) for gate in explanation.gates)
        states = max(len(gate.state) for gate in explanation.gates)
        for gate in explanation.gates:
            self.stdout.write(f"{gate.name:<{names}}  {gate.state:<{states}}  {gate.facts}")
        yes = {True: "yes", False: "no"}
        answers = f"expected: {yes[explanation.expected]}; shown: {yes[explanation.shown]}"
        self.stdout.write(f"{answers}\n{explanation.verdict}")

    def verify(self, options: Options) -> None:
        """Compare timelines with SQL: all that are warm, a sample, or a user's two. Exit status 1
        when some have drifted and were not repaired.
        """
        totals, found = Totals(), list[dict[str, Any]]()
        repair = options["repair"] and not options["dry_run"]

        def text() -> str:
            return (
                f"checked {totals.timelines} timelines, {totals.entries} entries: "
                f"drift ratio {totals.drift_ratio:.6f}"
            )

        def document() -> dict[str, Any]:
            return {
                "timelines": totals.timelines,
                "entries": totals.entries,
                "wrong": totals.wrong,
                "drift_ratio": totals.drift_ratio,
                "drifted": found,
            }

        with summed_up(self.stdout, text=text, document=document if options["json"] else None):
            for batch in _batches(options):
                findings = audit.audit(timelines=batch, grace_seconds=options["grace"])
                for finding in findings:
                    totals.add(finding)
                drifted = [finding for finding in findings if finding.has_drifted]
                people = People(finding.timeline.user_id for finding in drifted)
                for finding in drifted:
                    timeline = finding.timeline
                    if repair:
                        services.rebuild(timeline=timeline)
                    user = people.document(timeline.user_id)
                    if options["json"]:
                        found.append(_drift(finding, user) | {"repaired": repair})
                    else:
                        name = user["username"] or timeline.user_id
                        note = "; repaired" if repair else ""
                        write_line(self.stdout, f"{timeline.name} of {name}: {finding}{note}")
        if totals.drifted and not repair:
            raise CommandError(
                f"{len(totals.drifted)} timelines have drifted. To rebuild them: "
                "manage.py timeline verify --repair"
            )

    def rebuild(self, options: Options) -> None:
        """Rebuild timelines from SQL."""
        with self._counted("rebuilt", "would rebuild", options) as count:
            for batch in _batches(options):
                for timeline in batch:
                    if not options["dry_run"]:
                        services.rebuild(timeline=timeline)
                    count(1)

    def clear(self, options: Options) -> None:
        """Drop all timelines, and nothing else of CACHE. The next reads rebuild them."""
        with self._counted("dropped", "would drop", options) as count:
            for batch in with_progress(inventory.warm_timelines(), unit="timelines"):
                dry_run = options["dry_run"]
                count(len(batch) if dry_run else services.drop_timelines(timelines=batch))

    @contextmanager
    def _counted(
        self, done: str, would_do: str, options: Options
    ) -> Iterator[Callable[[int], None]]:
        """Yields a function that counts timelines. At the end, says what was done to so many."""
        total, dry_run = 0, options["dry_run"]

        def count(timelines: int) -> None:
            nonlocal total
            total += timelines

        with summed_up(
            self.stdout,
            text=lambda: f"{would_do if dry_run else done} {total} timelines",
            document=(lambda: {done: total, "dry_run": dry_run}) if options["json"] else None,
        ):
            yield count

    def stats(self, options: Options) -> None:
        """Count timelines, their entries and their memory. A dry run counts timelines only."""
        sizes, dry_run = {"home": Size(), "profile": Size()}, options["dry_run"]
        row = "{:<8} {:>10}" if dry_run else "{:<8} {:>10} {:>12} {:>14}"

        def rows() -> dict[str, Size]:
            return {**sizes, "all": sizes["home"] + sizes["profile"]}

        def text() -> str:
            lines = [row.format("", "timelines", "entries", "bytes")]
            for name, size in rows().items():
                lines.append(row.format(name, size.timelines, size.entries, size.memory))
            return "\n".join(lines)

        def document() -> dict[str, Any]:
            return {
                name: {
                    "timelines": size.timelines,
                    "entries": None if dry_run else size.entries,
                    "bytes": None if dry_run else size.memory,
                }
                for name, size in rows().items()
            }

        with summed_up(self.stdout, text=text, document=document if options["json"] else None):
            for batch in with_progress(inventory.warm_timelines(), unit="timelines"):
                size = Size(timelines=len(batch)) if dry_run else inventory.size(timelines=batch)
                sizes[batch[0].name] += size


def _drift(finding: Finding, user: dict[str, str | None]) -> dict[str, Any]:
    """What is wrong with a timeline: how many entries, or authors, in which way."""
    return {
        "timeline": finding.timeline.name,
        "user": user,
        "missing": len(finding.missing),
        "extra": len(finding.extra),
        "misplaced": len(finding.misplaced),
        "authors_not_pulled": len(finding.unpulled),
        "pulled_not_followed": len(finding.unfollowed),
    }


def _user_id(options: Options) -> int:
    return user_id_by_username(username=options["username"], active_only=False)


def _batches(options: Options) -> Iterator[Batch]:
    """The timelines that the options of `verify` or `rebuild` name, with a progress bar."""
    batches: Iterable[Batch]
    total = None
    if options["username"]:
        batches = [inventory.timelines_of(user_id=_user_id(options))]
    elif count := options.get("sample"):
        drawn = inventory.sampled_timelines(count=count)
        total = len(drawn)
        batches = [drawn[start : start + BATCH_SIZE] for start in range(0, total, BATCH_SIZE)]
    else:
        batches = inventory.warm_timelines()
        if sys.stderr.isatty():  # counting them is quick
            total = sum(map(len, inventory.warm_timelines()))
    return with_progress(batches, unit="timelines", total=total)

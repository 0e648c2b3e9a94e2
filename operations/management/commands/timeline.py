"""`manage.py timeline VERB`: show, explain, verify and rebuild the timelines in Valkey."""

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.commands import at_least, errors_with_advice, with_progress, write_line
from core.ids import created_at_of
from operations.explain.report import explain_home
from timeline import audit, inventory, services
from timeline.audit import Totals
from timeline.inventory import BATCH_SIZE, Batch, Size
from users.selectors import accounts, user_id_by_username

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
            return verb

        show = add_verb(self.show, "ada --limit 50")
        show.add_argument("username")
        show.add_argument("--profile", action="store_true", help="Not the home timeline.")
        show.add_argument(
            "--limit", type=at_least(0), default=20, help="How many entries (default 20)."
        )
        explain = add_verb(self.explain, "ada 766239539009160193")
        explain.add_argument("username", help="The owner of the home timeline.")
        explain.add_argument("post_id", help="The id of the post, which need not exist.")
        verify = add_verb(self.verify, "--sample 1000 --repair")
        which = verify.add_mutually_exclusive_group()
        which.add_argument("username", nargs="?", help="Only the timelines of this user.")
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
        which.add_argument("username", nargs="?", help="The timelines of this user, warm or not.")
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
        home, profile = inventory.timelines_of(user_id=_user_id(options))
        timeline = profile if options["profile"] else home
        stored = inventory.peek(timeline=timeline)
        if stored is None:
            self.stdout.write(f"{timeline.key} is cold: the next read builds it from SQL.")
            return
        kind, count, days = stored.state, len(stored.refs), stored.ttl_seconds / (24 * 3600)
        self.stdout.write(f"{timeline.key}: {count} entries, {kind}, for {days:.1f} days")
        if stored.viewing.pulled:
            pulled = ", ".join(map(str, stored.viewing.pulled))
            self.stdout.write(f"each read pulls the posts of these authors: {pulled}")
        self.stdout.write(f"{'post':>20} {'author':>20}  published")
        for post_id, author_id in stored.refs[: options["limit"]]:
            self.stdout.write(f"{post_id:>20} {author_id:>20}  {created_at_of(post_id):%F %T.%f}")
        is_all = kind == "complete" and count <= options["limit"]
        self.stdout.write("(end)" if is_all else "(more)")

    def explain(self, options: Options) -> None:
        """Say, gate by gate, why a post is or is not in a user's home timeline."""
        try:
            post_id = int(options["post_id"])
        except ValueError as error:
            raise CommandError(f"A post's id is a number, not {options['post_id']!r}.") from error
        explanation = explain_home(viewer_id=_user_id(options), post_id=post_id)
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
        totals = Totals()
        repair = options["repair"] and not options["dry_run"]
        try:
            for batch in _batches(options):
                findings = audit.audit(timelines=batch, grace_seconds=options["grace"])
                for finding in findings:
                    totals.add(finding)
                drifted = [finding for finding in findings if finding.has_drifted]
                user_ids = [finding.timeline.user_id for finding in drifted]
                owners = accounts(user_ids=user_ids) if drifted else {}
                for finding in drifted:
                    timeline = finding.timeline
                    if repair:
                        services.rebuild(timeline=timeline)
                    owner = owners.get(timeline.user_id)
                    name = owner.username if owner else timeline.user_id
                    note = "; repaired" if repair else ""
                    write_line(self.stdout, f"{timeline.name} of {name}: {finding}{note}")
        finally:
            write_line(
                self.stdout,
                f"checked {totals.timelines} timelines, {totals.entries} entries: "
                f"drift ratio {totals.drift_ratio:.6f}",
            )
        if totals.drifted and not repair:
            raise CommandError(
                f"{len(totals.drifted)} timelines have drifted. To rebuild them: "
                "manage.py timeline verify --repair"
            )

    def rebuild(self, options: Options) -> None:
        """Rebuild timelines from SQL."""
        done, dry_run = 0, options["dry_run"]
        try:
            for batch in _batches(options):
                for timeline in batch:
                    if not dry_run:
                        services.rebuild(timeline=timeline)
                    done += 1
        finally:
            write_line(self.stdout, f"{'would rebuild' if dry_run else 'rebuilt'} {done} timelines")

    def clear(self, options: Options) -> None:
        """Drop all timelines, and nothing else of CACHE. The next reads rebuild them."""
        done, dry_run = 0, options["dry_run"]
        try:
            for batch in with_progress(inventory.warm_timelines(), unit="timelines"):
                done += len(batch) if dry_run else services.drop_timelines(timelines=batch)
        finally:
            write_line(self.stdout, f"{'would drop' if dry_run else 'dropped'} {done} timelines")

    def stats(self, options: Options) -> None:
        """Count timelines, their entries and their memory. A dry run counts timelines only."""
        sizes, dry_run = {"home": Size(), "profile": Size()}, options["dry_run"]
        row = "{:<8} {:>10}" if dry_run else "{:<8} {:>10} {:>12} {:>14}"
        try:
            for batch in with_progress(inventory.warm_timelines(), unit="timelines"):
                size = Size(timelines=len(batch)) if dry_run else inventory.size(timelines=batch)
                sizes[batch[0].name] += size
        finally:
            write_line(self.stdout, row.format("", "timelines", "entries", "bytes"))
            for name, size in {**sizes, "all": sizes["home"] + sizes["profile"]}.items():
                line = row.format(name, size.timelines, size.entries, size.memory)
                write_line(self.stdout, line)


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

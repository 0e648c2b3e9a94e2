"""`manage.py timeline VERB`: look into the timelines in Valkey, check and mend them."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from core.commands import INTERRUPTED, SECONDS_BEFORE_PROGRESS, at_least
from core.http.problems import NotFound
from core.ids import created_at_of
from core.valkey import ValkeyUnavailable
from operations.management import timeline_explain
from timeline import audit, inventory, services
from timeline.audit import Finding, Totals
from timeline.inventory import KINDS, Batch, Size
from users.selectors import accounts, user_id_by_username


@dataclass(frozen=True)
class Verb:
    """One thing that this command can do."""

    run: Callable[[dict[str, Any]], None]
    add_arguments: Callable[[ArgumentParser], None]
    help: str
    example: str


class Command(BaseCommand):
    """Safe to interrupt: one timeline is done after the other, and none is left half done."""

    help = "Look into the timelines in Valkey, check them against SQL, and mend them."

    def verbs(self) -> dict[str, Verb]:
        """What it can do, by name."""
        return {
            "show": Verb(
                self.show,
                self.add_show_arguments,
                "Print the entries of one timeline, newest first. Does not count as a read.",
                "timeline show ada --limit 50",
            ),
            "explain": Verb(
                partial(timeline_explain.handle, stdout=self.stdout),
                timeline_explain.add_arguments,
                "Say, gate by gate, why a post is or is not in somebody's home timeline.",
                "timeline explain ada 766239539009160193",
            ),
            "verify": Verb(
                self.verify,
                self.add_verify_arguments,
                "Compare timelines with SQL: all that are warm, a sample, or a user's two. Exit "
                "status 1 when some have drifted and were not repaired.",
                "timeline verify --sample 1000 --repair",
            ),
            "rebuild": Verb(
                self.rebuild,
                self.add_rebuild_arguments,
                "Build timelines anew from SQL.",
                "timeline rebuild ada",
            ),
            "clear": Verb(
                self.clear,
                self.add_dry_run,
                "Drop all timelines, and nothing else of CACHE; the next reads build them.",
                "timeline clear --dry-run",
            ),
            "stats": Verb(
                self.stats,
                self.add_dry_run,
                "Count timelines, their entries and the memory that they take.",
                "timeline stats",
            ),
        }

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        for name, verb in self.verbs().items():
            example = f"Example: manage.py {verb.example}"
            verb.add_arguments(
                verbs.add_parser(name, help=verb.help, description=verb.help, epilog=example)
            )

    def add_show_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument(
            "--profile", action="store_true", help="The profile, not the home timeline."
        )
        parser.add_argument(
            "--limit", type=at_least(0), default=20, help="How many entries (default 20)."
        )

    def add_verify_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("username", nargs="?", help="Only the timelines of this user.")
        which.add_argument(
            "--sample", type=at_least(1), metavar="N", help="Only so many, drawn at random."
        )
        parser.add_argument("--repair", action="store_true", help="Build anew what has drifted.")
        parser.add_argument(
            "--grace",
            type=at_least(0, float),
            default=audit.GRACE_SECONDS,
            metavar="SECONDS",
            help="A post younger than this may be missing, as it is being delivered (default "
            f"{audit.GRACE_SECONDS:.0f}).",
        )
        self.add_dry_run(parser)

    def add_rebuild_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("username", nargs="?", help="The timelines of this user, warm or not.")
        which.add_argument("--all", action="store_true", help="All timelines that are warm.")
        self.add_dry_run(parser)

    def add_dry_run(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="Change nothing, only say what would be done."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.verbs()[options["verb"]].run(options)
        except NotFound as error:
            raise CommandError(error.detail) from error
        except ValkeyUnavailable as error:
            raise CommandError(
                f"CACHE, the Valkey of the timelines, does not answer: {error} Nothing is lost, "
                "reads come from SQL meanwhile. Start it, or correct CACHE_URL, and run this again."
            ) from error
        except KeyboardInterrupt as error:
            raise CommandError(
                "Interrupted. What is printed above was done; run this again for the rest.",
                returncode=INTERRUPTED,
            ) from error

    # --- the verbs ------------------------------------------------------------------------------

    def show(self, options: dict[str, Any]) -> None:
        """Print one timeline, decoded."""
        home, profile = inventory.timelines_of(user_id=self._user_id(options))
        timeline = profile if options["profile"] else home
        kept = inventory.peek(timeline=timeline)
        if kept is None:
            self.stdout.write(f"{timeline.key} is cold: the next read builds it from SQL.")
            return
        days = kept.ttl_seconds / (24 * 3600)
        self.stdout.write(
            f"{timeline.key}: {len(kept.refs)} entries, {KINDS[kept.kind]}, for {days:.1f} days"
        )
        if kept.viewing.pulled:
            pulled = ", ".join(map(str, kept.viewing.pulled))
            self.stdout.write(f"pulled from their authors at each read: {pulled}")
        self.stdout.write(f"{'post':>20} {'author':>20}  published")
        for post_id, author_id in kept.refs[: options["limit"]]:
            self.stdout.write(f"{post_id:>20} {author_id:>20}  {created_at_of(post_id):%F %T.%f}")
        is_all = KINDS[kept.kind] == "complete" and len(kept.refs) <= options["limit"]
        self.stdout.write("(end)" if is_all else "(more)")

    def verify(self, options: dict[str, Any]) -> None:
        """Compare timelines with SQL, and build anew what has drifted if asked to."""
        totals, repaired = Totals(), 0
        repair = options["repair"] and not options["dry_run"]
        try:
            for batch in self._progress(self._batches(options), self._total(options)):
                findings = audit.audit(timelines=batch, grace_seconds=options["grace"])
                drifted = [finding for finding in findings if finding.has_drifted]
                names = self._usernames(drifted)
                for finding in findings:
                    totals.add(finding)
                for finding in drifted:
                    if repair:
                        services.rebuild(timeline=finding.timeline)
                        repaired += 1
                    timeline = finding.timeline
                    name = names.get(timeline.user_id, str(timeline.user_id))
                    note = "; repaired" if repair else ""
                    self._print(f"{timeline.name} of {name}: {finding}{note}")
        finally:
            self._print(
                f"checked {totals.timelines} timelines, {totals.entries} entries: "
                f"drift ratio {totals.drift_ratio:.6f}"
            )
        if unrepaired := len(totals.drifted) - repaired:
            raise CommandError(
                f"{unrepaired} timelines have drifted. To build them anew: "
                "manage.py timeline verify --repair"
            )

    def rebuild(self, options: dict[str, Any]) -> None:
        """Build timelines anew."""
        done, dry_run = 0, options["dry_run"]
        try:
            for batch in self._progress(self._batches(options), self._total(options)):
                for timeline in batch:
                    if not dry_run:
                        services.rebuild(timeline=timeline)
                    done += 1
        finally:
            self._print(f"{'would rebuild' if dry_run else 'rebuilt'} {done} timelines")

    def clear(self, options: dict[str, Any]) -> None:
        """Drop all timelines."""
        done, dry_run = 0, options["dry_run"]
        try:
            for batch in self._progress(inventory.warm_timelines()):
                done += len(batch) if dry_run else services.drop_timelines(timelines=batch)
        finally:
            self._print(f"{'would drop' if dry_run else 'dropped'} {done} timelines")

    def stats(self, options: dict[str, Any]) -> None:
        """Count timelines, entries and bytes, by kind."""
        sizes = {"home": Size(), "profile": Size()}
        try:
            for batch in self._progress(inventory.warm_timelines()):
                counted = Size(timelines=len(batch))
                sizes[batch[0].name] += (
                    counted if options["dry_run"] else inventory.size(timelines=batch)
                )
        finally:
            detail = "" if options["dry_run"] else f" {'entries':>12} {'bytes':>14}"
            self._print(f"{'':<8} {'timelines':>10}{detail}")
            for name, size in {**sizes, "all": sizes["home"] + sizes["profile"]}.items():
                detail = "" if options["dry_run"] else f" {size.entries:>12} {size.memory:>14}"
                self._print(f"{name:<8} {size.timelines:>10}{detail}")

    # --- what they share ------------------------------------------------------------------------

    def _user_id(self, options: dict[str, Any]) -> int:
        return user_id_by_username(username=options["username"], active_only=False)

    def _batches(self, options: dict[str, Any]) -> Iterable[Batch]:
        """The timelines that the options name."""
        if options["username"]:
            return [inventory.timelines_of(user_id=self._user_id(options))]
        if options.get("sample"):
            drawn = inventory.sampled_timelines(count=options["sample"])
            step = inventory.BATCH_SIZE
            return [drawn[start : start + step] for start in range(0, len(drawn), step)]
        return inventory.warm_timelines()

    def _total(self, options: dict[str, Any]) -> int | None:
        """How many timelines there will be, for a bar on a terminal; counting them is quick."""
        if options["username"] or not sys.stderr.isatty():
            return None
        if options.get("sample"):
            return int(options["sample"])
        return sum(map(len, inventory.warm_timelines()))

    def _progress(self, batches: Iterable[Batch], total: int | None = None) -> Iterator[Batch]:
        """The batches, with a bar on a terminal's stderr once they take long."""
        with tqdm(
            total=total, unit=" timelines", leave=False, delay=SECONDS_BEFORE_PROGRESS, disable=None
        ) as bar:
            for batch in batches:
                yield batch
                bar.update(len(batch))

    def _print(self, line: str) -> None:
        """A line of output, whether or not a bar is on the screen."""
        with tqdm.external_write_mode():
            self.stdout.write(line)

    def _usernames(self, findings: list[Finding]) -> dict[int, str]:
        """The usernames of whose timelines these are, as far as there are such accounts."""
        user_ids = [finding.timeline.user_id for finding in findings]
        found = accounts(user_ids=user_ids) if user_ids else {}
        return {user_id: account.username for user_id, account in found.items()}

#!/usr/bin/env python
"""Runs the commands; `python manage.py help` lists them."""

import os
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import ManagementUtility
from django.core.management.base import BaseCommand

from devstack.layout import Layout, StackError

# These read and write no data. (`stack` knows which servers are its own.)
OFFLINE = {
    *("capacity", "check", "collectstatic", "diffsettings", "findstatic", "generateschema"),
    *("makemigrations", "spectacular", "stack", "test", "testserver"),
}


class CommandLine(ManagementUtility):
    """Django's. But on the local stack, no command reaches the stack of another checkout."""

    def fetch_command(self, subcommand: str) -> BaseCommand:
        command = super().fetch_command(subcommand)
        asks_for_help = not {"-h", "--help"}.isdisjoint(self.argv)
        runs = self.argv[1:2] == [subcommand] and not asks_for_help
        if runs and subcommand not in OFFLINE and settings.LOCAL:
            Layout.from_environ(os.environ).refuse_strangers(os.environ)
        return command


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "socialfeed.settings")
    try:
        CommandLine(sys.argv).execute()
    except (ImproperlyConfigured, StackError) as error:
        if "--traceback" in sys.argv:
            raise
        sys.exit(f"manage.py: {error}")

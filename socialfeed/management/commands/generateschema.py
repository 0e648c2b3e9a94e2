"""`manage.py generateschema`: another name of `manage.py spectacular`.

The command of this name in REST framework makes another schema, not that of our answers.
"""

from drf_spectacular.management.commands.spectacular import Command as Spectacular


class Command(Spectacular):
    help = "Print the OpenAPI schema, as `manage.py spectacular` does."

"""Django's checks with the settings of production: `python -m tests.support.production`.

The environment is generated: it has all that production requires, and no secret of any service.
"""

import os
import secrets
import subprocess
import sys

from devstack.layout import PROJECT_DIR, Layout

# The roles of the processes that answer requests.
ROLES = ("read", "write")
# Without a replica's URL, reads go to the primary.
_URLS = {name: url for name, url in Layout.from_environ({}).urls().items() if "REPLICA" not in name}
REQUIRED = {
    *_URLS,
    *("SECRET_KEY", "PUBLIC_ORIGIN", "S3_BUCKET", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    "EMAIL_URL",
}


def production() -> dict[str, str]:
    """The variables that production requires. The secret key is a new one each time."""
    return {
        **dict.fromkeys(REQUIRED, "something"),
        **_URLS,
        "SECRET_KEY": secrets.token_urlsafe(50),
        "PUBLIC_ORIGIN": "https://feed.example.org",
        "EMAIL_URL": "smtp://localhost:25",
        "SOCIALFEED_ENV": "production",
        "SOCIALFEED_ENV_FILE": os.devnull,
    }


def main() -> int:
    """Run `manage.py check --deploy` for each role; returns the first exit status that is not 0."""
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    path = {"PATH": os.environ["PATH"]}
    for role in ROLES:
        environ = path | production() | {"API_ROLE": role}
        status = subprocess.run(command, env=environ, cwd=PROJECT_DIR, check=False).returncode
        if status != 0:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Makes clients from the schema, checks their types, and runs the five use cases with them."""

import json
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

from core.http.schema import render_schema
from tests.support.images import jpeg_with_gps

_HERE = Path(__file__).parent
_TYPESCRIPT = _HERE / "typescript"


def check_python(folder: Path, *, origin: str) -> None:
    """openapi-python-client's client, in `folder`, at the stack of `origin`.

    Raises `CalledProcessError` if it cannot be made, needs a cast, or a use case fails.
    """
    schema = _write_schema(folder)
    config = folder / "config.json"
    config.write_text(json.dumps({"post_hooks": []}))
    _run(
        *(sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning"),
        *("--path", schema, "--config", config, "--meta", "none"),
        *("--output-path", folder / "socialfeed_client"),
        folder=folder,
    )
    script = shutil.copy(_HERE / "use_cases.py", folder)
    # `silent`: what is wrong inside of the generated code is not ours, but its types are used.
    _run(
        *(sys.executable, "-m", "mypy", "--strict", "--follow-imports", "silent"),
        *("--config-file", "", "--cache-dir", folder / "cache", script),
        folder=folder,
    )
    _run(sys.executable, script, *_arguments(folder, origin), folder=folder)


def check_typescript(folder: Path, *, origin: str) -> None:
    """The clients of openapi-fetch and @hey-api/openapi-ts; needs node and npm.

    Raises `CalledProcessError` as `check_python` does, or if a package cannot be installed.
    """
    shutil.copytree(_TYPESCRIPT, folder, dirs_exist_ok=True)
    _write_schema(folder)
    _run("npm", "ci", "--ignore-scripts", "--engine-strict", "--no-audit", folder=folder)
    _run("node", "generate.mjs", folder=folder)
    _run("npx", "--no-install", "tsc", folder=folder)
    for client in ("fetch", "heyapi"):
        _run("node", f"build/{client}.js", *_arguments(folder, origin), folder=folder)


def _write_schema(folder: Path) -> Path:
    schema = folder / "openapi.json"
    schema.write_bytes(render_schema()["openapi.json"])
    return schema


def _arguments(folder: Path, origin: str) -> tuple[str | Path, ...]:
    """What a program of use cases takes: the origin, a picture, the end of new usernames."""
    picture = folder / "picture.jpg"
    picture.write_bytes(jpeg_with_gps())
    return origin, picture, secrets.token_hex(6)


def _run(*command: str | Path, folder: Path) -> None:
    # Neither Django's settings nor mypy's plugins are the client's.
    names = ("PATH", "HOME", "LANG", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE")
    environ = {name: value for name, value in os.environ.items() if name in names}
    subprocess.run([*map(str, command)], cwd=folder, env=environ, check=True)

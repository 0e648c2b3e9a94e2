"""Plays one scenario in a process of its own, because the settings of a process never change.

A session of its own, too: Ctrl-C in a terminal reaches the caller alone, who passes it on once, so
that nothing interrupts the end of the servers.
"""

import os
import signal
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.chaos.arguments import SETTINGS as LOAD_SETTINGS
from tests.chaos.report import Figure
from tests.drill.servers import SERVERS
from tests.support.environment import own_environment

SETTINGS = {
    **LOAD_SETTINGS,
    # One person logs in again and again.
    "RATE_LIMIT_LOGIN": "",
    "RATE_LIMIT_LOGIN_NAME": "",
    "RATE_LIMIT_LOGIN_DEVICE": "",
}


class ScenarioError(Exception):
    """A scenario has failed in its process. The message says why, in short."""


def play_alone(
    name: str, *, setup: str, seed: int, scale: float, say: Callable[[str], object]
) -> list[Figure]:
    """Play a scenario in a new process, and return its figures when all servers have ended.

    `say` is called with its lines. Raises ScenarioError if it fails. On Ctrl-C, ends its servers.
    """
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_play, args=(name, setup, seed, scale, sender))
    process.start()
    sender.close()
    try:
        while isinstance(message := receiver.recv(), str):
            say(message)
    except EOFError:
        raise ScenarioError("its process has ended without figures") from None
    except KeyboardInterrupt:
        assert process.pid
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGINT)
        raise
    finally:
        process.join()
    if isinstance(message, ScenarioError):
        raise message
    figures: list[Figure] = message
    return figures


def _play(name: str, setup: str, seed: int, scale: float, caller: Connection) -> None:
    """Send lines, and in the end the figures or a ScenarioError."""
    os.setsid()
    try:
        with (
            TemporaryDirectory(prefix="socialfeed-drill-servers-") as folder,
            SERVERS[setup](Path(folder)) as (urls, beside),
            own_environment("drill", {**SETTINGS, **urls}),
        ):
            # It imports models, so it comes after the settings.
            play = import_module("tests.drill.scenarios").play
            figures = play(name, seed=seed, scale=scale, beside=beside, say=caller.send)
    except KeyboardInterrupt:
        return  # the caller passes it on, and knows
    except Exception as error:  # all of them are for the caller
        caller.send(traceback.format_exc())
        caller.send(ScenarioError(f"{type(error).__name__}: {error}"))
    else:
        caller.send(figures)

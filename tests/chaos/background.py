"""A thread that works while a block runs, and whose error is not lost."""

from abc import ABC, abstractmethod
from threading import Event, Thread
from typing import Self


class Background(ABC):
    """Works in a thread of its own. Use as a context; `check` raises the error that ended it."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self._stop = Event()

    def __enter__(self) -> Self:
        self._stop.clear()
        self._thread = Thread(target=self._guarded, name=type(self).__name__, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """Raise the error that has ended the thread, if any."""
        if self.error is not None:
            raise self.error

    def _guarded(self) -> None:
        try:
            self._work()
        except BaseException as error:  # the main thread raises it in `check`
            self.error = error

    @abstractmethod
    def _work(self) -> None:
        """What the thread does, until `_stop` is set."""

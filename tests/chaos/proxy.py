"""A TCP proxy in front of one server of the stack, which misbehaves on demand.

It runs in a thread of its own. A change of mode also applies to existing connections:

- PASS: bytes go through. Bytes that were held back go first, as TCP would send them again.
- DELAY: each piece of data waits, in both directions.
- CUT: all connections are reset, new ones too, as if the server had just died.
- BLACKHOLE: nothing goes through and nothing is closed. New connections are accepted, because only
  the kernel could drop their first packet; their bytes are held back.
"""

import asyncio
import socket
import struct
from collections.abc import Coroutine
from concurrent.futures import Future
from contextlib import suppress
from enum import StrEnum
from threading import Thread
from typing import Any, TypeVar

from devstack.layout import HOST

Result = TypeVar("Result")
_PIECE = 65_536


class Mode(StrEnum):
    """What the proxy does with bytes."""

    PASS = "pass"
    DELAY = "delay"
    CUT = "cut"
    BLACKHOLE = "blackhole"


class Proxy:
    """A proxy from `port`, on loopback, to the server at `upstream_port`. Use as a context."""

    def __init__(self, upstream_port: int) -> None:
        self.upstream_port = upstream_port
        self.port = 0
        self.mode = Mode.PASS
        self.delay = 0.0
        self._loop = asyncio.new_event_loop()
        self._passes = asyncio.Event()
        self._passes.set()
        self._connections: set[asyncio.StreamWriter] = set()
        self._thread = Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> "Proxy":
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._serve, HOST, 0))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def switch(self, mode: Mode, *, delay: float = 0.0) -> None:
        """Change the mode, at once. `delay`: seconds in each direction, for DELAY."""
        self._do(self._switch(mode, delay))

    def _do(self, work: Coroutine[Any, Any, Result]) -> Result:
        done: Future[Result] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return done.result(timeout=10)

    async def _switch(self, mode: Mode, delay: float) -> None:
        self.mode, self.delay = mode, delay
        if mode == Mode.BLACKHOLE:
            self._passes.clear()
        else:
            self._passes.set()
        if mode == Mode.CUT:
            self._reset_all()

    def _reset_all(self) -> None:
        for writer in self._connections:
            _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == Mode.CUT:
            _reset(writer)
            return
        try:
            upstream, to_upstream = await asyncio.open_connection(HOST, self.upstream_port)
        except OSError:
            _reset(writer)
            return
        both = {writer, to_upstream}
        self._connections |= both
        pumps = [
            asyncio.ensure_future(self._pump(reader, to_upstream)),
            asyncio.ensure_future(self._pump(upstream, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # When one side closes, close both: none of these protocols uses half-open connections.
            for pump in pumps:
                pump.cancel()
            self._connections -= both
            for each in both:
                each.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(_PIECE):
                if self.mode == Mode.DELAY:
                    await asyncio.sleep(self.delay)
                await self._passes.wait()
                writer.write(piece)
                await writer.drain()

    async def _end(self) -> None:
        self._server.close()
        # Waiting tasks go on, and find their connections broken.
        await self._switch(Mode.CUT, 0.0)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=5)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection at once with a TCP reset."""
    if writer.is_closing():
        return
    end = writer.get_extra_info("socket")
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()

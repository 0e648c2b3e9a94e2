"""Brings frames to the size, the form and the colours of the MP4s; tone-maps HDR."""

from fractions import Fraction
from typing import Any

from av.filter import Graph
from av.video.frame import VideoFrame

from media.video.tones import FORMAT, table, transfer_of

Filters = tuple[tuple[str, str], ...]
_ANY_TIME_BASE = Fraction(1, 90_000)
_TO_YUV = "out_color_matrix=bt709:out_range=tv"
# The side data of frames has texts in it, such as captions, which encoders would write.
_LAST: Filters = (
    ("format", "pix_fmts=yuv420p"),
    ("setsar", "sar=1"),
    ("sidedata", "mode=delete"),
)


class Scaler:
    """Makes frames of one kind this large, in YUV 4:2:0 and BT.709."""

    def __init__(self, frame: VideoFrame, size: tuple[int, int], *before: tuple[str, str]) -> None:
        """`frame`: one of that kind. `before`: filters that come first, and their arguments."""
        self._graph = Graph()
        self._graph.threads = 1  # a decoder in the sandbox may start no other
        transfer, scale = transfer_of(frame), f"w={size[0]}:h={size[1]}"
        self._source = self._input(frame)
        parts: list[Any] = [self._source]
        if transfer is None:
            parts += self._filters(*before, ("scale", f"{scale}:{_TO_YUV}"))
        else:
            tones = table(transfer)
            other, mapped = self._input(tones), self._graph.add("haldclut", "clut=first")
            other.link_to(mapped, 0, 1)
            parts += self._filters(*before, ("scale", scale), ("format", f"pix_fmts={FORMAT}"))
            parts.append(mapped)
            said = ("setparams", "color_primaries=bt709:color_trc=bt709")
            parts += self._filters(said, ("scale", _TO_YUV))
        self._sink: Any = self._graph.add("buffersink")
        self._graph.link_nodes(*parts, *self._filters(*_LAST), self._sink).configure()
        if transfer is not None:
            other.push(tones)
            other.push(None)

    def scaled(self, frame: VideoFrame) -> VideoFrame:
        """What becomes of a frame."""
        self._source.push(frame)
        made: VideoFrame = self._sink.pull()
        return made

    def _input(self, frame: VideoFrame) -> Any:
        return self._graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=_ANY_TIME_BASE
        )

    def _filters(self, *filters: tuple[str, str]) -> list[Any]:
        return [self._graph.add(*each) for each in filters]

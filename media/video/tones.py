"""Tone mapping: which colour of an ordinary screen (BT.709) stands for a colour of HDR (BT.2100).

    signal → light of the screen (PQ, or HLG with its OOTF at 1,000 nits: ITU-R BT.2100)
           → primaries of BT.709
           → highlights are compressed (Möbius curve); what is darker stays as it is
           → signal (ITU-R BT.1886)

It is computed for 36 steps of red, green and blue each, as a picture for FFmpeg's filter
`haldclut`, which interpolates between them.
"""

import struct
from functools import cache
from itertools import product

from av.video.frame import VideoFrame

from media.formats.colours import HLG_GAMMA, HLG_PEAK, REFERENCE_WHITE, hlg_scene, pq_light

# By the numbers of ITU-T H.273.
PQ, HLG = 16, 18
FORMAT = "rgb48le"
# A picture of level 6 has 6 x 6 steps of each colour, and 6 x 6 x 6 pixels on each side.
_LEVEL = 6
_STEPS = _LEVEL**2
_MAX = 65535
# Nits of the brightest light that is not cut off.
_PEAK = 1000.0
# Of white; what is darker is not changed.
_KNEE = 0.5
_TO_709 = (
    (1.660491, -0.587641, -0.072850),
    (-0.124550, 1.132900, -0.008349),
    (-0.018151, -0.100579, 1.118730),
)
_LUMINANCE = (0.2627, 0.6780, 0.0593)
_GAMMA = 2.4
Colour = tuple[float, float, float]


@cache
def table(transfer: int) -> VideoFrame:
    """The picture for `haldclut`, in FORMAT, of a transfer function: PQ or HLG."""
    is_hlg = transfer == HLG
    decode = hlg_scene if is_hlg else pq_light
    curve = [decode(step / (_STEPS - 1)) for step in range(_STEPS)]
    values = bytearray()
    # Red changes fastest.
    for blue, green, red in product(curve, repeat=3):
        colour = _mapped(_hlg_nits((red, green, blue)) if is_hlg else (red, green, blue))
        values += struct.pack("<3H", *(round(_MAX * value) for value in colour))
    side = _LEVEL**3
    frame = VideoFrame(side, side, FORMAT)
    plane, line = bytearray(frame.planes[0].buffer_size), side * 6
    for row in range(side):
        at = row * frame.planes[0].line_size
        plane[at : at + line] = values[row * line : (row + 1) * line]
    frame.planes[0].update(bytes(plane))
    return frame


def _hlg_nits(colour: Colour) -> Colour:
    """Nits of a screen of HLG_PEAK."""
    luminance = sum(part * value for part, value in zip(_LUMINANCE, colour, strict=True))
    gain = HLG_PEAK * luminance ** (HLG_GAMMA - 1) if luminance > 0 else 0.0
    red, green, blue = colour
    return gain * red, gain * green, gain * blue


def _mapped(nits: Colour) -> Colour:
    """The signal, from 0 to 1 in each colour, for light in BT.2020."""
    light = [
        max(0.0, sum(part * value for part, value in zip(row, nits, strict=True))) / REFERENCE_WHITE
        for row in _TO_709
    ]
    brightest = max(light)
    gain = _compressed(brightest) / brightest if brightest > _KNEE else 1.0
    red, green, blue = (min(1.0, gain * value) ** (1 / _GAMMA) for value in light)
    return red, green, blue


def _compressed(light: float) -> float:
    """A Möbius curve: begins at the knee as steep as before, and reaches 1 at the peak."""
    peak, knee = _PEAK / REFERENCE_WHITE, _KNEE
    a = -(knee**2) * (peak - 1) / (knee**2 - 2 * knee + peak)
    b = (knee**2 - 2 * knee * peak + peak) / (peak - 1)
    return min(1.0, (b**2 + 2 * b * knee + knee**2) / (b - a) * (light + a) / (light + b))


def transfer_of(frame: VideoFrame) -> int | None:
    """The transfer function of a frame if it is HDR, else None."""
    transfer = int(frame.color_trc)
    return transfer if transfer in {PQ, HLG} else None

"""Colour profiles of pictures that have none, but tell their colours by numbers (ITU-T H.273).

HEIC and AVIF may do so. A profile is made from the numbers, so that all colours are converted in
one way. Its curves are those of the transfer function. Those of HDR (PQ, HLG) also map tones: up to
half of the light of REFERENCE_WHITE stays as it is, what is brighter is compressed.
"""

import math
import struct
from collections.abc import Callable, Sequence
from functools import cache

Matrix = list[list[float]]
Point = tuple[float, float]

# In cd/m2: the white of graphics and paper in HDR (ITU-R BT.2408).
REFERENCE_WHITE = 203.0
# In cd/m2: the brightest light of PQ, and of the screen that HLG is shown on.
_PQ_PEAK, HLG_PEAK = 10_000.0, 1000.0
# From light of the scene to light of this screen.
HLG_GAMMA = 1.2
_D65 = (0.3127, 0.3290)
# By number: where red, green and blue are (H.273, table 2). 1 are those of sRGB.
_PRIMARIES: dict[int, tuple[Point, Point, Point]] = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),  # BT.2020
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),  # Display P3
}
# From D65 to D50, the white of all profiles (Bradford; ICC.1:2022, annex E).
_TO_D50: Matrix = [
    [1.0478112, 0.0228866, -0.0501270],
    [0.0295424, 0.9904844, -0.0170491],
    [-0.0092345, 0.0150436, 0.7521316],
]
_STEPS = 1024  # of a curve
_KNEE = 0.5


def profile_of(primaries: int, transfer: int) -> bytes | None:
    """An ICC profile for these numbers; None for sRGB, and for what is unknown or unspecified."""
    if (primaries, transfer) in {(1, 13), (1, 1), (1, 6), (1, 2)} or primaries not in _PRIMARIES:
        return None
    return _profile(primaries, transfer)


@cache
def _profile(primaries: int, transfer: int) -> bytes:
    curve = _CURVES.get(transfer, _srgb)
    points = [min(0xFFFF, round(0xFFFF * curve(n / (_STEPS - 1)))) for n in range(_STEPS)]
    trc = b"curv" + struct.pack(f">II{_STEPS}H", 0, _STEPS, *points)
    columns = zip(*_to_xyz(_PRIMARIES[primaries]), strict=True)
    name = b"H.273 colours\0"
    tags = [
        (b"desc", b"desc" + struct.pack(">II", 0, len(name)) + name + bytes(78)),
        (b"cprt", b"text" + bytes(4) + b"No copyright\0"),
        (b"wtpt", _xyz((0.9642, 1.0, 0.8249))),
        *zip((b"rXYZ", b"gXYZ", b"bXYZ"), map(_xyz, columns), strict=True),
        *((curve_name, trc) for curve_name in (b"rTRC", b"gTRC", b"bTRC")),
    ]
    at = 128 + 4 + 12 * len(tags)
    table, data, places = b"", b"", dict[bytes, int]()
    for tag, value in tags:
        if value not in places:
            places[value] = at + len(data)
            data += value + bytes(-len(value) % 4)
        table += tag + struct.pack(">II", places[value], len(value))
    # Size, version 2.1, a display's profile from RGB to XYZ, signature, D50.
    header = struct.pack(">I4xI", at + len(data), 0x02100000) + b"mntrRGB XYZ " + bytes(12)
    header += b"acsp" + bytes(28) + _xyz((0.9642, 1.0, 0.8249))[8:]
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data


def _xyz(values: Sequence[float]) -> bytes:
    return b"XYZ " + struct.pack(">I3i", 0, *(round(65536 * value) for value in values))


def _to_xyz(primaries: Sequence[Point]) -> Matrix:
    """The matrix from linear RGB, whose white is D65, to XYZ, whose white is D50."""
    rows = [[x / y, 1.0, (1 - x - y) / y] for x, y in primaries]
    of_primaries = [list(column) for column in zip(*rows, strict=True)]
    white = [_D65[0] / _D65[1], 1.0, (1 - sum(_D65)) / _D65[1]]
    scales = _solved(of_primaries, white)
    scaled = [
        [value * scale for value, scale in zip(row, scales, strict=True)] for row in of_primaries
    ]
    return [
        [
            sum(a * b for a, b in zip(row, column, strict=True))
            for column in zip(*scaled, strict=True)
        ]
        for row in _TO_D50
    ]


def _solved(matrix: Matrix, values: Sequence[float]) -> list[float]:
    """The three unknowns of three linear equations, by Cramer's rule."""

    def determinant(m: Matrix) -> float:
        (a, b, c), (d, e, f), (g, h, i) = m
        return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)

    whole = determinant(matrix)
    return [
        determinant(
            [[*row[:n], value, *row[n + 1 :]] for row, value in zip(matrix, values, strict=True)]
        )
        / whole
        for n in range(3)
    ]


# --- transfer functions: from the coded value, 0 to 1, to light, 0 to 1 ---------------------------


def _srgb(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _gamma(exponent: float) -> Callable[[float], float]:
    return lambda value: value**exponent


def pq_light(value: float) -> float:
    """Light in cd/m2 (SMPTE ST 2084)."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    root = value ** (1 / m2)
    return _PQ_PEAK * float((max(root - c1, 0.0) / (c2 - c3 * root)) ** (1 / m1))


def hlg_scene(value: float) -> float:
    """Light of the scene, 0 to 1 (ITU-R BT.2100 hybrid log-gamma)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return value**2 / 3 if value <= 0.5 else (math.exp((value - c) / a) + b) / 12


def _pq(value: float) -> float:
    """PQ, with tones mapped."""
    return _mapped(pq_light(value) / REFERENCE_WHITE)


def _hlg(value: float) -> float:
    """HLG on a screen of HLG_PEAK, with tones mapped."""
    return _mapped(hlg_scene(value) ** HLG_GAMMA * HLG_PEAK / REFERENCE_WHITE)


def _mapped(light: float) -> float:
    """Light, in parts of the reference white, to light on an ordinary screen, 0 to 1.

    Up to _KNEE it stays as it is. From there an exponential shoulder, which begins with the same
    slope, keeps differences visible.
    """
    if light <= _KNEE:
        return light
    return _KNEE + (1 - _KNEE) * (1 - math.exp(-(light - _KNEE) / (1 - _KNEE)))


_CURVES: dict[int, Callable[[float], float]] = {
    4: _gamma(2.2),
    5: _gamma(2.8),
    8: _gamma(1.0),
    16: _pq,
    18: _hlg,
}

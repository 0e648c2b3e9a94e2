"""What another program makes of a file, and how like two pictures are.

The program is `ffmpeg`, as `imageio-ffmpeg` ships it. Its decoders of JPEG and HEVC are its own, so
they share no line with libjpeg and libde265, which decode uploads. Of videos the product reads with
FFmpeg's libraries of another release; what is compared there is how frames are turned, scaled,
timed and brought to the colours of a screen.
"""

import re
import subprocess
import tempfile
from typing import Any, NamedTuple

from imageio_ffmpeg import get_ffmpeg_exe
from PIL import Image, ImageChops, ImageMath, ImageStat

_SCALE = "scale={0}:{1}:flags=lanczos+accurate_rnd+full_chroma_int+full_chroma_inp"
_TIME = re.compile(rb"Parsed_showinfo.* pts_time:(-?[\d.]+)")
_WINDOW = 8  # pixels
# Of 8 bits (Wang and others, "Image quality assessment", 2004).
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


class Frame(NamedTuple):
    """A frame of a video, and when it is shown, in seconds."""

    seconds: float
    picture: Image.Image


class Likeness(NamedTuple):
    """How like two pictures of one size are: the mean difference of a channel, of 255; and SSIM."""

    error: float
    ssim: float

    def __str__(self) -> str:
        return f"colour error {self.error:.2f} of 255, SSIM {self.ssim:.4f}"


def picture_by_ffmpeg(
    content: bytes, size: tuple[int, int], *, filters: str = "", stream: str = "v:0"
) -> Image.Image:
    """A picture of a file, scaled to this size. `filters` come before that; `stream` names the
    picture: `g:0` is the first one that is in tiles.
    """
    return _frames(content, size, filters, stream, "-frames:v", "1")[0].picture


def frames_by_ffmpeg(content: bytes, size: tuple[int, int], *, filters: str = "") -> list[Frame]:
    """All frames of a video, upright and scaled to this size, at their own times."""
    return _frames(content, size, filters, "v:0", "-fps_mode", "passthrough")


def _frames(
    content: bytes, size: tuple[int, int], filters: str, stream: str, *options: str
) -> list[Frame]:
    chain = ",".join(filter(None, (filters, _SCALE.format(*size), "showinfo=checksum=0")))
    graph = f"[0:{stream}]{chain}[made]"
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        command = [get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-i", file.name]
        command += [
            "-filter_complex",
            graph,
            "-map",
            "[made]",
            *options,
            "-pix_fmt",
            "rgb24",
            "-f",
            "rawvideo",
            "pipe:1",
        ]
        done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    times = [float(seconds) for seconds in _TIME.findall(done.stderr)]
    length = 3 * size[0] * size[1]
    assert len(done.stdout) == length * len(times), done.stderr.decode()
    return [
        Frame(seconds, Image.frombytes("RGB", size, done.stdout[at : at + length]))
        for seconds, at in zip(times, range(0, len(done.stdout), length), strict=True)
    ]


def likeness(one: Image.Image, other: Image.Image) -> Likeness:
    """How like two pictures of the same size are."""
    assert one.size == other.size
    one, other = one.convert("RGB"), other.convert("RGB")
    means = ImageStat.Stat(ImageChops.difference(one, other)).mean
    return Likeness(sum(means) / len(means), _ssim(one.convert("F"), other.convert("F")))


def _ssim(one: Image.Image, other: Image.Image) -> float:
    """The structural similarity of two grey pictures: the mean over windows of 8 x 8."""
    x, y = _mean(one), _mean(other)
    products = {"xx": (one, one), "yy": (other, other), "xy": (one, other)}
    of = {name: _mean(_computed(lambda a: a["x"] * a["y"], *two)) for name, two in products.items()}

    def similarity(a: dict[str, Any]) -> Any:
        x, y, xy = a["x"], a["y"], a["xy"]
        variances = a["xx"] - x * x + a["yy"] - y * y
        alike = (2 * x * y + _C1) * (2 * (xy - x * y) + _C2)
        return alike / ((x * x + y * y + _C1) * (variances + _C2))

    values: list[Any] = list(_computed(similarity, x, y, **of).get_flattened_data())
    return float(sum(values)) / len(values)


def _mean(image: Image.Image) -> Image.Image:
    """The means of windows, as a picture. Those at the edges may be smaller."""
    return image.reduce(_WINDOW)


def _computed(function: Any, x: Image.Image, y: Image.Image, **others: Image.Image) -> Image.Image:
    made: Image.Image = ImageMath.lambda_eval(function, x=x, y=y, **others)
    return made

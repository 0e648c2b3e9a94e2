"""Photos and videos: how soon they are ready, and what encoding costs, also those who like."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from statistics import median
from time import monotonic

from imageio_ffmpeg import get_ffmpeg_exe

from media.decoding import decode_file
from media.sandbox import finished
from tests.benchmarks.figures import Figure
from tests.benchmarks.population import add_accounts
from tests.benchmarks.requests import Bench
from tests.benchmarks.uploads import ask, figures_of_waits, likes_of
from tests.chaos.history import Read
from tests.support.client import Person, http_client, wait_until
from tests.support.direct_uploads import is_ready, sent
from tests.support.phone_files import jpeg, scene

PHOTOS, CLIPS, PAIRS, ROUNDS = 20, 5, 3, 3
PATIENCE = 120.0
_numbers = count()
# As media/video/encoding.py does, with one thread; by size: width, height, most bits, buffer.
ENCODING = (
    "-c:v libx264 -crf 23 -preset veryfast -profile:v high -g 60 -pix_fmt yuv420p -threads 1 "
    "-c:a aac -b:a 128k -movflags +faststart"
)
SIZES = {"full": (1080, 608, "6M", "12M"), "half": (540, 304, "2M", "4M")}


def media(bench: Bench) -> Iterator[Figure]:
    """A photo and a clip from their announcement until they are ready; and what encoding costs."""
    person = person_of(bench)
    with closing(person.http):
        photo = jpeg(scene((4000, 3000)))
        took = [1000 * _seconds_to_ready(person, photo, "image/jpeg") for _ in range(PHOTOS)]
        size = f"{len(photo) / 1e6:.1f} MB; the slowest {max(took):.0f} ms"
        name = "a photo of 12 megapixels, from its announcement to ready, p50"
        yield Figure(name, median(took), "ms", PHOTOS, at_most=1500, note=size)
        clip = _clip(seconds=15)
        took = [_seconds_to_ready(person, clip, "video/mp4") for _ in range(CLIPS)]
        name = "a clip of 15 s in 1080p, from its announcement to ready, slowest"
        yield Figure(name, max(took), "s", CLIPS, at_most=60, note=f"{len(clip) / 1e6:.1f} MB")
    yield _encoding(clip)
    yield from _beside_encoding(bench, clip)


def person_of(bench: Bench) -> Person:
    (user_id,) = add_accounts(f"sender_{next(_numbers)}_", 1)
    http = http_client(bench.layout.public_origin, timeout=60)
    http.headers["Authorization"] = f"Bearer {bench.population.token(user_id)}"
    return Person("sender", str(user_id), http)


def _seconds_to_ready(person: Person, content: bytes, content_type: str) -> float:
    began = monotonic()
    wait_until(is_ready(person, sent(person, content, content_type)), PATIENCE)
    return monotonic() - began


def _clip(*, seconds: int) -> bytes:
    """A clip in 1080p whose pixels all move, with noise, at 30 frames a second."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        picture = f"testsrc2=size=1920x1080:rate=30:duration={seconds},noise=alls=4:allf=t"
        sound = f"sine=duration={seconds}"
        _ffmpeg(
            *("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound),
            *("-c:v", "libx264", "-preset", "ultrafast", "-crf", "23", "-pix_fmt", "yuv420p"),
            *("-c:a", "aac", str(path)),
        )
        return path.read_bytes()


def _ffmpeg(*arguments: str) -> float:
    """Run the program; returns its CPU time in seconds."""
    before = os.times()
    command = [get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y", *arguments]
    subprocess.run(command, check=True)
    after = os.times()
    return sum(after[2:4]) - sum(before[2:4])


def _encoding(clip: bytes) -> Figure:
    """The CPU time of the decoder, beside the program with the same settings, in turn."""
    ours: list[float] = []
    theirs: list[float] = []
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "clip.mp4").open("w+b") as file:
        file.write(clip)
        file.flush()
        for _ in range(PAIRS):
            finished(decode_file(file, on_report=lambda report: ours.append(report.cpu_seconds)))
            theirs.append(_encoded_by_ffmpeg(Path(folder)))
    return Figure(
        "encoding a clip of 15 s in 1080p into two MP4s and a poster",
        median(ours),
        "s CPU",
        PAIRS,
        reference=median(theirs),
        reference_name="ffmpeg, without the poster",
        ratio=median(ours) / median(theirs),
        at_most=1.15,
    )


def _encoded_by_ffmpeg(folder: Path) -> float:
    scales = ";".join(f"[{name}]scale={size[0]}:{size[1]}[{name}s]" for name, size in SIZES.items())
    outputs: list[str] = []
    for name, (_, _, rate, buffer) in SIZES.items():
        outputs += ["-map", f"[{name}s]", "-map", "0:a", *ENCODING.split()]
        outputs += ["-maxrate", rate, "-bufsize", buffer, str(folder / f"{name}.mp4")]
    graph = f"[0:v]split=2{''.join(f'[{name}]' for name in SIZES)};{scales}"
    one_thread = ("-threads", "1", "-filter_complex_threads", "1")
    return _ffmpeg(*one_thread, "-i", str(folder / "clip.mp4"), "-filter_complex", graph, *outputs)


def _beside_encoding(bench: Bench, clip: bytes) -> Iterator[Figure]:
    """Waiting times of likes while the media worker encodes, and while it does not, in turn."""
    likes, port = likes_of(bench), bench.layout.port("caddy")
    idle: list[list[Read]] = []
    busy: list[list[Read]] = []
    person = person_of(bench)
    with closing(person.http):
        for _ in range(ROUNDS):
            idle.append(ask(port, likes))
            waiting = [is_ready(person, sent(person, clip, "video/mp4")) for _ in range(CLIPS)]
            busy.append(ask(port, likes))
            assert not all(ready() for ready in waiting), "it was not busy to the end"
            for ready in waiting:
                wait_until(ready, PATIENCE)
    yield from figures_of_waits(
        "like while videos are encoded", busy=busy, idle=idle, targets={50: 1.1, 99: None}
    )

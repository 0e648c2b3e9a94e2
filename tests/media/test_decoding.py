"""Uploads that cost much: refused in bounded time and memory, with what to change."""

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from core.http.problems import Overloaded, Problem, TooLarge, Unavailable, UnsupportedMedia
from devstack.layout import PROJECT_DIR
from media import decoding
from media.decoder import Limits
from media.decoding import decode_image
from media.models import Media
from media.sandbox import Sandbox
from media.services import store_image
from media.variants import ProcessedImage
from tests.media.bad_decoders import LONG
from tests.support.boxes import tiled
from tests.support.hostile import HOSTILE
from tests.support.images import decoded, encoded, jpeg_with_gps, large_jpeg, large_png, png

# Of CPU time, here and in decoders. Each file is refused in some hundredths of a second.
SECONDS = 1.0
PICTURE = jpeg_with_gps((640, 480))


def cpu_seconds() -> float:
    """The CPU time of this process, and of all its children that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


@pytest.fixture
def decoders(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """A function that changes the decoders of this process: other limits, another function."""
    made: list[Sandbox] = []

    def change(function: str = "media.images:make_variants", **changed: Any) -> None:
        # A busy machine must not change the outcome, so their priority stays.
        values: dict[str, Any] = {
            "cpu_seconds": 8,
            "seconds": 120,
            "ordinary_seconds": 30,
            "memory_mib": settings.MEDIA_DECODER_MEMORY_MIB,
        }
        at_once = changed.pop("at_once", 1)
        limits = Limits(**values | changed)
        prepare = "media.images:load_codecs"
        made.append(Sandbox(function=function, prepare=prepare, limits=limits, at_once=at_once))
        monkeypatch.setattr(decoding, "_decoders", made[-1])

    yield change
    for each in made:
        each.close()


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_file_is_refused_in_bounded_cpu_time(name: str) -> None:
    content = HOSTILE[name].make()
    before = cpu_seconds()
    with pytest.raises(
        UnsupportedMedia, match="Send a still JPEG, PNG, WebP, HEIC, AVIF or GIF image"
    ):
        decode_image(content)
    assert cpu_seconds() - before < SECONDS


def test_a_picture_is_decoded_outside_of_this_process() -> None:
    image = decode_image(PICTURE)
    assert (image.width, image.height) == (640, 480)
    assert decoded(image.variants["thumb.jpg"]).size == (320, 320)


def large_heic() -> bytes:
    tile = Image.effect_noise((64, 64), 60).resize((512, 512)).convert("RGB")
    return tiled(encoded(tile, "HEIF", quality=50), 512, columns=15, rows=12)


def large_avif() -> bytes:
    # Bytes behind it, so that it does not claim too much for its size.
    return encoded(Image.new("RGB", (7000, 7000), "tomato"), "AVIF", speed=10) + bytes(8000)


@pytest.mark.parametrize(
    "make",
    [
        large_jpeg,
        large_png,
        lambda: encoded(Image.new("RGB", (16_300, 12_200), "tomato")),
        lambda: encoded(Image.new("RGBA", (5600, 4400), (9, 9, 9, 99)), "WEBP", method=0),
        lambda: encoded(Image.new("RGBA", (6000, 4900), (9, 9, 9, 0)), "GIF"),
        lambda: png((6000, 5000, 16, 0), (b"\0" + bytes(12_000)) * 5000, (b"tRNS", b"\0\1")),
        large_heic,
        large_avif,
    ],
    ids=["progressive jpeg", "png", "jpeg", "webp", "gif", "deep png", "heic", "avif"],
)
def test_the_largest_pictures_fit_into_the_limits(
    make: Callable[[], bytes], decoders: Callable[..., None], measured: Callable[[str], None]
) -> None:
    content = make()
    decoders()
    began = time.monotonic()
    image = decode_image(content)
    assert image.width == 1080
    megapixels = image.original_width * image.original_height / 1e6
    measured(f"{len(content):,} bytes, {megapixels:.0f} MP: {time.monotonic() - began:.1f} s")


@pytest.mark.parametrize(
    ("make", "limit", "word"),
    [
        (
            # How long a picture takes depends on the machine.
            lambda: PICTURE + bytes(LONG),
            {"function": "tests.media.bad_decoders:never_end_with_long_ones", "cpu_seconds": 1},
            "time",
        ),
        (large_png, {"memory_mib": 100}, "memory"),
    ],
    ids=["time", "memory"],
)
def test_over_a_limit_of_the_decoder_is_413_and_the_next_picture_works(
    decoders: Callable[..., None], make: Callable[[], bytes], limit: dict[str, Any], word: str
) -> None:
    content = make()
    decoders(**limit)
    with pytest.raises(TooLarge, match=f"too much {word} .* Scale it down") as refused:
        decode_image(content)
    assert (refused.value.code, refused.value.field) == ("too_expensive", "file")
    assert decode_image(PICTURE).width == 640


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        ("tests.media.bad_decoders:crash", UnsupportedMedia),
        ("tests.media.bad_decoders:fail", UnsupportedMedia),
        ("tests.media.bad_decoders:answer_nothing", UnsupportedMedia),
        ("tests.media.bad_decoders:answer_no_jpeg", UnsupportedMedia),
        ("tests.media.bad_decoders:die", TooLarge),
        ("tests.media.bad_decoders:wait", Overloaded),
        ("tests.media.bad_decoders:missing", Unavailable),
    ],
)
@pytest.mark.django_db
def test_whatever_happens_to_a_decoder_nothing_is_stored(
    decoders: Callable[..., None],
    alice: int,
    stored_keys: Callable[[], set[str]],
    function: str,
    problem: type[Problem],
) -> None:
    before = stored_keys()
    decoders(function, seconds=1)
    with pytest.raises(problem) as refused:
        store_image(owner_id=alice, file=SimpleUploadedFile("a.jpg", PICTURE))
    assert refused.value.detail.endswith(("image.", "editor.", "a while."))
    assert stored_keys() <= before
    assert not Media.objects.filter(owner_id=alice).exists()


BLOBS = [b"\xff\xd8\xff"] * 4 + [b"RIFF\xff\0\0\0WEBPVP8 "] * 4
ORIGINAL = {"original_width": 1, "original_height": 1}


@pytest.mark.parametrize(
    ("facts", "blobs"),
    [
        ({"width": 1, "height": 1, **ORIGINAL}, BLOBS),
        ({"width": 1, "height": 1, "blurhash": "x" * 28}, BLOBS),
        ({"width": "1", "height": 1, **ORIGINAL, "blurhash": "x" * 28}, BLOBS),
        ({"width": 0, "height": 1, **ORIGINAL, "blurhash": "x" * 28}, BLOBS),
        ({"width": 2**31, "height": 1, **ORIGINAL, "blurhash": "x" * 28}, BLOBS),
        ({"width": 1, "height": 1, **ORIGINAL, "blurhash": "x" * 29}, BLOBS),
        ({"width": 1, "height": 1, **ORIGINAL, "blurhash": "x" * 28}, BLOBS[1:]),
        ({"width": 1, "height": 1, **ORIGINAL, "blurhash": "x" * 28}, BLOBS[::-1]),
        ({"width": 1, "height": 1, **ORIGINAL, "blurhash": "x" * 28}, [b"<html>"] * len(BLOBS)),
    ],
)
def test_an_answer_is_not_believed(facts: dict[str, object], blobs: list[bytes]) -> None:
    with pytest.raises(ValueError, match=r"the (facts|variants) are"):
        ProcessedImage.from_answer(facts, blobs)


def test_the_process_of_an_api_does_not_load_pillow() -> None:
    """It scans, and leaves the rest to decoders."""
    modules = "media.views, media.services, media.decoding, media.structure"
    code = f"import sys, django; django.setup(); import {modules}; print('PIL' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_DIR, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"

"""Files of videos: decoded in the sandbox, within its limits; its answers are not believed."""

import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from core.http.problems import Problem, TooLarge, UnsupportedMedia
from media import decoding, sandbox
from media.decoder import Limits
from media.decoding import decode_file
from media.variants import ProcessedVideo
from tests.support.decodes import decode
from tests.support.images import encoded, jpeg_with_gps, plain
from tests.support.videos import RATE, animated, shown, video


@pytest.fixture
def decoders(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """A function that changes the function or limits of the decoders of videos."""
    made: list[sandbox.Sandbox] = []

    def change(function: str = "media.video.making:make_video", **changed: Any) -> None:
        limits = {**vars(decoding._video_decoders.limits), **changed}
        prepare = "media.video.making:load_codecs"
        made.append(
            sandbox.Sandbox(function=function, prepare=prepare, limits=Limits(**limits), at_once=1)
        )
        monkeypatch.setattr(decoding, "_video_decoders", made[-1])

    yield change
    for each in made:
        each.close()


def test_a_video_is_made_in_another_process_within_its_limits() -> None:
    result, reports = decode(video(size=(1280, 720)))
    assert isinstance(result, ProcessedVideo)
    assert len(shown(result.videos["full.mp4"])) == RATE
    (report,) = reports
    assert report.cpu_seconds > 0.1
    assert report.peak_mib < 1024


def test_a_file_is_what_it_has_in_it() -> None:
    picture, _ = decode(jpeg_with_gps((64, 48)))
    assert not isinstance(picture, ProcessedVideo)
    still, _ = decode(encoded(plain(), "GIF"))
    assert not isinstance(still, ProcessedVideo)
    for format_ in ("GIF", "WEBP", "PNG"):
        moving, _ = decode(animated(format_))
        assert isinstance(moving, ProcessedVideo)
        assert moving.loops


@pytest.mark.parametrize(
    ("content", "problem", "words"),
    [
        (b"<html>" * 99, UnsupportedMedia, "still JPEG"),
        (video(container="matroska"), UnsupportedMedia, "not an image"),
        (video()[:-9], UnsupportedMedia, "lacks its index.*Send an MP4"),
        (video(times=(0, 95), sound=None), TooLarge, "longer than 90 seconds.*cut it shorter"),
        (animated("GIF", durations=[65_000] * 4), TooLarge, "longer than 90 seconds"),
    ],
    ids=["a page", "Matroska", "cut off", "too long", "an animation that is too long"],
)
def test_what_is_refused_says_what_to_change(
    content: bytes, problem: type[Problem], words: str
) -> None:
    with pytest.raises(problem, match=words):
        decode(content)


@pytest.mark.parametrize(
    ("limit", "word"),
    [
        ({"function": "tests.media.bad_decoders:spin", "cpu_seconds": 1}, "time"),
        ({"memory_mib": 60}, "memory"),
    ],
)
def test_over_a_limit_of_the_decoder_it_is_too_large(
    decoders: Callable[..., None], limit: dict[str, Any], word: str
) -> None:
    content = video(size=(1920, 1080), sound=None)
    decoders(**limit)
    with pytest.raises(TooLarge, match=f"too much {word}"):
        decode(content)


def test_the_progress_of_the_decoder_is_told(decoders: Callable[..., None]) -> None:
    decoders("tests.media.bad_decoders:tell_and_fail")
    with tempfile.TemporaryFile() as file:
        file.write(video())
        file.flush()
        steps = decode_file(file)
        seen = {0}
        while (percent := next(steps)) != 40:
            seen.add(percent)
        assert seen == {0, 99}, "more is not believed"
        with pytest.raises(TooLarge):
            list(steps)


def test_who_stops_reading_the_progress_ends_the_decoder(decoders: Callable[..., None]) -> None:
    decoders("tests.media.bad_decoders:wait")
    with tempfile.TemporaryFile() as file:
        file.write(video())
        file.flush()
        steps = decode_file(file)
        assert next(steps) == 0
        (template,) = [each for each in sandbox._templates if each.is_open and _is_waiting(each)]
        steps.close()
        assert template.process.wait(20) is not None


def _is_waiting(template: Any) -> bool:
    return "tests.media.bad_decoders:wait" in " ".join(template.process.args)


POSTER = [b"\xff\xd8\xff"] * 4 + [b"RIFF\xff\0\0\0WEBPVP8 "] * 4
MP4 = b"\0\0\0\x20ftypisom"
FACTS: dict[str, object] = {
    "width": 8,
    "height": 6,
    "original_width": 8,
    "original_height": 6,
    "blurhash": "x" * 28,
    "duration_ms": 1000,
    "has_sound": True,
    "loops": False,
    "sizes": [[8, 6], [4, 3]],
}


@pytest.mark.parametrize(
    ("changed", "files"),
    [
        ({"duration_ms": 0}, [MP4] * 2),
        ({"duration_ms": "1"}, [MP4] * 2),
        ({"duration_ms": 2**31}, [MP4] * 2),
        ({"has_sound": 1}, [MP4] * 2),
        ({"loops": None}, [MP4] * 2),
        ({"sizes": [[8, 6]]}, [MP4] * 2),
        ({"sizes": []}, []),
        ({"sizes": [[8, 6]] * 3}, [MP4] * 3),
        ({"sizes": [[8, 6], [4, 0]]}, [MP4] * 2),
        ({"sizes": [[8, 6], [4]]}, [MP4] * 2),
        ({"sizes": [8, 6]}, [MP4] * 2),
        ({"sizes": None}, [MP4] * 2),
        ({"width": 0}, [MP4] * 2),
        ({}, [MP4, b"<html>"]),
        ({}, [MP4]),
    ],
)
def test_an_answer_is_not_believed(changed: dict[str, object], files: list[bytes]) -> None:
    assert ProcessedVideo.from_answer(FACTS, [*POSTER, MP4, MP4]).sizes == [(8, 6), (4, 3)]
    with pytest.raises(ValueError, match=r"the (facts|videos|sizes|duration) (are|is)"):
        ProcessedVideo.from_answer({**FACTS, **changed}, [*POSTER, *files])

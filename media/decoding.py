"""From the bytes of an upload to its variants: scanned here, decoded in the sandbox."""

import logging
import mmap
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple

from django.conf import settings

from core.http.problems import Overloaded, Problem, TooLarge, Unavailable, UnsupportedMedia
from media import sandbox
from media.decoder import Limits, Report
from media.structure import AnimatedError, ImageTooLargeError, NotAnImageError, check_structure
from media.structure.limits import (
    MAX_FRAMES,
    MAX_VIDEO_PIXELS,
    NotAVideoError,
    VideoTooLargeError,
)
from media.structure.videos import check_video, container_of
from media.variants import ProcessedImage, ProcessedVideo

logger = logging.getLogger(__name__)
OnReport = Callable[[Report], object]

# By the clock, in seconds, for decoders may have to wait for a core. For a picture, together with
# the waits of a sandbox, it is less than the web server waits.
_SECONDS = 15.0
_VIDEO_SECONDS = 3600.0
# In seconds of CPU time: a photo of 12 megapixels takes 0.2 to 0.5.
_ORDINARY_SECONDS = 0.3
# How long a picture waits for the one before it. Few do (`media.admission`).
_PATIENCE = 5.0
_RETRY_AFTER = 2
_decoders = sandbox.Sandbox(
    function="media.images:make_variants",
    prepare="media.images:load_codecs",
    limits=Limits(
        cpu_seconds=settings.MEDIA_DECODER_SECONDS,
        seconds=_SECONDS,
        ordinary_seconds=_ORDINARY_SECONDS,
        memory_mib=settings.MEDIA_DECODER_MEMORY_MIB,
    ),
    at_once=settings.MEDIA_DECODERS,
)
_video_decoders = sandbox.Sandbox(
    function="media.video.making:make_video",
    prepare="media.video.making:load_codecs",
    limits=Limits(
        cpu_seconds=settings.MEDIA_VIDEO_DECODER_SECONDS,
        seconds=_VIDEO_SECONDS,
        ordinary_seconds=_ORDINARY_SECONDS,
        memory_mib=settings.MEDIA_VIDEO_DECODER_MEMORY_MIB,
        # Ninety seconds at the most bits that the encoder gives, of both sizes.
        answer_mib=128,
    ),
    at_once=settings.MEDIA_DECODERS,
)


class _Kind(NamedTuple):
    """What the texts of problems call an upload, and what they advise."""

    name: str
    hint: str


_IMAGE = _Kind("image", "Send a still JPEG, PNG, WebP, HEIC, AVIF or GIF image.")
_VIDEO = _Kind("video", "Send an MP4, MOV, 3GP or WebM video, or an animated GIF, WebP or PNG.")


def decode_image(content: bytes, *, on_report: OnReport | None = None) -> ProcessedImage:
    """The variants of a picture. `on_report` gets what the decoder took, also if it fails.

    Raises `TooLarge` over MEDIA_MAX_PIXELS, or a limit of the format or of the decoder,
    `UnsupportedMedia` for what is no usable image, `Overloaded` if the decoders have no time, and
    `Unavailable` if none starts.
    """
    limit = settings.MEDIA_MAX_PIXELS
    with _problems(_IMAGE):
        check_structure(content, max_pixels=limit)
        answer = _decoders.run(content, patience=_PATIENCE, on_report=on_report, max_pixels=limit)
        return ProcessedImage.from_answer(*answer)


def decode_file(
    file: BinaryIO, *, on_report: OnReport | None = None
) -> Generator[int, None, ProcessedImage | ProcessedVideo]:
    """The variants of a picture or a video, which is in a file; yields the progress in percent, and
    returns them. A picture that moves becomes a video.

    Raises the errors of `decode_image`, and `TooLarge` over MEDIA_VIDEO_MAX_SECONDS.
    """
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        is_video = container_of(content) is not None
        if is_video:
            with _problems(_VIDEO):
                check_video(content)
        elif len(content) > settings.MEDIA_UPLOAD_MAX_BYTES:
            raise TooLarge(
                f"The image has {len(content)} bytes; at most {settings.MEDIA_UPLOAD_MAX_BYTES} "
                "are accepted. Scale it down or compress it more.",
                field="file",
            )
        picture = b"" if is_video else content[:]
    if not is_video and not _moves(picture):
        return decode_image(picture, on_report=on_report)
    with _problems(_VIDEO):
        if not is_video:
            check_structure(picture, max_pixels=MAX_VIDEO_PIXELS, max_frames=MAX_FRAMES)
        answer = yield from _video_decoders.steps(
            file.fileno(),
            patience=_PATIENCE,
            on_report=on_report,
            max_seconds=settings.MEDIA_VIDEO_MAX_SECONDS,
        )
        return ProcessedVideo.from_answer(*answer)


def _moves(picture: bytes) -> bool:
    """Whether a picture has several frames. What else is wrong with it shows later."""
    try:
        check_structure(picture, max_pixels=settings.MEDIA_MAX_PIXELS)
    except AnimatedError:
        return True
    except (ImageTooLargeError, NotAnImageError):
        pass
    return False


@contextmanager
def _problems(kind: _Kind) -> Iterator[None]:
    """Raises the problems for the errors of the scans, the sandbox and its answers."""
    try:
        yield
    except (ImageTooLargeError, NotAnImageError, NotAVideoError) as error:
        raise _refusal(type(error).__name__, str(error), kind) from error
    except sandbox.RefusedError as error:
        raise _refusal(error.name, str(error), kind) from error
    except sandbox.TooExpensiveError as error:
        raise TooLarge(
            f"The {kind.name} takes too much {error} to decode. Scale it down, or save it again "
            "with an editor.",
            field="file",
            code="too_expensive",
        ) from error
    except (sandbox.CrashedError, ValueError) as error:
        raise _failure(str(error), kind) from error
    except sandbox.BusyError as error:
        raise Overloaded(
            "Too many uploads are being decoded at the moment. Try again in a while.",
            wait=_RETRY_AFTER,
        ) from error
    except sandbox.UnavailableError as error:
        raise Unavailable("Uploads cannot be decoded now. Try again in a while.") from error


def _refusal(name: str, text: str, kind: _Kind) -> Problem:
    """The problem for an error of `media.structure`, which this process or the decoder raised."""
    if name == ImageTooLargeError.__name__:
        return TooLarge(f"{text}. Scale it down.", field="file")
    if name == VideoTooLargeError.__name__:
        return TooLarge(f"{text}. Scale it down or cut it shorter.", field="file")
    if name in {NotAnImageError.__name__, AnimatedError.__name__, NotAVideoError.__name__}:
        return UnsupportedMedia(f"{text}. {kind.hint}", field="file")
    return _failure(f"{name}: {text}", kind)


def _failure(reason: str, kind: _Kind) -> Problem:
    """The problem for an upload that a decoder did not survive; the reason is logged."""
    logger.error("A decoder failed on an upload: %s", reason)
    return UnsupportedMedia(f"The {kind.name} cannot be decoded. {kind.hint}", field="file")

"""From the bytes of an upload to its variants: scanned here, decoded in the sandbox."""

import logging

from django.conf import settings

from core.http.problems import Overloaded, Problem, TooLarge, Unavailable, UnsupportedMedia
from media import sandbox
from media.decoder import Limits
from media.structure import ImageTooLargeError, NotAnImageError, check_structure
from media.variants import ProcessedImage

logger = logging.getLogger(__name__)

# By the clock, in seconds, for decoders may have to wait for a core. Together with the waits of a
# sandbox it is less than the web server waits.
_SECONDS = 15.0
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
_KINDS = "Send a still JPEG, PNG, WebP, HEIC, AVIF or GIF image."


def decode_image(content: bytes) -> ProcessedImage:
    """The variants of an upload.

    Raises `TooLarge` over MEDIA_MAX_PIXELS, or a limit of the format or of the decoder,
    `UnsupportedMedia` for what is no usable image, `Overloaded` if the decoders have no time, and
    `Unavailable` if none starts.
    """
    limit = settings.MEDIA_MAX_PIXELS
    try:
        check_structure(content, max_pixels=limit)
        answer = _decoders.run(content, patience=_PATIENCE, max_pixels=limit)
    except (ImageTooLargeError, NotAnImageError) as error:
        raise _refusal(type(error).__name__, str(error)) from error
    except sandbox.RefusedError as error:
        raise _refusal(error.name, str(error)) from error
    except sandbox.TooExpensiveError as error:
        raise TooLarge(
            f"The image takes too much {error} to decode. Scale it down, or save it again with an "
            "image editor.",
            field="file",
            code="too_expensive",
        ) from error
    except sandbox.CrashedError as error:
        raise _failure(str(error)) from error
    except sandbox.BusyError as error:
        raise Overloaded(
            "Too many pictures are being decoded at the moment. Try again in a while.",
            wait=_RETRY_AFTER,
        ) from error
    except sandbox.UnavailableError as error:
        raise Unavailable("Pictures cannot be decoded now. Try again in a while.") from error
    try:
        return ProcessedImage.from_answer(*answer)
    except ValueError as error:
        raise _failure(str(error)) from error


def _refusal(name: str, text: str) -> Problem:
    """The problem for an error of `media.structure`, which this process or the decoder raised."""
    if name == ImageTooLargeError.__name__:
        return TooLarge(f"{text}. Scale it down.", field="file")
    if name == NotAnImageError.__name__:
        return UnsupportedMedia(f"{text}. {_KINDS}", field="file")
    return _failure(f"{name}: {text}")


def _failure(reason: str) -> Problem:
    """The problem for an upload that a decoder did not survive; the reason is logged."""
    logger.error("A decoder failed on an upload: %s", reason)
    return UnsupportedMedia(f"The image cannot be decoded. {_KINDS}", field="file")

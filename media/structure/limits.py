"""The errors of a scan, and the limits that all formats share."""

# By Pillow's names of the formats, and a little more than the sensors of phones have. A JPEG of
# such a size is decoded at a fraction of it. The others are decoded whole, in so many bytes for
# each pixel: HEIC 7, AVIF 9, PNG up to 17, WebP 18. So 512 MiB are enough.
MAX_PIXELS = {
    "JPEG": 202_000_000,
    "HEIF": 51_000_000,
    "AVIF": 51_000_000,
    "PNG": 30_000_000,
    "WEBP": 25_000_000,
    "GIF": 30_000_000,
}
# Of a file: enough to tell its format.
HEAD_BYTES = 4096
# Of a video's frames: 4K. A decoder holds some ten of them.
MAX_VIDEO_PIXELS = 4096 * 2304
# Of a video. Phones write five: pictures, sound, and data of their sensors.
MAX_TRACKS = 16
# Of a picture that moves: 90 seconds, 20 a second.
MAX_FRAMES = 1800
# Metadata: EXIF, XMP, profiles, previews. Phones that keep a second picture in the metadata of the
# first one write several megabytes.
MAX_METADATA_BYTES = 8 * 1024 * 1024
# Cameras write at most one segment of EXIF, 64 KiB. Its entries may all name the same bytes, so the
# decoder's work can grow with the square of this.
MAX_EXIF_BYTES = 256 * 1024
# The long side may be so many times as long as the short side: variants have a limit on the width
# only, so a very tall picture would still be huge.
MAX_ASPECT = 20
# So many pixels are accepted whatever the size of the file: a screen of one colour.
FREE_PIXELS = 4_000_000
# Beyond them, a file needs a byte for so many pixels. A blank page needs most of them: one byte for
# 8,256 pixels in PNG with a bit for each pixel, fewer in other formats.
PIXELS_PER_BYTE = 10_000
# How much of a picture must be there. Browsers show what there is of any; a feed should not.
ENOUGH = 0.9

DAMAGED = "The image is damaged or incomplete"
DAMAGED_VIDEO = "The video is damaged or incomplete"


class NotAnImageError(ValueError):
    """The content is no image of an accepted kind; the text says why."""


class AnimatedError(NotAnImageError):
    """The content is a picture that moves."""


class NotAVideoError(ValueError):
    """The content is no video of an accepted kind; the text says why."""


class VideoTooLargeError(ValueError):
    """The video is too long, or has too many pixels; the text says how many."""


class ImageTooLargeError(ValueError):
    """The image has too many pixels; the text says how many."""


def check_size(width: int, height: int, *, file_bytes: int, max_pixels: int) -> None:
    """Refuse the claimed size of a picture, in pixels, if it is too large, or cannot be true."""
    if width < 1 or height < 1:
        raise NotAnImageError(DAMAGED)
    pixels = width * height
    if pixels > max_pixels:
        raise ImageTooLargeError(
            f"The image has {width} x {height} pixels; at most {max_pixels} are accepted"
        )
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise NotAnImageError(
            f"An image of {width} x {height} pixels is too narrow: its long side may be "
            f"{MAX_ASPECT} times its short side"
        )
    if pixels > FREE_PIXELS + PIXELS_PER_BYTE * file_bytes:
        raise NotAnImageError(
            f"The image claims {width} x {height} pixels, but its file has only {file_bytes} bytes"
        )


def check_share(share: float) -> None:
    """Refuse a picture of which less than ENOUGH is there. `share`: 0 to 1."""
    if share < ENOUGH:
        raise NotAnImageError(f"The image is incomplete: less than {ENOUGH:.0%} of it is there")


def refuse_excess(what: str, limit: int) -> NotAnImageError:
    """The error for a file with more of something than a real picture has."""
    return NotAnImageError(
        f"The image has more than {limit} {what}. Save it again with an image editor, without "
        "metadata"
    )


def refuse_frames(most: int) -> NotAnImageError:
    """The error for a picture with more frames than are accepted."""
    if most == 1:
        return AnimatedError("Animated images are not supported here")
    return refuse_excess("frames", most)


def refuse_video_excess(what: str, limit: int) -> NotAVideoError:
    """The same for a video."""
    return NotAVideoError(
        f"The video has more than {limit} {what}. Save it again with a video editor"
    )

"""From uploads of all kinds to clean variants: pixels, colours, metadata, refusals."""

from typing import Any

import blurhash
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from media.formats.picture import FORMATS
from media.images import FULL_WIDTH
from media.structure import ImageTooLargeError, NotAnImageError
from media.structure.jpeg import MAX_SCANS
from tests.support.images import (
    decoded,
    encoded,
    green_ink_profile,
    jpeg_with_gps,
    linear_grey_profile,
    plain,
    png_bomb,
    processed,
    with_iptc,
    without_chunk,
)

# What JPEG may change in a flat colour.
TOLERANCE = 4


def colour(content: bytes, at: tuple[float, float] = (0.75, 0.75)) -> tuple[int, ...]:
    image = decoded(content)
    pixel = image.getpixel((int(image.width * at[0]), int(image.height * at[1])))
    assert isinstance(pixel, tuple)
    return tuple(int(channel) for channel in pixel)


def is_near(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return all(abs(a - b) <= TOLERANCE for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(orientation: int) -> None:
    """The dark quarter, top left in the file, is where the orientation puts it."""
    image = processed(jpeg_with_gps((640, 480), orientation))
    upright = (640, 480) if orientation < 5 else (480, 640)
    assert (image.width, image.height) == upright
    assert (image.original_width, image.original_height) == upright
    corners = {1: "nw", 2: "ne", 3: "se", 4: "sw", 5: "nw", 6: "ne", 7: "se", 8: "sw"}
    places = {"nw": (0.2, 0.2), "ne": (0.8, 0.2), "sw": (0.2, 0.8), "se": (0.8, 0.8)}
    for name, place in places.items():
        is_navy = is_near(colour(image.variants["full.jpg"], place), (0, 0, 128))
        assert is_navy == (name == corners[orientation]), name


@pytest.mark.parametrize("format_", ["PNG", "WEBP", "AVIF"])
def test_orientation_is_applied_whatever_the_format(format_: str) -> None:
    exif = decoded(jpeg_with_gps(orientation=6)).getexif()
    image = processed(encoded(plain((640, 480)), format_, exif=exif))
    assert (image.width, image.height) == (480, 640)
    assert is_near(colour(image.variants["full.jpg"], (0.8, 0.2)), (0, 0, 128))


def test_a_tall_photo_is_as_wide_as_it_may_be_once_upright() -> None:
    """It lies on its side in the file, and is decoded at half its size."""
    image = processed(jpeg_with_gps((4032, 3024), orientation=6))
    assert (image.width, image.height) == (1080, 1440)
    assert (image.original_width, image.original_height) == (3024, 4032)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
def test_an_orientation_outside_of_exif_turns_nothing(format_: str) -> None:
    """Browsers do not turn it either."""
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    options: dict[str, Any] = {"xmp": xmp}
    if format_ == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", xmp.decode())
        exif = decoded(jpeg_with_gps(orientation=6)).getexif().tobytes().hex()
        texts.add_text("Raw profile type exif", f"\nexif\n{len(exif) // 2}\n{exif}")
        options = {"pnginfo": texts}
    content = encoded(plain((640, 480)), format_, **options)
    assert decoded(content).getexif()[0x0112] == 6
    image = processed(content)
    assert (image.width, image.height) == (640, 480)
    assert is_near(colour(image.variants["full.jpg"], (0.2, 0.2)), (0, 0, 128))


def test_the_thumb_is_the_middle_of_the_picture() -> None:
    image = Image.new("RGB", (900, 300), "red")
    image.paste("lime", (300, 0, 600, 300))
    thumb = processed(encoded(image, "PNG")).variants["thumb.jpg"]
    for place in ((0.05, 0.5), (0.5, 0.5), (0.95, 0.5)):
        assert is_near(colour(thumb, place), (0, 255, 1))


@pytest.mark.parametrize("format_", [format_ for format_ in FORMATS if format_ != "GIF"])
def test_no_metadata_survives(format_: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Secret camera"
    content = encoded(plain(), format_, exif=exif, xmp=b"<x>Secret place</x>")
    assert b"Secret" in content
    for variant in processed(content).variants.values():
        assert b"Secret" not in variant
        assert b"Exif" not in variant
        assert set(decoded(variant).info) <= {
            *("jfif", "jfif_version", "jfif_unit", "jfif_density"),
            *("progressive", "progression", "loop", "background"),
        }
    for variant in processed(jpeg_with_gps()).variants.values():
        assert b"taken at home" not in variant
        assert b"GPS" not in variant
        assert not decoded(variant).getexif()


def test_no_iptc_caption_survives() -> None:
    content = with_iptc(encoded(plain()), b"Secret caption")
    assert "photoshop" in decoded(content).info
    for variant in processed(content).variants.values():
        assert b"Secret" not in variant
        assert "photoshop" not in decoded(variant).info


@pytest.mark.parametrize(
    ("image", "format_", "expected"),
    [
        (Image.new("CMYK", (64, 48), (0, 255, 255, 0)), "JPEG", (254, 0, 0)),
        (Image.new("L", (64, 48), 90), "JPEG", (90, 90, 90)),
        (plain().quantize(2), "PNG", (255, 99, 71)),
        (Image.new("1", (64, 48), 1), "PNG", (255, 255, 255)),
        (Image.new("I;16", (64, 48), 0x8000), "PNG", (128, 128, 128)),
        (Image.new("LA", (64, 48), (10, 0)), "PNG", (255, 255, 255)),
        (Image.new("RGBA", (64, 48), (0, 0, 0, 128)), "PNG", (127, 127, 127)),
        (Image.new("RGBA", (64, 48), (9, 9, 9, 0)).quantize(2), "PNG", (255, 255, 255)),
        (Image.new("RGBA", (64, 48), (9, 9, 9, 0)), "WEBP", (255, 255, 255)),
        (Image.new("RGBA", (64, 48), (9, 9, 9, 0)), "GIF", (255, 255, 255)),
        (Image.new("L", (64, 48), 90), "GIF", (90, 90, 90)),
        (Image.new("RGBA", (64, 48), (9, 9, 9, 0)), "HEIF", (255, 255, 255)),
        (Image.new("L", (64, 48), 90), "HEIF", (90, 90, 90)),
        (Image.new("RGBA", (64, 48), (9, 9, 9, 0)), "AVIF", (255, 255, 255)),
        (Image.new("L", (64, 48), 90), "AVIF", (90, 90, 90)),
    ],
    ids=[
        *("cmyk", "grey", "palette", "bilevel", "16-bit"),
        *("grey-alpha", "alpha", "palette-alpha", "webp-alpha", "gif-alpha", "gif-grey"),
        *("heic-alpha", "heic-grey", "avif-alpha", "avif-grey"),
    ],
)
def test_every_kind_of_pixel_becomes_rgb_on_white(
    image: Image.Image, format_: str, expected: tuple[int, int, int]
) -> None:
    full = processed(encoded(image, format_)).variants["full.jpg"]
    assert decoded(full).mode == "RGB"
    assert is_near(colour(full), expected)


def test_a_grey_gif_may_be_transparent() -> None:
    """With a palette of all greys, Pillow takes it for a grey picture."""
    grey = Image.linear_gradient("L")
    grey.paste(5, (100, 0, 256, 256))
    content = encoded(grey, "GIF", transparency=5)
    assert decoded(content).mode == "L"
    assert is_near(colour(processed(content).variants["full.jpg"]), (255, 255, 255))


def test_what_is_transparent_leaves_no_dark_fringe_when_it_shrinks() -> None:
    """Its hidden colour is black, and must not be mixed into its visible neighbours."""
    image = Image.new("RGBA", (3000, 1600), (0, 0, 0, 0))
    image.paste("white", (0, 0, 1501, 1600))
    full = decoded(processed(encoded(image, "PNG")).variants["full.jpg"])
    assert full.width == FULL_WIDTH
    darkest, _ = full.convert("L").getextrema()
    assert darkest == 255


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colours_are_converted_to_srgb(mode: str) -> None:
    """In a profile with red and blue swapped, blue is red."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"....").replace(b"bXYZ", b"rXYZ").replace(b"....", b"bXYZ")
    image = Image.new(mode, (64, 48), (200, 120, 40))
    full = processed(encoded(image, "PNG", icc_profile=swapped)).variants["full.jpg"]
    assert is_near(colour(full), (40, 120, 200))


@pytest.mark.parametrize(
    ("image", "format_", "profile", "expected"),
    [
        (Image.new("L", (64, 48), 128), "JPEG", linear_grey_profile(), (188, 188, 188)),
        (Image.new("LA", (64, 48), (128, 255)), "PNG", linear_grey_profile(), (188, 188, 188)),
        (Image.new("CMYK", (64, 48), (255, 0, 0, 0)), "JPEG", green_ink_profile(), (0, 144, 0)),
    ],
    ids=["grey", "grey-alpha", "cmyk"],
)
def test_grey_and_ink_have_profiles_too(
    image: Image.Image, format_: str, profile: bytes, expected: tuple[int, int, int]
) -> None:
    full = processed(encoded(image, format_, icc_profile=profile)).variants["full.jpg"]
    assert is_near(colour(full), expected)


def test_a_profile_of_another_kind_of_picture_is_ignored() -> None:
    full = processed(encoded(plain(), icc_profile=linear_grey_profile())).variants["full.jpg"]
    assert is_near(colour(full), (255, 99, 71))


def test_a_broken_profile_and_broken_exif_are_tolerated() -> None:
    options: list[dict[str, Any]] = [
        {"icc_profile": b"nonsense"},
        {"exif": b"Exif\0\0garbage"},
        {"exif": b"Exif\0\0M\xae\0*\0\0\0\x08\xff\xff"},
    ]
    for broken in options:
        full = processed(encoded(plain(), **broken)).variants["full.jpg"]
        assert is_near(colour(full), (255, 99, 71))


def test_a_jpeg_with_a_second_picture_behind_it_is_a_photo() -> None:
    """Phones write such files (MPO): depth maps, a second lens. The first picture counts."""
    content = encoded(
        plain((2400, 1800)), "MPO", save_all=True, append_images=[plain(color="lime")]
    )
    assert decoded(content).format == "MPO"
    image = processed(content)
    assert (image.width, image.height) == (1080, 810)
    assert is_near(colour(image.variants["full.jpg"]), (255, 99, 71))


def test_a_progressive_jpeg_is_taken_but_not_one_of_endless_scans() -> None:
    content = encoded(plain((640, 480)), progressive=True)
    assert processed(content).width == 640
    last_scan = content[content.rindex(b"\xff\xda") : -2]
    endless = content[:-2] + last_scan * MAX_SCANS + content[-2:]
    decoded(endless).load()  # a decoder sees nothing wrong with it
    with pytest.raises(NotAnImageError, match="scans"):
        processed(endless)


def a_part_of(content: bytes) -> bytes:
    return content[: len(content) * 3 // 4]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (encoded(plain(), "BMP"), "not an image of a known format"),
        (encoded(plain(), "TIFF"), "not an image of a known format"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not an image of a known format"),
        (b"hello", "not an image of a known format"),
        (a_part_of(encoded(plain((640, 480)))), "incomplete: less than 90% of it is there"),
        (encoded(plain((640, 480)))[:600], "damaged or incomplete"),
        (a_part_of(encoded(plain((640, 480)), progressive=True)), "its last scans are missing"),
        (a_part_of(encoded(plain((640, 480)), "PNG")), "incomplete: less than 90%"),
        (a_part_of(encoded(plain((640, 480)), "WEBP")), "incomplete: less than 90%"),
        (without_chunk(encoded(plain().quantize(2), "PNG"), b"PLTE"), "damaged or incomplete"),
        *(
            (encoded(plain(), format_, save_all=True, append_images=[plain(color="lime")]), "Anim")
            for format_ in ("PNG", "WEBP", "GIF", "AVIF")
        ),
    ],
    ids=[
        *("bmp", "tiff", "svg", "text"),
        *("cut jpeg", "jpeg cut in its header", "cut progressive jpeg", "cut png", "cut webp"),
        *("no palette", "apng", "animated webp", "animated gif", "animated avif"),
    ],
)
def test_everything_else_is_refused_with_its_reason(content: bytes, reason: str) -> None:
    with pytest.raises(NotAnImageError, match=reason):
        processed(content)


def test_too_many_pixels_are_refused_before_decoding() -> None:
    """The data of the image is cut off: decoding it would be another error."""
    content = encoded(Image.new("1", (2000, 2000)), "PNG")[:60]
    with pytest.raises(ImageTooLargeError, match="2000 x 2000"):
        processed(content, max_pixels=2000 * 2000 - 1)
    with pytest.raises(NotAnImageError, match="incomplete"):
        processed(content, max_pixels=2000 * 2000)


def test_a_decompression_bomb_is_too_large() -> None:
    with pytest.raises(ImageTooLargeError):
        processed(png_bomb())


NOISE: dict[str, Any] = {
    format_: encoded(
        Image.merge("RGB", [Image.effect_noise((90, 60), spread) for spread in (40, 60, 80)]),
        format_,
        exif=decoded(jpeg_with_gps()).getexif(),
    )
    for format_ in ("JPEG", "PNG", "WEBP")
}


# Pillow warns of the damage that it tolerates; only here are warnings errors.
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@settings(max_examples=300, deadline=None)
@given(
    format_=st.sampled_from(sorted(NOISE)),
    changes=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), max_size=6),
    cut=st.none() | st.integers(0, 2000),
)
def test_damage_of_any_kind_is_a_picture_or_a_clear_refusal(
    format_: str, changes: list[tuple[int, int]], cut: int | None
) -> None:
    content = bytearray(NOISE[format_])
    for place, value in changes:
        content[place % len(content)] = value
    try:
        image = processed(bytes(content[:cut]))
    except (NotAnImageError, ImageTooLargeError):
        return
    assert decoded(image.variants["full.jpg"]).size == (image.width, image.height)


def test_the_blurhash_shows_the_colours() -> None:
    image = processed(encoded(plain((640, 480), color="white")))
    assert blurhash.components(image.blurhash) == (4, 3)
    pixels = blurhash.decode(image.blurhash, 8, 6)
    assert sum(pixels[0][0]) < sum(pixels[5][7])

"""How much of a JPEG is there, and what is made of it."""

from itertools import pairwise
from typing import Any

import pytest
from PIL import Image, ImageChops

from media.formats import jpeg
from media.formats.jpeg import load_jpeg
from media.structure import NotAnImageError
from media.structure.jpeg import find_scans
from tests.support.images import decoded, encoded

WIDTH, HEIGHT = 320, 400
KINDS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "all colours": {"subsampling": 0, "optimize": True},
    "restart after each block": {"restart_marker_blocks": 1},
    "restart after each row": {"restart_marker_rows": 1},
    "one restart": {"restart_marker_blocks": 300},
    "progressive": {"progressive": True},
    "progressive with restarts": {"progressive": True, "restart_marker_blocks": 7},
}
MODES = ("L", "RGB", "CMYK")


def photo(size: tuple[int, int] = (WIDTH, HEIGHT), mode: str = "RGB") -> Image.Image:
    """Different everywhere, like a photo."""
    channels = [Image.effect_noise((80, 100), spread) for spread in (40, 60, 80)]
    return Image.merge("RGB", channels).resize(size).convert(mode)


def with_height(content: bytes, height: int) -> bytes:
    """A JPEG that claims another height."""
    frame = max(content.find(b"\xff\xc0\0"), content.find(b"\xff\xc2\0"))
    return content[: frame + 5] + height.to_bytes(2, "big") + content[frame + 7 :]


def cut(content: bytes, share: float) -> bytes:
    """So much of the data of the scans, from the first one to the last one."""
    places = find_scans(content).places
    start, end = places[0][0], places[-1][1]
    return content[: start + round(share * (end - start))]


def is_refused(content: bytes) -> bool:
    try:
        load_jpeg(content, side=1080)
    except NotAnImageError as error:
        return "incomplete" in str(error)
    return False


def are_the_same(one: Image.Image, other: Image.Image) -> bool:
    return ImageChops.difference(one, other).getbbox() is None


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_picture_is_what_pillow_makes_of_it(kind: str, mode: str) -> None:
    content = encoded(photo(mode=mode), **KINDS[kind])
    for whole in (content, content[:-1], content[:-2], content + b"\xff\xd8" + bytes(999)):
        ours = load_jpeg(whole, side=1080)
        assert (ours.mode, ours.size) == (mode, (WIDTH, HEIGHT))
        assert are_the_same(ours, decoded(content))


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (8, 8), (17, 33), (64, 48)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_small_picture_is_whole_too(kind: str, size: tuple[int, int]) -> None:
    content = encoded(photo(size), **KINDS[kind])
    for whole in (content, content[:-2]):
        assert are_the_same(load_jpeg(whole, side=1080), decoded(content))


def test_a_large_picture_is_decoded_smaller() -> None:
    content = encoded(photo((2000, 1600)))
    assert load_jpeg(content, side=400).size == (500, 400)
    assert load_jpeg(content, side=401).size == (1000, 800)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.5, 0.87, 0.93, 0.99])
def test_a_file_that_is_cut_off_needs_nine_tenths(kind: str, mode: str, share: float) -> None:
    content = encoded(photo(mode=mode), quality=90, **KINDS[kind])
    assert is_refused(cut(content, share)) == (share < 0.9)
    # The same with an end.
    assert is_refused(cut(content, share) + b"\xff\xd9") == (share < 0.9)


@pytest.mark.parametrize("kind", KINDS)
def test_a_claimed_height_needs_nine_tenths(kind: str) -> None:
    """A file that is intact, but for a size that its data is not enough for."""
    content = encoded(photo(), quality=90, **KINDS[kind])
    assert is_refused(with_height(content, 12 * HEIGHT))
    assert is_refused(with_height(content, HEIGHT * 100 // 86))
    assert not is_refused(with_height(content, HEIGHT * 100 // 94))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_there_stays_and_the_rest_is_flat(kind: str) -> None:
    content = encoded(photo(), quality=90, **KINDS[kind])
    loaded, whole = load_jpeg(cut(content, 0.95), side=1080), decoded(content)
    above = (0, 0, WIDTH, HEIGHT * 6 // 10)
    assert are_the_same(loaded.crop(above), whole.crop(above))
    if "progressive" not in kind:  # in those the last rows lack only the last details
        corner = loaded.crop((WIDTH - 8, HEIGHT - 8, WIDTH, HEIGHT)).convert("L")
        darkest, lightest = corner.getextrema()
        assert lightest == darkest


@pytest.mark.parametrize("kind", KINDS)
def test_more_data_is_never_less_of_a_picture(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the file ends: within a marker, at a restart, between two blocks. Some last blocks
    may be missing from a picture that is taken for whole.
    """
    shares: list[float] = []
    monkeypatch.setattr(jpeg, "check_share", shares.append)
    content = encoded(photo((120, 150)), **KINDS[kind])
    start, end = find_scans(content).places[-1]
    for at in range(start + (end - start) // 3, end - 100, 13):
        before = len(shares)
        load_jpeg(content[:at], side=1080)
        assert len(shares) == before + 1, "it was taken for whole"
    assert all(later > earlier - 0.01 for earlier, later in pairwise(shares))
    assert shares[-1] > 0.9


def test_scans_that_are_missing_are_refused_unless_the_file_has_an_end() -> None:
    content = encoded(photo(), progressive=True)
    start = content.rindex(b"\xff\xc4")  # of the tables before the last scan
    with pytest.raises(NotAnImageError, match="its last scans are missing"):
        load_jpeg(content[:start], side=1080)
    # Some encoders leave the last details out.
    assert load_jpeg(content[:start] + b"\xff\xd9", side=1080).size == (WIDTH, HEIGHT)

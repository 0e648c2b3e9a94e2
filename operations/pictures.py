"""Generate a picture (landscape, night sky, tiles, circles, waves), the same for the same seed."""

import colorsys
import io
import math
from collections.abc import Callable
from random import Random

from PIL import Image, ImageDraw, ImageFilter

Color = tuple[int, int, int]
Painter = Callable[[Random, tuple[int, int]], Image.Image]
SIZES = [(1080, 1080), (1080, 1350), (1080, 720)]


def picture(seed: int, *, width: int | None = None) -> bytes:
    """A JPEG of one of `SIZES`, scaled down to `width` when given."""
    random = Random(seed)  # noqa: S311  (pictures, not secrets)
    size = random.choice(SIZES)
    painter = _PAINTERS[seed % len(_PAINTERS)]
    image = painter(random, size)
    if width is not None:
        image = image.resize((width, round(width * size[1] / size[0])))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def _color(hue: float, saturation: float, value: float) -> Color:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _gradient(size: tuple[int, int], top: Color, bottom: Color) -> Image.Image:
    strip = Image.new("RGB", (1, 2))
    strip.putpixel((0, 0), top)
    strip.putpixel((0, 1), bottom)
    return strip.resize(size, Image.Resampling.BICUBIC)


def _landscape(random: Random, size: tuple[int, int]) -> Image.Image:
    width, height = size
    hue = random.random()
    image = _gradient(size, _color(hue, 0.6, 0.95), _color(hue + 0.12, 0.35, 1))
    draw = ImageDraw.Draw(image)
    x, y, radius = random.randrange(width), random.randrange(height // 3), random.randrange(50, 130)
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_color(hue + 0.1, 0.2, 1))
    for layer in range(5):
        base = height * (0.45 + layer * 0.12)
        waves = [(random.uniform(1, 4), random.uniform(10, 70), random.random() * 7) for _ in "abc"]
        ridge = [
            (at, base + sum(a * math.sin(f * at / width * 6 + p) for f, a, p in waves))
            for at in range(0, width + 12, 12)
        ]
        fill = _color(hue + 0.45, 0.55, 0.75 - layer * 0.13)
        draw.polygon([*ridge, (width, height), (0, height)], fill=fill)
    return image


def _night(random: Random, size: tuple[int, int]) -> Image.Image:
    width, height = size
    hue = random.uniform(0.55, 0.85)
    image = _gradient(size, _color(hue, 0.9, 0.12), _color(hue - 0.1, 0.6, 0.45))
    draw = ImageDraw.Draw(image)
    for _ in range(400):
        x, y = random.randrange(width), random.randrange(height)
        radius = random.choice([1, 1, 2, 3])
        draw.ellipse((x, y, x + radius, y + radius), fill=_color(random.random(), 0.15, 1))
    for _ in range(random.randrange(6, 14)):
        x, wide = random.randrange(width), random.randrange(60, 190)
        top = height - random.randrange(height // 8, height // 2)
        draw.rectangle(
            (x, top, x + wide, height), fill=_color(hue, 0.7, random.uniform(0.05, 0.15))
        )
    return image


def _tiles(random: Random, size: tuple[int, int]) -> Image.Image:
    width, height = size
    hue, step = random.random(), random.choice([90, 108, 135, 180])
    image = Image.new("RGB", size, _color(hue, 0.1, 0.97))
    draw = ImageDraw.Draw(image)
    for x in range(0, width, step):
        for y in range(0, height, step):
            fill = _color(hue + random.uniform(-0.1, 0.1), random.uniform(0.2, 0.9), 0.95)
            corner = random.choice([0, 90, 180, 270])
            draw.rectangle((x, y, x + step, y + step), fill=fill)
            fill = _color(hue + 0.5, 0.6, random.uniform(0.5, 1))
            draw.pieslice((x - step, y - step, x + step, y + step), corner, corner + 90, fill=fill)
    return image


def _circles(random: Random, size: tuple[int, int]) -> Image.Image:
    width, height = size
    hue = random.random()
    image = _gradient(size, _color(hue, 0.25, 1), _color(hue + 0.2, 0.5, 0.85))
    draw = ImageDraw.Draw(image, "RGBA")
    for _ in range(40):
        x, y, radius = random.randrange(width), random.randrange(height), random.randrange(30, 220)
        fill = (*_color(hue + random.uniform(0.3, 0.6), 0.7, 1), random.randrange(50, 150))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)
    return image.filter(ImageFilter.GaussianBlur(2))


def _waves(random: Random, size: tuple[int, int]) -> Image.Image:
    width, height = size
    hue, phase = random.random(), random.random() * 7
    image = Image.new("RGB", size)
    draw = ImageDraw.Draw(image)
    for band in range(30):
        base = band * height / 26 - height / 13
        curve = [
            (x, base + 30 * math.sin(x / width * random.uniform(5.9, 6.1) + phase + band / 4))
            for x in range(0, width + 20, 20)
        ]
        fill = _color(hue + band * 0.012, 0.75, 0.4 + 0.02 * band)
        draw.polygon([*curve, (width, height), (0, height)], fill=fill)
    return image


_PAINTERS: list[Painter] = [_landscape, _night, _tiles, _circles, _waves]

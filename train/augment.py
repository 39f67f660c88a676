"""What a camera or a scanner does to a page, and the padding to a square that inference does too."""

from __future__ import annotations

import io
import math
import random
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

if TYPE_CHECKING:
    from train.pages.page import Page


PAD_COLOUR = (127, 127, 127)  # int(255 * image_mean)


def pad_to_square(image: Image.Image, side: int) -> tuple[Image.Image, float, float, float]:
    """LLaVA-1.5's `pad`: a square of the processor's mean colour, the picture in the centre, resized.

    Returns the scale and the offsets too.
    """
    w, h = image.size
    longest = max(w, h)
    if w != h:
        square = Image.new("RGB", (longest, longest), PAD_COLOUR)
        square.paste(image, ((longest - w) // 2, (longest - h) // 2))
        image = square
    ox, oy = (longest - w) // 2, (longest - h) // 2
    ratio = side / longest
    if longest != side:
        image = image.resize((side, side), Image.Resampling.BICUBIC)
    return image, ratio, ox, oy


def rotate(page: Page, image: Image.Image, degrees: float) -> Image.Image:
    """Turns picture and labels about the centre."""
    fill = page.paper
    turned = image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=fill)
    page.things = page.things.rotate(degrees, Image.Resampling.NEAREST)
    page.colours = page.colours.rotate(degrees, Image.Resampling.NEAREST)
    a = math.radians(degrees)
    cx, cy = page.width / 2, page.height / 2
    for g in page.glyphs + page.marks:
        dx, dy = g.x - cx, g.y - cy
        g.x, g.y = cx + dx * math.cos(a) + dy * math.sin(a), cy - dx * math.sin(a) + dy * math.cos(a)
    return turned


# Of the pages of training so many are narrowed and slanted, as no typeface of the training set is.
DEFORMED_SHARE = 0.25
NARROWEST, MOST_SLANT = 0.82, 0.16
# What is no longer true of a page that was slanted: where on it things are.
OF_PLACES = {"where_text", "where_shape", "side_of"}


def deform(page: Page, image: Image.Image) -> Image.Image:
    """Narrows picture and labels towards the centre, in one direction or both, or slants them within the page."""
    rng = page.rng
    across, down, slant = rng.uniform(NARROWEST, 1), rng.uniform(NARROWEST, 1), 0.0
    roll = rng.random()
    if roll < 0.4:
        down = 1.0
    elif roll < 0.6:
        across = 1.0
    elif not any(q.kind in OF_PLACES for q in page.questions):
        slant = rng.uniform(-MOST_SLANT, MOST_SLANT)
        across = min(across, 1 - abs(slant) * page.height / page.width)  # so that no corner is lost
        page.facts = [fact for fact in page.facts if fact.name != "cell"]

    def turned(plane: Image.Image, method: Image.Resampling, fill) -> Image.Image:
        cx, cy = plane.width / 2, plane.height / 2
        lean = slant / across / down
        back = (1 / across, lean, cx - cx / across - lean * cy, 0, 1 / down, cy - cy / down)
        return plane.transform(plane.size, Image.Transform.AFFINE, back, method, fillcolor=fill)

    page.things, page.colours = (turned(plane, Image.Resampling.NEAREST, 0) for plane in (page.things, page.colours))
    cx, cy = page.width / 2, page.height / 2
    for g in page.glyphs + page.marks:
        dx, dy = g.x - cx, g.y - cy
        g.x, g.y = cx + across * dx - slant * dy, cy + down * dy
    return turned(image, Image.Resampling.BICUBIC, page.paper)


def shade(rng: random.Random, pixels: np.ndarray) -> np.ndarray:
    """A soft fall of light over the page."""
    h, w = pixels.shape[:2]
    gx, gy = rng.uniform(-0.18, 0.18), rng.uniform(-0.18, 0.18)
    light = 1 + gx * np.linspace(-0.5, 0.5, w, dtype=np.float32)[None, :, None] + gy * np.linspace(-0.5, 0.5, h, dtype=np.float32)[:, None, None]
    return pixels * light


def finish(page: Page, noise_rng: np.random.Generator, enlarged: float = 1.0) -> Image.Image:
    """Shrinks the canvas to final pixels, `enlarged` by a factor, and degrades it mildly. Updates the page's labels, but
    for that factor."""
    rng = page.rng
    image = page.image
    if not page.heldout and rng.random() < DEFORMED_SHARE:
        image = deform(page, image)
    if page.scale != 1 or enlarged != 1:
        method = rng.choice((Image.Resampling.BICUBIC, Image.Resampling.LANCZOS, Image.Resampling.BOX, Image.Resampling.BILINEAR))
        if rng.random() < 0.25 and abs(d := rng.uniform(-2.2, 2.2)) > 0.2:
            image = rotate(page, image, d)
        image = image.resize((round(page.width * enlarged), round(page.height * enlarged)), method, reducing_gap=None)
    roll = rng.random()
    if roll < 0.10:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.6)))
    elif roll < 0.14:
        image = image.filter(ImageFilter.SHARPEN)
    if rng.random() < 0.30:
        pixels = np.asarray(image, dtype=np.float32)
        if rng.random() < 0.5:
            pixels = shade(rng, pixels)
        if rng.random() < 0.7:
            sigma = rng.uniform(1, 9)
            pixels = pixels + noise_rng.standard_normal(pixels.shape[:2], dtype=np.float32)[..., None] * sigma
        image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    if rng.random() < 0.25:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=rng.randint(45, 92))
        image = Image.open(buffer).convert("RGB")
    return image

"""A picture with the statistics of a photograph, drawn from a seed: flat and textured things that hide one another, of all
sizes ("dead leaves"; Lee, Mumford, Huang 2001), lit unevenly, with a little noise as of a sensor."""

import numpy as np
from PIL import Image, ImageDraw


def clouds(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """[height, width], mean 0: noise of every octave, the finer the weaker."""
    total = np.zeros((height, width), np.float32)
    side = 4
    while side <= max(width, height):
        noise = rng.normal(0, 1, (max(2, side * height // max(width, height)), max(2, side * width // max(width, height))))
        enlarged = Image.fromarray(noise.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC)
        total += np.asarray(enlarged) / side**0.7
        side *= 2
    return total


def draw_photo(width: int, height: int, seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    leaves = Image.new("RGB", (width, height), (120, 130, 140))
    draw = ImageDraw.Draw(leaves)
    longest = max(width, height)
    # Radii whose density falls with the third power, largest first, so that the small ones are seen.
    radii = np.sort(1 / np.sqrt(rng.uniform(1 / (0.25 * longest) ** 2, 1 / (0.0015 * longest) ** 2, 9000)))[::-1]
    for radius in radii:
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        corners = rng.integers(3, 9)
        angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
        outline = [(x + radius * np.cos(a), y + radius * np.sin(a)) for a in angles]
        grey = rng.uniform(20, 235)
        color = tuple(int(np.clip(grey + rng.normal(0, 25), 0, 255)) for _ in range(3))
        if rng.random() < 0.5:
            draw.ellipse((x - radius, y - 0.7 * radius, x + radius, y + 0.7 * radius), fill=color)
        else:
            draw.polygon(outline, fill=color)
    light = 1 + 0.5 * clouds(rng, width, height)[..., None]
    noise = rng.normal(0, 2.5, (height, width, 1)).astype(np.float32)
    return Image.fromarray(np.clip(np.asarray(leaves) * light + noise, 0, 255).astype(np.uint8))

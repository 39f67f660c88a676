"""Flat shapes, drawn the same way for scenes and for practice."""

from __future__ import annotations

import math

from train.pages.page import Page


def regular_points(cx: float, cy: float, radii: list[float], turn: float) -> list[tuple[float, float]]:
    """Points around a centre, one per radius, the first at the top."""
    step = 2 * math.pi / len(radii)
    return [(cx + r * math.sin(turn + i * step), cy - r * math.cos(turn + i * step)) for i, r in enumerate(radii)]


def turned(points, cx: float, cy: float, angle: float):
    c, s = math.cos(angle), math.sin(angle)
    return [(cx + (x - cx) * c - (y - cy) * s, cy + (x - cx) * s + (y - cy) * c) for x, y in points]


def heart_points(cx: float, cy: float, size: float) -> list[tuple[float, float]]:
    points = []
    for i in range(28):
        t = 2 * math.pi * i / 28
        x = 16 * math.sin(t) ** 3
        y = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        points.append((cx + x * size / 34, cy - (y + 2.5) * size / 34))
    return points


def cross_points(cx: float, cy: float, size: float) -> list[tuple[float, float]]:
    a, b = size / 2, size / 6
    return [(cx + x, cy + y) for x, y in [(-b, -a), (b, -a), (b, -b), (a, -b), (a, b), (b, b), (b, a), (-b, a), (-b, b), (-a, b), (-a, -b), (-b, -b)]]


def draw_shape(page: Page, shape: str, cx: float, cy: float, size: float, fill, colour_name: str, outline=None) -> None:
    """Draws a shape that fits a square of `size` pixels about (cx, cy)."""
    h = size / 2
    turn = page.rng.uniform(-0.15, 0.15)
    labels = {"thing": shape, "colour_name": colour_name}
    if shape == "circle":
        page.ellipse(cx - h, cy - h, cx + h, cy + h, fill=fill, outline=outline, **labels)
    elif shape == "ring":
        page.ellipse(cx - h, cy - h, cx + h, cy + h, outline=fill, line=max(2.5, size * 0.2), **labels)
    elif shape == "square":
        k = h * 0.9
        points = [(cx - k, cy - k), (cx + k, cy - k), (cx + k, cy + k), (cx - k, cy + k)]
        page.polygon(turned(points, cx, cy, turn), fill=fill, outline=outline, **labels)
    elif shape == "triangle":
        page.polygon(regular_points(cx, cy + h * 0.15, [h * 1.05] * 3, turn), fill=fill, outline=outline, **labels)
    elif shape == "diamond":
        points = [(cx, cy - h), (cx + h * 0.75, cy), (cx, cy + h), (cx - h * 0.75, cy)]
        page.polygon(points, fill=fill, outline=outline, **labels)
    elif shape == "star":
        page.polygon(regular_points(cx, cy, [h * 1.05, h * 0.45] * 5, turn), fill=fill, outline=outline, **labels)
    elif shape == "cross":
        page.polygon(turned(cross_points(cx, cy, size * 0.95), cx, cy, turn), fill=fill, outline=outline, **labels)
    elif shape == "heart":
        page.polygon(heart_points(cx, cy, size), fill=fill, outline=outline, **labels)
    else:
        raise ValueError(f"unknown shape {shape}")

#!/usr/bin/env python3
"""Writes tests/parity/data/encoder: what parts of a vision tower should make of random numbers.

    venv/bin/python tools/parity/encoder.py tests/parity/data/encoder

merges.tsv: ToMe's bipartite soft matching and its weighted means, written from the paper (arXiv 2210.09461, section 3 and
appendix D), with rows left in their order. positions.tsv: learnt positions on a grid of another size, by OpenCV's
INTER_CUBIC, which is torch's interpolate(mode="bicubic", align_corners=False): a = -0.75, half-pixel centres, borders
repeated, no antialiasing. Needs numpy and opencv-python-headless.
"""

import argparse
import pathlib

import cv2
import numpy as np


def numbers(array: np.ndarray) -> str:
    return " ".join(f"{value:.9g}" for value in np.asarray(array).ravel())


def merge(metric: np.ndarray, x: np.ndarray, sizes: np.ndarray, num_class_rows: int, r: int):
    """One layer: the merges as (source, target), and rows and sizes behind it."""
    num_rows = len(metric)
    r = min(r, (num_rows - num_class_rows) // 2)
    if r <= 0:
        return [], x, sizes
    lengths = np.linalg.norm(metric, axis=-1, keepdims=True)
    unit = np.divide(metric, lengths, out=np.zeros_like(metric), where=lengths > 0)
    a, b = unit[::2], unit[1::2]
    scores = a @ b.T
    if num_class_rows:
        scores[0, :] = -np.inf
    best = scores.argmax(axis=-1)
    order = np.argsort(-scores.max(axis=-1), kind="stable")[:r]
    merges = sorted((2 * int(i), 2 * int(best[i]) + 1) for i in order)
    x = x * sizes[:, None]
    sizes = sizes.copy()
    for source, target in merges:
        x[target] += x[source]
        sizes[target] += sizes[source]
    kept = [row for row in range(num_rows) if row not in {source for source, _ in merges}]
    return merges, x[kept] / sizes[kept, None], sizes[kept]


def write_merges(path: pathlib.Path) -> None:
    random = np.random.default_rng(1)
    lines = ["# name\trows\tclass rows\tpairs wanted\tmetric [rows, 5]\tx [rows, 3]\tsizes\tmerges\tx behind it\tsizes behind it"]

    def case(name: str, metric: np.ndarray, num_class_rows: int, r: int, has_sizes: bool = True) -> None:
        num_rows = len(metric)
        x = random.normal(size=(num_rows, 3)).astype(np.float32)
        sizes = random.integers(1, 5, num_rows).astype(np.float32) if has_sizes else np.ones(num_rows, np.float32)
        merges, merged, merged_sizes = merge(metric.astype(np.float64), x.astype(np.float64), sizes.astype(np.float64), num_class_rows, r)
        pairs = " ".join(f"{source} {target}" for source, target in merges)
        lines.append("\t".join([name, str(num_rows), str(num_class_rows), str(r), numbers(metric), numbers(x), numbers(sizes), pairs,
                                numbers(merged), numbers(merged_sizes)]))

    def normal(num_rows: int) -> np.ndarray:
        return random.normal(size=(num_rows, 5)).astype(np.float32)

    for r in (1, 4, 16, 18, 1000):
        case(f"clip, {r}", normal(37), 1, r)
        case(f"siglip, {r}", normal(36), 0, r)
    case("odd rows, no class row", normal(9), 0, 1000)
    case("even rows, class row", normal(10), 1, 1000)
    case("none wanted", normal(20), 0, 0)
    case("no sizes yet", normal(21), 1, 5, has_sizes=False)
    case("all equal", np.ones((24, 5), np.float32), 0, 7)
    case("all zero", np.zeros((24, 5), np.float32), 1, 7)
    case("one row", normal(1), 0, 3)
    case("two rows", normal(2), 0, 3)
    case("a class row and a patch", normal(2), 1, 3)
    case("a class row and two patches", normal(3), 1, 3)
    twins = np.repeat(normal(10), 2, axis=0)  # every row of A has its twin in B
    case("twins", twins, 0, 10)
    path.write_text("\n".join(lines) + "\n")


def write_positions(path: pathlib.Path) -> None:
    random = np.random.default_rng(2)
    lines = ["# side\tnew side\tpositions [side * side, 2]\tpositions [new side * new side, 2]"]
    for side, new_side in ((24, 12), (6, 4), (4, 6), (5, 2), (3, 8), (7, 5), (2, 1)):
        grid = random.normal(size=(side, side, 2)).astype(np.float32)
        resized = cv2.resize(grid, (new_side, new_side), interpolation=cv2.INTER_CUBIC)
        lines.append(f"{side}\t{new_side}\t{numbers(grid)}\t{numbers(resized)}")
    path.write_text("\n".join(lines) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    write_merges(out / "merges.tsv")
    write_positions(out / "positions.tsv")


if __name__ == "__main__":
    main()

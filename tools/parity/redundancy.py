"""Golden facts about pictures: the definitions of src/media/redundancy.h in NumPy, for src/media's tests.

Writes tests/parity/data/pixels/redundancy.tsv: width, height, cell, neighbour correlation, shares of the variance that
survive at a half and a quarter, edge share, cell entropy, background share; of synthetic_picture(). Needs numpy, pillow.
"""

import numpy as np
from pixels import OUT, synthetic_picture

CASES = [(97, 61, 8), (64, 64, 16), (30, 90, 28), (10, 10, 28), (201, 7, 5), (300, 200, 28)]


def variance(x: np.ndarray) -> float:
    """About each channel's own mean, summed over the channels."""
    return float(((x - x.mean((0, 1))) ** 2).mean((0, 1)).sum())


def survives(x: np.ndarray, side: int) -> float:
    height, width, _ = x.shape
    if height < side or width < side:
        return 0.0
    tops = range(0, height // side * side, side)
    means = [[x[y : y + side, left : left + side].mean((0, 1)) for left in range(width - side + 1)] for y in tops]
    means = np.array(means)
    return min(float(((means - means.mean((0, 1))) ** 2).mean((0, 1)).sum()) / variance(x), 1.0)


def neighbour_correlation(x: np.ndarray, cell: int) -> float:
    pairs = []
    if x.shape[1] > cell:
        pairs.append(x[:, cell:] - x[:, :-cell])
    if x.shape[0] > cell:
        pairs.append(x[cell:] - x[:-cell])
    if not pairs:
        return 0.0
    squares = sum(float((pair**2).sum()) for pair in pairs)
    return 1 - squares / sum(pair.shape[0] * pair.shape[1] for pair in pairs) / (2 * variance(x))


def edge_share(x: np.ndarray) -> float:
    across = np.zeros(x.shape)
    along = np.zeros(x.shape)
    across[:, :-1] = abs(x[:, 1:] - x[:, :-1])
    along[:-1] = abs(x[1:] - x[:-1])
    return float((np.maximum(across, along) > 24).mean())


def cells_of(x: np.ndarray, cell: int):
    for top in range(0, x.shape[0], cell):
        for left in range(0, x.shape[1], cell):
            yield x[top : top + cell, left : left + cell]


def cell_entropy(x: np.ndarray, cell: int) -> float:
    bits = []
    for part in cells_of(x, cell):
        counts = np.bincount(part[::2, :, 1].astype(int).ravel() // 16, minlength=16)
        shares = counts[counts > 0] / counts.sum()
        bits.append(-(shares * np.log2(shares)).sum())
    return float(np.mean(bits))


def background_share(x: np.ndarray, cell: int) -> float:
    pixels = x[::4, ::4].reshape(-1, 3).astype(int)
    bins = (pixels[:, 0] >> 4 << 8) | (pixels[:, 1] >> 4 << 4) | pixels[:, 2] >> 4
    most = pixels[bins == np.bincount(bins, minlength=4096).argmax()]
    color = (most.sum(0) + len(most) // 2) // len(most)
    return float(np.mean([(abs(part - color) <= 8).all() for part in cells_of(x, cell)]))


def main() -> None:
    lines = ["# width, height, cell, neighbour correlation, survives half, quarter, edges, entropy, background"]
    for width, height, cell in CASES:
        x = synthetic_picture(width, height).astype(np.float64)
        facts = [neighbour_correlation(x, cell), survives(x, 2), survives(x, 4), edge_share(x), cell_entropy(x, cell),
                 background_share(x, cell)]
        lines.append("\t".join([str(width), str(height), str(cell), *(f"{fact:.9f}" for fact in facts)]))
    (OUT / "redundancy.tsv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

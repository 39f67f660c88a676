"""Dense supervision of the vision tower: which characters lie in each patch, and what covers it."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from train.model import ModelConfig
from train.pages.page import COLOUR_NAMES, THINGS, Page

# A patch is cut into cells, each of which can hold the centre of one character. Where a character stands is read off
# its own pixels; its number in reading order would depend on all the others in the patch.
CELL_COLS, CELL_ROWS = 5, 2
MARGIN_COLS, MARGIN_ROWS = 0.25, 0.12  # in cells
IGNORED = -100
NUM_SLOTS = CELL_COLS * CELL_ROWS
NUM_CHARS = 96  # class 0: no character; class c: chr(31 + c)
NUM_COLOURS = 1 + len(COLOUR_NAMES)


def patch_labels(page: Page, cfg: ModelConfig, ratio: float, offset_x: float, offset_y: float) -> dict[str, np.ndarray]:
    """Labels of a page that was padded by the offsets and scaled by `ratio`. Arrays of [num_patches, ...]."""
    num_cols, num_rows = cfg.grid * CELL_COLS, cfg.grid * CELL_ROWS
    cells = np.zeros((num_rows, num_cols), dtype=np.int64)
    shared = np.zeros_like(cells, dtype=bool)
    for glyph in page.glyphs:
        x = (glyph.x + offset_x) * ratio / cfg.patch_size * CELL_COLS
        y = (glyph.y + offset_y) * ratio / cfg.patch_size * CELL_ROWS
        code = ord(glyph.char) - 31
        if 0 <= x < num_cols and 0 <= y < num_rows and 0 < code < NUM_CHARS:
            cells[int(y), int(x)] = code
            # A centre this near to a border could as well lie beyond it: the cell there is not told that it is empty.
            top, bottom = max(0, int(y - MARGIN_ROWS)), min(num_rows - 1, int(y + MARGIN_ROWS))
            left, right = max(0, int(x - MARGIN_COLS)), min(num_cols - 1, int(x + MARGIN_COLS))
            shared[top : bottom + 1, left : right + 1] = True
    cells[shared & (cells == 0)] = IGNORED
    chars = cells.reshape(cfg.grid, CELL_ROWS, cfg.grid, CELL_COLS).transpose(0, 2, 1, 3).reshape(cfg.num_patches, NUM_SLOTS)
    return {
        "chars": np.ascontiguousarray(chars),
        "things": _cover(page.things, cfg, ratio, offset_x, offset_y),
        "colours": _cover(page.colours, cfg, ratio, offset_x, offset_y),
    }


def _cover(plane, cfg: ModelConfig, ratio: float, offset_x: float, offset_y: float) -> np.ndarray:
    """The highest class found on a 4 x 4 raster of points in each patch."""
    values = np.asarray(plane)
    num = cfg.grid * 4
    centres = (np.arange(num) + 0.5) * (cfg.image_size / num) / ratio
    xs, ys = np.floor(centres - offset_x).astype(int), np.floor(centres - offset_y).astype(int)
    inside = ((ys >= 0) & (ys < values.shape[0]))[:, None] & ((xs >= 0) & (xs < values.shape[1]))[None]
    points = values[ys.clip(0, values.shape[0] - 1)][:, xs.clip(0, values.shape[1] - 1)] * inside
    return points.reshape(cfg.grid, 4, cfg.grid, 4).max(axis=(1, 3)).reshape(-1).astype(np.int64)


class DenseHeads(nn.Module):
    """Linear read-outs on patch features, used in training only."""

    def __init__(self, cfg: ModelConfig):
        super().__init__()
        self.norm = nn.LayerNorm(cfg.vision_dim)
        self.chars = nn.Linear(cfg.vision_dim, NUM_SLOTS * NUM_CHARS)
        self.things = nn.Linear(cfg.vision_dim, len(THINGS))
        self.colours = nn.Linear(cfg.vision_dim, NUM_COLOURS)

    def forward(self, features: torch.Tensor, labels: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, float]]:
        """Features [batch, num_patches, vision_dim] and labels to the loss and accuracies where there is something."""
        x = self.norm(features)
        outputs = {
            "chars": self.chars(x).float().unflatten(-1, (NUM_SLOTS, NUM_CHARS)),
            "things": self.things(x).float(),
            "colours": self.colours(x).float(),
        }
        total, report = 0.0, {}
        for name, weight in (("chars", 1.0), ("things", 0.3), ("colours", 0.2)):
            logits, target = outputs[name].flatten(0, -2), labels[name].flatten()
            loss = F.cross_entropy(logits, target, reduction="none", ignore_index=IGNORED)
            present = target > 0
            importance = torch.where(present, 1.0, 0.2) * (target != IGNORED)
            total = total + weight * (loss * importance).sum() / importance.sum()
            hits = (logits.argmax(-1) == target)[present].float()
            report[name] = hits.mean().item() if hits.numel() else float("nan")
        return total, report

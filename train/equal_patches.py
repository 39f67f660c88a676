"""Patches that show nothing new, found in the pixels (PixelPrune, arXiv 2604.00886), as the engine does it: `src/media/patch_pruning.h`.

Each patch is predicted to be its left or its upper neighbour, and left out where it equals both that and the kept patch that this one
stands for. A kept patch weighs as many as it stands for: log n is added to the attention scores of its key.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from train.model import ModelConfig
from train.plans import BLOCK_PATCHES


@torch.no_grad()
def stand_ins(pixels: torch.Tensor, cfg: ModelConfig, tolerance: float) -> torch.Tensor:
    """[batch, num_patches], the kept patch that shows what each shows; itself where kept. `tolerance` in levels of 0..255."""
    p, grid, device = cfg.patch_size, cfg.grid, pixels.device
    patches = (pixels * 127.5).unflatten(2, (grid, p)).unflatten(4, (grid, p)).permute(0, 2, 4, 1, 3, 5).flatten(3)  # [batch, grid, grid, values]
    left, up = torch.full((2, *patches.shape[:3]), float("inf"), device=device)
    left[:, :, 1:] = (patches[:, :, 1:] - patches[:, :, :-1]).abs().amax(-1)
    up[:, 1:] = (patches[:, 1:] - patches[:, :-1]).abs().amax(-1)
    # Left of the patch and its corner are equal, above it and the corner are not.
    turns = (F.pad(up, (1, -1), value=float("inf")) <= tolerance) & (F.pad(left, (0, 0, 1, -1), value=float("inf")) > tolerance)
    turns[:, :, 0], turns[:, 0] = True, False
    is_predicted = (torch.where(turns, up, left) <= tolerance + 1e-3).flatten(1)
    cell = torch.arange(cfg.num_patches, device=device)
    predictor = (cell - torch.where(turns.flatten(1), grid, 1)).clamp(min=0)
    patches, stands_for = patches.flatten(1, 2), cell.expand(len(pixels), -1).clone()
    # Along diagonals: all that a patch is predicted from lies on the one before.
    for diagonal in range(1, 2 * grid - 1):
        row = torch.arange(max(0, diagonal - grid + 1), min(diagonal, grid - 1) + 1, device=device)
        own = row * grid + diagonal - row
        kept = stands_for.gather(1, predictor[:, own])
        apart = (patches[:, own] - patches.gather(1, kept[..., None].expand(-1, -1, patches.shape[-1]))).abs().amax(-1)
        stands_for[:, own] = torch.where(is_predicted[:, own] & (apart <= tolerance + 1e-3), kept, own)
    return stands_for


@torch.no_grad()
def seen_patches(pixels: torch.Tensor, cfg: ModelConfig, tolerance: float, room: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The kept patches [batch, room] in order of position and how many each stands for, 0 where there are fewer than `room`; where there
    are more, those that stand for most stay, of equal ones the first."""
    stands_for = stand_ins(pixels, cfg, tolerance)
    counts = torch.zeros(stands_for.shape, device=pixels.device).scatter_add_(1, stands_for, torch.ones_like(stands_for, dtype=torch.float))
    places = counts.argsort(dim=1, descending=True, stable=True)[:, :room]
    places = torch.where(counts.gather(1, places) > 0, places, cfg.num_patches).sort(1).values
    return places.clamp(max=cfg.num_patches - 1), F.pad(counts, (0, 1)).gather(1, places)


def room_of(num_blocks: int) -> int:
    """Patches that so many blocks make room for, beside the class token."""
    return BLOCK_PATCHES * num_blocks - 1

"""A finished model made deeper without a change of its answers: after each of its layers stands an added one, which adds nothing yet.

An added layer begins as a copy of the one before it, with zeros in the matrices (and biases) whose products go into the sum.
"""

from __future__ import annotations

import re
from dataclasses import replace

import torch

from train.model import SaccadeMini

OUTPUTS = ("self_attn.out_proj", "mlp.fc2", "self_attn.o_proj", "mlp.down_proj")


@torch.no_grad()
def grow(base: SaccadeMini) -> SaccadeMini:
    """Twice as many layers: original i at 2 i, an added one at 2 i + 1."""
    cfg = replace(base.cfg, vision_layers=2 * base.cfg.vision_layers, num_layers=2 * base.cfg.num_layers)
    model, given = SaccadeMini(cfg), base.state_dict()
    for name, p in model.state_dict().items():
        place = re.search(r"layers\.(\d+)\.", name)
        if place is None:
            p.copy_(given[name])
            continue
        layer = int(place[1])
        p.copy_(given[name.replace(place[0], f"layers.{layer // 2}.", 1)])
        if layer % 2 and any(f".{part}." in name for part in OUTPUTS):
            p.zero_()
    return model


def is_added(name: str) -> bool:
    """Whether a parameter is one of an added layer's."""
    place = re.search(r"layers\.(\d+)\.", name)
    return place is not None and int(place[1]) % 2 == 1

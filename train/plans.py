"""What a plan is, what it costs, and which one a budget gives. Pure arithmetic: an engine repeats it as it stands.

A picture is cut into blocks of 2 x 2 patches. A plan says how many blocks the vision encoder looks at, how many of its layers run,
how many of their visual tokens the decoder gets, and how many decoder layers (or quarters of layers) run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from train.model import ModelConfig

BLOCK_SIDE = 2  # patches
BLOCK_PATCHES = BLOCK_SIDE * BLOCK_SIDE
# Heads and groups of MLP neurons of a decoder layer; a unit of variant H is one of each, a quarter of a layer.
UNITS_A_LAYER = 4
# Tokens of text that a cost is stated for: question and answer.
USUAL_TEXT = 32
DIVERSE, CLASS_ATTENTION, RANDOM, LEARNED = STRATEGIES = ("diverse", "class_attention", "random", "learned")
# The small model with layers to spare: the original ones at even places, an added one after each (`grow.py`).
GROWN = replace(ModelConfig(), vision_layers=12, num_layers=10)


def originals(num_layers: int) -> tuple[int, ...]:
    return tuple(range(0, num_layers, 2))


def skip_order(num_layers: int) -> list[int]:
    """The added layers, the last first."""
    return [layer for layer in reversed(range(num_layers)) if layer % 2]


def nested(num_layers: int, count: int) -> tuple[int, ...]:
    """The layers that are left when so many run, by that order."""
    left_out = skip_order(num_layers)[:num_layers - count]
    return tuple(layer for layer in range(num_layers) if layer not in left_out)


@dataclass(frozen=True)
class Plan:
    """`tower` and `decoder` are numbers of layers, which the scheduler then picks, or the layers themselves."""

    blocks: int = 144  # seen at most; blocks without ink are left out first
    tower: int | tuple[int, ...] = 12
    tokens: int = 576  # visual tokens at most; never more than the tower made
    decoder: int | tuple[int, ...] = 10
    units: int | None = None  # variant H: quarters of layers, in place of `decoder`
    strategy: str = DIVERSE  # which tokens, where there are more
    fits_ink: bool = True  # no more blocks than the picture fills, rounded up
    tolerance: float | None = None  # in place of blocks, patches that differ by more levels (`equal_patches.py`), at most as many as the blocks have

    def num_tokens(self, blocks: int | None = None) -> int:
        return min(self.tokens, BLOCK_PATCHES * (self.blocks if blocks is None else blocks))


FULL = Plan(fits_ink=False)

# From dear to cheap; every part falls or stays. No plan has fewer layers than the original ones.
LADDER = (
    FULL,
    Plan(),
    Plan(tower=9, decoder=8),
    Plan(tower=6, decoder=5),
    Plan(tower=6, tokens=288, decoder=5),
    Plan(tower=6, tokens=144, decoder=5),
    Plan(tower=6, tokens=96, decoder=5),
    Plan(96, 6, 96, 5),
    Plan(64, 6, 72, 5),
)


def num_layers(chosen: int | tuple[int, ...]) -> int:
    return chosen if isinstance(chosen, int) else len(chosen)


def seen_blocks(plan: Plan, inked: int) -> int:
    """Blocks that the tower looks at, of a picture that fills `inked`: a multiple of 16."""
    return min(plan.blocks, max(32, -(-inked // 16) * 16)) if plan.fits_ink else plan.blocks


def flops(cfg: ModelConfig, plan: Plan, blocks: int | None = None, num_text: int = USUAL_TEXT) -> float:
    """Multiplications and additions of one answer, where the tower looks at `blocks`."""
    blocks = plan.blocks if blocks is None else blocks
    patches, tokens = BLOCK_PATCHES * blocks, plan.num_tokens(blocks)
    rows, dim = patches + 1, cfg.vision_dim
    layer = 2 * rows * (4 * dim * dim + 2 * dim * cfg.vision_ffn_dim) + 4 * rows * rows * dim
    embed = 2 * patches * 3 * cfg.patch_size**2 * dim
    project = 2 * patches * (dim * cfg.model_dim + cfg.model_dim**2)
    total = embed + num_layers(plan.tower) * layer + project
    rows, dim = 1 + tokens + num_text, cfg.model_dim
    layer = 2 * rows * (4 * dim * dim + 3 * dim * cfg.ffn_dim) + 2 * rows * rows * dim
    share = num_layers(plan.decoder) if plan.units is None else plan.units / UNITS_A_LAYER
    return total + share * layer + 2 * num_text * dim * cfg.vocab_size


def cost(cfg: ModelConfig, plan: Plan, blocks: int | None = None) -> float:
    """Share of the full plan's FLOPs."""
    return flops(cfg, plan, blocks) / flops(cfg, FULL)


def plan_for(cfg: ModelConfig, budget: float, inked: int = 144) -> Plan:
    """The dearest plan of the ladder that a picture with `inked` filled blocks can be answered by within `budget`; the cheapest where none is cheap enough."""
    for plan in LADDER:
        if cost(cfg, plan, seen_blocks(plan, inked)) <= budget:
            return plan
    return LADDER[-1]

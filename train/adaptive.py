"""The mini model with layers that can be left out, fewer visual tokens, and the scheduler that picks them.

Layers are left out by gates: what attention and the MLP add is multiplied by 0 or 1, so gradients reach the scheduler and all
samples of a batch have one shape. An engine skips the work instead, and gets the same: what no gate lets through is read by nobody.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

from train import tokenizer
from train.data import EVEN, NEAR
from train.model import ModelConfig, SaccadeMini, cast_once, rope_table
from train.plans import BLOCK_PATCHES, BLOCK_SIDE, CLASS_ATTENTION, DIVERSE, GROWN, LEARNED, UNITS_A_LAYER
from train.scheduler import NUM_PREFIX, SLOTS, Scheduler
from train.token_scorer import TokenScorer
from train.whole import heads_of, queries_keys_values, text_mask


def gated_tower_layer(layer, x: torch.Tensor, gate: torch.Tensor, bias: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """`gate` [batch, 1, 1], `bias` [batch, 1, 1, tokens] of each key. Returns the output and how much the class token looks at each
    patch [batch, patches]."""
    own, normed = layer.self_attn, cast_once(layer.layer_norm1(x))
    q, k, v = (heads_of(p(normed), own.head_dim) for p in (own.q_proj, own.k_proj, own.v_proj))
    x = x + gate * own.out_proj(F.scaled_dot_product_attention(q, k, v, attn_mask=bias).transpose(1, 2).flatten(2))
    with torch.no_grad():
        scores = (q[:, :, :1] * own.head_dim**-0.5) @ k[:, :, 1:].mT
        seen = (scores if bias is None else scores + bias[..., 1:]).float().softmax(-1).mean(1)[:, 0]
    return x + gate * layer.mlp(layer.layer_norm2(x)), seen


def gated_attention(layer, attended: torch.Tensor, heads: torch.Tensor) -> torch.Tensor:
    """`attended` [batch, heads, tokens, head_dim], `heads` [batch, heads]."""
    return layer.self_attn.o_proj((attended * heads.to(attended.dtype)[:, :, None, None]).transpose(1, 2).flatten(2))


def gated_mlp(layer, x: torch.Tensor, groups: torch.Tensor) -> torch.Tensor:
    """`groups` [batch, groups] of consecutive neurons."""
    mlp = layer.mlp
    inner = F.silu(mlp.gate_proj(x)) * mlp.up_proj(x)
    grouped = inner.unflatten(-1, (groups.shape[1], -1)) * groups.to(inner.dtype)[:, None, :, None]
    return mlp.down_proj(grouped.flatten(-2))


def add_gated(layer, x: torch.Tensor, attended: torch.Tensor, gates: torch.Tensor) -> torch.Tensor:
    """`x` and what a layer's attention and MLP add, `gates` [batch, SLOTS] of heads and groups."""
    x = x + gated_attention(layer, attended, gates[:, :UNITS_A_LAYER])
    return x + gated_mlp(layer, layer.post_attention_layernorm(x), gates[:, UNITS_A_LAYER:])


def gated_decoder_layer(layer, x, cos, sin, mask, num_first: int, gates: torch.Tensor, first_mask: torch.Tensor | None = None):
    """As `whole.decoder_layer`, with `gates` [batch, SLOTS] of heads and groups, and `first_mask` where the first tokens do not all
    weigh the same. Returns the output and all keys and values."""
    q, k, v = queries_keys_values(layer, x, cos, sin)
    first = F.scaled_dot_product_attention(*(t[:, :, :num_first] for t in (q, k, v)), attn_mask=first_mask, is_causal=first_mask is None)
    text = F.scaled_dot_product_attention(q[:, :, num_first:], k, v, attn_mask=mask)
    return add_gated(layer, x, torch.cat([first, text], dim=2), gates), k, v


def read_on(layer, x, cos, sin, first_k, first_v, gates: torch.Tensor) -> torch.Tensor:
    """The latency token [batch, 1, model_dim] through a layer: it sees the first tokens and itself, and nobody sees it."""
    q, k, v = queries_keys_values(layer, x, cos, sin)
    attended = F.scaled_dot_product_attention(q, torch.cat([first_k, k], dim=2), torch.cat([first_v, v], dim=2))
    return add_gated(layer, x, attended, gates)


@torch.no_grad()
def block_ink(pixels: torch.Tensor, cfg: ModelConfig) -> torch.Tensor:
    """How far each block of patches is from empty, [batch, num_blocks]: above 1 it holds something (`data.inked_patches`)."""
    p, grid = cfg.patch_size, cfg.grid
    patches = (pixels * 127.5).unflatten(2, (grid, p)).unflatten(4, (grid, p)).permute(0, 2, 4, 1, 3, 5).flatten(4).flatten(1, 2)
    means = patches.mean(-1)  # [batch, num_patches, 3]
    spread = patches.std(-1, unbiased=False) / EVEN
    ink = torch.maximum(spread, (means - means.median(1, keepdim=True).values).abs() / NEAR).amax(-1)
    side = grid // BLOCK_SIDE
    return ink.unflatten(1, (side, BLOCK_SIDE, side, BLOCK_SIDE)).amax((2, 4)).flatten(1)


def block_places(cfg: ModelConfig, device) -> torch.Tensor:
    """The patches of each block, [num_blocks, BLOCK_PATCHES], the upper left one first."""
    side = cfg.grid // BLOCK_SIDE
    patches = torch.arange(cfg.num_patches, device=device).view(side, BLOCK_SIDE, side, BLOCK_SIDE)
    return patches.permute(0, 2, 1, 3).reshape(side * side, BLOCK_PATCHES)


def patches_of(blocks: torch.Tensor, cfg: ModelConfig) -> torch.Tensor:
    """The patches [batch, patches] of blocks [batch, blocks], block by block."""
    return block_places(cfg, blocks.device)[blocks].flatten(1)


def fullest_blocks(ink: torch.Tensor, count: int) -> torch.Tensor:
    """[batch, count] blocks with the most ink, in their order on the page; of equal ones the first."""
    return ink.argsort(dim=1, descending=True, stable=True)[:, :count].sort(1).values


@torch.no_grad()
def most_diverse(visual: torch.Tensor, count: int) -> torch.Tensor:
    """[batch, count] tokens by max-min distance of cosines: each is the one least like its nearest among those taken (DivPrune).
    The first is the least like the mean."""
    with torch.autocast(visual.device.type, enabled=False):
        unit = F.normalize(visual.float(), dim=-1)
        alike = (unit @ unit.mT).flatten(0, 1)  # [batch * tokens, tokens]
        first = torch.arange(len(unit), device=unit.device) * unit.shape[1]
        taken = [torch.einsum("bnd,bd->bn", unit, unit.mean(1)).argmin(1)]
        nearest = torch.full(unit.shape[:2], -2.0, device=unit.device)
        for _ in range(count - 1):
            nearest = torch.maximum(nearest, alike.index_select(0, first + taken[-1])).scatter_(1, taken[-1][:, None], 2.0)
            taken.append(nearest.argmin(1))
    return torch.stack(taken, 1)


@torch.no_grad()
def highest_then_diverse(visual: torch.Tensor, scores: torch.Tensor, count: int) -> torch.Tensor:
    """[batch, count] tokens: half of them, of an odd count the larger, those of the highest scores, of equal ones the first; the others by max-min distance from all taken."""
    with torch.autocast(visual.device.type, enabled=False):
        taken = scores.argsort(dim=1, descending=True, stable=True)[:, :(count + 1) // 2]
        unit = F.normalize(visual.float(), dim=-1)
        alike = unit @ unit.mT
        nearest = alike.gather(1, taken[..., None].expand(-1, -1, alike.shape[-1])).amax(1).scatter_(1, taken, 2.0)
        others, row = [], torch.arange(len(unit), device=unit.device)
        for _ in range(count - taken.shape[1]):
            others.append(nearest.argmin(1))
            nearest = torch.maximum(nearest, alike[row, others[-1]]).scatter_(1, others[-1][:, None], 2.0)
    return torch.cat([taken, torch.stack(others, 1)], 1)


def causal_mask(bias: torch.Tensor) -> torch.Tensor:
    """[batch, 1, tokens, tokens] from the bias [batch, 1, 1, tokens] of each key."""
    later = torch.ones(bias.shape[-1], bias.shape[-1], dtype=torch.bool, device=bias.device).triu(1)
    return bias.expand(-1, -1, len(later), -1).masked_fill(later, float("-inf"))


@dataclass
class Asked:
    """What is asked of the gates of a batch. Numbers of layers [batch], or gates [batch, layers] (and [batch, layers, SLOTS])."""

    tower: torch.Tensor
    decoder: torch.Tensor
    by_unit: bool = False
    noise: bool = False
    # Where gates are given: layers that no sample needs, which are skipped.
    tower_skips: tuple[int, ...] = ()
    decoder_skips: tuple[int, ...] = ()

    @property
    def tower_is_given(self) -> bool:
        return self.tower.ndim > 1

    @property
    def decoder_is_given(self) -> bool:
        return self.decoder.ndim > 1


def given_layers(cfg: ModelConfig, batch: int, device, tower: tuple[int, ...], decoder: tuple[int, ...]) -> Asked:
    """The same layers for every sample."""
    skips = [tuple(i for i in range(n) if i not in chosen) for n, chosen in ((cfg.vision_layers, tower), (cfg.num_layers, decoder))]
    gates = [torch.ones(batch, n, device=device).index_fill_(1, torch.tensor(left_out, dtype=torch.long).to(device, non_blocking=True), 0.0)
             for n, left_out in zip((cfg.vision_layers, cfg.num_layers), skips)]
    return Asked(gates[0], gates[1][..., None].repeat(1, 1, SLOTS), False, False, *skips)


def everything(cfg: ModelConfig, batch: int, device) -> Asked:
    return given_layers(cfg, batch, device, (*range(cfg.vision_layers),), (*range(cfg.num_layers),))


class AdaptiveMini(nn.Module):
    def __init__(self, cfg: ModelConfig):
        super().__init__()
        self.cfg = cfg
        self.model = SaccadeMini(cfg)
        self.scheduler = Scheduler(cfg)
        self.token_scorer = TokenScorer(cfg)

    def encode(self, pixels: torch.Tensor, places: torch.Tensor | None, asked: Asked, run=gated_tower_layer, counts: torch.Tensor | None = None):
        """Visual tokens [batch, patches, model_dim] of the patches at `places` [batch, patches], or of the whole picture; how much the
        class token looks at each in the last layer that runs; the gates. Where `counts` is given, each patch weighs as so many."""
        tower = self.model.vision_tower
        cls, patches = tower.embeddings(pixels)
        if places is not None:
            patches = patches.gather(1, places[..., None].expand(-1, -1, patches.shape[-1]))
        x = tower.pre_layrnorm(torch.cat([cls.expand(len(patches), 1, -1), patches], dim=1))
        gates = asked.tower
        if not asked.tower_is_given:
            with torch.autocast(x.device.type, enabled=False):
                gates = self.scheduler.tower_gates(asked.tower, x[:, 1:].detach(), asked.noise)
        looked = torch.zeros(x.shape[0], x.shape[1] - 1, device=x.device)
        bias = () if counts is None else (F.pad(counts.log(), (1, 0))[:, None, None].to(cast_once(x[:0]).dtype),)
        for i, layer in enumerate(tower.layers):
            if i in asked.tower_skips:
                continue
            x, seen = run(layer, x, gates[:, i, None, None].contiguous(), *bias)
            looked = torch.where(gates[:, i, None] > 0.5, seen, looked)
        return self.model.multi_modal_projector(x[:, 1:]), looked, gates

    def compress(self, visual: torch.Tensor, looked: torch.Tensor, place: torch.Tensor, count: int, strategy: str,
                 scores: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """The tokens that the decoder gets, [batch, tokens, model_dim], no more than `count`, and the patches in whose places they stand.
        `scores` [batch, patches] are the learned ones."""
        if count < visual.shape[1]:
            if strategy == DIVERSE:
                kept = most_diverse(visual, count)
            elif strategy == LEARNED:
                kept = highest_then_diverse(visual, scores, count)
            else:
                score = looked if strategy == CLASS_ATTENTION else torch.rand(looked.shape, device=looked.device)
                kept = score.argsort(dim=1, descending=True, stable=True)[:, :count]
            place, visual = place.gather(1, kept), visual.gather(1, kept[..., None].expand(-1, -1, visual.shape[-1]))
        place, order = place.sort(1)
        return visual.gather(1, order[..., None].expand(-1, -1, visual.shape[-1])), place

    def begin_latency(self, asked: Asked, visual: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The latency token [batch, 1, model_dim] and the gates of the first layers."""
        with torch.autocast(visual.device.type, enabled=False):
            token = self.scheduler.token(self.scheduler.share(asked.decoder, asked.by_unit))[:, None]
            return token, self.scheduler.early_gates(asked.decoder, asked.by_unit, visual.detach(), asked.noise)

    def late_gates(self, early: torch.Tensor, asked: Asked, latency: torch.Tensor) -> torch.Tensor:
        with torch.autocast(latency.device.type, enabled=False):
            return self.scheduler.late_gates(early, asked.decoder, asked.by_unit, latency[:, 0].float(), asked.noise)

    def latency_rope(self, batch: int, device) -> tuple[torch.Tensor, torch.Tensor]:
        """The latency token stands in the first place after the picture."""
        place = torch.full((batch, 1), 1 + self.cfg.num_patches, device=device)
        return rope_table(place, self.cfg.head_dim, self.cfg.rope_theta)

    def read(self, visual: torch.Tensor, places: torch.Tensor, text: dict[str, torch.Tensor], asked: Asked, run=gated_decoder_layer, room: int = 0,
             counts: torch.Tensor | None = None):
        """Logits [batch, num_text, vocab_size] of packed text after visual tokens that stand in `places`, and the gates. There is
        room for so many visual tokens that compiled layers meet few shapes; what stands in the rest is seen by nobody. Where `counts`
        [batch, tokens] is given, each token weighs as so many."""
        decoder, device, (batch, num_visual) = self.model.language_model, visual.device, visual.shape[:2]
        embed = decoder.embed_tokens
        num_first, num_empty = 1 + max(room, num_visual), max(room - num_visual, 0)
        first = torch.cat([embed(torch.full((batch, 1), tokenizer.BOS, device=device)), visual.float()], dim=1)
        x = torch.cat([F.pad(first, (0, 0, 0, num_empty)), embed(text["ids"])], dim=1)
        positions = torch.cat([places.new_zeros(batch, 1), 1 + places, places.new_zeros(batch, num_empty), text["positions"]], dim=1)
        cos, sin = rope_table(positions, self.cfg.head_dim, self.cfg.rope_theta)
        seen = text_mask(text["block_ids"], num_first)
        seen[:, :, 1 + num_visual:num_first] = False
        # Padding after the text sees itself only, so no row is without a key.
        mask = torch.zeros(seen[:, None].shape, dtype=cast_once(x[:0]).dtype, device=device).masked_fill_(~seen[:, None], float("-inf"))
        first_mask = ()
        if counts is not None:
            bias = F.pad(F.pad(counts.log(), (1, 0)), (0, num_empty), value=float("-inf"))[:, None, None].to(mask.dtype)
            mask[..., :num_first] += bias
            first_mask = (causal_mask(bias),)
        gates, latency = asked.decoder, None
        if not asked.decoder_is_given:
            latency, gates = self.begin_latency(asked, visual)
            rope = self.latency_rope(batch, device)
        for i, layer in enumerate(decoder.layers):
            if i == NUM_PREFIX and latency is not None:
                gates = self.late_gates(gates, asked, latency)
            if i in asked.decoder_skips:
                continue
            x, k, v = run(layer, x, cos, sin, mask, num_first, gates[:, i].contiguous(), *first_mask)
            if i < NUM_PREFIX and latency is not None:
                latency = read_on(layer, latency, *rope, k[:, :, :1 + num_visual], v[:, :, :1 + num_visual], gates[:, i])
        return self.model.logits(decoder.norm(x[:, num_first:])), gates


def file_of(name: str, cfg: ModelConfig) -> str:
    """Halves of the tower and of the decoder, and all else: no file of more than 10 MB."""
    place = re.search(r"(vision_tower|language_model)\.layers\.(\d+)\.", name)
    if place is None:
        return "other.safetensors"
    part, num_layers = {"vision_tower": ("tower", cfg.vision_layers), "language_model": ("decoder", cfg.num_layers)}[place[1]]
    return f"{part}_{'first' if int(place[2]) < num_layers // 2 else 'last'}.safetensors"


def save_tensors(tensors: dict[str, torch.Tensor], folder: Path, cfg: ModelConfig = GROWN) -> None:
    """16-bit tensors in files that are small enough to be sent."""
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, dict[str, torch.Tensor]] = defaultdict(dict)
    for name, value in tensors.items():
        files[file_of(name, cfg)][name] = value.detach().half().contiguous().cpu()
    for file, own in files.items():
        save_file(own, str(folder / (file + ".partial")))
        (folder / (file + ".partial")).replace(folder / file)


def load_adaptive(folder: Path) -> AdaptiveMini:
    """What `save_tensors` wrote of the grown model; schedulers and scorer that are not there begin anew."""
    adaptive = AdaptiveMini(GROWN)
    own = {name: value.float() for file in folder.glob("*.safetensors") for name, value in load_file(str(file)).items()}
    adaptive.load_state_dict({name: value for name, value in adaptive.state_dict().items() if not name.startswith("model.")} | own)
    return adaptive

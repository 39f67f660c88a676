"""Scores plans on sets of questions: right answers, and answers that are the full plan's, against FLOPs.

    python -m train.evaluate_plans ~/saccade-train/adaptive/averaged models/saccade-mini.gguf --sets samples/heldout/set.jsonl samples/browser/set.jsonl

Answers are greedy, in batches; a layer that is left out is masked, which gives what skipping it gives (`tests/test_adaptive.py`).
A finished file is scored as it begins to be trained: grown.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from train import tokenizer
from train.adaptive import AdaptiveMini, Asked, add_gated, block_ink, causal_mask, fullest_blocks, patches_of, read_on
from train.augment import pad_to_square
from train.data import to_pixels
from train.equal_patches import room_of, seen_patches, stand_ins
from train.evaluate import is_right
from train.model import ModelConfig, rope_table
from train.packing import prompt_ids
from train.plans import BLOCK_PATCHES, CLASS_ATTENTION, FULL, GROWN, LADDER, LEARNED, RANDOM, UNITS_A_LAYER, Plan, cost, nested, seen_blocks
from train.scheduler import NUM_PREFIX, SLOTS
from train.train_adaptive import given, start_of
from train.whole import queries_keys_values


@dataclass
class Picture:
    pixels: torch.Tensor  # [3, side, side]
    items: list[dict]


def read_set(path: Path, cfg: ModelConfig, limit: int | None = None) -> list[Picture]:
    """All pictures, or `limit` of them, evenly drawn."""
    by_image: dict[str, list[dict]] = defaultdict(list)
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip():
            item = json.loads(line)
            by_image[item["image"]].append(item)
    names = sorted(by_image)
    names = names[:: max(1, len(names) // limit)][:limit] if limit else names
    squares = [np.array(pad_to_square(Image.open(path.parent / name).convert("RGB"), cfg.image_size)[0]) for name in names]
    pixels = to_pixels(torch.from_numpy(np.stack(squares)))
    return [Picture(p, by_image[name]) for p, name in zip(pixels, names)]


def asked_by(plan: Plan, cfg: ModelConfig, batch: int, device) -> Asked:
    """Layers where there is nothing to schedule, else numbers of them."""
    def gates_or_count(chosen, num_layers):
        layers = given(chosen, num_layers)
        return torch.full((batch,), chosen, device=device) if layers is None else gates_of(layers, num_layers, batch, device)

    tower = gates_or_count(plan.tower, cfg.vision_layers)
    if plan.units is not None:
        return Asked(tower, torch.full((batch,), plan.units, device=device), by_unit=True)
    decoder = gates_or_count(plan.decoder, cfg.num_layers)
    return Asked(tower, decoder[..., None].expand(-1, -1, SLOTS) if decoder.ndim > 1 else decoder)


def gates_of(chosen: tuple[int, ...], num_layers: int, batch: int, device) -> torch.Tensor:
    gates = torch.zeros(batch, num_layers, device=device)
    gates[:, list(chosen)] = 1.0
    return gates


def through(layer, x, rope, gates, cache=None, *, mask):
    """A decoder layer with a cache; returns the output and all keys and values."""
    q, k, v = queries_keys_values(layer, x, *rope)
    if cache is not None:
        k, v = torch.cat([cache[0], k], dim=2), torch.cat([cache[1], v], dim=2)
    attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return add_gated(layer, x, attended, gates), k, v


@dataclass
class Seen:
    """Pictures [batch] whose visual tokens are read."""

    caches: list[tuple[torch.Tensor, torch.Tensor]]  # of each decoder layer
    bias: torch.Tensor  # [batch, prefix], of each key; -inf where nothing stands
    gates: torch.Tensor  # [batch, layers, SLOTS]
    tower_gates: torch.Tensor


@dataclass
class Encoded:
    """What the encoder says of pictures [batch]."""

    visual: torch.Tensor
    looked: torch.Tensor
    places: torch.Tensor
    counts: torch.Tensor  # how many patches each stands for
    gates: torch.Tensor

    def of(self, rows: list[int]) -> Encoded:
        return Encoded(*(value[rows] for value in vars(self).values()))


def encode(adaptive: AdaptiveMini, pixels: torch.Tensor, plan: Plan, num_blocks: int) -> Encoded:
    cfg = adaptive.cfg
    asked = asked_by(plan, cfg, len(pixels), pixels.device)
    if plan.tolerance is None:
        places, counts = patches_of(fullest_blocks(block_ink(pixels, cfg), num_blocks), cfg), None
    else:
        places, counts = seen_patches(pixels, cfg, plan.tolerance, room_of(num_blocks))
    visual, looked, gates = adaptive.encode(pixels, places, asked, counts=counts)
    return Encoded(visual, looked, places, torch.ones_like(looked) if counts is None else counts, gates)


def take_in(adaptive: AdaptiveMini, encoded: Encoded, plan: Plan, num_blocks: int, scores: torch.Tensor | None = None) -> Seen:
    """The visual tokens that a plan keeps, read by the decoder; `scores` [batch, patches] are the learned ones."""
    cfg, decoder, device, batch = adaptive.cfg, adaptive.model.language_model, encoded.visual.device, len(encoded.visual)
    asked = asked_by(plan, cfg, batch, device)
    counts = encoded.counts
    if plan.tolerance is None:
        visual, places = adaptive.compress(encoded.visual, encoded.looked, encoded.places, plan.num_tokens(num_blocks), plan.strategy, scores)
        counts = counts[:, :visual.shape[1]]
    else:
        visual, places = encoded.visual, encoded.places
    bias = F.pad(counts.log(), (1, 0))
    x = torch.cat([decoder.embed_tokens(torch.full((batch, 1), tokenizer.BOS, device=device)), visual], dim=1)
    rope = rope_table(torch.cat([places.new_zeros(batch, 1), 1 + places], dim=1), cfg.head_dim, cfg.rope_theta)
    caches, gates, latency = [], asked.decoder, None
    if not asked.decoder_is_given:
        latency, gates = adaptive.begin_latency(asked, visual)
        latency_rope = adaptive.latency_rope(batch, device)
    for i, layer in enumerate(decoder.layers):
        if i == NUM_PREFIX and latency is not None:
            gates = adaptive.late_gates(gates, asked, latency)
        x, k, v = through(layer, x, rope, gates[:, i], mask=causal_mask(bias[:, None, None]))
        caches.append((k, v))
        if i < NUM_PREFIX and latency is not None:
            latency = read_on(layer, latency, *latency_rope, k, v, gates[:, i])
    return Seen(caches, bias, gates, encoded.gates)


def look(adaptive: AdaptiveMini, pixels: torch.Tensor, plan: Plan, num_blocks: int) -> Seen:
    return take_in(adaptive, encode(adaptive, pixels, plan, num_blocks), plan, num_blocks)


def joined(parts: list[Seen]) -> Seen:
    """Pictures with different numbers of tokens in one batch."""
    width = max(part.bias.shape[1] for part in parts)
    room = [width - part.bias.shape[1] for part in parts]
    caches = [tuple(torch.cat([F.pad(part.caches[i][j], (0, 0, 0, n)) for part, n in zip(parts, room)]) for j in (0, 1)) for i in range(len(parts[0].caches))]
    return Seen(caches, torch.cat([F.pad(part.bias, (0, n), value=float("-inf")) for part, n in zip(parts, room)]),
                *(torch.cat([getattr(part, name) for part in parts]) for name in ("gates", "tower_gates")))


def answer(adaptive: AdaptiveMini, seen: Seen, rows: list[int], questions: list[str], max_new_tokens: int = 100) -> list[str]:
    """Question i on picture rows[i]. Questions are padded on the left to one length."""
    cfg, decoder, device, newline = adaptive.cfg, adaptive.model.language_model, seen.gates.device, tokenizer.encode("\n")
    ids = [newline + prompt_ids(question) for question in questions]
    width, first = max(map(len, ids)), 1 + cfg.num_patches
    padding = torch.tensor([width - len(i) for i in ids], device=device)
    tokens = torch.tensor([[tokenizer.PAD] * (width - len(i)) + i for i in ids], device=device)
    index = torch.tensor(rows, device=device)
    caches, gates, bias = [(k[index], v[index]) for k, v in seen.caches], seen.gates[index], seen.bias[index]
    is_done = torch.zeros(len(ids), dtype=torch.bool, device=device)
    given_ids, start = [], 0
    while len(given_ids) < max_new_tokens:
        num_new = tokens.shape[1]
        column = torch.arange(start, start + num_new, device=device)
        positions = (first + column[None] - padding[:, None]).clamp(min=0)
        key = torch.arange(start + num_new, device=device)
        text = (key[None, None] <= column[None, :, None]) & (key[None, None] >= padding[:, None, None])
        mask = torch.cat([bias[:, None].expand(-1, num_new, -1), torch.zeros(text.shape, device=device).masked_fill_(~text, float("-inf"))], dim=2)[:, None]
        rope = rope_table(positions, cfg.head_dim, cfg.rope_theta)
        x = decoder.embed_tokens(tokens)
        for i, layer in enumerate(decoder.layers):
            x, k, v = through(layer, x, rope, gates[:, i], caches[i], mask=mask)
            caches[i] = (k, v)
        best = adaptive.model.logits(decoder.norm(x[:, -1])).argmax(-1)
        given_ids.append(best)
        is_done |= best == tokenizer.EOS
        if len(given_ids) % 4 == 0 and bool(is_done.all()):
            break
        tokens, start = best[:, None], start + num_new
    return [tokenizer.decode(row[:row.index(tokenizer.EOS)] if tokenizer.EOS in row else row) for row in torch.stack(given_ids, 1).tolist()]


@dataclass
class Score:
    answers: list[str]
    is_right: list[bool]
    inked: list[int]  # blocks that the picture of each question fills
    cost: float  # mean share of the full plan's FLOPs
    tokens: float  # mean visual tokens
    tower_use: list[float]  # share of the pictures in which each layer ran
    decoder_use: list[float]

    @property
    def accuracy(self) -> float:
        return 100 * sum(self.is_right) / len(self.is_right)

    def same_as(self, full: Score, most_inked: int = 144) -> float:
        """% of the answers that are the full plan's, on pictures that fill no more blocks than so many."""
        same = [own == other for own, other, inked in zip(self.answers, full.answers, self.inked) if inked <= most_inked]
        return 100 * sum(same) / max(1, len(same))


def scores_of(adaptive: AdaptiveMini, questions: list[str], visual: torch.Tensor) -> torch.Tensor:
    """The learned scores [batch, patches] of each picture's tokens for its question."""
    ids = [tokenizer.encode(question) for question in questions]
    width = max(map(len, ids))
    words = torch.tensor([own + [tokenizer.PAD] * (width - len(own)) for own in ids], device=visual.device)
    is_question = torch.arange(width, device=visual.device) < torch.tensor([[len(own)] for own in ids], device=visual.device)
    return adaptive.token_scorer(adaptive.model.language_model.embed_tokens(words)[:, None], is_question[:, None], visual)[:, 0]


def blocks_of_unequal(pixels: torch.Tensor, cfg: ModelConfig, tolerance: float, device) -> list[int]:
    """How many blocks make room for the patches that each picture keeps."""
    kept = torch.cat([(stand_ins(part.to(device), cfg, tolerance) == torch.arange(cfg.num_patches, device=device)).sum(1) for part in pixels.split(64)])
    return [1 + int(n) // BLOCK_PATCHES for n in kept]


@torch.no_grad()
def score(adaptive: AdaptiveMini, pictures: list[Picture], plan: Plan, batch_size: int = 128) -> Score:
    device, cfg = next(adaptive.parameters()).device, adaptive.cfg
    pixels = torch.stack([p.pixels for p in pictures])
    inked = torch.cat([(block_ink(part.to(device), cfg) > 1).sum(1) for part in pixels.split(batch_size)]).tolist()
    num_blocks = [seen_blocks(plan, count) for count in (inked if plan.tolerance is None else blocks_of_unequal(pixels, cfg, plan.tolerance, device))]
    items = [(i, item) for i, picture in enumerate(pictures) for item in picture.items]
    answers, tower_use, decoder_use = [""] * len(items), torch.zeros(cfg.vision_layers), torch.zeros(cfg.num_layers)
    order = sorted(range(len(pictures)), key=lambda i: num_blocks[i])
    for first in range(0, len(pictures), batch_size):
        own = order[first:first + batch_size]
        groups = [[i for i in own if num_blocks[i] == blocks] for blocks in sorted({num_blocks[i] for i in own})]
        encoded = [encode(adaptive, pixels[group].to(device), plan, num_blocks[group[0]]) for group in groups]
        if plan.strategy == LEARNED:
            batches = [(e, [n for n, (i, _) in enumerate(items) if i in group], group) for e, group in zip(encoded, groups)]
        else:
            seen = joined([take_in(adaptive, e, plan, num_blocks[group[0]]) for e, group in zip(encoded, groups)])
            batches = [(seen, [n for n, (i, _) in enumerate(items) if i in own], [i for group in groups for i in group])]
        for shown, asked, rows in batches:
            # Short answers together, so that few wait for long ones.
            asked.sort(key=lambda n: len(items[n][1]["answer"]))
            for part in (asked[at:at + 2 * batch_size] for at in range(0, len(asked), 2 * batch_size)):
                part_rows, questions = [rows.index(items[n][0]) for n in part], [items[n][1]["question"] for n in part]
                seen = shown
                if plan.strategy == LEARNED:
                    chosen = shown.of(part_rows)
                    seen, part_rows = take_in(adaptive, chosen, plan, num_blocks[rows[0]], scores_of(adaptive, questions, chosen.visual)), [*range(len(part))]
                decoder_use += seen.gates[part_rows].mean(-1).sum(0).cpu()
                for n, given_text in zip(part, answer(adaptive, seen, part_rows, questions)):
                    answers[n] = given_text
        tower_use += sum((e.gates > 0.5).float().sum(0).cpu() for e in encoded)
    n = len(pictures)
    return Score(answers, [is_right(text, item) for text, (_, item) in zip(answers, items)], [inked[i] for i, _ in items],
                 sum(cost(cfg, plan, b) for b in num_blocks) / n, sum(plan.num_tokens(b) for b in num_blocks) / n, (tower_use / n).tolist(), (decoder_use / len(items)).tolist())


def layers_name(chosen: int | tuple[int, ...], total: int) -> str:
    if chosen in (total, total // 2):
        return str(chosen)
    if isinstance(chosen, int):
        return f"{chosen} scheduled"
    return f"{len(chosen)} in order" if chosen == nested(total, len(chosen)) else " ".join(map(str, chosen))


def name_of(plan: Plan) -> str:
    decoder = layers_name(plan.decoder, GROWN.num_layers) if plan.units is None else f"{plan.units / UNITS_A_LAYER:g} by units"
    blocks = f"{'inked' if plan.fits_ink else 'all'} {plan.blocks}" if plan.tolerance is None else f"unequal by {plan.tolerance:g}"
    return f"{blocks} | {layers_name(plan.tower, GROWN.vision_layers)} | {plan.tokens} {plan.strategy} | {decoder}"


def in_order(tower: int, decoder: int) -> Plan:
    return Plan(tower=nested(GROWN.vision_layers, tower), decoder=nested(GROWN.num_layers, decoder))


QUARTER = Plan(tower=6, tokens=144, decoder=5)
# What is asked of the model first, then the order of layers against the scheduler, then the ladder's other rungs and single levers.
PLANS = (FULL, Plan(), Plan(tolerance=0), Plan(tolerance=8), Plan(tower=6, decoder=5), QUARTER, replace(QUARTER, strategy=LEARNED), Plan(tokens=144), Plan(tokens=144, strategy=LEARNED),
         in_order(9, 8), Plan(tower=9, decoder=8), in_order(11, 9), Plan(tower=11, decoder=9), in_order(8, 7), Plan(tower=8, decoder=7),
         Plan(tower=6, tokens=96, decoder=5, strategy=LEARNED), Plan(tower=6, tokens=96, decoder=5), Plan(tower=6, tokens=288, decoder=5), *LADDER[-2:],
         Plan(fits_ink=False, tokens=144, strategy=CLASS_ATTENTION), Plan(fits_ink=False, tokens=144, strategy=RANDOM))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+", help="finished files or folders of train.train_adaptive")
    parser.add_argument("--sets", type=Path, nargs="+", default=[Path("samples/heldout/set.jsonl"), Path("samples/browser/set.jsonl")])
    parser.add_argument("--limit", type=int, default=None, help="pictures of each set")
    parser.add_argument("--plans", type=int, default=None, help="only the first so many")
    parser.add_argument("--plan", action="append", default=[], help="a plan by hand, such as 'blocks=112,tower=9,decoder=(0,2,4,5,6,8)'; in place of the usual ones")
    parser.add_argument("--seconds", type=float, default=1e9, help="no plan is begun after this time")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    began = time.time()
    sets = [read_set(path, GROWN, args.limit) for path in args.sets]
    for path in args.models:
        adaptive = start_of(path).to(args.device).eval()
        plans = [FULL, *(eval(f"Plan({text})", {"Plan": Plan, "nested": nested}) for text in args.plan)] if args.plan else PLANS[:args.plans]
        columns = " | ".join(f"% right, {s.parent.name} | % as in full | on half-empty pages" for s in args.sets)
        print(f"\n{path.name}\n\n| blocks | tower | tokens | decoder | FLOPs | visual tokens | {columns} | tower layers used | decoder layers used |")
        print("|---" * (8 + 3 * len(sets)) + "|", flush=True)
        full = None
        for plan in plans:
            if time.time() - began > args.seconds:
                break
            scores = [score(adaptive, pictures, plan) for pictures in sets]
            full = full or scores
            used = ["/".join(f"{100 * u:.0f}" for u in uses) for uses in (scores[0].tower_use, scores[0].decoder_use)]
            results = " | ".join(f"{s.accuracy:.1f} | {s.same_as(f):.1f} | {s.same_as(f, 72):.2f}" for s, f in zip(scores, full))
            print(f"| {name_of(plan)} | {scores[0].cost:.3f} | {scores[0].tokens:.0f} | {results} | {' | '.join(used)} |", flush=True)
        print(f"{time.time() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()

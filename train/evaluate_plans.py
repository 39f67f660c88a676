"""Scores plans on sets of questions: right answers against FLOPs, for the adaptive model and for the model that it was made from.

    python -m train.evaluate_plans ~/saccade-train/adaptive/averaged models/saccade-mini.gguf --sets samples/heldout/set.jsonl samples/browser/set.jsonl

Answers are greedy, in batches; a layer that is left out is masked, which gives what skipping it gives (`tests/test_adaptive.py`). For
the base, which has no scheduler, plans name their layers, and several neighbours become their mean.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from train import tokenizer
from train.adaptive import AdaptiveMini, Asked, add_gated, block_ink, fullest_blocks, read_on
from train.augment import pad_to_square
from train.data import to_pixels
from train.evaluate import is_right
from train.model import ModelConfig, rope_table
from train.packing import prompt_ids
from train.plans import CLASS_ATTENTION, DIVERSE, FULL, LADDER, MERGE, RANDOM, Plan, cost, seen_blocks
from train.scheduler import NUM_PREFIX, SLOTS
from train.train_adaptive import start_of
from train.whole import queries_keys_values


@dataclass
class Picture:
    pixels: torch.Tensor  # [3, side, side]
    items: list[dict]


def read_set(path: Path, cfg: ModelConfig, every: int = 1) -> list[Picture]:
    by_image: dict[str, list[dict]] = defaultdict(list)
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip():
            item = json.loads(line)
            by_image[item["image"]].append(item)
    names = sorted(by_image)[::every]
    squares = [np.array(pad_to_square(Image.open(path.parent / name).convert("RGB"), cfg.image_size)[0]) for name in names]
    pixels = to_pixels(torch.from_numpy(np.stack(squares)))
    return [Picture(p, by_image[name]) for p, name in zip(pixels, names)]


def gates_of(chosen: tuple[int, ...], num_layers: int, batch: int, device) -> torch.Tensor:
    gates = torch.zeros(batch, num_layers, device=device)
    gates[:, list(chosen)] = 1.0
    return gates


def asked_by(plan: Plan, cfg: ModelConfig, batch: int, device) -> Asked:
    """Named layers, and numbers that are all of them, are given; of fewer the scheduler chooses."""
    def given(chosen, num_layers):
        if chosen == num_layers:
            chosen = tuple(range(num_layers))
        if isinstance(chosen, tuple):
            return gates_of(chosen, num_layers, batch, device)
        return torch.full((batch,), chosen, device=device)

    if plan.units is not None:
        return Asked(given(plan.tower, cfg.vision_layers), torch.full((batch,), plan.units, device=device), by_unit=True)
    decoder = given(plan.decoder, cfg.num_layers)
    return Asked(given(plan.tower, cfg.vision_layers), decoder[..., None].expand(-1, -1, SLOTS) if decoder.ndim > 1 else decoder)


class Batch:
    """Pictures [batch] of one number of blocks: their visual tokens read, their questions answered."""

    def __init__(self, adaptive: AdaptiveMini, pixels: torch.Tensor, plan: Plan, num_blocks: int):
        self.adaptive, self.cfg, self.decoder = adaptive, adaptive.cfg, adaptive.model.language_model
        device, batch = pixels.device, len(pixels)
        asked = asked_by(plan, self.cfg, batch, device)
        blocks = fullest_blocks(block_ink(pixels, self.cfg), num_blocks)
        visual, looked, self.tower_gates = adaptive.encode(pixels, blocks, asked)
        visual, places = adaptive.compress(visual, looked, blocks, plan.per_block, plan.strategy)
        start = self.decoder.embed_tokens(torch.full((batch, 1), tokenizer.BOS, device=device))
        x = torch.cat([start, visual], dim=1)
        positions = torch.cat([places.new_zeros(batch, 1), 1 + places], dim=1)
        self.caches: list[tuple[torch.Tensor, torch.Tensor]] = []
        rope = rope_table(positions, self.cfg.head_dim, self.cfg.rope_theta)
        gates, latency = asked.decoder, None
        if not asked.decoder_is_given:
            latency, gates = adaptive.begin_latency(asked, visual)
            latency_rope = adaptive.latency_rope(batch, device)
        for i, layer in enumerate(self.decoder.layers):
            if i == NUM_PREFIX and latency is not None:
                gates = adaptive.late_gates(gates, asked, latency)
            x, k, v = self.through(layer, x, rope, gates[:, i])
            self.caches.append((k, v))
            if i < NUM_PREFIX and latency is not None:
                latency = read_on(layer, latency, *latency_rope, k, v, gates[:, i])
        self.gates, self.num_visual = gates, visual.shape[1]

    def through(self, layer, x, rope, gates, cache=None, mask=None):
        """A decoder layer with a cache; returns the output and all keys and values."""
        q, k, v = queries_keys_values(layer, x, *rope)
        if cache is not None:
            k, v = torch.cat([cache[0], k], dim=2), torch.cat([cache[1], v], dim=2)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=cache is None)
        return add_gated(layer, x, attended, gates), k, v

    def answer(self, rows: list[int], questions: list[str], max_new_tokens: int = 100) -> list[str]:
        """Question i on picture rows[i]. Questions are padded on the left to one length."""
        device, newline = self.gates.device, tokenizer.encode("\n")
        ids = [newline + prompt_ids(question) for question in questions]
        width, first = max(map(len, ids)), 1 + self.cfg.num_patches
        padding = torch.tensor([width - len(i) for i in ids], device=device)
        tokens = torch.tensor([[tokenizer.PAD] * (width - len(i)) + i for i in ids], device=device)
        index = torch.tensor(rows, device=device)
        caches, gates = [(k[index], v[index]) for k, v in self.caches], self.gates[index]
        prefix = 1 + self.num_visual
        out: list[list[int]] = [[] for _ in ids]
        is_done = torch.zeros(len(ids), dtype=torch.bool, device=device)
        given, start = [], 0
        while len(given) < max_new_tokens:
            num_new = tokens.shape[1]
            column = torch.arange(start, start + num_new, device=device)
            positions = (first + column[None] - padding[:, None]).clamp(min=0)
            key = torch.arange(start + num_new, device=device)
            text = (key[None, None] <= column[None, :, None]) & (key[None, None] >= padding[:, None, None])
            mask = torch.cat([torch.ones(len(ids), num_new, prefix, dtype=torch.bool, device=device), text], dim=2)[:, None]
            rope = rope_table(positions, self.cfg.head_dim, self.cfg.rope_theta)
            x = self.decoder.embed_tokens(tokens)
            for i, layer in enumerate(self.decoder.layers):
                x, k, v = self.through(layer, x, rope, gates[:, i], caches[i], mask)
                caches[i] = (k, v)
            best = self.adaptive.model.logits(self.decoder.norm(x[:, -1])).argmax(-1)
            given.append(best)
            is_done |= best == tokenizer.EOS
            if len(given) % 4 == 0 and bool(is_done.all()):
                break
            tokens, start = best[:, None], start + num_new
        for i, row in enumerate(torch.stack(given, 1).tolist()):
            out[i] = row[:row.index(tokenizer.EOS)] if tokenizer.EOS in row else row
        return [tokenizer.decode(o) for o in out]


@dataclass
class Score:
    right: int
    asked: int
    cost: float  # mean share of the full plan's FLOPs
    tokens: float  # mean visual tokens
    tower_use: list[float]  # share of the pictures in which each layer ran
    decoder_use: list[float]

    @property
    def accuracy(self) -> float:
        return 100 * self.right / max(1, self.asked)


@torch.no_grad()
def score(adaptive: AdaptiveMini, pictures: list[Picture], plan: Plan, batch_size: int = 64) -> Score:
    device, cfg = next(adaptive.parameters()).device, adaptive.cfg
    pixels = torch.stack([p.pixels for p in pictures])
    inked = torch.cat([(block_ink(part.to(device), cfg) > 1).sum(1) for part in pixels.split(batch_size)]).tolist()
    by_blocks: dict[int, list[int]] = defaultdict(list)
    for i, count in enumerate(inked):
        by_blocks[seen_blocks(plan, count)].append(i)
    right = asked = 0
    tower_use, decoder_use = torch.zeros(cfg.vision_layers), torch.zeros(cfg.num_layers)
    for blocks, members in by_blocks.items():
        for first in range(0, len(members), batch_size):
            own = members[first:first + batch_size]
            batch = Batch(adaptive, pixels[own].to(device), plan, blocks)
            tower_use += (batch.tower_gates > 0.5).float().sum(0).cpu()
            decoder_use += batch.gates.mean(-1).sum(0).cpu()
            pairs = [(row, item) for row, i in enumerate(own) for item in pictures[i].items]
            for given, (_, item) in zip(batch.answer([r for r, _ in pairs], [item["question"] for _, item in pairs]), pairs):
                right += is_right(given, item)
                asked += 1
    n = len(pictures)
    costs = [cost(cfg, plan, b) * len(m) for b, m in by_blocks.items()]
    tokens = [plan.num_tokens(b) * len(m) for b, m in by_blocks.items()]
    return Score(right, asked, sum(costs) / n, sum(tokens) / n, (tower_use / n).tolist(), (decoder_use / n).tolist())


def name_of(plan: Plan) -> str:
    decoder = plan.decoder if plan.units is None else f"{plan.units} units"
    seen = f"{'' if plan.fits_ink else 'all '}{plan.blocks}"
    return f"{seen} | {plan.tower} | {plan.strategy} {plan.per_block:g} | {decoder}"


def learned_plans() -> list[Plan]:
    """The ladder, then plans by hand: dense pictures with fewer layers, variant H, the other ways to choose tokens, single levers."""
    layers = [(6, 4), (5, 5), (5, 3), (4, 4), (4, 3), (4, 2), (3, 3), (3, 2), (2, 3), (2, 2)]
    more = [Plan(tower=t, per_block=1, decoder=d) for t, d in layers]
    more += [Plan(fits_ink=False, tower=t) for t in (5, 4, 3)] + [Plan(fits_ink=False, decoder=d) for d in (4, 3, 2)]
    more += [Plan(fits_ink=False, per_block=1, strategy=s) for s in (MERGE, RANDOM, CLASS_ATTENTION, DIVERSE)]
    more += [Plan(per_block=1, tower=t, units=u) for t, u in ((5, 16), (4, 14), (4, 12), (4, 10), (3, 8), (3, 6))]
    return [*LADDER, *more]


def base_plans() -> list[Plan]:
    every = (*range(6),)
    plans = [FULL, Plan(), Plan(per_block=2), Plan(per_block=1)]
    plans += [Plan(fits_ink=False, per_block=1, strategy=s) for s in (MERGE, RANDOM, CLASS_ATTENTION, DIVERSE)]
    plans += [Plan(tower=tuple(i for i in every if i != out)) for out in range(6)]
    plans += [Plan(decoder=tuple(i for i in range(5) if i != out)) for out in range(5)]
    return plans


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+", help="finished files (plans of the base) or folders of train.train_adaptive")
    parser.add_argument("--sets", type=Path, nargs="+", default=[Path("samples/heldout/set.jsonl"), Path("samples/browser/set.jsonl")])
    parser.add_argument("--every", type=int, default=1, help="of so many pictures one")
    parser.add_argument("--plans", type=int, default=None, help="only the first so many")
    parser.add_argument("--plan", action="append", default=[], help="a plan by hand, such as 'blocks=112,tower=4,decoder=(0,1,4)'; in place of the usual ones")
    parser.add_argument("--seconds", type=float, default=1e9, help="no plan is begun after this time")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    began, cfg = time.time(), ModelConfig()
    sets = [read_set(path, cfg, args.every) for path in args.sets]
    for path in args.models:
        adaptive = start_of(path).to(args.device).eval()
        plans = [eval(f"Plan({text})", {"Plan": Plan}) for text in args.plan] or (learned_plans() if path.is_dir() else base_plans())[:args.plans]
        print(f"\n{path.name}\n\n| blocks | tower | tokens a block | decoder | FLOPs | visual tokens | {' | '.join(f'% right, {s.parent.name}' for s in args.sets)} | tower layers used | decoder layers used |")
        print("|---" * (8 + len(sets)) + "|", flush=True)
        for plan in plans:
            if time.time() - began > args.seconds:
                break
            scores = [score(adaptive, pictures, plan) for pictures in sets]
            used = ["/".join(f"{100 * u:.0f}" for u in uses) for uses in (scores[0].tower_use, scores[0].decoder_use)]
            print(f"| {name_of(plan)} | {scores[0].cost:.3f} | {scores[0].tokens:.0f} | {' | '.join(f'{s.accuracy:.1f}' for s in scores)} | {' | '.join(used)} |", flush=True)
        print(f"{time.time() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()

"""Makes a finished model adaptive on one GPU, for a given time.

    python -m train.records /dev/shm/pages --workers 15 &
    python -m train.train_adaptive /dev/shm/pages --base models/saccade-mini.gguf --out ~/saccade-train/adaptive --seconds 480 --compile

Every batch is answered three times by one set of weights (the sandwich of J. Yu, T. Huang, "Universally Slimmable Networks", ICCV
2019): a third of it by the full plan, a third by a plan of the ladder, a third by a free combination. All learn the answers and the
frozen model's probabilities and visual tokens. The rates follow the clock as in `train_whole.py`.
"""

from __future__ import annotations

import argparse
import copy
import random
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F

from train.adaptive import AdaptiveMini, Asked, begin_scheduler, block_ink, block_places, everything, fullest_blocks, gated_decoder_layer, gated_tower_layer, load_adaptive, save_tensors
from train.data import to_pixels
from train.import_gguf import read_model
from train.model import ModelConfig
from train.optimizer import Average, MuonAdamW
from train.packing import EMPTY, IGNORED
from train.plans import CLASS_ATTENTION, DIVERSE, LADDER, MERGE, RANDOM, UNITS_A_LAYER, Plan, num_layers
from train.train_whole import Leash, Pool, add_loop_options, clip_finite, exact_by_kind, rate_at, vary

# How much each layer of the shipped model matters: the points that its answers lose without it, a twentieth of them as a logit.
TOWER_ORDER = [4.0, 3.1, 2.0, 2.3, 2.4, 1.9]
DECODER_ORDER = [4.8, 3.2, 2.5, 3.3, 3.1]
BLOCKS = {144: 0.45, 96: 0.25, 64: 0.3}
# Tokens a block, and how they are chosen.
COMPRESSIONS = {(MERGE, 4): 2, (MERGE, 2): 1.5, (MERGE, 1): 3, (RANDOM, 2): 0.3, (RANDOM, 1): 0.7, (CLASS_ATTENTION, 2): 0.4, (CLASS_ATTENTION, 1): 1.2,
                (CLASS_ATTENTION, 0.5): 0.4, (DIVERSE, 1): 1.6, (DIVERSE, 0.5): 0.6}
STRATEGIES_OF_RUNGS = {MERGE: 0.6, CLASS_ATTENTION: 0.2, DIVERSE: 0.2}
# Room for visual tokens in the decoder: few shapes, since each is compiled.
ROOMS = (80, 144, 288, 576)


def pick(weights: dict, rng: random.Random):
    return rng.choices(list(weights), list(weights.values()))[0]


def free_plan(rng: random.Random) -> Plan:
    """A combination of blocks and tokens; the layers are drawn sample by sample."""
    strategy, per_block = pick(COMPRESSIONS, rng)
    return Plan(pick(BLOCKS, rng), per_block=per_block, strategy=strategy)


def rung_plan(rung: int, rng: random.Random) -> Plan:
    """A plan of the ladder; where it has fewer tokens, they may also be chosen, not merged."""
    plan = LADDER[rung]
    return replace(plan, strategy=pick(STRATEGIES_OF_RUNGS, rng)) if plan.per_block <= 1 else plan


def asked_by(plan: Plan, batch: int, by_unit: bool, is_free: bool, rng: random.Random, cfg: ModelConfig, device) -> Asked:
    """Numbers of layers for each sample. Of a free plan one in three takes layers by chance, not by the scheduler."""
    tower, decoder = [num_layers(plan.tower)] * batch, [num_layers(plan.decoder) * (UNITS_A_LAYER if by_unit else 1)] * batch
    by_chance = None
    if is_free:
        tower = [rng.randint(2, cfg.vision_layers) for _ in range(batch)]
        decoder = [rng.randint(2 * UNITS_A_LAYER, cfg.num_layers * UNITS_A_LAYER) if by_unit else rng.randint(2, cfg.num_layers) for _ in range(batch)]
        by_chance = torch.tensor([rng.random() < 1 / 3 for _ in range(batch)]).to(device, non_blocking=True)
    return Asked(*(torch.tensor(count).to(device, non_blocking=True) for count in (tower, decoder)), by_unit, True, by_chance)


def distances(logits: torch.Tensor, teacher: torch.Tensor, batch: dict) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Losses of the answers, and which text tokens are wrong."""
    asked = batch["targets"] != IGNORED
    weights = batch["weights"] * asked
    weights = weights / weights.sum().clamp(min=1e-6)
    told = logits.float().log_softmax(-1)
    answer = -told.gather(-1, batch["targets"].clamp(min=0)[..., None])[..., 0]
    wanted = teacher.float().log_softmax(-1)
    apart = (wanted.exp() * (wanted - told)).sum(-1)
    return {"answer": (answer * weights).sum(), "apart": (apart * weights).sum()}, asked & (logits.argmax(-1) != batch["targets"])


class Lesson:
    """The three groups of a batch and their losses."""

    def __init__(self, adaptive: AdaptiveMini, teacher: AdaptiveMini, run_tower, run_decoder, weights: dict[str, float]):
        self.adaptive, self.teacher, self.cfg = adaptive, teacher, adaptive.cfg
        self.run_tower, self.run_decoder, self.weights = run_tower, run_decoder, weights

    @torch.no_grad()
    def told_by_teacher(self, pixels: torch.Tensor, text: dict) -> tuple[torch.Tensor, torch.Tensor]:
        asked = everything(self.cfg, len(pixels), pixels.device)
        visual, _, _ = self.teacher.encode(pixels, None, asked, self.run_tower)
        places = torch.arange(self.cfg.num_patches, device=pixels.device).expand(len(pixels), -1)
        return visual, self.teacher.read(visual, places, text, asked, self.run_decoder)[0]

    def learn(self, pixels, ink, batch, visual_told, logits_told, plan: Plan | None, asked: Asked) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """One group by one plan (None: in full), backward included."""
        text = {name: batch[name] for name in EMPTY}
        with torch.autocast(pixels.device.type, torch.bfloat16):
            if plan is None:
                asked.tower.requires_grad_(), asked.decoder.requires_grad_()  # so that compiled layers serve all groups
                visual, _, _ = self.adaptive.encode(pixels, None, asked, self.run_tower)
                places = torch.arange(self.cfg.num_patches, device=pixels.device).expand(len(pixels), -1)
                shown, wanted = visual, visual_told
            else:
                blocks = fullest_blocks(ink * (1 + 0.2 * torch.rand_like(ink)), plan.blocks)
                visual, looked, _ = self.adaptive.encode(pixels, blocks, asked, self.run_tower)
                seen = block_places(self.cfg, pixels.device)[blocks].flatten(1)
                wanted = visual_told.gather(1, seen[..., None].expand(-1, -1, visual.shape[-1]))
                shown, places = self.adaptive.compress(visual, looked, blocks, plan.per_block, plan.strategy)
            room = next(room for room in ROOMS if room >= shown.shape[1])
            logits, _ = self.adaptive.read(shown, places, text, asked, self.run_decoder, room)
        parts, wrong = distances(logits, logits_told, batch)
        parts["tokens"] = (visual.float() - wanted.float()).square().mean() / wanted.float().square().mean()
        share = self.weights["full"] if plan is None else 1.0
        (share * sum(self.weights[name] * part for name, part in parts.items())).backward()
        return {name: part.detach() for name, part in parts.items()}, wrong


def answer_thrice(lesson: Lesson, batch: dict, names: tuple[str, str], plans: list[Plan], by_unit: bool, optimizer: MuonAdamW, scores: dict | None,
                  rng: random.Random) -> list[tuple[str, dict[str, torch.Tensor]]]:
    """The gradients of one batch. Returns the losses of each group; `scores` takes (exact, asked) where given."""
    cfg, device, third = lesson.cfg, batch["image"].device, len(batch["image"]) // 3
    with torch.no_grad():
        pixels = vary(to_pixels(batch["image"]))
        ink = block_ink(pixels, cfg)
        with torch.autocast(device.type, torch.bfloat16):
            visual_told, logits_told = lesson.told_by_teacher(pixels, {name: batch[name] for name in EMPTY})
        # Of the pictures not answered in full the emptier ones go to the plan that sees less.
        order = third + ((ink[third:] > 1).sum(1) + 30 * torch.rand(len(ink) - third, device=device)).argsort()
    rows = [torch.arange(third, device=device), *order.split([third, len(order) - third])]
    if plans[0].blocks > plans[1].blocks:
        rows[1], rows[2] = rows[2], rows[1]
    optimizer.zero_grad()
    told = []
    for name, own, plan in zip(("full", *names), rows, (None, *plans)):
        asked = everything(cfg, len(own), device) if plan is None else asked_by(plan, len(own), by_unit, name == "free", rng, cfg, device)
        part = {field: value[own] for field, value in batch.items() if field in EMPTY or field == "kinds"}
        parts, wrong = lesson.learn(pixels[own], ink[own], part, visual_told[own], logits_told[own], plan, asked)
        told.append((name, parts))
        if scores is not None:
            exact, count = exact_by_kind(wrong, part)
            key = name + " H" * (by_unit and plan is not None)
            scores[key] = [scores[key][0] + exact.sum(), scores[key][1] + count.sum()]
    return told


def start_of(base: Path) -> AdaptiveMini:
    if base.is_dir():
        return load_adaptive(base)
    adaptive = AdaptiveMini(ModelConfig())
    adaptive.model.load_state_dict(read_model(base, adaptive.cfg).state_dict())
    begin_scheduler(TOWER_ORDER, DECODER_ORDER, adaptive.scheduler)
    return adaptive


def train(args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    torch._dynamo.config.cache_size_limit = 64
    device, rng, began = torch.device(args.device), random.Random(args.seed), time.time()
    args.out.mkdir(parents=True, exist_ok=True)
    log = open(args.out / "train.log", "a", buffering=1)

    def tell(text: str) -> None:
        print(f"{time.time() - began:6.1f} {text}", flush=True)
        log.write(f"{time.time() - began:6.1f} {text}\n")

    adaptive = start_of(args.base).to(device)
    cfg = adaptive.cfg
    teacher = copy.deepcopy(adaptive).requires_grad_(False).eval()
    optimizer = MuonAdamW(adaptive.named_parameters(), muon_lr=args.muon_lr, adam_lr=args.adam_lr, decoder_boost=args.decoder_boost)
    average = Average(adaptive.named_parameters(), decay=args.average)
    layers = (gated_tower_layer, gated_decoder_layer)
    run_tower, run_decoder = (torch.compile(f, dynamic=False) for f in layers) if args.compile else layers
    lesson = Lesson(adaptive, teacher, run_tower, run_decoder, {"answer": args.answer_weight, "apart": args.apart_weight, "tokens": args.tokens_weight, "full": args.full_weight})
    pool = Pool(args.folder, cfg, args.capacity, device)
    while pool.num_read < args.batch_size:
        time.sleep(0.1)
    tell(f"start: {pool.num_read} pictures read")

    params = list(adaptive.parameters())
    leash = Leash(device)
    scores: dict[str, list[float]] = defaultdict(lambda: [0, 0])
    started = last_log = last_save = time.time()
    pictures = logged = fresh = step = 0
    while True:
        share = (time.time() - began) / args.seconds
        if share >= 1 or (args.stop and step >= args.stop):
            break
        batch, num_fresh = pool.draw(args.batch_size, rng)
        by_unit = rng.random() < args.unit_share
        rung = len(LADDER) - 1 if rng.random() < 0.2 else rng.randrange(1, len(LADDER))
        plans = [rung_plan(rung, rng), free_plan(rng)]
        try:
            told = answer_thrice(lesson, batch, (f"rung {rung}", "free"), plans, by_unit, optimizer, scores if step % 8 == 0 else None, rng)
        except Exception as error:
            if lesson.run_tower is gated_tower_layer:
                raise
            tell(f"layers as they are from here on, since compiled ones fail: {type(error).__name__} {str(error)[:500]}")
            lesson.run_tower, lesson.run_decoder = layers
            continue
        for p in params:  # a head that no plan of this step asked
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        norm = clip_finite(params, args.clip)
        optimizer.step(rate := rate_at(share, step, args.warmup, args.hold))
        average.update()
        step, pictures, fresh = step + 1, pictures + args.batch_size, fresh + num_fresh
        leash.step()
        now = time.time()
        if step <= 3 or now - last_log > args.log_every_s:
            detail = "; ".join(f"{name} " + " ".join(f"{n} {float(p):.3f}" for n, p in parts.items()) for name, parts in told)
            tell(f"step {step} rate {rate:.3f} {detail} norm {float(norm):.2f} img/s {(pictures - logged) / (now - last_log):.0f} fresh {fresh / pictures:.2f} read {pool.num_read}")
            last_log, logged = time.time(), pictures
        if now - last_save > args.save_every_s:
            tell("exact " + ", ".join(f"{name} {float(right / count):.3f}" for name, (right, count) in sorted(scores.items())))
            scores.clear()
            save_tensors(average.values, args.out / "averaged")
            last_save = time.time()
    pool.close()
    save_tensors(average.values, args.out / "averaged")
    save_tensors(dict(adaptive.named_parameters()), args.out / "last")
    tell("exact " + ", ".join(f"{name} {float(right / count):.3f}" for name, (right, count) in sorted(scores.items())))
    tell(f"done: {step} steps, {pictures} pictures, {fresh} of them drawn anew, in {time.time() - began:.0f} s, {time.time() - started:.0f} of them learning")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_loop_options(parser, seconds=480, batch_size=126, muon_lr=0.004)
    parser.add_argument("--base", type=Path, default=Path("models/saccade-mini.gguf"), help="a finished file, or a folder that this program wrote")
    parser.add_argument("--out", type=Path, default=Path.home() / "saccade-train/adaptive")
    parser.add_argument("--answer_weight", type=float, default=1.0)
    parser.add_argument("--apart_weight", type=float, default=1.0, help="of the divergence from the frozen model's probabilities")
    parser.add_argument("--tokens_weight", type=float, default=0.3, help="of the distance from the frozen model's visual tokens")
    parser.add_argument("--full_weight", type=float, default=2.0, help="of the full plan's losses, beside the other two")
    parser.add_argument("--unit_share", type=float, default=0.2, help="of the steps that pick heads and groups, not layers")
    train(parser.parse_args())


if __name__ == "__main__":
    main()

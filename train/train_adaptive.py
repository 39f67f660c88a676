"""Grows a finished model in depth and makes it adaptive on one GPU, for a given time.

    python -m train.records /dev/shm/pages --workers 15 --first 10000000 &
    python -m train.train_adaptive /dev/shm/pages --base models/saccade-mini.gguf --out ~/saccade-train/adaptive --seconds 480 --compile

Every batch is answered in full, and twice a third of it by a cheaper plan, by one set of weights (after J. Yu, T. Huang, "Universally
Slimmable Networks", ICCV 2019). The full plan learns the answers; the cheaper ones learn them too, and what the full one says of the
same pictures. The rates follow the clock as in `train_whole.py`. With --profile it tells at the end what takes how long.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import defaultdict, deque
from dataclasses import replace
from pathlib import Path

import torch

from train.adaptive import AdaptiveMini, Asked, block_ink, everything, fullest_blocks, gated_decoder_layer, gated_tower_layer, given_layers, load_adaptive, patches_of, save_tensors
from train.data import to_pixels
from train.equal_patches import room_of, seen_patches, stand_ins
from train.grow import grow, is_added
from train.import_gguf import read_model, read_token_scorer
from train.model import ModelConfig
from train.optimizer import Average, MuonAdamW
from train.packing import EMPTY, IGNORED
from train.plans import CLASS_ATTENTION, DIVERSE, GROWN, LADDER, LEARNED, RANDOM, UNITS_A_LAYER, Plan, nested, num_layers, originals
from train.token_scorer import asked_words, attention_on_picture, draw_questions, scorer_loss, scores_of_questions
from train.train_whole import Leash, Pool, add_loop_options, clip_finite, exact_by_kind, rate_at, vary

# The emptiest, the middle and the fullest third of a batch: how many blocks hold nearly all that is on such pages.
THIRDS = ((48, 64), (80, 96), (144,))
INKED, UNEQUAL, QUARTER, ASKED, RUNG, FREE = KINDS = ("inked", "unequal", "quarter", "asked", "rung", "free")
# Tokens chosen for questions have not been better than diverse ones yet: the scorer learns, the model does not learn with its choice.
KIND_WEIGHTS = {INKED: 0.15, UNEQUAL: 0.2, QUARTER: 0.35, ASKED: 0.0, RUNG: 0.1, FREE: 0.2}
# Levels up to which patches count as equal, and the blocks that make room for what is left in each third by it.
TOLERANCES, UNEQUAL_THIRDS = (0, 2, 4, 8), (48, 96, 144)
# Questions of each picture that share the tokens which are chosen for them; pictures of a batch whose questions teach the scorer.
SHARING, SCORED = 3, 16
# More questions than most pictures are asked.
ASKED_OF_A_PICTURE = 20
# Of free combinations: tokens, how they are chosen, and which layers run (all, added ones by chance, as many as the scheduler is told).
TOKENS = {576: 1, 288: 1, 144: 2, 96: 1, 72: 0.5}
STRATEGIES = {DIVERSE: 0.7, CLASS_ATTENTION: 0.2, RANDOM: 0.1}
LAYERS = {"all": 0.2, "by chance": 0.4, "scheduled": 0.4}
# Room for visual tokens in the decoder: few shapes, since each is compiled.
ROOMS = (144, 192, 288, 384, 576)


def pick(weights: dict, rng: random.Random):
    return rng.choices(list(weights), list(weights.values()))[0]


def by_chance(num_layers: int, rng: random.Random) -> tuple[int, ...]:
    """The original layers, and each added one with even odds."""
    return tuple(i for i in range(num_layers) if i % 2 == 0 or rng.random() < 0.5)


def half_in_order(plan: Plan, rng: random.Random) -> Plan:
    """Half of the time the layers that are left in the fixed order, else as many as the scheduler picks."""
    if rng.random() < 0.5:
        return plan
    return replace(plan, tower=nested(GROWN.vision_layers, plan.tower), decoder=nested(GROWN.num_layers, plan.decoder))


def draw_plan(kind: str, third: int, rng: random.Random) -> Plan:
    """A plan for the pictures of a third: a cheaper one than the full one."""
    blocks = rng.choice(THIRDS[third])
    if kind == INKED:
        return Plan(blocks)
    if kind == UNEQUAL:
        return Plan(UNEQUAL_THIRDS[third], tolerance=rng.choice(TOLERANCES))
    few = (originals(GROWN.vision_layers), originals(GROWN.num_layers))
    if kind == QUARTER:
        layers = rng.choice((few, few, (GROWN.vision_layers, GROWN.num_layers)))
        return Plan(rng.choice((blocks, 144)), layers[0], 144, layers[1])
    if kind == ASKED:
        layers = rng.choice((few, (GROWN.vision_layers, GROWN.num_layers)))
        return Plan(rng.choice((blocks, 144)), layers[0], rng.choice((144, 144, 96)), layers[1], strategy=LEARNED)
    if kind == RUNG:
        rung = rng.choice(LADDER[2:])
        return half_in_order(Plan(min(rung.blocks, blocks), rung.tower, rung.tokens, rung.decoder), rng)
    tokens, strategy, layers = pick(TOKENS, rng), pick(STRATEGIES, rng), pick(LAYERS, rng)
    if layers == "by chance":
        return Plan(blocks, by_chance(GROWN.vision_layers, rng), tokens, by_chance(GROWN.num_layers, rng), strategy=strategy)
    if layers == "scheduled":
        return half_in_order(Plan(blocks, rng.randint(6, 11), tokens, rng.randint(5, 9), strategy=strategy), rng)
    return Plan(blocks, tokens=tokens, strategy=strategy)


def given(chosen: int | tuple[int, ...], num_layers: int) -> tuple[int, ...] | None:
    """The layers of a plan where there is nothing to schedule: those named, all, or the original ones."""
    if isinstance(chosen, tuple):
        return chosen
    return {num_layers: (*range(num_layers),), num_layers // 2: originals(num_layers)}.get(chosen)


def asked_by(plan: Plan, batch: int, by_unit: bool, rng: random.Random, device) -> Asked:
    """Where layers are scheduled, the samples of a batch have numbers of their own about the plan's."""
    tower, decoder = given(plan.tower, GROWN.vision_layers), given(plan.decoder, GROWN.num_layers)
    if tower is not None and decoder is not None:
        return given_layers(GROWN, batch, device, tower, decoder)
    units = UNITS_A_LAYER if by_unit else 1
    counts = [[min(max(chosen + rng.randint(-1, 1), total // 2), total) * scale for _ in range(batch)]
              for chosen, total, scale in ((num_layers(plan.tower), GROWN.vision_layers, 1), (num_layers(plan.decoder), GROWN.num_layers, units))]
    return Asked(*(torch.tensor(count).to(device, non_blocking=True) for count in counts), by_unit, True)


def losses(logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor, full: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The loss of the answers, the divergence from what the full plan said (0 without it), and which text tokens are wrong."""
    asked = targets != IGNORED
    weights = weights * asked
    weights = weights / weights.sum().clamp(min=1e-6)
    told = logits.float().log_softmax(-1)
    answer = (-told.gather(-1, targets.clamp(min=0)[..., None])[..., 0] * weights).sum()
    apart = torch.zeros_like(answer)
    if full is not None:
        wanted = full.float().log_softmax(-1)
        apart = ((wanted.exp() * (wanted - told)).sum(-1) * weights).sum()
    return answer, apart, asked & (logits.argmax(-1) != targets)


class Lesson:
    """A batch in full and by plans, backward included."""

    def __init__(self, adaptive: AdaptiveMini, is_compiled: bool, answer_weight: float, apart_weight: float):
        self.adaptive, self.cfg = adaptive, adaptive.cfg
        self.answer_weight, self.apart_weight = answer_weight, apart_weight
        self.use_compiled(is_compiled)

    def use_compiled(self, is_compiled: bool) -> None:
        self.is_compiled, functions = is_compiled, (gated_tower_layer, gated_decoder_layer, losses)
        self.run_tower, self.run_decoder, self.losses = (torch.compile(f, dynamic=False) for f in functions) if is_compiled else functions

    def in_full(self, pixels: torch.Tensor, batch: dict) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]:
        """Losses, wrong tokens, and the logits that cheaper plans learn from. The scorer learns from some of the pictures."""
        asked = everything(self.cfg, len(pixels), pixels.device)
        with torch.autocast(pixels.device.type, torch.bfloat16):
            visual, _, _ = self.adaptive.encode(pixels, None, asked, self.run_tower)
            places = torch.arange(self.cfg.num_patches, device=pixels.device).expand(len(pixels), -1)
            logits, _ = self.adaptive.read(visual, places, {name: batch[name] for name in EMPTY}, asked, self.run_decoder)
        answer, _, wrong = self.losses(logits, batch["targets"], batch["weights"], None)
        answer.backward()
        looks = self.teach_scorer(visual[:SCORED].detach(), {name: batch[name][:SCORED] for name in EMPTY})
        return {"answer": answer.detach(), "looks": looks}, wrong, logits.detach()

    def teach_scorer(self, visual: torch.Tensor, text: dict[str, torch.Tensor]) -> torch.Tensor:
        """The scorer's loss on all questions of some pictures."""
        decoder = self.adaptive.model.language_model
        chosen = torch.arange(1, 1 + ASKED_OF_A_PICTURE, device=visual.device).expand(len(visual), -1)
        with torch.autocast(visual.device.type, torch.bfloat16):
            shares = attention_on_picture(decoder, visual, text, asked_words(text, chosen)[2])
        loss = scorer_loss(scores_of_questions(self.adaptive.token_scorer, decoder.embed_tokens, text, chosen, visual), shares)
        loss.backward()
        return loss.detach()

    def by_plan(self, pixels: torch.Tensor, ink: torch.Tensor, batch: dict, full: torch.Tensor, plan: Plan, asked: Asked) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        if asked.tower_is_given:
            asked.tower.requires_grad_(), asked.decoder.requires_grad_()  # so that compiled layers serve scheduled plans too
        text, targets = {name: batch[name] for name in EMPTY}, batch["targets"]
        with torch.autocast(pixels.device.type, torch.bfloat16):
            if plan.tolerance is None:
                places, counts = patches_of(fullest_blocks(ink, plan.blocks), self.cfg), None
            else:
                places, counts = seen_patches(pixels, self.cfg, plan.tolerance, room_of(plan.blocks))
            visual, looked, _ = self.adaptive.encode(pixels, places, asked, self.run_tower, counts)
            if plan.tolerance is None:
                scores = None
                if plan.strategy == LEARNED:
                    chosen = draw_questions(text, SHARING)
                    with torch.no_grad():
                        scores = scores_of_questions(self.adaptive.token_scorer, self.adaptive.model.language_model.embed_tokens, text, chosen, visual).softmax(-1).mean(1)
                    targets = batch["targets"] = targets.where((text["block_ids"][:, None] == chosen[..., None]).any(1), IGNORED)
                visual, places = self.adaptive.compress(visual, looked, places, plan.num_tokens(), plan.strategy, scores)
            room = next(room for room in ROOMS if room >= visual.shape[1])
            logits, _ = self.adaptive.read(visual, places, text, asked, self.run_decoder, room, counts)
        answer, apart, wrong = self.losses(logits, targets, batch["weights"], full)
        (self.answer_weight * answer + self.apart_weight * apart).backward()
        return {"answer": answer.detach(), "apart": apart.detach()}, wrong


class Stopwatch:
    """Milliseconds between marks of the last steps, of the GPU and of the program that feeds it."""

    def __init__(self, device: torch.device, num_steps: int = 20):
        self.on_gpu = device.type == "cuda"
        self.steps: deque[list[tuple[str, float, torch.cuda.Event | None]]] = deque(maxlen=num_steps)

    def begin(self) -> None:
        self.steps.append([])
        self.mark("begin")

    def mark(self, name: str) -> None:
        event = torch.cuda.Event(enable_timing=True) if self.on_gpu else None
        if event is not None:
            event.record()
        self.steps[-1].append((name, time.perf_counter(), event))

    def report(self) -> str:
        spent = defaultdict(list)
        if self.on_gpu:
            torch.cuda.synchronize()
        for marks in self.steps:
            for (_, before, event_before), (name, after, event) in zip(marks, marks[1:]):
                spent[name].append((1e3 * (after - before), event_before.elapsed_time(event) if self.on_gpu else 0.0))
        means = {name: [sum(part) / len(times) for part in zip(*times)] for name, times in spent.items()}
        return "ms of program and GPU: " + ", ".join(f"{name} {program:.1f} {gpu:.1f}" for name, (program, gpu) in means.items())


def learn_batch(lesson: Lesson, batch: dict, draws: list[tuple[str, Plan, int]], by_unit: bool, scores: dict | None, rng: random.Random,
                watch: Stopwatch) -> list[tuple[str, dict[str, torch.Tensor]]]:
    """The gradients of one batch, whose thirds `draws` gives plans to. Returns the losses of each group; `scores` takes (exact, asked) where given."""
    device = batch["image"].device
    with torch.no_grad():
        pixels = vary(to_pixels(batch["image"]))
        ink = block_ink(pixels, lesson.cfg)
        thirds = (ink > 1).sum(1).argsort().chunk(3)
        kept = {plan.tolerance: (stand_ins(pixels, lesson.cfg, plan.tolerance) == torch.arange(lesson.cfg.num_patches, device=device)).sum(1).argsort().chunk(3)
                for _, plan, _ in draws if plan.tolerance is not None}
    watch.mark("data")
    parts, wrong, full = lesson.in_full(pixels, batch)
    told = [("full", parts)]
    grades = [("full", wrong, batch)]
    watch.mark("full")
    for kind, plan, third in draws:
        own = kept[plan.tolerance][third] if plan.tolerance is not None else thirds[third]
        part = {field: value[own] for field, value in batch.items() if field in EMPTY or field == "kinds"}
        parts, wrong = lesson.by_plan(pixels[own], ink[own], part, full[own], plan, asked_by(plan, len(own), by_unit, rng, device))
        told.append((kind, parts))
        grades.append((kind, wrong, part))
        watch.mark(kind)
    if scores is not None:
        for kind, wrong, part in grades:
            exact, count = exact_by_kind(wrong, part)
            scores[kind] = [scores[kind][0] + exact.sum(), scores[kind][1] + count.sum()]
    return told


def draw_groups(rng: random.Random) -> list[tuple[str, Plan, int]]:
    """Two kinds of plan and the thirds that learn them; the fullest third has nothing empty to leave out."""
    groups = []
    thirds = rng.sample(range(3), 3)
    for _ in range(2):
        kind = pick(KIND_WEIGHTS, rng)
        third = next(t for t in thirds if kind != INKED or t < 2)
        thirds.remove(third)
        groups.append((kind, draw_plan(kind, third, rng), third))
    return groups


def start_of(base: Path) -> AdaptiveMini:
    if base.is_dir():
        return load_adaptive(base)
    adaptive, model = AdaptiveMini(GROWN), read_model(base, ModelConfig())
    adaptive.model.load_state_dict((model if model.cfg == GROWN else grow(model)).state_dict())
    if scorer := read_token_scorer(base):
        adaptive.token_scorer.load_state_dict(scorer)
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
    optimizer = MuonAdamW(adaptive.named_parameters(), muon_lr=args.muon_lr, adam_lr=args.adam_lr, decoder_boost=args.decoder_boost, boost=lambda name: args.added_boost if is_added(name) else 1.0)
    average = Average(adaptive.named_parameters(), decay=args.average)
    lesson = Lesson(adaptive, args.compile, args.answer_weight, args.apart_weight)
    pool = Pool(args.folder, adaptive.cfg, args.capacity, device)
    while pool.num_read < args.batch_size:
        time.sleep(0.1)
    tell(f"start: {pool.num_read} pictures read")

    params, scorer = [[p for name, p in adaptive.named_parameters() if name.startswith("token_scorer.") == is_scorer] for is_scorer in (False, True)]
    leash, watch = Leash(device), Stopwatch(device)
    scores: dict[str, list[float]] = defaultdict(lambda: [0, 0])
    started = last_log = last_save = time.time()
    pictures = logged = fresh = step = 0
    while True:
        share = (time.time() - began) / args.seconds
        if share >= 1 or (args.stop and step >= args.stop):
            break
        watch.begin()
        batch, num_fresh = pool.draw(args.batch_size, rng)
        by_unit = rng.random() < args.unit_share
        optimizer.zero_grad()
        try:
            told = learn_batch(lesson, batch, draw_groups(rng), by_unit, scores if step % 8 == 0 else None, rng, watch)
        except Exception as error:
            if not lesson.is_compiled:
                raise
            tell(f"layers as they are from here on, since compiled ones fail: {type(error).__name__} {str(error)[:500]}")
            lesson.use_compiled(False)
            continue
        norm = clip_finite([p for p in params if p.grad is not None], args.clip)
        clip_finite(scorer, args.clip)
        optimizer.step(rate := rate_at(share, step, args.warmup, args.hold))
        average.update()
        watch.mark("optimizer")
        step, pictures, fresh = step + 1, pictures + args.batch_size, fresh + num_fresh
        leash.step()
        watch.mark("wait")
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
    tell(watch.report())
    if args.profile:
        activities = [torch.profiler.ProfilerActivity.CPU] + [torch.profiler.ProfilerActivity.CUDA] * (device.type == "cuda")
        with torch.profiler.profile(activities=activities) as profile:
            for kind in KINDS:
                watch.begin()
                learn_batch(lesson, pool.draw(args.batch_size, rng)[0], [(kind, draw_plan(kind, 1, rng), 1)], False, None, rng, watch)
        tell(profile.key_averages().table(sort_by=f"self_{device.type}_time_total", row_limit=40, max_name_column_width=90))
    pool.close()
    tell("exact " + ", ".join(f"{name} {float(right / max(1, count)):.3f}" for name, (right, count) in sorted(scores.items())))
    save_tensors(average.values, args.out / "averaged")
    tell(f"done: {step} steps, {pictures} pictures, {fresh} of them drawn anew, in {time.time() - began:.0f} s, {time.time() - started:.0f} of them learning")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_loop_options(parser, seconds=480, batch_size=192, muon_lr=0.005)
    parser.set_defaults(capacity=60_000)
    parser.add_argument("--base", type=Path, default=Path("models/saccade-mini.gguf"), help="a finished file, or a folder that this program wrote")
    parser.add_argument("--out", type=Path, default=Path.home() / "saccade-train/adaptive")
    parser.add_argument("--answer_weight", type=float, default=0.3, help="of a cheaper plan's answers, beside 1 for the full plan's")
    parser.add_argument("--apart_weight", type=float, default=0.7, help="of a cheaper plan's divergence from the full one's probabilities")
    parser.add_argument("--added_boost", type=float, default=1.5, help="factor on the added layers' rates")
    parser.add_argument("--unit_share", type=float, default=0.0, help="of the steps that pick heads and groups, not layers")
    parser.add_argument("--profile", action="store_true", help="tell what kernels take how long, after the last step")
    train(parser.parse_args())


if __name__ == "__main__":
    main()

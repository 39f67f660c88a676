"""Trains the mini model. Stage `vision` teaches the tower to read, stage `facts` what questions need beyond that; stage `full`
trains everything on questions.

    python -m train.train --stage vision --dir ~/saccade-train
    python -m train.train --stage facts --dir ~/saccade-train --max_seconds 3600
    python -m train.train --stage full --dir ~/saccade-train            # continues from the newest checkpoint
    python -m train.train --stage full --dir ~/saccade-train --decay_steps 300   # the final fall of the rate

The schedule is warm-up, stable, decay: the stable phase has no planned end. A checkpoint holds everything needed
to go on: weights, optimiser, average, step, and the number of the next sample (which seeds all randomness).
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from train.augment import pad_to_square
from train.data import stream, to_pixels
from train.dense_labels import WATCHED_LAYERS, DenseHeads, groups_loss, links_loss, patch_labels
from train.model import ModelConfig, SaccadeMini
from train.packing import IGNORED, Packed, Packer, block_scores, packed_logits, question_losses
from train.pages import make_page
from train.questions import PAGE_NAMES
from train.optimizer import Average, MuonAdamW

VISION_MIX = {"dense": 15, "soup": 1.5, "panel": 1.5, "receipt": 1, "form": 1, "label": 1, "letter": 1, "table": 1, "bar chart": 0.7, "line chart": 0.7, "scene": 0.7}
FULL_MIX = {"dense": 1.2, "soup": 0.6, "panel": 2.0, "receipt": 1.9, "form": 1.1, "label": 1.3, "letter": 1.5, "table": 2.4, "bar chart": 2.0, "line chart": 0.7, "scene": 1.3}
FACTS_MIX = FULL_MIX | {"dense": 8.0}  # a dense page shows four times as many characters


# Reading is learned on quarters of the picture.
READING_WINDOWS = 2


class Trainee(nn.Module):
    """The model and the read-outs that exist in training only."""

    def __init__(self, cfg: ModelConfig):
        super().__init__()
        self.cfg = cfg
        self.model = SaccadeMini(cfg)
        self.heads = DenseHeads(cfg)

    def vision_loss(self, batch: dict):
        features = self.model.vision_tower(to_pixels(batch["image"]), READING_WINDOWS)
        return self.heads(features, batch["labels"])

    def facts_loss(self, batch: dict):
        _, loss, report = self._look(batch)
        return loss, report

    def _look(self, batch: dict):
        """Features [num_places, vision_dim] of each picture, the loss of all dense labels, and a report."""
        places, watched = batch["places"], {layer: [] for layer in WATCHED_LAYERS}
        features = self.model.vision_tower.forward_places(to_pixels(batch["image"]), places, watched)
        dense, report = self.heads(*on_the_grid(features, places, batch["labels"]))
        links, more = links_loss(watched, places, batch["labels"]["links"])
        groups, counted = groups_loss(watched, places, batch["labels"]["groups"])
        return features, dense + links + groups, report | more | counted

    def full_loss(self, batch: dict, dense_weight: float, pointer_weight: float):
        places = batch["places"]
        features, dense, report = self._look(batch)
        visual = self.model.multi_modal_projector(torch.cat(features)).split([len(place) for place in places])
        answers, pointers, more = question_losses(self.model, visual, places, batch["packed"])
        return answers + dense_weight * dense + pointer_weight * pointers, report | more


def on_the_grid(features: list[torch.Tensor], places: list[torch.Tensor], labels: dict) -> tuple[torch.Tensor, dict]:
    """Features [batch, num_patches, vision_dim], nothing where a patch was left out, and the labels without those patches."""
    num_patches = labels["things"].shape[1]
    rows = torch.cat([i * num_patches + place for i, place in enumerate(places)])
    flat = features[0].new_zeros(len(places) * num_patches, features[0].shape[-1]).index_copy(0, rows, torch.cat(features))
    left_out = torch.ones(len(flat), dtype=torch.bool, device=flat.device)
    left_out[rows] = False
    left_out = left_out.view(len(places), num_patches)
    kept = {name: value.masked_fill(left_out.view(left_out.shape + (1,) * (value.ndim - 2)), IGNORED) if name != "others" else value
            for name, value in labels.items()}
    return flat.view(len(places), num_patches, -1), kept


def to_device(batch: dict, device: torch.device) -> dict:
    """The tensors of a batch, its nested ones too, on the device."""
    def moved(value):
        if isinstance(value, dict):
            return {name: moved(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [moved(inner) for inner in value]
        return value.to(device, non_blocking=True) if isinstance(value, (torch.Tensor, Packed)) else value
    return moved(batch)


def save(path: Path, trainee: Trainee, optimizer: MuonAdamW, average: Average, progress: dict) -> None:
    """Writes beside the file and renames, so that a cut never leaves half a checkpoint."""
    state = {"config": trainee.cfg.to_dict(), "trainee": trainee.state_dict(), "optimizer": optimizer.state_dict(),
             "average": average.state_dict(), "progress": progress}
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def load(path: Path, trainee: Trainee, optimizer: MuonAdamW, average: Average) -> dict:
    state = torch.load(path, map_location="cpu", weights_only=False)
    # The read-outs exist in training only: one of another shape is begun anew.
    current = trainee.state_dict()
    kept = {name: value for name, value in state["trainee"].items() if value.shape == current[name].shape}
    trainee.load_state_dict(current | kept)
    device = next(trainee.parameters()).device
    optimizer.load_state_dict({name: {key: v.to(device) if isinstance(v, torch.Tensor) else v for key, v in value.items()}
                               for name, value in state["optimizer"].items() if name in kept})
    average.load_state_dict(state["average"])
    average.begin_missing(state["average"]["values"])
    return state["progress"]


@torch.no_grad()
def check_reading(trainee: Trainee, average: Average, windows: int, num_pages: int = 27) -> tuple[float, float]:
    """Share of characters told right from patch features, with the averaged weights: pages full of small type, and all types."""
    results, device = [], next(trainee.parameters()).device
    with average.in_place():
        for types in (["dense"], PAGE_NAMES):
            pages = [make_page(20_000_019 + 2 * i, types[i % len(types)], heldout=True) for i in range(num_pages)]
            right = total = 0
            for image, page in pages:
                square, *place = pad_to_square(image, trainee.cfg.image_size)
                labels = {k: torch.from_numpy(v)[None].to(device) for k, v in patch_labels(page, trainee.cfg, *place).items()}
                pixels = to_pixels(torch.from_numpy(np.array(square))[None].to(device))
                with torch.autocast(device.type, torch.bfloat16):
                    _, report = trainee.heads(trainee.model.vision_tower(pixels, windows), labels)
                count = int((labels["chars"] > 0).sum())
                right, total = right + report["chars"] * count if count else right, total + count
            results.append(right / total)
    return results[0], results[1]


@torch.no_grad()
def check_text(model: SaccadeMini, average: Average, num_pages: int = 108) -> str:
    """A quick look at held-out pages with the averaged weights: exactness per kind (tolerances are not granted)."""
    with average.in_place():
        scores = exact_by_kind(model, num_pages)
    total, right = sum(n for _, n in scores.values()), sum(k for k, _ in scores.values())
    return f"check exact {right / total:.3f} of {total}: " + " ".join(f"{kind} {k}/{n}" for kind, (k, n) in sorted(scores.items()))


def exact_by_kind(model: SaccadeMini, num_pages: int) -> dict[str, tuple[int, int]]:
    """(exact, asked) of each kind over held-out pages, by teacher forcing."""
    scores: dict[str, list[int]] = {}
    device = next(model.parameters()).device
    packer = Packer(model.cfg, 400, everything=True, two_turn_share=0)
    for first in range(0, num_pages, 12):
        samples = [held_out_sample(first + i, model.cfg.image_size) for i in range(12)]
        packed = packer.pack([(questions, random.Random(0), None) for _, questions in samples]).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            visual = model.encode(to_pixels(torch.stack([image for image, _ in samples]).to(device)))
            logits = packed_logits(model, visual, packed)
        for kind, ok in block_scores(logits[packed.targets != IGNORED].float(), packed)[1]:
            entry = scores.setdefault(kind, [0, 0])
            entry[0] += ok
            entry[1] += 1
    return {kind: tuple(entry) for kind, entry in scores.items()}


def held_out_sample(index: int, side: int) -> tuple[torch.Tensor, list]:
    image, page = make_page(10_000_019 + 2 * index, PAGE_NAMES[index % len(PAGE_NAMES)], heldout=True)
    return torch.from_numpy(np.array(pad_to_square(image, side)[0])), page.questions


def schedule(step: int, warmup: int, decay_from: int | None, decay_steps: int) -> float:
    """Factor on the learning rates; after the decay it is 0."""
    rise = min(1.0, (step + 1) / warmup)
    fall = 1.0 if decay_from is None else max(0.0, 1 - (step - decay_from) / decay_steps)
    return rise * fall


INTERRUPTED_EXIT_CODE = 3
# Why a process wants to stop; the sum over processes tells all of them.
KEEP_ON, GOAL_REACHED, INTERRUPTED = 0.0, 1.0, 1000.0


def average_gradients(trainee: Trainee, wish: float) -> float:
    """Makes every process hold the mean gradient. Returns KEEP_ON, GOAL_REACHED or INTERRUPTED for all alike."""
    if dist.get_world_size() == 1:
        return wish
    grads = [p.grad for p in trainee.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in grads] + [torch.tensor([wish])])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    first = 0
    for g in grads:
        g.copy_(flat[first : first + g.numel()].view_as(g))
        first += g.numel()
    wishes = flat[-1].item() * dist.get_world_size()
    return INTERRUPTED if wishes >= INTERRUPTED else GOAL_REACHED if wishes > 0 else KEEP_ON


def train(rank: int, args: argparse.Namespace) -> None:
    """One of `args.processes` equal processes. One thread each: they meet once a step, so a busy neighbour on one core
    costs little, where threads that meet in every operation would all wait for the slowest."""
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    dist.init_process_group("gloo", init_method=f"file://{args.rendezvous}", rank=rank, world_size=args.processes)
    device = torch.device(args.device)
    trainee = Trainee(ModelConfig()).to(device)
    optimizer = MuonAdamW(trainee.named_parameters(), muon_lr=args.muon_lr, adam_lr=args.adam_lr, rank=rank, num_processes=args.processes,
                           decoder_boost=args.decoder_boost)
    average = Average((n.removeprefix("model."), p) for n, p in trainee.named_parameters())
    newest = args.dir / "last.pt"
    progress = {"step": 0, "next_sample": 0, "seconds": 0.0, "stage": args.stage, "stage_step": 0}
    if newest.exists():
        progress.update(load(newest, trainee, optimizer, average))
    if args.from_average:
        with torch.no_grad():
            average.copy_to_params()
    if progress["stage"] != args.stage:
        progress.update(stage=args.stage, stage_step=0)
        average.num_updates = 0  # the average follows the new stage closely at first
    is_first = rank == 0
    log = open(args.dir / "train.log" if is_first else os.devnull, "a", buffering=1)
    log.write(f"start stage={args.stage} step={progress['step']} sample={progress['next_sample']}\n")

    decay_from = progress["stage_step"] if args.decay_steps else None
    if decay_from is not None and is_first:
        shutil.copy(newest, args.dir / "stable.pt")  # where a later sitting goes on with the stable phase
    if decay_from is not None:
        average.decay = 0.98  # the falling rate averages by itself
    wishes = [KEEP_ON]
    signal.signal(signal.SIGTERM, lambda *_: wishes.append(INTERRUPTED))
    began = last_save = last_log = last_check = time.time()
    window = {"loss": 0.0, "count": 0, "pictures": 0}
    is_full, is_vision = args.stage == "full", args.stage == "vision"
    packer = Packer(trainee.cfg, args.num_text) if is_full else None
    mix = {"vision": VISION_MIX, "facts": FACTS_MIX, "full": FULL_MIX}[args.stage]
    for batch in stream(trainee.cfg, mix, args.batch_size, progress["next_sample"], packer, rank, args.processes, args.workers, args.whole_share, not is_vision):
        started = time.time()
        batch = to_device(batch, device)
        with torch.autocast(device.type, torch.bfloat16):
            if is_full:
                loss, report = trainee.full_loss(batch, args.dense_weight, args.pointer_weight)
            else:
                loss, report = trainee.vision_loss(batch) if is_vision else trainee.facts_loss(batch)
        optimizer.zero_grad()
        loss.backward()
        decision = average_gradients(trainee, max(wishes))
        norm = optimizer.clip(args.clip)
        rate = schedule(progress["stage_step"], args.warmup, decay_from, args.decay_steps)
        optimizer.step(rate)
        average.update()
        progress["step"] += 1
        progress["stage_step"] += 1
        progress["next_sample"] = batch["next"]
        progress["seconds"] += time.time() - started
        window["loss"] += loss.item()
        window["count"] += 1
        window["pictures"] += len(batch["image"]) * args.processes
        now = time.time()
        if now - last_log > 30:
            speed = window["pictures"] / (now - last_log)
            detail = " ".join(f"{k} {v:.3f}" for k, v in report.items())
            log.write(f"{time.strftime('%H:%M:%S')} step {progress['step']} sample {progress['next_sample']} "
                      f"loss {window['loss'] / window['count']:.4f} {detail} norm {norm:.2f} img/s {speed:.1f}\n")
            window, last_log = {"loss": 0.0, "count": 0, "pictures": 0}, now
        if args.max_seconds and now - began > args.max_seconds:
            wishes.append(GOAL_REACHED)
        if is_first and now - last_check > args.check_every_s:
            dense, pages = check_reading(trainee, average, READING_WINDOWS if is_vision else 1)
            log.write(f"check chars: dense {dense:.3f} pages {pages:.3f}\n")
            if args.until_chars and dense >= args.until_chars:
                wishes.append(GOAL_REACHED)
            if is_full:
                log.write(check_text(trainee.model, average) + "\n")
            last_check = time.time()
        is_last = decision != KEEP_ON or rate == 0.0 or (args.stop and progress["stage_step"] >= args.stop)
        if is_first and (is_last or now - last_save > args.save_every_s):
            save(newest, trainee, optimizer, average, progress)
            last_save = now
        if is_last:
            dist.barrier()  # the checkpoint is written
            if decision == INTERRUPTED:
                sys.exit(INTERRUPTED_EXIT_CODE)
            return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", choices=("vision", "facts", "full"), required=True)
    parser.add_argument("--dir", type=Path, default=Path.home() / "saccade-train")
    parser.add_argument("--batch_size", type=int, default=12)
    parser.add_argument("--num_text", type=int, default=448, help="text tokens a picture in stage full")
    parser.add_argument("--whole_share", type=float, default=0.1, help="share of pictures in stage full whose empty patches are all kept")
    parser.add_argument("--dense_weight", type=float, default=1.0, help="weight of the dense loss in stage full")
    parser.add_argument("--pointer_weight", type=float, default=0.4, help="weight of the pointing heads' loss in stage full")
    parser.add_argument("--muon_lr", type=float, default=0.008)
    parser.add_argument("--adam_lr", type=float, default=1e-3)
    parser.add_argument("--decoder_boost", type=float, default=1.0, help="factor on the decoder's and projector's rates")
    parser.add_argument("--warmup", type=int, default=60)
    parser.add_argument("--decay_steps", type=int, default=0, help="let the rates fall to 0 over this many steps, then leave")
    parser.add_argument("--clip", type=float, default=1.0)
    parser.add_argument("--device", default="cpu", help="cpu or cuda; on a GPU take --processes 1, all cores but one as --workers, a large --batch_size")
    parser.add_argument("--processes", type=int, default=2, help="processes that share each batch; one a core")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw pages, for each of those")
    parser.add_argument("--from_average", action="store_true", help="go on from the averaged weights (when the rate is lowered)")
    parser.add_argument("--threads", type=int, default=1, help="threads of each process")
    parser.add_argument("--save_every_s", type=float, default=280)
    parser.add_argument("--check_every_s", type=float, default=600)
    parser.add_argument("--stop", type=int, default=0, help="leave after this many steps of the stage")
    parser.add_argument("--max_seconds", type=float, default=0, help="leave after this time")
    parser.add_argument("--until_chars", type=float, default=0, help="leave when this share of held-out characters is read")
    args = parser.parse_args()
    args.dir.mkdir(parents=True, exist_ok=True)
    args.dir = args.dir.resolve()
    args.rendezvous = args.dir / f"rendezvous-{os.getpid()}"
    try:
        if args.processes == 1:
            return train(0, args)
        mp.start_processes(train, args=(args,), nprocs=args.processes, start_method="fork")
    except mp.ProcessExitedException as stopped:
        sys.exit(stopped.exit_code)  # so that a script knows a run that was interrupted from one that is done
    finally:
        args.rendezvous.unlink(missing_ok=True)


if __name__ == "__main__":
    main()

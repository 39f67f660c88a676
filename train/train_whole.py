"""Stage `full` on one GPU: whole pictures in batches of one shape, for a given time.

    python -m train.records /dev/shm/pages --workers 15 &          # draws ahead, on all cores but one
    python -m train.train_whole /dev/shm/pages --dir ~/saccade-train --seconds 540 --compile

It continues from `last.pt` in `--dir` (`train.import_gguf` makes one of a finished file) and leaves its own there. Every picture
drawn is learned from once; when the GPU is faster than the cores, it takes earlier ones again meanwhile. The rates stay for a
while, then fall to 0 at the end of the time.
"""

from __future__ import annotations

import argparse
import random
import threading
import time
from collections import deque
from pathlib import Path

import torch
import torch.nn.functional as F

from train.data import to_pixels
from train.model import ModelConfig
from train.optimizer import Average, MuonAdamW
from train.packing import IGNORED
from train.records import KIND_NAMES, RECORDS_A_FILE, record_type
from train.train import Trainee, load, save
from train.whole import decoder_layer, dense_loss, full_loss, look, tower_layer

TORCH_TYPES = {"f4": torch.float32, "i2": torch.int16, "i1": torch.int8, "u1": torch.uint8}
# The place that is written to next and what lies shortly behind it is not drawn from.
CLEARANCE = 16 * RECORDS_A_FILE


class Pool:
    """Records on the device, the newest `capacity` of all that were read. A thread fills it and removes the files."""

    def __init__(self, folder: Path, cfg: ModelConfig, capacity: int, device: torch.device):
        self.folder, self.type, self.device = folder, record_type(cfg), device
        self.capacity = capacity // RECORDS_A_FILE * RECORDS_A_FILE
        self.records = torch.empty(self.capacity, self.type.itemsize, dtype=torch.uint8, device=device)
        self.num_read, self.fresh, self.lock, self.is_open = 0, deque(), threading.Lock(), True
        self.reader = threading.Thread(target=self._fill, daemon=True)
        self.reader.start()

    def close(self) -> None:
        """Ends the thread: one that is cut off while it copies to a GPU aborts the program."""
        self.is_open = False
        self.reader.join()

    def _fill(self) -> None:
        on_gpu = self.device.type == "cuda"
        buffer = torch.empty(RECORDS_A_FILE, self.type.itemsize, dtype=torch.uint8, pin_memory=on_gpu)
        stream = torch.cuda.Stream() if on_gpu else None
        while self.is_open:
            time.sleep(0.02)
            for path in sorted(self.folder.glob("*.records")):
                while self.is_open and len(self.fresh) > self.capacity - 2 * CLEARANCE:
                    time.sleep(0.1)
                if not self.is_open:
                    return
                with open(path, "rb") as file:
                    file.readinto(memoryview(buffer.numpy()).cast("B"))
                first = self.num_read % self.capacity
                place = self.records[first : first + RECORDS_A_FILE]
                if stream is None:
                    place.copy_(buffer)
                else:
                    with torch.cuda.stream(stream):
                        place.copy_(buffer, non_blocking=True)
                    stream.synchronize()
                with self.lock:
                    self.fresh.extend(range(first, first + RECORDS_A_FILE))
                    self.num_read += RECORDS_A_FILE
                path.unlink()

    def draw(self, count: int, rng: random.Random) -> tuple[dict[str, torch.Tensor], int]:
        """A batch, and how many of it were never drawn before."""
        with self.lock:
            num_read = self.num_read
            chosen = [self.fresh.popleft() for _ in range(min(count, len(self.fresh)))]
        num_fresh = len(chosen)
        newest, oldest = num_read, max(0, num_read - self.capacity + CLEARANCE)
        chosen += [rng.randrange(oldest, newest) % self.capacity for _ in range(count - num_fresh)]
        rows = self.records.index_select(0, torch.tensor(chosen).to(self.device, non_blocking=True))
        return self.unpack(rows), num_fresh

    def unpack(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        """Bytes [batch, record] to the fields of the records, integers as int64 but for the picture."""
        batch = {}
        for name in self.type.names:
            field, offset = self.type.fields[name][:2]
            kind = field.base.str[1:]
            values = rows[:, offset : offset + field.itemsize].contiguous().view(TORCH_TYPES[kind]).view(len(rows), *field.shape)
            batch[name] = values.long() if kind in ("i1", "i2") else values
        return batch


def vary(pixels: torch.Tensor) -> torch.Tensor:
    """Thicker and thinner strokes on a third of the pictures, another brightness and contrast on another: no typeface and no
    camera of the training set, and every label stays true."""
    batch, device = len(pixels), pixels.device
    roll, amount = torch.rand(2, batch, 1, 1, 1, device=device)
    wide = F.max_pool2d(F.pad(pixels, (1, 1, 1, 1), mode="replicate"), 3, 1)
    narrow = -F.max_pool2d(F.pad(-pixels, (1, 1, 1, 1), mode="replicate"), 3, 1)
    pixels = torch.where(roll < 0.16, pixels.lerp(wide, 0.45 * amount), torch.where(roll < 0.32, pixels.lerp(narrow, 0.45 * amount), pixels))
    roll, gain, shift = torch.rand(3, batch, 1, 1, 1, device=device)
    changed = (pixels * (0.75 + 0.35 * gain) + 0.3 * (shift - 0.5)).clamp(-1, 1)
    return torch.where(roll < 0.33, changed, pixels)


def rate_at(share: float, step: int, warmup: int, hold: float) -> float:
    """Factor on the rates after this share of the time: a rise by steps, a plateau, a straight fall to 0."""
    return min(1.0, (step + 1) / warmup) * (1.0 if share < hold else max(0.0, (1 - share) / (1 - hold)))


@torch.no_grad()
def clip_finite(params: list[torch.Tensor], max_norm: float) -> torch.Tensor:
    """Bounds the gradient's norm, which is returned; a gradient that is no number becomes 0. The GPU is not waited for."""
    flat = torch.cat([p.grad.flatten() for p in params])
    norm = flat.norm()
    flat = torch.where(norm.isfinite(), flat * (max_norm / norm.clamp(min=max_norm)), 0.0)
    for p, grad in zip(params, flat.split([p.numel() for p in params])):
        p.grad = grad.view_as(p)
    return norm


def exact_by_kind(wrong: torch.Tensor, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """(exact, asked) of each kind, over the blocks of a batch."""
    num_blocks = wrong.shape[1]
    asked = batch["targets"] != IGNORED
    block = (torch.arange(len(wrong), device=wrong.device)[:, None] * num_blocks + batch["block_ids"])[asked]
    is_wrong = torch.zeros(wrong.numel(), device=wrong.device).index_put_((block,), wrong[asked].float(), accumulate=True) > 0
    kind = torch.full((wrong.numel(),), -1, device=wrong.device).index_put_((block,), batch["kinds"][asked])
    count = kind[kind >= 0].bincount(minlength=len(KIND_NAMES))
    return count - kind[(kind >= 0) & is_wrong].bincount(minlength=len(KIND_NAMES)), count


def learn_read_outs(trainee: Trainee, pool: Pool, args: argparse.Namespace, rng: random.Random, device: torch.device) -> float:
    """The read-outs are not in a finished file: they are learned before they may teach the tower. Returns their last loss."""
    optimizer = MuonAdamW([(f"heads.{n}", p) for n, p in trainee.heads.named_parameters()], adam_lr=3e-3)
    loss = torch.zeros(())
    for step in range(args.read_out_steps):
        batch, _ = pool.draw(args.batch_size, rng)
        with torch.autocast(device.type, torch.bfloat16):
            with torch.no_grad():
                features, _ = look(trainee.model.vision_tower, to_pixels(batch["image"]))
            loss = dense_loss(trainee.heads, features, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step(1 - step / args.read_out_steps)
    return float(loss.detach())


class Leash:
    """Lets the program be a few steps ahead of the GPU, no more."""

    def __init__(self, device: torch.device):
        self.is_needed = device.type == "cuda"
        self.pending: deque = deque()

    def step(self) -> None:
        if not self.is_needed:
            return
        self.pending.append(torch.cuda.Event())
        self.pending[-1].record()
        if len(self.pending) > 3:
            self.pending.popleft().synchronize()


def train(args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    device, rng, began = torch.device(args.device), random.Random(args.seed), time.time()
    log = open(args.dir / "train.log", "a", buffering=1)

    def tell(text: str) -> None:
        print(f"{time.time() - began:6.1f} {text}", flush=True)
        log.write(f"{time.strftime('%H:%M:%S')} {text}\n")

    trainee = Trainee(ModelConfig()).to(device)
    optimizer = MuonAdamW(trainee.named_parameters(), muon_lr=args.muon_lr, adam_lr=args.adam_lr, decoder_boost=args.decoder_boost)
    average = Average(((n.removeprefix("model."), p) for n, p in trainee.named_parameters()), decay=args.average)
    progress = {"step": 0, "next_sample": 0, "seconds": 0.0, "stage": "full", "stage_step": 0}
    progress.update(load(args.dir / "last.pt", trainee, optimizer, average) | {"stage": "full"})
    average.num_updates = 0  # the average follows the new rates closely at first
    run_tower, run_decoder = (torch.compile(f, dynamic=False) for f in (tower_layer, decoder_layer)) if args.compile else (tower_layer, decoder_layer)
    pool = Pool(args.folder, trainee.cfg, args.capacity, device)
    while pool.num_read < args.batch_size:
        time.sleep(0.1)
    tell(f"start: {pool.num_read} pictures read")
    if args.read_out_steps:
        tell(f"read-outs: loss {learn_read_outs(trainee, pool, args, rng, device):.3f}")
        average.begin_missing({n: value for n, value in average.values.items() if not n.startswith("heads.")})

    params = list(trainee.parameters())
    leash = Leash(device)
    kinds = torch.zeros(2, len(KIND_NAMES), dtype=torch.long, device=device)
    pictures = fresh = step = 0
    started = last_log = last_save = time.time()
    seconds = args.seconds - (started - began)
    logged_pictures = 0
    while True:
        share = (time.time() - started) / seconds
        if share >= 1 or (args.stop and step >= args.stop):
            break
        batch, num_fresh = pool.draw(args.batch_size, rng)
        with torch.no_grad():
            pixels = vary(to_pixels(batch["image"]))
        with torch.autocast(device.type, torch.bfloat16):
            loss, parts = full_loss(trainee.model, trainee.heads, pixels, batch, args.dense_weight, args.pointer_weight, run_tower, run_decoder)
        optimizer.zero_grad()
        loss.backward()
        norm = clip_finite(params, args.clip)
        optimizer.step(rate := rate_at(share, step, args.warmup, args.hold))
        average.update()
        step, pictures, fresh = step + 1, pictures + args.batch_size, fresh + num_fresh
        if step % 16 == 0:
            kinds += torch.stack(exact_by_kind(parts["wrong"], batch))
        leash.step()
        now = time.time()
        if step <= 2 or now - last_log > args.log_every_s:
            detail = " ".join(f"{n} {float(p):.3f}" for n, p in parts.items() if n != "wrong")
            speed = (pictures - logged_pictures) / (now - last_log)
            tell(f"step {step} rate {rate:.3f} {detail} norm {float(norm):.2f} img/s {speed:.0f} fresh {fresh / pictures:.2f} read {pool.num_read}")
            last_log, logged_pictures = time.time(), pictures
        if now - last_save > args.save_every_s:
            exact, asked = kinds.tolist()
            tell("exact " + " ".join(f"{n} {e / a:.2f}" for n, e, a in zip(KIND_NAMES, exact, asked) if a) + f" all {sum(exact) / max(1, sum(asked)):.3f}")
            kinds.zero_()
            save(args.dir / "last.pt", trainee, optimizer, average, progress)
            last_save = time.time()
    progress["step"] += step
    progress["stage_step"] += step
    progress["seconds"] += time.time() - began
    pool.close()
    save(args.dir / "last.pt", trainee, optimizer, average, progress)
    tell(f"done: {step} steps, {pictures} pictures, {fresh} of them drawn anew, in {time.time() - began:.0f} s")


def add_loop_options(parser: argparse.ArgumentParser, seconds: float, batch_size: int, muon_lr: float) -> None:
    """What every loop over a `Pool` can be told."""
    parser.add_argument("folder", type=Path, help="where train.records writes")
    parser.add_argument("--seconds", type=float, default=seconds, help="for everything, from the start of the program")
    parser.add_argument("--batch_size", type=int, default=batch_size)
    parser.add_argument("--muon_lr", type=float, default=muon_lr)
    parser.add_argument("--adam_lr", type=float, default=1e-3)
    parser.add_argument("--decoder_boost", type=float, default=1.5, help="factor on the decoder's and projector's rates")
    parser.add_argument("--warmup", type=int, default=100, help="steps")
    parser.add_argument("--hold", type=float, default=0.3, help="share of the time before the rates fall")
    parser.add_argument("--average", type=float, default=0.995, help="decay of the averaged weights")
    parser.add_argument("--clip", type=float, default=1.0)
    parser.add_argument("--capacity", type=int, default=120_000, help="pictures kept on the GPU, 0.3 MB each")
    parser.add_argument("--compile", action="store_true", help="compile the layers (takes some 20 seconds at the start, then half as fast again)")
    parser.add_argument("--stop", type=int, default=0, help="leave after this many steps")
    parser.add_argument("--log_every_s", type=float, default=10)
    parser.add_argument("--save_every_s", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--threads", type=int, default=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_loop_options(parser, seconds=540, batch_size=128, muon_lr=0.008)
    parser.add_argument("--dir", type=Path, default=Path.home() / "saccade-train")
    parser.add_argument("--read_out_steps", type=int, default=150, help="for the read-outs alone, which train.import_gguf leaves unlearned; 0 where the checkpoint was trained")
    parser.add_argument("--dense_weight", type=float, default=1.0)
    parser.add_argument("--pointer_weight", type=float, default=0.4)
    train(parser.parse_args())


if __name__ == "__main__":
    main()

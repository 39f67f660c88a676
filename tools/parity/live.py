#!/usr/bin/env python3
"""Compares our program with Transformers on models whose dimensions are drawn anew each time.

    python tools/parity/live.py [--rounds 3] [--seed N] [--families llava qwen2_vl ...] [--build build/release]

For every round and family: draws heads, KV heads, layers, widths, patch and picture sizes, the layout of the checkpoint
and a few questions; converts with `saccade convert`; compares every stage with `saccade_parity`. A failure prints the seed
that repeats it. Exit code 0 only if all agree.
"""

import argparse
import collections
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

import torch

import checkpoint
import make_golden
import reference
import tiny_models

ROOT = pathlib.Path(__file__).resolve().parents[2]
STAGES = ["tokens", "pixels", "encoder", "projector", "logits", "greedy", "last_logits"]
TITLES = [*STAGES[:-1], "last step"]
MAX_REDRAWS = 20


def draw_cases(family: str, rng: random.Random) -> list[reference.Case]:
    def text():
        return reference.draw_text(rng)

    cases = [reference.Case("text", [reference.user(text()), reference.said("assistant", text()),
                                     reference.user(text())], [])]
    if family.startswith("text_"):
        return cases

    def picture():
        return reference.draw_picture(rng.randrange(12, 200), rng.randrange(12, 200), rng)

    one, two = [picture()], [picture(), picture()]
    return cases + [reference.Case("picture", [reference.user(text(), 0)], one),
                    reference.Case("two_pictures", [reference.user(text(), 0, 1)], two)]


def draw_model(family: str, rng: random.Random):
    """A model with questions whose greedy answers do not hang on rounding."""
    storage = rng.choice([torch.bfloat16, torch.float16])
    for _ in range(MAX_REDRAWS):
        dims, cases = tiny_models.draw_dims(family, rng), draw_cases(family, rng)
        tiny = tiny_models.make(family, dims, rng.randrange(1 << 30), storage)
        recordings = []
        for case in cases:
            recordings.append(reference.record(tiny, case))
            if not recordings[-1].is_decisive():
                break
        else:
            return tiny, cases, recordings
    raise RuntimeError(f"{family}: {MAX_REDRAWS} draws in a row had undecided greedy tokens")


def write_model(family: str, seed: str, folder: pathlib.Path):
    rng = random.Random(f"{family} {seed}")
    tiny, cases, recordings = draw_model(family, rng)
    checkpoint.save(tiny, folder / "checkpoint", layout=rng.choice(list(checkpoint.Layout)), num_shards=rng.choice([1, 3]),
                    template_in=rng.choice(["jinja", "processor", "tokenizer"]) if tiny.image_token else "tokenizer",
                    with_tokenizer_json=rng.random() < 0.5)
    make_golden.write_cases(tiny, cases, recordings, folder, seed)
    return tiny


def compare(folder: pathlib.Path, build: pathlib.Path) -> list[dict]:
    """One dictionary per stage and case. Raises RuntimeError with the program's own message if it fails."""
    gguf = folder / "model.gguf"
    for command in ([build / "bin/saccade", "convert", folder / "checkpoint", gguf, "--type", "f32"],
                    [build / "bin/saccade_parity", gguf, folder]):
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1) or (done.returncode == 1 and not done.stdout.startswith("{")):
            raise RuntimeError(f"{pathlib.Path(command[0]).name}: {done.stderr.strip() or done.returncode}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def show_dims(tiny) -> str:
    dims = tiny.dims
    text = f"{dims.num_layers}L {dims.model_dim}d {dims.num_heads}/{dims.num_kv_heads}h x{dims.head_dim}"
    if tiny.image_processor is None:
        return text
    return text + f" | {dims.vision_layers}L {dims.vision_dim}d {dims.vision_heads}h p{dims.patch_size} {dims.image_size}px"


def run_one(family: str, seed: str, build: pathlib.Path, keep: pathlib.Path | None) -> bool:
    folder = pathlib.Path(tempfile.mkdtemp(prefix="saccade_parity_"))
    try:
        tiny = write_model(family, seed, folder)
        results = compare(folder, build)
    except RuntimeError as error:
        print(f"{family:12} seed {seed}: {error}")
        return False
    finally:
        if keep is not None:
            shutil.copytree(folder, keep / f"{family}-{seed}", dirs_exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
    worst = collections.defaultdict(float)
    for result in results:
        worst[result["stage"]] = max(worst[result["stage"]], result["error"])
    cells = " ".join(f"{worst[stage]:9.1e}" if stage in worst else " " * 9 for stage in STAGES)
    passed = all(result["passed"] for result in results)
    print(f"{family:12} {cells}  {'ok  ' if passed else 'FAIL'}  {show_dims(tiny)}")
    for result in results:
        if not result["passed"]:
            print(f"    seed {seed}, case {result['case']}, {result['stage']}: {result['error']:.3g} {result['detail']}")
    return passed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="first seed; the time by default")
    parser.add_argument("--families", nargs="*", default=list(tiny_models.FAMILIES), choices=list(tiny_models.FAMILIES))
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--keep", type=pathlib.Path, help="keep checkpoints and golden files in this folder")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"seed {arguments.seed}, {arguments.rounds} rounds; the largest error of each stage over its cases")
    print(f"{'family':12} " + " ".join(f"{title:>9}" for title in TITLES))
    num_failed = num_run = 0
    for round_idx in range(arguments.rounds):
        for family in arguments.families:
            num_run += 1
            num_failed += not run_one(family, str(arguments.seed + round_idx), arguments.build, arguments.keep)
    print(f"{num_run - num_failed} passed, {num_failed} failed")
    return 1 if num_failed else 0


if __name__ == "__main__":
    sys.exit(main())

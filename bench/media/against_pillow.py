#!/usr/bin/env python3
"""Times a photograph's way from the JPEG file to the encoder's input, ours against Pillow's, in alternating rounds.

    python bench/media/against_pillow.py --saccade build/release/bin/saccade MODEL.gguf[,MMPROJ.gguf] ...

Pillow opens, decodes, resizes with the family's filter and numpy normalises, which is what Hugging Face's processors do; a
second row decodes in Pillow's draft mode, which they do not. Ours is `saccade bench --tests prepare`. A round measures
every row once; the table has the medians. Needs numpy and Pillow.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

import numpy as np
from PIL import Image

from photo import draw_photo

# What each family makes of 4000 x 3000: sizes that the picture is resized to, one after another, the filter, and how.
FAMILIES = {
    "llava-1.5": ([(336, 336)], Image.Resampling.BICUBIC),  # padded to 4000 x 4000 first
    "saccade-mini": ([(288, 288)], Image.Resampling.BICUBIC),  # the same
    "smolvlm": ([(2048, 1536), (512, 512)], Image.Resampling.LANCZOS),  # 3 x 4 tiles of the first, and the second
    "qwen2-vl": ([(1148, 840)], Image.Resampling.BICUBIC),
}
MEAN = np.array([0.5, 0.5, 0.5], np.float32)


def family_of(model: str) -> str:
    names = [family for family in FAMILIES if pathlib.Path(model).name.startswith(family.split("-")[0])]
    if not names:
        raise SystemExit(f"{model}: its name begins with none of llava, saccade, smolvlm, qwen2")
    return names[0]


def normalized(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image).astype(np.float32) * np.float32(1 / 255)
    return np.ascontiguousarray(((pixels - MEAN) / MEAN).transpose(2, 0, 1))


def pillow_ms(path: str, family: str, has_draft: bool) -> float:
    sizes, resampling = FAMILIES[family]
    start = time.perf_counter()
    with Image.open(path) as image:
        if has_draft:
            image.draft("RGB", sizes[0])
        image = image.convert("RGB")
    if family in ("llava-1.5", "saccade-mini"):
        side = max(image.size)
        square = Image.new("RGB", (side, side), (122, 116, 104))
        square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
        image = square
    for size in sizes:
        image = image.resize(size, resampling)
        normalized(image)
    return (time.perf_counter() - start) * 1000


def saccade_ms(program: str, model: str, path: str, threads: int, *options: str) -> float:
    language, _, vision = model.partition(",")
    command = [program, "bench", language, "--image", path, "--tests", "prepare", "-t", str(threads), "-r", "5", "--json", *options]
    done = subprocess.run(command + (["--mmproj", vision] if vision else []), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["results"][0]["ms"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL[,MMPROJ]")
    parser.add_argument("--saccade", default="build/release/bin/saccade")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()

    with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
        draw_photo(4000, 3000, seed=1).save(file.name, quality=90, subsampling="4:2:0")
        for model in args.models:
            family = family_of(model)
            measures = {
                "Pillow": lambda: pillow_ms(file.name, family, False),
                "Pillow, draft": lambda: pillow_ms(file.name, family, True),
                "saccade, 1 thread": lambda: saccade_ms(args.saccade, model, file.name, 1),
                f"saccade, {args.threads} threads": lambda: saccade_ms(args.saccade, model, file.name, args.threads),
                "saccade, 1 thread, --exact-pixels": lambda: saccade_ms(args.saccade, model, file.name, 1, "--exact-pixels"),
            }
            times = {name: [] for name in measures}
            for _ in range(args.rounds):
                for name, measure in measures.items():
                    times[name].append(measure())
            sizes = ", ".join(f"{width} x {height}" for width, height in FAMILIES[family][0])
            print(f"{family}: 4000 x 3000 to {sizes}")
            whole = statistics.median(times["Pillow"])
            for name, rounds in times.items():
                median = statistics.median(rounds)
                print(f"  {name:40} {median:8.1f} ms  {whole / median:5.1f} times Pillow's speed")


if __name__ == "__main__":
    main()

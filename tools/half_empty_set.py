#!/usr/bin/env python3
"""Writes samples/half_empty.jsonl: the held-out questions about pages of which at least half is empty.

A page is half empty where the vision tower, given `--skip-equal 0 --skip-equal-margin 0`, would look at no more than half of its patches
(`saccade inspect MODEL --image F`, `unique_cells`).

usage: half_empty_set.py [SACCADE]     (default: build/release/bin/saccade)
"""

import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]


def is_half_empty(program, picture):
    command = [program, "inspect", ROOT / "models/saccade-mini.gguf", "--image", picture, "--json"]
    encoder = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["encoder"]
    return 2 * encoder["unique_cells"] <= encoder["cells"]


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/release/bin/saccade"
    heldout = ROOT / "samples/heldout"
    items = [json.loads(line) for line in (heldout / "set.jsonl").read_text(encoding="utf-8").splitlines()]
    pictures = sorted({item["image"] for item in items})
    chosen = {picture for picture in pictures if is_half_empty(program, heldout / picture)}
    kept = [item | {"image": f"heldout/{item['image']}"} for item in items if item["image"] in chosen]
    out = ROOT / "samples/half_empty.jsonl"
    out.write_text("".join(json.dumps(item) + "\n" for item in kept), encoding="utf-8")
    print(f"{out}: {len(kept)} of {len(items)} questions, about {len(chosen)} of {len(pictures)} pages")


if __name__ == "__main__":
    main()

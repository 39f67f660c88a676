"""Scores a checkpoint on a set of questions (`set.jsonl`): exact match by kind.

    python -m train.evaluate ~/saccade-train/last.pt samples/heldout/set.jsonl

An answer is right if, after trimming, collapsing spaces, lower-casing and dropping one final full stop, it equals the
answer or an accepted one; where a tolerance is given, if the numbers differ by no more than that.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import torch
from PIL import Image

from train.export_hf import load_model
from train.generate import Reader


def normalised(text: str) -> str:
    text = " ".join(text.split()).lower()
    return text[:-1].rstrip() if text.endswith(".") else text


def as_number(text: str) -> float | None:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None


def is_right(given: str, item: dict) -> bool:
    accepted = {normalised(t) for t in [item["answer"], *item.get("accept", [])]}
    if normalised(given) in accepted:
        return True
    tolerance = item.get("tolerance")
    wanted, got = as_number(normalised(item["answer"])), as_number(normalised(given))
    return tolerance is not None and wanted is not None and got is not None and abs(got - wanted) <= tolerance + 1e-9


def score(checkpoint: Path, set_path: Path, limit: int | None = None, verbose: bool = False) -> dict[str, tuple[int, int]]:
    """(right, asked) of each kind."""
    model = load_model(checkpoint)
    items = [json.loads(line) for line in set_path.read_text(encoding="utf-8").splitlines() if line.strip()][:limit]
    scores: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    by_image = defaultdict(list)
    for item in items:
        by_image[item["image"]].append(item)
    for name, questions in by_image.items():
        reader = Reader(model, Image.open(set_path.parent / name))
        for item in questions:
            given = reader.answer(item["question"])
            ok = is_right(given, item)
            scores[item.get("kind", "all")][0] += ok
            scores[item.get("kind", "all")][1] += 1
            if verbose and not ok:
                print(f"{name} {item.get('kind')}: {item['question']!r} wanted {item['answer']!r} got {given!r}")
    return {k: tuple(v) for k, v in scores.items()}


def table(scores: dict[str, tuple[int, int]]) -> str:
    right, asked = sum(r for r, _ in scores.values()), sum(n for _, n in scores.values())
    rows = ["| kind | right | asked | % |", "|---|---|---|---|"]
    rows += [f"| {kind} | {r} | {n} | {100 * r / n:.0f} |" for kind, (r, n) in sorted(scores.items())]
    rows.append(f"| **all** | {right} | {asked} | **{100 * right / asked:.1f}** |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("set", type=Path)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--verbose", action="store_true", help="print every wrong answer")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(table(score(args.checkpoint, args.set, args.limit, args.verbose)))


if __name__ == "__main__":
    main()

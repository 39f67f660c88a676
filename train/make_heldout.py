"""Writes the held-out set and the demo pictures.

    python -m train.make_heldout samples/heldout --num_pages 300
    python -m train.make_heldout samples --demo
    python -m train.make_heldout build/calibration --num_pages 4000 --per_page 1 --first_seed 950000001

Held-out pages use typefaces, layouts, words and seeds that training never uses. With another first seed it is another
set of the same kind, as for saccade calibrate.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from pathlib import Path

from PIL import Image

from train.pages import make_page
from train.pages.page import Page, Question
from train.questions import KINDS, PAGE_NAMES

FIRST_SEED = 900_000_001  # odd seeds up to some millions are training's; these are even
DEMO_SEEDS = {"receipt": 11, "panel": 12, "table": 13, "bar chart": 14, "label": 15, "scene": 16}


def seed_of(index: int, first_seed: int = FIRST_SEED) -> int:
    return first_seed + 1 + 2 * index


def pick_questions(page: Page, counts: Counter, num: int, rng: random.Random) -> list[Question]:
    """`num` questions of the page, of the kinds asked least so far, no kind twice if it can be avoided."""
    chosen, kinds = [], Counter()
    candidates = page.questions[:]
    rng.shuffle(candidates)
    while candidates and len(chosen) < num:
        best = min(candidates, key=lambda q: (kinds[q.kind], counts[q.kind]))
        candidates.remove(best)
        if any(q.question.lower() == best.question.lower() for q in chosen):
            continue
        chosen.append(best)
        kinds[best.kind] += 1
        counts[best.kind] += 1
    return chosen


def as_json(image: str, question: Question) -> str:
    item = {"image": image, "question": question.question, "answer": question.answer}
    if question.accept:
        item["accept"] = question.accept
    if question.tolerance is not None:
        item["tolerance"] = round(question.tolerance, 4)
    item["kind"] = question.kind
    return json.dumps(item, ensure_ascii=False)


def save_picture(image: Image.Image, path: Path) -> None:
    """JPEG of high quality, or PNG where that is smaller."""
    image.save(path.with_suffix(".png"), optimize=True)
    image.save(path.with_suffix(".jpg"), quality=92)
    larger = max(path.with_suffix(".png"), path.with_suffix(".jpg"), key=lambda p: p.stat().st_size)
    larger.unlink()


def make_set(out: Path, num_pages: int, per_page: int, first_seed: int) -> None:
    pictures = out / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    for old in pictures.iterdir():
        old.unlink()
    counts: Counter = Counter()
    with open(out / "set.jsonl", "w", encoding="utf-8") as lines:
        for i in range(num_pages):
            page_type = PAGE_NAMES[i % len(PAGE_NAMES)]
            image, page = make_page(seed_of(i, first_seed), page_type, heldout=True)
            stem = pictures / f"{i:03d}_{page_type.replace(' ', '_')}"
            save_picture(image, stem)
            name = next(f"pictures/{stem.name}{ext}" for ext in (".png", ".jpg") if stem.with_suffix(ext).exists())
            for question in pick_questions(page, counts, per_page, random.Random(i)):
                lines.write(as_json(name, question) + "\n")
    missing = [k for k in KINDS if counts[k] < 8]
    print(f"{sum(counts.values())} questions, {len(counts)} kinds; rare kinds: {missing}")


def make_demo(out: Path, seeds: dict[str, int]) -> None:
    """One picture of each of six types with one question, undegraded sizes."""
    (out / "demo").mkdir(parents=True, exist_ok=True)
    wanted = {"receipt": "total", "panel": "gauge_value", "table": "table_cell", "bar chart": "bar_largest", "label": "find_code", "scene": "where_shape"}
    with open(out / "demo.jsonl", "w", encoding="utf-8") as lines:
        for page_type, seed in seeds.items():
            while True:
                image, page = make_page(seed_of(10_000 + seed), page_type, heldout=True)
                found = [q for q in page.questions if q.kind == wanted[page_type]]
                if found and image.size == (256, 256):
                    break
                seed += 100
            name = f"demo/{page_type.replace(' ', '_')}.png"
            image.save(out / name, optimize=True)
            lines.write(as_json(name, found[0]) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--num_pages", type=int, default=306)
    parser.add_argument("--per_page", type=int, default=4)
    parser.add_argument("--first_seed", type=int, default=FIRST_SEED, help="odd; pages take every second number behind it")
    parser.add_argument("--demo", action="store_true")
    args = parser.parse_args()
    if args.demo:
        make_demo(args.out, DEMO_SEEDS)
    else:
        make_set(args.out, args.num_pages, args.per_page, args.first_seed)


if __name__ == "__main__":
    main()

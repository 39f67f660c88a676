#!/usr/bin/env python3
"""Writes samples/service_desk.jsonl: conversations as a service desk has them, about the pictures of the other sets.

Half of them are a single question, the others go on about the same picture, and some of these end with a question about
another one. Lines with the same "conversation" are its turns, in order.

    tools/service_desk_set.py samples > samples/service_desk.jsonl
"""

import argparse
import json
import pathlib
import random

# What arrives at such a desk, by the page that a question is about: expenses, papers handed in, labels and letters,
# devices that show something, figures from reports.
SHARES = {"receipt": 6, "form": 5, "panel": 4, "table": 4, "letter": 3, "label": 3, "chart": 3, "bars": 2, "line": 1}
NUM_CONVERSATIONS = 240


def read_pages(samples: pathlib.Path) -> dict[str, list[list[dict]]]:
    """The questions of each picture, by the picture's kind of page."""
    pages: dict[str, dict[str, list[dict]]] = {}
    for name in ("heldout", "browser"):
        for line in (samples / name / "set.jsonl").read_text().splitlines():
            item = json.loads(line)
            kind = pathlib.Path(item["image"]).stem.split("_")[-1]
            item["image"] = f"{name}/{item['image']}"
            pages.setdefault(kind, {}).setdefault(item["image"], []).append(item)
    return {kind: list(pictures.values()) for kind, pictures in pages.items() if kind in SHARES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", type=pathlib.Path, help="the folder with heldout/ and browser/")
    samples = parser.parse_args().samples
    rng = random.Random(5)
    pages = read_pages(samples)
    for pictures in pages.values():
        rng.shuffle(pictures)
    kinds = sorted(pages)

    def next_picture() -> list[dict]:
        kind = rng.choices([kind for kind in kinds if pages[kind]], [SHARES[kind] for kind in kinds if pages[kind]])[0]
        return pages[kind].pop()

    for number in range(NUM_CONVERSATIONS):
        questions = next_picture()
        turns = questions[: rng.choices((1, 2, 3), (50, 30, 20))[0]]
        if len(turns) > 1 and rng.random() < 0.3:
            turns.append(next_picture()[0])
        for turn in turns:
            print(json.dumps({"conversation": f"ticket {number}", **turn}, ensure_ascii=False))


if __name__ == "__main__":
    main()

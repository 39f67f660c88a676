"""Training samples of stage `full` as records of one size, drawn ahead by processes of their own.

A GPU learns from pictures faster than one process can put ragged batches together. Here every core draws, writes files of
records, and waits when too many lie unread; a reader copies them as they are (`train_whole.py`).

    python -m train.records /dev/shm/pages --workers 15
"""

from __future__ import annotations

import argparse
import multiprocessing as mp
import os
import random
import time
from pathlib import Path

import numpy as np
import torch

from train.data import add_reading, draw_page_surely, finish_shifted, pick_page_type
from train.dense_labels import NUM_SLOTS, patch_labels
from train.model import ModelConfig
from train.packing import Packer
from train.pages.page import FACTS, GROUPS, LINKS
from train.pointers import PageText
from train.questions import KINDS

# Text tokens of a record: with the picture and `<s>` before them a multiple of 8, as attention wants it.
NUM_TEXT = 511
RECORDS_A_FILE = 64
# Kinds that are asked in training only stand after those of QUESTIONS.md.
KIND_NAMES = [*KINDS, "order", "read_page", "read_row"]
MIX = {"dense": 2.0, "soup": 0.8, "panel": 2.4, "receipt": 1.9, "form": 1.1, "label": 1.6, "letter": 1.7, "table": 3.0, "bar chart": 1.9, "line chart": 0.6, "scene": 1.8}


def record_type(cfg: ModelConfig) -> np.dtype:
    """One picture with its labels and the packed text, `kinds` [num_text] the kind of each token's block or -1."""
    n = cfg.num_patches
    return np.dtype([
        ("weights", "f4", NUM_TEXT), ("ids", "i2", NUM_TEXT), ("targets", "i2", NUM_TEXT), ("positions", "i2", NUM_TEXT),
        ("block_ids", "i2", NUM_TEXT), ("here", "i2", NUM_TEXT), ("ahead", "i2", NUM_TEXT), ("kinds", "i2", NUM_TEXT),
        ("others", "i2", (n, NUM_SLOTS)), ("links", "i2", (n, len(LINKS))), ("groups", "i2", (n, len(GROUPS))),
        ("chars", "i1", (n, NUM_SLOTS)), ("things", "i1", n), ("colours", "i1", n), ("facts", "i1", (n, len(FACTS))),
        ("image", "u1", (cfg.image_size, cfg.image_size, 3))])


def fill(record: np.ndarray, index: int, cfg: ModelConfig, packer: Packer) -> None:
    """Sample number `index`, always the same."""
    rng = random.Random(index * 7919 + 13)
    page = draw_page_surely(index * 2 + 1, pick_page_type(rng, MIX), wants_questions=True)
    add_reading(page, rng)
    image, placed, fit = finish_shifted(page, np.random.default_rng((index * 2 + 1, 0)), 0, cfg.image_size)
    record["image"] = np.asarray(image)
    for name, values in patch_labels(placed, cfg, *fit).items():
        record[name] = values
    packed = packer.pack([(page.questions, rng, PageText(placed, cfg, *fit))])
    for name in ("weights", "ids", "targets", "positions", "block_ids", "here", "ahead"):
        record[name] = getattr(packed, name)[0].numpy()
    numbers = np.array([-1, *(KIND_NAMES.index(kind) for kind in packed.kinds[0])])
    record["kinds"] = numbers[record["block_ids"].clip(0)]


def draw(folder: Path, worker: int, num_workers: int, first: int, most_unread: int) -> None:
    """Files of records without end; it waits while `most_unread` files lie in the folder."""
    torch.set_num_threads(1)
    os.nice(5)
    cfg = ModelConfig()
    packer = Packer(cfg, NUM_TEXT)
    records = np.zeros(RECORDS_A_FILE, record_type(cfg))
    index = first + worker
    while True:
        for record in records:
            fill(record, index, cfg, packer)
            index += num_workers
        while len(os.listdir(folder)) >= most_unread:
            time.sleep(0.2)
        partial = folder / f"{worker}.partial"
        records.tofile(partial)
        os.replace(partial, folder / f"{index:010d}.records")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    parser.add_argument("--first", type=int, default=0, help="number of the first sample; all randomness comes from it")
    parser.add_argument("--most_unread", type=int, default=2500, help="files that may wait to be read")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    workers = [mp.Process(target=draw, args=(args.folder, i, args.workers, args.first, args.most_unread), daemon=True) for i in range(args.workers)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    main()

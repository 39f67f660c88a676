"""Training samples, made on the fly: sample number i is always the same picture."""

from __future__ import annotations

import copy
import itertools
import random
import sys
import traceback

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from train.augment import finish, pad_to_square
from train.dense_labels import patch_labels
from train.model import ModelConfig
from train.pages import draw_page
from train.pages.page import Page, Question
from train.pointers import PageText

PIXEL_MEAN, PIXEL_STD = 0.5, 0.5


def to_pixels(images: torch.Tensor) -> torch.Tensor:
    """uint8 [batch, height, width, 3] to normalised float [batch, 3, height, width]."""
    x = images.permute(0, 3, 1, 2).contiguous().float()
    return x.div_(255).sub_(PIXEL_MEAN).div_(PIXEL_STD)


def pick_page_type(rng: random.Random, mix: dict[str, float]) -> str:
    return rng.choices(list(mix), list(mix.values()))[0]


def add_reading(page: Page, rng: random.Random) -> None:
    """Training only: the whole page, line by line. Nothing teaches reading faster."""
    lines = page.text_lines()
    if not lines:
        return
    tokens = " ".join(lines).lower().split()
    starts = [i for i, line in enumerate(lines) if tokens.count(line.split()[0].lower()) == 1]
    if starts and rng.random() < 0.6:
        first = rng.choice(starts)
        question = rng.choice(("Read on from {0}.", "Transcribe all from {0} on.")).format(lines[first].split()[0])
        page.questions.append(Question("read_page", question, "\n".join(lines[first:])))
    else:
        question = rng.choice(("Transcribe every line.", "Read every line of the page."))
        page.questions.append(Question("read_page", question, "\n".join(lines)))
    for i in rng.sample(starts, min(2, len(starts))):
        page.questions.append(Question("read_row", f"Read the line that begins with {lines[i].split()[0]}.", lines[i]))


def draw_page_surely(seed: int, page_type: str, wants_questions: bool) -> Page:
    """A layout that fails for one seed must not end a night's training: it is reported and the next seed is taken."""
    while True:
        try:
            return draw_page(seed, page_type, wants_questions=wants_questions)
        except Exception:
            print(f"page {page_type} seed {seed} failed:\n{traceback.format_exc()}", file=sys.stderr, flush=True)
            seed += 1_000_000_000


def finish_shifted(page: Page, noise_rng: np.random.Generator, reach: int, side: int) -> tuple[Image.Image, Page, tuple[float, float, float]]:
    """A copy of a drawn page as a picture of side x side pixels, degraded and moved by up to `reach` pixels (what it loses
    at an edge is gone); how its coordinates are to be scaled after adding two offsets.

    A page that was drawn large may be shrunk to the final size at once, as a large picture is, else to its own pixels.
    """
    page = copy.copy(page)
    page.glyphs, page.marks = ([copy.copy(g) for g in glyphs] for glyphs in (page.glyphs, page.marks))  # a rotation moves them
    enlarged = side / max(page.width, page.height) if page.scale > 1 and page.rng.random() < 0.5 else 1.0
    image = finish(page, noise_rng, enlarged)
    dx, dy = (page.rng.randint(-reach, reach) for _ in range(2))
    moved = Image.new("RGB", image.size, page.paper)
    moved.paste(image, (dx, dy))
    square, ratio, ox, oy = pad_to_square(moved, side)
    return square, page, (ratio * enlarged, (ox + dx) / enlarged, (oy + dy) / enlarged)


# A patch is empty if it is this even (standard deviation of a channel) and this near to the picture's usual colour.
EVEN, NEAR = 12.0, 30.0


def inked_patches(image: np.ndarray, cfg: ModelConfig) -> np.ndarray:
    """Which patches of a picture [image_size, image_size, 3] hold something, [num_patches] booleans."""
    p, grid = cfg.patch_size, cfg.grid
    patches = image.reshape(grid, p, grid, p, 3).transpose(0, 2, 1, 3, 4).reshape(cfg.num_patches, p * p, 3).astype(np.float32)
    means = patches.mean(1)
    return ((patches.std(1) > EVEN) | (np.abs(means - np.median(means, 0)) > NEAR)).any(1)


def pick_places(image: np.ndarray, cfg: ModelConfig, rng: random.Random, whole_share: float) -> np.ndarray:
    """The patches to look at: all of them in a share of the pictures; else what holds something and a few of the empty ones."""
    roll = rng.random()
    empty_share = 1.0 if roll < whole_share else 0.0 if roll > 0.5 else rng.uniform(0, 0.3)
    chance = np.random.default_rng(rng.getrandbits(32)).random(cfg.num_patches)
    places = np.flatnonzero(inked_patches(image, cfg) | (chance < empty_share))
    return places if len(places) else np.arange(cfg.num_patches)


# What a picture costs, in those of a usual one of stage full.
COST_OF_TEXT, COST_OF_PATCH = 0.36, 0.0023


class PageStream(IterableDataset):
    """Shares of batches from sample number `first` on, without end: part `part` of `num_parts`.

    A share has `batch_size / num_parts` usual pictures, or as many as cost the same, so that no process waits for another.
    Without a packer the samples are for the tower alone: each drawn page is used twice, degraded and placed anew, since
    drawing costs more than that and where a character lies in its patch matters as much as which it is. With neither packer
    nor facts they are for reading alone, and all patches are looked at.
    """

    def __init__(self, cfg: ModelConfig, mix: dict[str, float], batch_size: int, first: int, packer=None, part=0, num_parts=1, whole_share=0.1, with_facts=True):
        self.with_facts = with_facts or packer is not None
        self.whole_share = whole_share
        self.cfg, self.mix, self.batch_size, self.first, self.packer = cfg, mix, batch_size, first, packer
        self.part, self.num_parts = part, num_parts
        self.num_uses = 1 if packer is not None else 2

    def samples(self, index: int) -> list[dict]:
        rng = random.Random(index * 7919 + 13)
        page = draw_page_surely(index * 2 + 1, pick_page_type(rng, self.mix), wants_questions=self.with_facts)
        if self.packer is not None:
            add_reading(page, rng)
        out = []
        for use in range(self.num_uses):
            noise_rng = np.random.default_rng((index * 2 + 1, use))
            reach = 0 if self.packer is not None else self.cfg.patch_size // 2
            image, placed, fit = finish_shifted(page, noise_rng, reach, self.cfg.image_size)
            sample = {"image": np.asarray(image), "cost": 1.0, **patch_labels(placed, self.cfg, *fit)}
            if self.with_facts:
                sample["places"] = torch.from_numpy(pick_places(sample["image"], self.cfg, rng, self.whole_share))
                sample["cost"] = COST_OF_TEXT * (self.packer is not None) + COST_OF_PATCH * len(sample["places"])
            if self.packer is not None:
                sample["lesson"] = (page.questions, rng, PageText(placed, self.cfg, *fit))
            out.append(sample)
        return out

    def batch(self, samples: list[dict], next_index: int) -> dict:
        batch = {k: np.stack([s[k] for s in samples]) for k in ("image", "chars", "others", "things", "colours", "facts", "links", "groups")}
        out = {"image": torch.from_numpy(batch.pop("image")), "next": next_index}
        out["labels"] = {k: torch.from_numpy(v) for k, v in batch.items()}
        if self.with_facts:
            out["places"] = [s["places"] for s in samples]
        if self.packer is not None:
            out["packed"] = self.packer.pack([s["lesson"] for s in samples])
        return out

    def __iter__(self):
        """Every worker of every part takes its own pages."""
        torch.set_num_threads(1)
        worker = get_worker_info()
        num_streams = self.num_parts * (worker.num_workers if worker else 1)
        stream = self.part + self.num_parts * (worker.id if worker else 0)
        room = self.batch_size / self.num_parts
        share, cost = [], 0.0
        for round_first in itertools.count(self.first, num_streams * self.num_uses):
            for sample in self.samples(round_first + stream * self.num_uses):
                if share and cost + sample["cost"] > room:
                    yield self.batch(share, round_first)
                    share, cost = [], 0.0
                share.append(sample)
                cost += sample["cost"]


def stream(cfg: ModelConfig, mix: dict[str, float], batch_size: int, first: int, packer=None, part=0, num_parts=1, num_workers=1, whole_share=0.1, with_facts=True) -> DataLoader:
    """The same batches from worker processes."""
    dataset = PageStream(cfg, mix, batch_size, first, packer, part, num_parts, whole_share, with_facts)
    return DataLoader(dataset, batch_size=None, num_workers=num_workers, prefetch_factor=6)

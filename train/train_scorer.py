"""Teaches the head that says which visual tokens a question needs (`token_scorer.py`), for a model that is finished.

    python -m train.train_scorer models/saccade-mini.gguf ~/saccade-train/scorer --pictures 4000 --seconds 600
    python -m train.export_adaptive models/saccade-mini.gguf ~/saccade-train/saccade-mini --scorer ~/saccade-train/scorer/token_scorer.safetensors

First, processes draw pages, encode them and note where the full plan looks while it tells the answers (a tenth of a second each on a
core): files of 64 pictures in the folder, which a second run finds there. Then the head learns from them. The model itself stays as it is.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import multiprocessing as mp
import os
import random
import time
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from train import tokenizer
from train.adaptive import everything
from train.data import draw_page_surely, finish_shifted, pick_page_type, to_pixels
from train.packing import EMPTY, Packer
from train.records import NUM_TEXT
from train.token_scorer import TokenScorer, asked_words, attention_on_picture, scorer_loss
from train.train_adaptive import ASKED_OF_A_PICTURE, start_of

# Pages with more to read than fits a quarter of the tokens are the ones where it matters who chooses.
MIX = {"dense": 0.8, "soup": 0.8, "panel": 1.2, "receipt": 1.5, "form": 1.3, "label": 1.5, "letter": 5, "table": 2, "bar chart": 1, "line chart": 0.6, "scene": 0.6}
PICTURES_A_FILE, BATCH = 64, 8
# Of a question; longer ones lose their beginning.
MOST_WORDS = 28
NEWLINE = tokenizer.encode("\n")[0]
# Tokens that the strategy takes by score where a quarter is kept.
TAKEN = 72


def look_at_pages(base: Path, folder: Path, files: list[int], first: int) -> None:
    """Writes the files of these numbers: visual tokens, questions, and the shares of the answers' attention that each token gets."""
    torch.set_num_threads(1)
    os.nice(5)
    adaptive = start_of(base).eval()
    cfg, decoder, packer = adaptive.cfg, adaptive.model.language_model, Packer(adaptive.cfg, NUM_TEXT, two_turn_share=0.0)
    made_of = told_of(base, first)
    for number in files:
        images, texts = [], []
        for index in range(first + number * PICTURES_A_FILE, first + (number + 1) * PICTURES_A_FILE):
            rng = random.Random(index * 7919 + 13)
            page = draw_page_surely(index * 2 + 1, pick_page_type(rng, MIX), wants_questions=True)
            images.append(np.asarray(finish_shifted(page, np.random.default_rng((index * 2 + 1, 0)), 0, cfg.image_size)[0]))
            packed = packer.pack([(page.questions, rng, None)])
            texts.append({name: getattr(packed, name)[0] for name in EMPTY})
        text = {name: torch.stack([t[name] for t in texts]) for name in EMPTY}
        chosen = torch.arange(1, 1 + ASKED_OF_A_PICTURE).expand(PICTURES_A_FILE, -1)
        places, is_word, answered = asked_words(text, chosen)
        ids = text["ids"].gather(1, places.flatten(1)).view(places.shape)
        visual, shares = [], []
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            for rows in torch.arange(PICTURES_A_FILE).split(BATCH):
                pixels = to_pixels(torch.from_numpy(np.stack([images[row] for row in rows])))
                visual.append(adaptive.encode(pixels, None, everything(cfg, len(rows), pixels.device))[0])
                shares.append(attention_on_picture(decoder, visual[-1], {name: t[rows] for name, t in text.items()}, answered[rows]))
        # The last place is that of the newline behind the question, which is no word.
        save_file({"visual": torch.cat(visual).half(), "shares": torch.cat(shares).half(), "words": ids[..., -MOST_WORDS - 1:-1].short().contiguous(),
                   "is_word": (is_word & (ids != NEWLINE))[..., -MOST_WORDS - 1:-1].contiguous()}, folder / f"{number}.partial", metadata=made_of)
        os.replace(folder / f"{number}.partial", folder / f"{number:04d}.safetensors")


def told_of(base: Path, first: int) -> dict[str, str]:
    """What the files are made of, which they tell."""
    return {"base": hashlib.sha256(base.read_bytes()).hexdigest() if base.is_file() else str(base), "first": str(first), "mix": str(MIX)}


def look(base: Path, folder: Path, pictures: int, first: int, workers: int) -> None:
    """Until the folder has files of so many pictures."""
    made_of = told_of(base, first)
    for path in folder.glob("[0-9]*.safetensors"):
        with safe_open(path, "pt") as file:
            if file.metadata() != made_of:
                raise SystemExit(f"{path} was made of another model, other pages or another mix; take another folder")
    missing = [n for n in range(-(-pictures // PICTURES_A_FILE)) if not (folder / f"{n:04d}.safetensors").exists()]
    processes = [mp.get_context("spawn").Process(target=look_at_pages, args=(base, folder, missing[i::workers], first)) for i in range(workers)]
    for process in processes:
        process.start()
    while any(process.is_alive() for process in processes):
        time.sleep(10)
        print(f"{sum((folder / f'{n:04d}.safetensors').exists() for n in missing)} of {len(missing)} files of pictures are written", flush=True)
    if any(process.exitcode for process in processes):
        raise SystemExit("a process that looks at pictures failed; what it wrote before is kept")


class Looks:
    """The files in memory: [pictures, ...]."""

    def __init__(self, folder: Path):
        parts = [load_file(path) for path in sorted(folder.glob("[0-9]*.safetensors"))]
        self.visual, self.shares, self.words, self.is_word = (torch.cat([part[name] for part in parts]) for name in ("visual", "shares", "words", "is_word"))
        self.is_asked = (self.shares.float().sum(-1) > 0.5) & self.is_word.any(-1)

    def __len__(self) -> int:
        return len(self.visual)

    def scored(self, scorer: TokenScorer, embedding: torch.Tensor, rows: torch.Tensor, questions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores and shares [rows, questions, tokens] of `questions` [rows, questions]; shares of 0 where nothing is asked."""
        at = (rows[:, None], questions)
        scores = scorer(embedding[self.words[at].long()], self.is_word[at], self.visual[rows].float())
        return scores, self.shares[at].float() * self.is_asked[at][..., None]


@torch.no_grad()
def validate(looks: Looks, scorer: TokenScorer, embedding: torch.Tensor, rows: torch.Tensor) -> str:
    losses, found, best = [], [], []
    for part in rows.split(16):
        questions = torch.arange(ASKED_OF_A_PICTURE // 2).expand(len(part), -1)
        scores, shares = looks.scored(scorer, embedding, part, questions)
        asked = shares.sum(-1) > 0.5
        losses.append(float(scorer_loss(scores, shares)))
        found.append(shares.gather(-1, scores.topk(TAKEN, -1).indices).sum(-1)[asked])
        best.append(shares.topk(TAKEN, -1).values.sum(-1)[asked])
    return (f"loss {sum(losses) / len(losses):.4f}, of the attention in its best {TAKEN} tokens {float(torch.cat(found).mean()):.4f}, "
            f"at best {float(torch.cat(best).mean()):.4f}")


def fit(looks: Looks, scorer: TokenScorer, embedding: torch.Tensor, seconds: float, lr: float, pictures: int = 24, questions: int = 6) -> None:
    """AdamW by the clock; the last pictures are not learned from but told of."""
    own = torch.arange(len(looks) - min(256, len(looks) // 10))
    held = torch.arange(len(own), len(looks))
    print(f"{len(own)} pictures, {int(looks.is_asked[own].sum())} questions", flush=True)
    optimizer = torch.optim.AdamW(scorer.parameters(), lr=lr, weight_decay=0.01)
    began, step, told = time.time(), 0, time.time()
    while (share := (time.time() - began) / seconds) < 1:
        for group in optimizer.param_groups:
            group["lr"] = lr * min(1, (step + 1) / 50) * (1 if share < 0.3 else 0.5 * (1 + math.cos(math.pi * (share - 0.3) / 0.7)))
        rows = own[torch.randint(0, len(own), (pictures,))]
        chosen = torch.multinomial(looks.is_asked[rows].float() + 1e-6, questions)
        loss = scorer_loss(*looks.scored(scorer, embedding, rows, chosen))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(scorer.parameters(), 1.0)
        optimizer.step()
        step += 1
        if time.time() - told > 30:
            told = time.time()
            print(f"{told - began:4.0f} s, step {step}, loss {float(loss.detach()):.4f}; held out {validate(looks, scorer, embedding, held)}", flush=True)
    print(f"{step} steps; held out {validate(looks, scorer, embedding, held)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", type=Path, help="the model: a GGUF file, or a folder of train.train_adaptive")
    parser.add_argument("out", type=Path)
    parser.add_argument("--pictures", type=int, default=4000)
    parser.add_argument("--seconds", type=float, default=600, help="of learning")
    parser.add_argument("--first", type=int, default=30_000_000, help="number of the first page; all randomness comes from it")
    parser.add_argument("--workers", type=int, default=max(1, os.cpu_count() or 1))
    parser.add_argument("--lr", type=float, default=2e-3)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    look(args.base, args.out, args.pictures, args.first, args.workers)
    torch.manual_seed(0)
    adaptive = start_of(args.base)
    fit(Looks(args.out), adaptive.token_scorer, adaptive.model.language_model.embed_tokens.weight.detach(), args.seconds, args.lr)
    save_file({name: p.detach().contiguous() for name, p in adaptive.token_scorer.named_parameters()}, args.out / "token_scorer.safetensors")


if __name__ == "__main__":
    main()

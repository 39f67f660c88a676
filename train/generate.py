"""Greedy answers in PyTorch, as the engine gives them: one question at a time on one picture."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from train import tokenizer
from train.augment import pad_to_square
from train.data import to_pixels
from train.model import SaccadeMini
from train.packing import prompt_ids


def picture_tensor(image: Image.Image, side: int) -> torch.Tensor:
    """[1, 3, side, side], padded and normalised."""
    return to_pixels(torch.from_numpy(np.array(pad_to_square(image.convert("RGB"), side)[0]))[None])


class Reader:
    """Holds one picture's prefix; `answer` continues from a copy of its cache."""

    def __init__(self, model: SaccadeMini, image: Image.Image):
        self.model, cfg = model, model.cfg
        with torch.no_grad():
            visual = model.encode(picture_tensor(image, cfg.image_size))
            embed = model.language_model.embed_tokens
            x = torch.cat([embed(torch.tensor([[tokenizer.BOS]])), visual, embed(torch.tensor([tokenizer.encode("\n")]))], dim=1)
            self.length = x.shape[1]
            self.caches: list[dict] = [{} for _ in range(cfg.num_layers)]
            self._run(x, 0, self.caches)

    def _run(self, x: torch.Tensor, start: int, caches: list[dict]) -> torch.Tensor:
        num_new = x.shape[1]
        positions = torch.arange(start, start + num_new)[None]
        mask = torch.ones(num_new, start + num_new, dtype=torch.bool).tril(start)[None, None]
        return self.model.language_model(x, positions, mask, caches)[:, -1]

    @torch.no_grad()
    def answer(self, question: str, max_new_tokens: int = 160) -> str:
        caches = [dict(c) for c in self.caches]
        ids, position, out = prompt_ids(question), self.length, []
        while len(out) < max_new_tokens:
            hidden = self._run(self.model.language_model.embed_tokens(torch.tensor([ids])), position, caches)
            position += len(ids)
            best = int(self.model.logits(hidden).argmax())
            if best == tokenizer.EOS:
                break
            out.append(best)
            ids = [best]
        return tokenizer.decode(out)

"""Many questions on one picture in one sequence.

Layout: `<s>` [picture] `\n` then blocks `question \n answer </s>`. Every block sees the prefix and itself, and its
positions start right after the prefix, so a block is trained exactly as it will be asked: alone.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch

from train import tokenizer
from train.model import ModelConfig, SaccadeMini, cast_once, packed_mask
from train.pages.page import Question
from train.pointers import AHEAD_LAYER, HERE_LAYER, UNKNOWN, PageText, Pointed, pointer_loss

IGNORED = -100
# How often a kind is drawn, 1 where absent.
KIND_WEIGHTS: dict[str, float] = {"read_page": 3.0, "gauge_value": 2.0, "most_expensive": 2.0, "table_max": 2.0, "order": 2.0, "page_type": 0.2, "is_signed": 0.3,
                                  "has_word": 0.3, "line_trend": 0.4, "shape_color": 0.4, "which_shape": 0.4, "where_text": 0.4, "lamp_color": 0.5}


# What stands in each column of a row where there is no text.
EMPTY = {"ids": tokenizer.PAD, "targets": IGNORED, "weights": 0.0, "positions": 0, "block_ids": -1, "here": UNKNOWN, "ahead": UNKNOWN}


@dataclass
class Packed:
    """One batch of text. All [batch, num_text]; the first column is the newline that ends the prefix."""

    ids: torch.Tensor
    targets: torch.Tensor  # next token, IGNORED where no answer is expected
    weights: torch.Tensor
    positions: torch.Tensor
    block_ids: torch.Tensor
    here: torch.Tensor  # the patch in which the token stands, UNKNOWN where it is not printed or nobody asked
    ahead: torch.Tensor  # the same of the next token
    kinds: list[list[str]]  # per row, the kind of each block (block i + 1)

    def to(self, device: torch.device, non_blocking: bool = False) -> Packed:
        moved = {key: getattr(self, key).to(device, non_blocking=non_blocking) for key in EMPTY}
        return Packed(**moved, kinds=self.kinds)


def prompt_ids(question: str) -> list[int]:
    return tokenizer.encode(question) + tokenizer.encode("\n")


def unpointed(ids: list[int]) -> Pointed:
    return Pointed(ids, [UNKNOWN] * len(ids), [UNKNOWN] * len(ids))


def joined(*parts: Pointed) -> Pointed:
    return Pointed(*(sum((getattr(part, name) for part in parts), []) for name in ("ids", "first", "last")))


class Packer:
    """Chooses questions of a page and lays them out. `num_text` is the text length of every row."""

    def __init__(self, cfg: ModelConfig, num_text: int, everything: bool = False, two_turn_share: float = 0.12):
        self.cfg, self.num_text, self.everything, self.two_turn_share = cfg, num_text, everything, two_turn_share

    def pack(self, samples: list[tuple[list[Question], random.Random, PageText | None]]) -> Packed:
        rows = [self._row(*sample) for sample in samples]
        columns = {key: torch.tensor([r[key] for r in rows]) for key in EMPTY}
        return Packed(**columns, kinds=[r["kinds"] for r in rows])

    def _order(self, questions: list[Question], rng: random.Random) -> list[Question]:
        """A weighted random order without repetition (exponential clocks)."""
        if self.everything:
            return questions
        return sorted(questions, key=lambda q: rng.expovariate(KIND_WEIGHTS.get(q.kind, 1.0)))

    def _row(self, questions: list[Question], rng: random.Random, text: PageText | None) -> dict:
        first = 1 + self.cfg.num_patches  # position of the newline
        newline = tokenizer.encode("\n")
        row = {key: [value] for key, value in EMPTY.items()} | {"ids": newline[:], "positions": [first], "block_ids": [0], "kinds": []}
        previous = None
        for question in self._order(questions, rng):
            prompt = joined(text.point_question(question), unpointed(newline)) if text else unpointed(prompt_ids(question.question))
            answer = text.point_answer(question) if text else unpointed(tokenizer.encode(question.answer))
            answer = joined(answer, unpointed([tokenizer.EOS]))
            lead = previous if previous and rng.random() < self.two_turn_share else unpointed([])
            room = self.num_text - len(row["ids"])
            if len(lead.ids) + len(prompt.ids) + len(answer.ids) > room:
                if question.kind != "read_page" or room < len(prompt.ids) + 40:
                    continue
                lead, space = unpointed([]), room - len(prompt.ids)
                answer = Pointed(answer.ids[:space], answer.first[:space], answer.last[:space])
            self._append(row, joined(lead, prompt), answer, question.kind)
            previous = joined(prompt, answer)
        missing = self.num_text - len(row["ids"])
        for key, value in EMPTY.items():
            row[key] += [value] * missing
        return row

    def _append(self, row: dict, prompt: Pointed, answer: Pointed, kind: str) -> None:
        block = len(row["kinds"]) + 1
        tokens = joined(prompt, answer)
        num_tokens, num_asked = len(tokens.ids), len(answer.ids)
        row["kinds"].append(kind)
        row["ids"] += tokens.ids
        row["targets"] += [IGNORED] * (len(prompt.ids) - 1) + answer.ids + [IGNORED]
        row["weights"] += [num_asked ** -0.5] * num_tokens
        row["positions"] += [2 + self.cfg.num_patches + i for i in range(num_tokens)]
        row["block_ids"] += [block] * num_tokens
        row["here"] += tokens.last
        row["ahead"] += [UNKNOWN] * (len(prompt.ids) - 1) + answer.first + [UNKNOWN]


def packed_hidden(model: SaccadeMini, visual: list[torch.Tensor], places: list[torch.Tensor], packed: Packed, watched: dict[int, list]) -> torch.Tensor:
    """Hidden states [batch, num_text, model_dim] of the text part, given each picture's visual tokens [num_places, model_dim]
    and the patches that they stand for.

    `watched` takes the scores of head 0 in the layers that it names."""
    embed, device = model.language_model.embed_tokens, packed.ids.device
    start = embed(torch.full((1,), tokenizer.BOS, device=device))
    num_text = (packed.block_ids >= 0).sum(1).tolist()
    text = embed(packed.ids)
    rows, positions, masks = [], [], []
    for i, (tokens, place) in enumerate(zip(visual, places)):
        n = num_text[i]
        rows += [start, tokens.float(), text[i, :n]]
        positions += [place.new_zeros(1), 1 + place, packed.positions[i, :n]]
        block_ids = torch.cat([place.new_zeros(1 + len(place)), packed.block_ids[i, :n]])
        masks.append(cast_once(torch.where(packed_mask(block_ids[None])[0], 0.0, float("-inf"))))
    lengths = [mask.shape[-1] for mask in masks]
    num_first = [1 + len(place) for place in places]
    hidden = model.language_model(torch.cat(rows)[None], torch.cat(positions)[None], masks, watched=watched, lengths=lengths, num_first=num_first)[0]
    width = packed.ids.shape[1]
    return torch.stack([torch.nn.functional.pad(h[len(h) - n:], (0, 0, 0, width - n)) for h, n in zip(hidden.split(lengths), num_text)])


def all_places(model: SaccadeMini, packed: Packed) -> list[torch.Tensor]:
    return [torch.arange(model.cfg.num_patches, device=packed.ids.device)] * len(packed.ids)


def packed_logits(model: SaccadeMini, visual: torch.Tensor, packed: Packed) -> torch.Tensor:
    """Logits [batch, num_text, vocab_size] of the text part, all visual tokens [batch, num_patches, model_dim] being there."""
    return model.logits(packed_hidden(model, list(visual), all_places(model, packed), packed, {}))


def question_losses(model: SaccadeMini, visual: list[torch.Tensor], places: list[torch.Tensor], packed: Packed) -> tuple[torch.Tensor, torch.Tensor, dict[str, float]]:
    """The loss of the answers, that of the pointing heads, and a report."""
    watched = dict.fromkeys((HERE_LAYER, AHEAD_LAYER))
    logits = model.logits(packed_hidden(model, visual, places, packed, watched))
    loss, exact = answer_loss(logits, packed)
    here_loss, here = pointer_loss(watched[HERE_LAYER], packed.here, places, model.cfg.num_patches)
    ahead_loss, ahead = pointer_loss(watched[AHEAD_LAYER], packed.ahead, places, model.cfg.num_patches)
    return loss, here_loss + ahead_loss, {"answer": loss.item(), "exact": exact, "here": here, "ahead": ahead}


def answer_loss(logits: torch.Tensor, packed: Packed) -> tuple[torch.Tensor, float]:
    """Weighted next-token loss, and the share of blocks whose every answer token is the most likely one."""
    asked = packed.targets != IGNORED
    picked, targets, weights = logits[asked].float(), packed.targets[asked], packed.weights[asked]
    loss = torch.nn.functional.cross_entropy(picked, targets, reduction="none")
    return (loss * weights).sum() / weights.sum(), block_scores(picked, packed)[0]


def block_scores(picked: torch.Tensor, packed: Packed) -> tuple[float, list[tuple[str, bool]]]:
    """Exactness of each block under teacher forcing, which equals greedy decoding's."""
    asked = packed.targets != IGNORED
    right = picked.argmax(-1) == packed.targets[asked]
    rows = torch.arange(len(packed.kinds), device=asked.device)[:, None].expand_as(packed.block_ids)[asked]
    blocks = packed.block_ids[asked]
    wrong = {(r, b) for r, b, ok in zip(rows.tolist(), blocks.tolist(), right.tolist()) if not ok}
    scores = [(kind, (r, b + 1) not in wrong) for r, kinds in enumerate(packed.kinds) for b, kind in enumerate(kinds)]
    return sum(ok for _, ok in scores) / max(1, len(scores)), scores

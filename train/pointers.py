"""Where the words of questions and answers stand in the picture: a lesson in looking, for two heads of the decoder.

An answer alone tells a decoder from scratch little about where it should have looked. The generator knows: of every
token that is printed on the page, the patch it stands in. One head learns to look at the token just read ("here"),
which finds what a question names; one in a later layer looks at the token to come ("ahead").
Supervised attention: L. Liu et al., "Neural Machine Translation with Supervised Attention", COLING 2016.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch

from train import tokenizer
from train.model import ModelConfig
from train.pages.page import Glyph, Page, Question

UNKNOWN = -1
HERE_LAYER, AHEAD_LAYER = 1, 3  # head 0 of each
# Kinds whose answers are printed on the page as they are given.
PRINTED_KINDS = {"read_field", "find_code", "title", "read_line", "read_last_line", "read_all", "next_word", "item_price", "item_with_price",
                 "total", "most_expensive", "table_cell", "table_find", "table_max", "which_checked", "which_lamp", "display",
                 "bar_largest", "bar_smallest", "line_peak", "line_low", "read_page", "read_row"}


def lower(text: str) -> str:
    """Lower case, one character for one."""
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def patches_of(glyphs: list[Glyph], cfg: ModelConfig, ratio: float, offset_x: float, offset_y: float) -> list[int]:
    """The patch that each glyph's centre lies in, once the page is moved by the offsets and scaled; UNKNOWN outside the picture."""
    def patch_of(glyph: Glyph) -> int:
        x, y = (glyph.x + offset_x) * ratio, (glyph.y + offset_y) * ratio
        is_inside = 0 <= x < cfg.image_size and 0 <= y < cfg.image_size
        return int(y) // cfg.patch_size * cfg.grid + int(x) // cfg.patch_size if is_inside else UNKNOWN

    return [patch_of(glyph) for glyph in glyphs]


@dataclass
class Pointed:
    """Tokens, and for each the patches of its first and of its last printed character, UNKNOWN where not printed."""

    ids: list[int]
    first: list[int]
    last: list[int]


class PageText:
    """The printed characters of a page in reading order, spaces left out, each with its patch."""

    def __init__(self, page: Page, cfg: ModelConfig, ratio: float, offset_x: float, offset_y: float):
        glyph_patches, self.marks = (patches_of(places, cfg, ratio, offset_x, offset_y) for places in (page.glyphs, page.marks))
        chars, self.patches, self.edges = [], [], {0}
        for line in page.lines_of_runs():
            for run in line:
                glyph = run.first_glyph
                for char in run.text:
                    if char == " ":
                        self.edges.add(len(chars))
                        continue
                    self.patches.append(glyph_patches[glyph])
                    chars.append(char)
                    glyph += 1
                self.edges.add(len(chars))
        self.flat = "".join(chars)
        self.flat_lower = lower(self.flat)

    def _is_edge(self, place: int) -> bool:
        """Whether a word begins or ends before character `place`."""
        return place in self.edges or not (self.flat[place - 1].isalnum() and self.flat[place].isalnum())

    def find(self, text: str) -> int | None:
        """The place of a text (without spaces) that is printed exactly once, as whole words; of either case if need be."""
        for flat, wanted in ((self.flat, text), (self.flat_lower, lower(text))):
            places, start = [], flat.find(wanted)
            while start >= 0 and wanted:
                if self._is_edge(start) and self._is_edge(start + len(wanted)):
                    places.append(start)
                start = flat.find(wanted, start + 1)
            if places:
                return places[0] if len(places) == 1 else None
        return None

    def point(self, text: str, spans: list[tuple[int, int]], seen: dict[int, int]) -> Pointed:
        """Tokens of a text; characters know their patches where `seen` tells, and those of `spans` that are found as a whole."""
        patches = [seen.get(i, UNKNOWN) for i in range(len(text))]
        for begin, end in spans:
            letters = [i for i in range(begin, end) if not text[i].isspace()]
            place = self.find("".join(text[i] for i in letters))
            if place is not None:
                for i, letter in enumerate(letters):
                    patches[letter] = self.patches[place + i]
        encoding = tokenizer.make_tokenizer().encode(text, add_special_tokens=False)
        inked = [[patches[i] for i in range(begin, end) if not text[i].isspace()] or [UNKNOWN] for begin, end in encoding.offsets]
        return Pointed(encoding.ids, [p[0] for p in inked], [p[-1] for p in inked])

    def point_question(self, asked: Question) -> Pointed:
        """Each word by itself; its first character could still be any word's."""
        question = asked.question
        seen = {question.index(name) + i: self.marks[mark] for name, mark in asked.seen.items() if name in question for i in range(len(name))}
        spans, end = [], 0
        for word in question.split():
            begin = question.index(word, end)
            end = begin + len(word)
            inner = word.strip(".,:;!?()\"'")
            if len(inner) > 1:
                begin += word.index(inner)
                spans.append((begin, begin + len(inner)))
        return self.point(question, spans, seen)

    def point_answer(self, asked: Question) -> Pointed:
        """An answer that is printed on the page, or the place where its first character is to be had from."""
        seen = {0: self.marks[asked.seen_answer]} if asked.seen_answer is not None else {}
        spans = []
        if asked.kind in PRINTED_KINDS:
            spans = [(0, len(asked.answer))]
        elif asked.kind == "order":
            spans = [match.span() for match in re.finditer("[^\n]+", asked.answer)]
        return self.point(asked.answer, spans, seen)


def pointer_loss(scores: list[torch.Tensor], pointers: torch.Tensor | list[torch.Tensor], places: list[torch.Tensor], num_patches: int) -> tuple[torch.Tensor, float]:
    """Mean -log of the attention on the right patch, and how often it has the most.

    `scores` of one head before the softmax, the mask applied, [num_text, num_tokens] of each picture: the tokens are `<s>`,
    the patches at `places`, then perhaps text; `pointers` [num_text] of each picture are patches, or UNKNOWN.
    """
    losses, hits = [], []
    for picture, pointer, place in zip(scores, pointers, places):
        column = torch.full((num_patches + 1,), UNKNOWN, device=place.device)  # the last is UNKNOWN's
        column[place] = 1 + torch.arange(len(place), device=place.device)
        wanted = column[pointer[:len(picture)]]
        known = wanted != UNKNOWN
        rows = picture[known].float()
        losses.append(torch.nn.functional.cross_entropy(rows, wanted[known], reduction="none"))
        hits.append(rows.argmax(-1) == wanted[known])
    loss, hit = torch.cat(losses), torch.cat(hits).float()
    return (loss.mean(), hit.mean().item()) if len(loss) else (scores[0].sum() * 0.0, float("nan"))

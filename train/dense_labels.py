"""Dense supervision of the vision tower: which characters lie in each patch, what covers it, and what is to be known about it.

The facts (`FACTS` in pages/page.py) are what a question needs beyond reading: the highest of the bars, the line of a word, the
lamp beside a name. Told at their places they teach in each picture what an answer of one word would teach much slower."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from train.model import ModelConfig
from train.pages.page import COLOUR_NAMES, FACTS, GROUPS, LINKS, THINGS, Fact, Group, Link, Page
from train.pointers import UNKNOWN, patches_of, pointer_loss

# A patch is cut into cells, each of which can hold the centre of one character. Where a character stands is read off
# its own pixels; its number in reading order would depend on all the others in the patch.
CELL_COLS, CELL_ROWS = 4, 1
# A centre this near to a border (in cells) may as well be told in the cell beyond: half of the loss was such doubt.
MARGIN_COLS, MARGIN_ROWS = 0.3, 0.25
IGNORED = -100
NUM_SLOTS = CELL_COLS * CELL_ROWS
NUM_CHARS = 96  # class 0: no character; class c: chr(31 + c)
NUM_COLOURS = 1 + len(COLOUR_NAMES)


def _beyond(place: float, margin: float, num_cells: int) -> int:
    """The cell that a coordinate is in, or the one beyond the border that it is near."""
    for moved in (place - margin, place + margin):
        if int(moved) != int(place) and 0 <= moved < num_cells:
            return int(moved)
    return int(place)


def _cell_index(x: int, y: int, grid: int) -> int:
    """Cells are numbered patch by patch."""
    return ((y // CELL_ROWS * grid + x // CELL_COLS) * CELL_ROWS + y % CELL_ROWS) * CELL_COLS + x % CELL_COLS


def patch_labels(page: Page, cfg: ModelConfig, ratio: float, offset_x: float, offset_y: float) -> dict[str, np.ndarray]:
    """Labels of a page that was padded by the offsets and scaled by `ratio`. Arrays of [num_patches, ...].

    `chars` are the classes of the cells; `others` the cell that would be as right, else the cell's own index. `facts` is
    [num_patches, len(FACTS)], IGNORED where nothing is told; `links` [num_patches, len(LINKS)] the patch to look at, or UNKNOWN;
    `groups` [num_patches, len(GROUPS)] the number of the group that a patch belongs to, or UNKNOWN.
    """
    num_cols, num_rows = cfg.grid * CELL_COLS, cfg.grid * CELL_ROWS
    chars = np.zeros(num_rows * num_cols, dtype=np.int64)
    others = np.arange(num_rows * num_cols)
    near_borders = []
    for glyph in page.glyphs:
        x = (glyph.x + offset_x) * ratio / cfg.patch_size * CELL_COLS
        y = (glyph.y + offset_y) * ratio / cfg.patch_size * CELL_ROWS
        code = ord(glyph.char) - 31
        if not (0 <= x < num_cols and 0 <= y < num_rows and 0 < code < NUM_CHARS):
            continue
        own = _cell_index(int(x), int(y), cfg.grid)
        chars[own] = code
        beyond_x, beyond_y = _beyond(x, MARGIN_COLS, num_cols), _beyond(y, MARGIN_ROWS, num_rows)
        for other in ((beyond_x, int(y)), (int(x), beyond_y), (beyond_x, beyond_y)):
            near_borders.append((own, _cell_index(*other, cfg.grid)))
    for own, other in near_borders:
        if chars[other] <= 0:  # taken by no character
            chars[other] = IGNORED
            if others[own] == own:
                others[own] = other
    return {
        "chars": chars.reshape(cfg.num_patches, NUM_SLOTS),
        "others": others.reshape(cfg.num_patches, NUM_SLOTS),
        "things": _cover(page.things, cfg, ratio, offset_x, offset_y),
        "colours": _cover(page.colours, cfg, ratio, offset_x, offset_y),
        **_relations(page, cfg, ratio, offset_x, offset_y),
    }


def _relations(page: Page, cfg: ModelConfig, ratio: float, offset_x: float, offset_y: float) -> dict[str, np.ndarray]:
    glyphs, marks = (patches_of(places, cfg, ratio, offset_x, offset_y) for places in (page.glyphs, page.marks))
    facts = np.full((cfg.num_patches, len(FACTS)), IGNORED, dtype=np.int64)
    links = np.full((cfg.num_patches, len(LINKS)), UNKNOWN, dtype=np.int64)
    groups = np.full((cfg.num_patches, len(GROUPS)), UNKNOWN, dtype=np.int64)

    def patches_in_picture(told: Fact | Link | Group) -> list[int]:
        patches = [glyphs[i] for i in told.glyphs] + [marks[i] for i in told.marks]
        return [patch for patch in patches if patch != UNKNOWN]

    fact_names = list(FACTS)
    for fact in page.facts:
        facts[patches_in_picture(fact), fact_names.index(fact.name)] = fact.value
    for link in page.links:
        links[patches_in_picture(link), LINKS.index(link.name)] = marks[link.to_mark] if link.to_glyph is None else glyphs[link.to_glyph]
    _link_text(page, glyphs, links)
    for number, group in enumerate(page.groups):
        groups[patches_in_picture(group), GROUPS.index(group.name)] = number
    return {"facts": facts, "links": links, "groups": groups}


def _link_text(page: Page, glyphs: list[int], links: np.ndarray) -> None:
    """From every patch with characters: to the first of the text, and to the next patch of it."""
    if not page.wants_questions:
        return
    start, following = LINKS.index("start"), LINKS.index("next")
    for run in page.runs:
        patches = [glyphs[i] for i in run.glyphs]
        for patch, after in zip(patches, patches[1:] + [UNKNOWN]):
            if patch != UNKNOWN:
                links[patch, start] = patches[0]
                if after != patch:
                    links[patch, following] = after


def _cover(plane, cfg: ModelConfig, ratio: float, offset_x: float, offset_y: float) -> np.ndarray:
    """The highest class found on a 4 x 4 raster of points in each patch."""
    values = np.asarray(plane)
    num = cfg.grid * 4
    centres = (np.arange(num) + 0.5) * (cfg.image_size / num) / ratio
    xs, ys = np.floor(centres - offset_x).astype(int), np.floor(centres - offset_y).astype(int)
    inside = ((ys >= 0) & (ys < values.shape[0]))[:, None] & ((xs >= 0) & (xs < values.shape[1]))[None]
    points = values[ys.clip(0, values.shape[0] - 1)][:, xs.clip(0, values.shape[1] - 1)] * inside
    return points.reshape(cfg.grid, 4, cfg.grid, 4).max(axis=(1, 3)).reshape(-1).astype(np.int64)


class DenseHeads(nn.Module):
    """Linear read-outs on patch features, used in training only."""

    def __init__(self, cfg: ModelConfig):
        super().__init__()
        self.norm = nn.LayerNorm(cfg.vision_dim)
        self.chars = nn.Linear(cfg.vision_dim, NUM_SLOTS * NUM_CHARS)
        self.things = nn.Linear(cfg.vision_dim, len(THINGS))
        self.colours = nn.Linear(cfg.vision_dim, NUM_COLOURS)
        self.facts = nn.Linear(cfg.vision_dim, sum(FACTS.values()))

    def forward(self, features: torch.Tensor, labels: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, float]]:
        """Features [batch, num_patches, vision_dim] and labels to the loss and accuracies where there is something."""
        x = self.norm(features)
        chars = self.chars(x).float().reshape(-1, NUM_CHARS)
        cells_of_image = labels["others"][0].numel()
        first_cells = torch.arange(len(x), device=x.device) * cells_of_image
        others = (labels["others"].flatten(1) + first_cells[:, None]).flatten()
        losses = {"chars": _loss(chars, labels["chars"], others), "things": _loss(self.things(x), labels["things"]),
                  "colours": _loss(self.colours(x), labels["colours"])}
        total = 3 * losses["chars"][0] + 0.3 * losses["things"][0] + 0.2 * losses["colours"][0]
        facts, report = facts_loss(self.facts(x), labels["facts"])
        return total + facts, {name: accuracy for name, (_, accuracy) in losses.items()} | report


FACTS_WEIGHT = 0.15  # of each fact
# A share of a scale is nearly right in the part beside it: this many parts are the standard deviation of what is taught.
SPREAD = {"amount": 1.0, "magnitude": 1.0}
LINKS_WEIGHT = 0.15
# The layer and the head of the tower that look along a link.
LINK_HEADS = {"start": (2, 0), "next": (2, 1), "thing": (3, 0), "name": (3, 1), "header": (3, 2), "end": (3, 3), "below": (4, 0), "above": (4, 1), "largest": (4, 2), "smallest": (4, 3)}


def links_loss(watched: dict[int, list[torch.Tensor]], places: list[torch.Tensor], links: torch.Tensor) -> tuple[torch.Tensor, dict[str, float]]:
    """Loss of the attention along the links, and how often the right patch has the most, for each link that occurs.

    `watched` holds the scores [heads, 1 + num_places, 1 + num_places] of each picture in the layers of LINK_HEADS, the class row
    first; `links` [batch, num_patches, len(LINKS)] patches.
    """
    total, report = torch.zeros((), device=links.device), {}
    for i, name in enumerate(LINKS):
        layer, head = LINK_HEADS[name]
        wanted = [picture[place, i] for picture, place in zip(links, places)]
        if any((w != UNKNOWN).any() for w in wanted):
            loss, hit = pointer_loss([scores[head, 1:] for scores in watched[layer]], wanted, places, links.shape[1])
            total = total + LINKS_WEIGHT * loss
            report["to_" + name] = hit
    return total, report


# The layer and the head that look at all of a group alike, and at the class token as much as at one of them: what it gets of
# the attention tells how many there are.
GROUP_HEADS = {"count": (5, 0), "same_colour": (5, 1), "same_shape": (5, 2)}
WATCHED_LAYERS = sorted({layer for layer, _ in (LINK_HEADS | GROUP_HEADS).values()})


def groups_loss(watched: dict[int, list[torch.Tensor]], places: list[torch.Tensor], groups: torch.Tensor) -> tuple[torch.Tensor, dict[str, float]]:
    """Divergence of the attention from its even share on each of a group and the class token, and how often the class token's
    share gives the right number. `watched` as in `links_loss`; `groups` [batch, num_patches, len(GROUPS)]."""
    total, report = torch.zeros((), device=groups.device), {}
    for i, name in enumerate(GROUPS):
        layer, head = GROUP_HEADS[name]
        losses, hits = [], []
        for scores, picture, place in zip(watched[layer], groups, places):
            group = picture[place, i]
            known = group != UNKNOWN
            is_same = group[known][:, None] == group
            share = nn.functional.pad(is_same, (1, 0), value=True).float()
            share = share / share.sum(1, keepdim=True)
            told = scores[head, 1:][known].float().log_softmax(-1)
            losses.append((share * (share.clamp(min=1e-9).log() - told)).sum(1))
            hits.append((-told[:, 0]).exp().round() - 1 == is_same.sum(1))
        loss, hit = torch.cat(losses), torch.cat(hits).float()
        if len(loss):
            total = total + LINKS_WEIGHT * loss.mean()
            report["by_" + name] = hit.mean().item()
    return total, report


def facts_loss(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, dict[str, float]]:
    """Cross entropy over the places where a fact is told, summed over the facts, and the accuracy of each (within two
    spreads where it has one)."""
    total, report = logits.sum() * 0.0, {}
    for i, (name, part) in enumerate(zip(FACTS, logits.split(list(FACTS.values()), -1))):
        told = labels[..., i] != IGNORED
        if told.any():
            wanted, given = labels[..., i][told], part[told].float()
            target, spread = wanted, SPREAD.get(name, 0.0)
            if spread:
                away = torch.arange(FACTS[name], device=given.device) - wanted[:, None]
                target = (-0.5 * (away / spread) ** 2).softmax(-1)
            total = total + FACTS_WEIGHT * nn.functional.cross_entropy(given, target)
            report[name] = ((given.argmax(-1) - wanted).abs() <= 2 * spread).float().mean().item()
    return total, report


def _loss(logits: torch.Tensor, labels: torch.Tensor, others: torch.Tensor | None = None) -> tuple[torch.Tensor, float]:
    """Cross entropy, places with something weighing most, and the accuracy there. What `others` [num_places] point to
    may tell the label instead."""
    log_probs = logits.float().flatten(0, -2).log_softmax(-1)
    target = labels.flatten()
    present = target > 0
    importance = torch.where(present, 1.0, 0.2) * (target != IGNORED)
    told = log_probs.gather(1, target.clamp(min=0)[:, None])[:, 0]
    right = log_probs.argmax(-1) == target
    if others is not None:
        has_other = present & (others != torch.arange(len(others), device=others.device))
        place, other = torch.nonzero(has_other)[:, 0], others[has_other]
        told = told.index_put((place,), torch.logaddexp(told[place], log_probs[other, target[place]]))
        right[place] |= log_probs[other].argmax(-1) == target[place]
    hits = right[present].float()
    return -(told * importance).sum() / importance.sum(), hits.mean().item() if hits.numel() else float("nan")

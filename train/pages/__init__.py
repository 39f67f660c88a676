"""Page types. A layout is a function that draws on a Page and asks its questions."""

from __future__ import annotations

import random

import numpy as np
from PIL import Image

from train.augment import finish
from train.pages import chart, form, label, letter, panel, receipt, scene, table
from train.pages.page import Page
from train.pages.soup import dense_soup, soup
from train.questions import PAGE_NAMES

# Page type -> (layouts to train on, layouts for held-out pages).
LAYOUTS: dict[str, tuple[list, list]] = {
    "panel": (panel.TRAIN, panel.HELDOUT),
    "receipt": (receipt.TRAIN, receipt.HELDOUT),
    "form": (form.TRAIN, form.HELDOUT),
    "label": (label.TRAIN, label.HELDOUT),
    "letter": (letter.TRAIN, letter.HELDOUT),
    "table": (table.TRAIN, table.HELDOUT),
    "bar chart": (chart.BAR_TRAIN, chart.BAR_HELDOUT),
    "line chart": (chart.LINE_TRAIN, chart.LINE_HELDOUT),
    "scene": (scene.TRAIN, scene.HELDOUT),
    "soup": ([soup], [soup]),
    "dense": ([dense_soup], [dense_soup]),
}


def draw_page(seed: int, page_type: str, heldout: bool = False, wants_questions: bool = True) -> Page:
    """Draws one page, not yet degraded. Where no questions are wanted, those that cost time are left out."""
    rng = random.Random(seed)
    page = Page(rng, heldout, page_type)
    page.wants_questions = wants_questions
    rng.choice(LAYOUTS[page_type][heldout])(page)
    if wants_questions:
        page.tell_text_places()
    if page_type in PAGE_NAMES:
        page.ask("page_type", page_type)
    return page


def make_page(seed: int, page_type: str, heldout: bool = False) -> tuple[Image.Image, Page]:
    """Draws and degrades one page. The same arguments give the same picture."""
    page = draw_page(seed, page_type, heldout)
    image = finish(page, np.random.default_rng(seed))
    return image, page

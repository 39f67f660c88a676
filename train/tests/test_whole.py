"""Whole pictures of one shape must teach what ragged batches teach; records must come out as they went in."""

import random
import time

import numpy as np
import pytest
import torch

from train import augment
from train.augment import deform, pad_to_square
from train.data import to_pixels
from train.dense_labels import patch_labels
from train.model import ModelConfig
from train.packing import EMPTY, Packed, Packer
from train.pages import draw_page, make_page
from train.records import KIND_NAMES, NUM_TEXT, RECORDS_A_FILE, fill, record_type
from train.train import Trainee
from train.train_whole import Pool, clip_finite, exact_by_kind, rate_at, vary
from train.whole import full_loss

CFG = ModelConfig()


@pytest.fixture(scope="module")
def records():
    found = np.zeros(3, record_type(CFG))
    for i, record in enumerate(found):
        fill(record, 9000 + i, CFG, Packer(CFG, NUM_TEXT))
    return found


def write(folder, records, num_files: int) -> None:
    folder.mkdir(exist_ok=True)
    for i in range(num_files):
        np.resize(records, RECORDS_A_FILE).tofile(folder / f"{i:03d}.records")


@pytest.fixture(scope="module")
def batch(records, tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    write(folder, records, 1)
    pool = Pool(folder, CFG, 64 * RECORDS_A_FILE, torch.device("cpu"))
    while not pool.num_read:
        time.sleep(0.01)
    drawn, num_fresh = pool.draw(3, random.Random(0))
    pool.close()
    assert num_fresh == 3
    return drawn


def test_records_come_out_as_they_went_in(records, batch):
    for name in records.dtype.names:
        assert np.array_equal(batch[name].numpy(), records[name])


def kinds_of(batch: dict) -> list[list[str]]:
    return [[KIND_NAMES[kinds[blocks == i][0]] for i in range(1, int(blocks.max()) + 1)] for kinds, blocks in zip(batch["kinds"], batch["block_ids"])]


def test_the_losses_are_those_of_a_ragged_batch(batch):
    torch.manual_seed(2)
    trainee = Trainee(CFG)
    watched = [trainee.model.vision_tower.layers[0].mlp.fc1.weight, trainee.model.language_model.layers[0].mlp.up_proj.weight, trainee.heads.facts.weight]
    loss, parts = full_loss(trainee.model, trainee.heads, to_pixels(batch["image"]), batch, 0.7, 0.4)
    gradients = torch.autograd.grad(loss, watched)
    labels = {name: batch[name] for name in ("chars", "others", "things", "colours", "facts", "links", "groups")}
    ragged = {"image": batch["image"], "places": [torch.arange(CFG.num_patches)] * 3, "labels": labels,
              "packed": Packed(**{name: batch[name] for name in EMPTY}, kinds=kinds_of(batch))}
    wanted, report = trainee.full_loss(ragged, 0.7, 0.4)
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-4)
    for gradient, like in zip(gradients, torch.autograd.grad(wanted, watched)):
        assert (gradient - like).norm() < 1e-3 * like.norm()
    exact, asked = exact_by_kind(parts["wrong"], batch)
    assert (exact.sum() / asked.sum()).item() == pytest.approx(report["exact"])
    assert asked.tolist() == [sum(kinds.count(name) for kinds in kinds_of(batch)) for name in KIND_NAMES]


def test_new_pictures_come_first_and_old_ones_fill_up(records, tmp_path):
    write(tmp_path, records, 3)
    pool = Pool(tmp_path, CFG, 40 * RECORDS_A_FILE, torch.device("cpu"))
    while pool.num_read < 3 * RECORDS_A_FILE:
        time.sleep(0.01)
    fresh = [pool.draw(100, random.Random(0))[1] for _ in range(3)]
    pool.close()
    assert fresh == [100, 92, 0] and not list(tmp_path.iterdir())


def test_the_rate_rises_stays_and_ends_at_0():
    assert rate_at(0.0, 4, 10, 0.3) == pytest.approx(0.5)
    assert rate_at(0.2, 50, 10, 0.3) == 1.0
    assert rate_at(0.65, 50, 10, 0.3) == pytest.approx(0.5)
    assert rate_at(1.0, 50, 10, 0.3) == 0.0


def test_a_gradient_that_is_no_number_changes_nothing():
    params = [torch.zeros(3, requires_grad=True), torch.zeros(2, requires_grad=True)]
    params[0].grad, params[1].grad = torch.full((3,), 4.0), torch.zeros(2)
    clip_finite(params, 1.0)
    assert params[0].grad.norm().item() == pytest.approx(1.0)
    params[1].grad[0] = float("nan")
    clip_finite(params, 1.0)
    assert all((p.grad == 0).all() for p in params)


def test_varied_pictures_stay_pictures(batch):
    pixels = to_pixels(batch["image"])
    varied = vary(pixels)
    assert varied.shape == pixels.shape and varied.min() >= -1.001 and varied.max() <= 1.001


@pytest.mark.parametrize("page_type", ["letter", "table", "panel"])
def test_labels_follow_a_deformed_page(page_type):
    """Where a character was told, there is still ink, wherever there was before."""
    num_before = num_after = 0
    for seed in range(1, 41, 2):
        page = draw_page(seed, page_type)
        before = inked_shares(page, page.image)
        num_before += before.sum()
        num_after += (before & inked_shares(page, deform(page, page.image))).sum()
        assert all(0 <= g.x <= page.width and 0 <= g.y <= page.height for g in page.glyphs)
    assert num_before > 300 and num_after > 0.97 * num_before


def inked_shares(page, image) -> np.ndarray:
    """Of each glyph, whether the 7 x 9 pixels about its centre are uneven."""
    pixels = np.asarray(image.resize((page.width, page.height)).convert("L"), dtype=np.float32)
    boxes = [pixels[max(0, int(g.y) - 4):int(g.y) + 5, max(0, int(g.x) - 3):int(g.x) + 4] for g in page.glyphs]
    return np.array([box.size > 0 and box.std() > 12 for box in boxes])


def test_only_pages_of_training_are_deformed(monkeypatch):
    deformed = []
    monkeypatch.setattr(augment, "deform", lambda page, image: deformed.append(page) or image)
    for seed in range(1, 41, 2):
        make_page(seed, "label")
        make_page(seed, "label", heldout=True)
    assert len(deformed) > 2 and not any(page.heldout for page in deformed)


def test_heads_of_columns_are_linked_to_the_largest_and_the_smallest():
    num_linked = 0
    for seed in range(1, 41, 2):
        page = draw_page(seed, "table")
        number_at = {run.first_glyph: run.text for run in page.runs}
        cells = {}
        for link in page.links:
            if link.name == "header":
                cells.setdefault(link.to_glyph, []).append(number_at[link.glyphs[0]])
        for link in page.links:
            if link.name in ("largest", "smallest") and link.glyphs[0] in cells:
                pick = max if link.name == "largest" else min
                assert float(number_at[link.to_glyph]) == pick(map(float, cells[link.glyphs[0]]))
                num_linked += 1
    assert num_linked > 10


def test_chars_of_a_deformed_page_fit_the_picture():
    page = draw_page(5, "letter")
    image = deform(page, page.image)
    labels = patch_labels(page, CFG, *pad_to_square(image.resize((page.width, page.height)), CFG.image_size)[1:])
    assert (labels["chars"] > 0).sum() > 20

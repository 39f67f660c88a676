"""The full plan must be the plain model, what is left out must not matter, and picks must be what was asked for."""

import json
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from train.adaptive import AdaptiveMini, Asked, block_ink, block_places, everything, fullest_blocks, given_layers, load_adaptive, most_diverse, save_tensors
from train.data import inked_patches, to_pixels
from train.evaluate_plans import answer, joined, look
from train.export_adaptive import export_adaptive
from train.grow import grow, is_added
from train.model import ModelConfig, SaccadeMini
from train import tokenizer
from train.packing import Packer, packed_logits
from train.pages import make_page
from train.pages.page import Question
from train.plans import DIVERSE, FULL, GROWN, LADDER, STRATEGIES, UNITS_A_LAYER, Plan, cost, num_layers, originals, plan_for, seen_blocks
from train.scheduler import SLOTS, latency_embedding, pick_layers, pick_units
from train.train_adaptive import KINDS, THIRDS, Lesson, asked_by, draw_plan, losses

SMALL = ModelConfig(image_size=96, vision_dim=64, vision_ffn_dim=128, vision_layers=4, model_dim=64, ffn_dim=128, num_layers=6, head_dim=16)
NUM_BLOCKS = SMALL.num_patches // 4


@pytest.fixture(scope="module")
def adaptive():
    torch.manual_seed(3)
    return AdaptiveMini(SMALL).eval()


@pytest.fixture(scope="module")
def pixels():
    torch.manual_seed(4)
    return torch.randn(2, 3, 96, 96).clamp(-1, 1)


def packed_text(batch: int = 2):
    asked = [Question("a", "What is it?", "12.50"), Question("b", "How many?", "7")]
    return Packer(SMALL, 40, everything=True, two_turn_share=0).pack([(asked, random.Random(0), None)] * batch)


def columns(packed) -> dict:
    return {name: getattr(packed, name) for name in ("ids", "positions", "block_ids", "targets", "weights", "here", "ahead")}


def all_blocks(batch: int = 2) -> torch.Tensor:
    return torch.arange(NUM_BLOCKS).expand(batch, -1)


def logits_of(adaptive, pixels, asked, count=64, strategy=DIVERSE, blocks=None, room=0):
    blocks = all_blocks(len(pixels)) if blocks is None else blocks
    visual, looked, tower = adaptive.encode(pixels, blocks, asked)
    visual, places = adaptive.compress(visual, looked, blocks, count, strategy)
    logits, gates = adaptive.read(visual, places, columns(packed_text(len(pixels))), asked, room=room)
    return logits, tower, gates, places


@torch.no_grad()
def test_the_full_plan_is_the_plain_model(adaptive, pixels):
    packed = packed_text()
    wanted = packed_logits(adaptive.model, adaptive.model.encode(pixels), packed)
    known = packed.block_ids >= 0
    logits, *_ = logits_of(adaptive, pixels, everything(SMALL, 2, pixels.device))
    assert torch.allclose(logits[known], wanted[known], atol=1e-5)
    # Asked by number the scheduler has nothing to choose.
    logits, *_ = logits_of(adaptive, pixels, Asked(torch.full((2,), 4), torch.full((2,), 6)))
    assert torch.allclose(logits[known], wanted[known], atol=1e-5)


@torch.no_grad()
def test_room_for_more_tokens_changes_nothing(adaptive, pixels):
    asked = Asked(torch.full((2,), 2), torch.full((2,), 3))
    known = packed_text().block_ids >= 0
    tight, wide = (logits_of(adaptive, pixels, asked, count=16, room=room)[0] for room in (0, 32))
    assert torch.allclose(tight[known], wide[known], atol=1e-5)


@torch.no_grad()
def test_a_layer_that_is_left_out_adds_nothing(adaptive, pixels):
    """Its weights may be anything."""
    asked = everything(SMALL, 2, pixels.device)
    asked.tower[:, 1], asked.decoder[:, 2], asked.decoder[:, 1, 3], asked.decoder[:, 1, UNITS_A_LAYER] = 0, 0, 0, 0
    before = logits_of(adaptive, pixels, asked)[0]
    model, kept = adaptive.model, {n: p.clone() for n, p in adaptive.named_parameters()}
    decoder = model.language_model.layers
    parts = [model.vision_tower.layers[1].parameters(), decoder[2].parameters()]
    for p in (p for part in parts for p in part):
        p.add_(0.5)
    decoder[1].self_attn.v_proj.weight[48:].add_(0.5)  # the last of four heads
    decoder[1].mlp.up_proj.weight[:32].add_(0.5)  # the first of four groups
    after = logits_of(adaptive, pixels, asked)[0]
    adaptive.load_state_dict(kept)
    assert torch.allclose(before, after, atol=1e-5)
    decoder[1].mlp.up_proj.weight[32:].add_(0.5)
    assert not torch.allclose(before, logits_of(adaptive, pixels, asked)[0], atol=1e-3)
    adaptive.load_state_dict(kept)


def test_exactly_so_many_are_picked():
    torch.manual_seed(5)
    logits, count = torch.randn(7, 6, requires_grad=True), torch.arange(7)
    for noise in (False, True):
        gates = pick_layers(logits, count, noise)
        assert set(gates.detach().flatten().tolist()) <= {0.0, 1.0}
        assert torch.equal(gates.detach().sum(1).long(), count)
    plain = pick_layers(logits, torch.full((7,), 2), False).detach() > 0.5
    assert torch.equal(plain.nonzero()[:, 1].view(7, 2), logits.topk(2).indices.sort(1).values)
    gates.square().sum().backward()
    assert logits.grad.abs().sum() > 0


def test_a_unit_is_a_head_and_a_group_of_one_layer():
    torch.manual_seed(6)
    count = torch.tensor([0, 1, 5, 12])
    for noise in (False, True):
        gates = pick_units(torch.randn(4, 3, SLOTS), count, noise)
        heads, groups = gates[..., :UNITS_A_LAYER].sum(-1), gates[..., UNITS_A_LAYER:].sum(-1)
        assert torch.equal(heads, groups) and torch.equal(heads.sum(1).long(), count)
    logits = torch.zeros(1, 3, SLOTS)
    logits[0, 2, 1], logits[0, 2, UNITS_A_LAYER + 3], logits[0, 0, 0] = 5.0, 1.0, 4.0
    gates = pick_units(logits, torch.tensor([1]), False)[0]
    assert gates.nonzero().tolist() == [[2, 1], [2, UNITS_A_LAYER + 3]]


@torch.no_grad()
@pytest.mark.parametrize("by_unit", [False, True])
@pytest.mark.parametrize("noise", [False, True])
def test_the_scheduler_picks_what_is_asked(adaptive, pixels, by_unit, noise):
    for decoder in range(1, 7):
        count = decoder * (UNITS_A_LAYER if by_unit else 1)
        asked = Asked(torch.tensor([1, 2]), torch.tensor([count, count]), by_unit, noise)
        _, tower, gates, _ = logits_of(adaptive, pixels, asked, count=16)
        assert tower.sum(1).tolist() == [1, 2]
        assert gates[..., :UNITS_A_LAYER].sum((1, 2)).tolist() == [decoder * UNITS_A_LAYER] * 2


@pytest.mark.parametrize("by_unit", [False, True])
def test_gradients_reach_the_scheduler(adaptive, pixels, by_unit):
    torch.manual_seed(7)
    count = 2 * (UNITS_A_LAYER if by_unit else 1)
    logits, *_ = logits_of(adaptive, pixels, Asked(torch.full((2,), 2), torch.full((2,), count), by_unit, True))
    adaptive.zero_grad()
    logits.square().mean().backward()
    scheduler = adaptive.scheduler
    heads = (scheduler.unit_head, scheduler.early_unit_head) if by_unit else (scheduler.mlp_head, scheduler.early_head)
    for head in (*heads, scheduler.tower_head, scheduler.scheduler_up_proj.net[1]):
        assert head.weight.grad.abs().sum() > 0
    adaptive.zero_grad()


@torch.no_grad()
@pytest.mark.parametrize("by_unit", [False, True])
def test_the_original_layers_are_picked_first(adaptive, pixels, by_unit):
    torch.manual_seed(10)
    for tower, decoder in ((2, 3), (3, 4), (4, 5)):
        units = decoder * (UNITS_A_LAYER if by_unit else 1)
        _, tower_gates, gates, _ = logits_of(adaptive, pixels, Asked(torch.full((2,), tower), torch.full((2,), units), by_unit, True), count=16)
        assert tower_gates[:, ::2].all() and gates[:, ::2].all()


@torch.no_grad()
def test_skipped_layers_are_those_without_gates(adaptive, pixels):
    asked = given_layers(SMALL, 2, pixels.device, (0, 2), (0, 1, 4))
    skipped = logits_of(adaptive, pixels, asked)[0]
    assert asked.tower_skips == (1, 3) and asked.decoder_skips == (2, 3, 5)
    assert torch.allclose(skipped, logits_of(adaptive, pixels, Asked(asked.tower, asked.decoder))[0], atol=1e-5)


@torch.no_grad()
def test_a_grown_model_answers_as_before(pixels):
    torch.manual_seed(11)
    base = SaccadeMini(SMALL).eval()
    adaptive = AdaptiveMini(replace(SMALL, vision_layers=8, num_layers=12)).eval()
    adaptive.model.load_state_dict(grow(base).state_dict())
    packed = packed_text()
    wanted, known = packed_logits(base, base.encode(pixels), packed), packed.block_ids >= 0
    cfg = adaptive.cfg
    for asked in (everything(cfg, 2, pixels.device), given_layers(cfg, 2, pixels.device, originals(8), originals(12)), Asked(torch.full((2,), 5), torch.full((2,), 8))):
        assert torch.allclose(logits_of(adaptive, pixels, asked)[0][known], wanted[known], atol=1e-5)
    assert sum(p.numel() for n, p in adaptive.model.named_parameters() if is_added(n)) == sum(p.numel() for n, p in base.named_parameters() if ".layers." in n)


@torch.no_grad()
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_kept_tokens_stay_in_their_places(adaptive, pixels, strategy):
    blocks = torch.tensor([[0, 3, 5, 9], [1, 2, 8, 15]])
    visual, looked, _ = adaptive.encode(pixels, blocks, everything(SMALL, 2, pixels.device))
    seen = block_places(SMALL, pixels.device)[blocks].flatten(1)
    for count in (5, 16, 20):
        kept, places = adaptive.compress(visual, looked, blocks, count, strategy)
        assert kept.shape == (2, min(count, 16), SMALL.model_dim) and (places.diff(dim=1) > 0).all()
        for row in range(2):
            where = {int(p): i for i, p in enumerate(seen[row])}
            for token, place in zip(kept[row], places[row].tolist()):
                assert torch.equal(token, visual[row, where[place]])


def test_diverse_tokens_are_not_alike():
    visual = torch.randn(1, 12, 8)
    visual[0, 6:] = visual[0, :6] * 1.5
    kept = most_diverse(visual, 6)[0]
    assert len({int(i) % 6 for i in kept}) == 6 and len(set(kept.tolist())) == 6


def test_full_blocks_are_those_with_ink():
    image, _ = make_page(3, "receipt")
    square = image.convert("RGB").resize((288, 288))
    cfg = ModelConfig()
    pixels = to_pixels(torch.from_numpy(np.array(square))[None])
    wanted = inked_patches(np.array(square), cfg).reshape(12, 2, 12, 2).any((1, 3)).flatten()
    ink = block_ink(pixels, cfg)
    assert ((ink[0] > 1).numpy() != wanted).sum() <= 1  # a patch on the border of what counts as even
    kept = fullest_blocks(ink, 20)[0]
    assert (kept.diff() > 0).all() and ink[0, kept].min() >= ink[0].sort(descending=True).values[19]


def test_the_plan_falls_with_the_budget():
    cfg = GROWN
    assert plan_for(cfg, 1.0) == FULL and cost(cfg, FULL) == 1.0
    for inked in (20, 60, 144):
        before = FULL
        for budget in np.linspace(1, 0.02, 99):
            plan = plan_for(cfg, float(budget), inked)
            assert plan.blocks <= before.blocks and plan.tokens <= before.tokens
            assert num_layers(plan.tower) <= num_layers(before.tower) and num_layers(plan.decoder) <= num_layers(before.decoder)
            assert plan == LADDER[-1] or cost(cfg, plan, seen_blocks(plan, inked)) <= budget
            before = plan
    assert cost(cfg, LADDER[-1]) < 0.15 and all(num_layers(p.tower) >= 6 and num_layers(p.decoder) >= 5 for p in LADDER)


def test_the_latency_embedding_is_adallavas():
    share = torch.tensor([3 / 6])
    wanted = [np.sin(2 * np.pi * 0.5 * 10000 ** (-i / 4)) for i in range(4)] + [np.cos(2 * np.pi * 0.5 * 10000 ** (-i / 4)) for i in range(4)]
    assert torch.allclose(latency_embedding(share, 8)[0], torch.tensor(wanted).float(), atol=1e-6)


@torch.no_grad()
def test_answers_one_by_one_are_those_of_the_packed_text():
    """The evaluation, with its cache and its padding, against the pass that is trained."""
    torch.manual_seed(8)
    whole = AdaptiveMini(GROWN).eval()
    side = torch.randn(2, 3, GROWN.image_size, GROWN.image_size).clamp(-1, 1)
    plan = Plan(blocks=32, tower=7, tokens=20, decoder=8)
    questions = ["What is it?", "How many lamps are there?"]
    # Beside a picture with more tokens.
    seen = joined([look(whole, side, plan, 32), look(whole, side[:1], FULL, 144)])
    answers = answer(whole, seen, [0, 1], questions, max_new_tokens=3)
    asked = Asked(torch.full((2,), 7), torch.full((2,), 8))
    blocks = fullest_blocks(block_ink(side, GROWN), 32)
    visual, looked, _ = whole.encode(side, blocks, asked)
    visual, places = whole.compress(visual, looked, blocks, 20, DIVERSE)
    packer = Packer(GROWN, 40, everything=True, two_turn_share=0)
    rows = packer.pack([([Question("a", q, "x")], random.Random(0), None) for q in questions])
    logits, gates = whole.read(visual, places, columns(rows), asked)
    assert torch.equal(gates, seen.gates[:2])
    last = [int((row != -100).nonzero()[0]) for row in rows.targets]
    for i, place in enumerate(last):
        first = int(logits[i, place].argmax())
        assert first == tokenizer.EOS and answers[i] == "" or answers[i].startswith(tokenizer.decode([first]))


def test_tensors_come_back_as_they_went(tmp_path):
    torch.manual_seed(9)
    saved = AdaptiveMini(GROWN)
    save_tensors(dict(saved.named_parameters()), tmp_path)
    loaded = load_adaptive(tmp_path)
    for (name, p), q in zip(saved.named_parameters(), loaded.parameters()):
        assert torch.equal(p.half().float(), q), name
    assert all(file.stat().st_size < 10e6 for file in tmp_path.iterdir()) and sum(file.stat().st_size for file in tmp_path.iterdir()) < 45e6
    assert "scheduler.mlp_head.weight" in saved.state_dict() and "scheduler.scheduler_up_proj.net.3.bias" in saved.state_dict()


def test_plans_of_training_keep_the_original_layers():
    rng = random.Random(1)
    for kind in KINDS:
        for third in range(3):
            for _ in range(20):
                plan = draw_plan(kind, third, rng)
                assert plan.blocks in (*THIRDS[third], 64, 96, 144)
                asked = asked_by(plan, 5, False, rng, "cpu")
                if asked.tower_is_given:
                    assert asked.tower[:, ::2].all() and asked.decoder[:, ::2].all()
                else:
                    assert asked.tower.min() >= 6 and asked.decoder.min() >= 5


def test_a_cheaper_plan_learns_from_the_full_one():
    """On a small grown model: both losses have gradients, and no divergence from what is the same."""
    torch.manual_seed(12)
    adaptive = AdaptiveMini(SMALL)
    pixels, text = torch.randn(2, 3, 96, 96).clamp(-1, 1), columns(packed_text())
    lesson = Lesson(adaptive, False, 0.5, 1.0)
    parts, _, full = lesson.in_full(pixels, text)
    answers = parts["answer"].item()
    adaptive.zero_grad()
    plan = Plan(blocks=NUM_BLOCKS, tokens=64)
    for chosen, is_same in (((0, 1, 2, 3), True), ((0, 2), False)):
        parts, _ = lesson.by_plan(pixels, block_ink(pixels, SMALL), text, full, plan, given_layers(SMALL, 2, pixels.device, chosen, (*range(6),)))
        assert (parts["apart"].item() < 1e-4) == is_same
        assert (abs(parts["answer"].item() - answers) < 1e-2) == is_same or not is_same
    assert adaptive.model.vision_tower.layers[0].mlp.fc1.weight.grad.abs().sum() > 0
    answer_loss, apart, wrong = losses(full, text["targets"], text["weights"], None)
    assert apart == 0 and answer_loss > 0 and wrong.dtype == torch.bool


def test_the_export_has_the_scheduler(tmp_path):
    adaptive = AdaptiveMini(GROWN)
    export_adaptive(adaptive, tmp_path)
    tensors = load_file(str(tmp_path / "model.safetensors"))
    assert not any(name.startswith("scheduler.") for name in tensors) and tensors["language_model.model.norm.weight"].shape == (256,)
    assert json.loads((tmp_path / "config.json").read_text())["saccade_skip_order"] == {"vision": [11, 9, 7, 5, 3, 1], "text": [9, 7, 5, 3, 1]}

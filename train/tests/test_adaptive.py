"""The full plan must be the plain model, what is left out must not matter, and picks must be what was asked for."""

import json
import random
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from train.adaptive import AdaptiveMini, Asked, block_ink, everything, fullest_blocks, given_layers, highest_then_diverse, load_adaptive, most_diverse, patches_of, save_tensors
from train.data import inked_patches, to_pixels
from train.equal_patches import seen_patches, stand_ins
from train.evaluate_plans import answer, joined, look
from train.export_adaptive import export_adaptive
from train.grow import grow, is_added
from train.import_gguf import read_model, read_token_scorer
from train.model import ModelConfig, SaccadeMini
from train import tokenizer
from train.packing import Packer, packed_logits
from train.pages import make_page
from train.pages.page import Question
from train.plans import DIVERSE, FULL, GROWN, LADDER, LEARNED, STRATEGIES, UNITS_A_LAYER, Plan, cost, nested, num_layers, originals, plan_for, seen_blocks, skip_order
from train.scheduler import SLOTS, latency_embedding, pick_layers, pick_units
from train.token_scorer import asked_words, attention_on_picture, scorer_loss, scores_of_questions
from train.train_adaptive import KINDS, THIRDS, Lesson, asked_by, draw_plan, losses, start_of

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
    places = patches_of(all_blocks(len(pixels)) if blocks is None else blocks, adaptive.cfg)
    visual, looked, tower = adaptive.encode(pixels, places, asked)
    visual, places = adaptive.compress(visual, looked, places, count, strategy)
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
    count = 5 * (UNITS_A_LAYER if by_unit else 1)
    logits, *_ = logits_of(adaptive, pixels, Asked(torch.full((2,), 3), torch.full((2,), count), by_unit, True))
    adaptive.zero_grad()
    logits.square().mean().backward()
    scheduler = adaptive.scheduler
    heads = (scheduler.unit_head, scheduler.early_unit_head) if by_unit else (scheduler.mlp_head, scheduler.early_head)
    for head in (*heads, scheduler.tower_head, scheduler.scheduler_up_proj.net[1]):
        assert head.weight.grad.abs().sum() > 0
    adaptive.zero_grad()


@torch.no_grad()
@pytest.mark.parametrize("by_unit", [False, True])
def test_the_original_layers_are_picked_first(pixels, by_unit):
    """Whatever the schedulers learned."""
    torch.manual_seed(10)
    adaptive = AdaptiveMini(SMALL).eval()
    for spread in (0.0, 1.0, 100.0):
        for p in adaptive.scheduler.parameters():
            p.add_(spread * torch.randn(p.shape))
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
    seen = patches_of(blocks, SMALL)
    visual, looked, _ = adaptive.encode(pixels, seen, everything(SMALL, 2, pixels.device))
    for count in (5, 16, 20):
        kept, places = adaptive.compress(visual, looked, seen, count, strategy, torch.rand(2, 16))
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
    places = patches_of(fullest_blocks(block_ink(side, GROWN), 32), GROWN)
    visual, looked, _ = whole.encode(side, places, asked)
    visual, places = whole.compress(visual, looked, places, 20, DIVERSE)
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
                assert plan.blocks in (*THIRDS[third], 48, 64, 96, 144)
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


@pytest.mark.parametrize("plan", [Plan(NUM_BLOCKS, tolerance=4), Plan(NUM_BLOCKS, tokens=16, strategy=LEARNED)])
def test_every_way_to_leave_out_tokens_is_learned(plan):
    torch.manual_seed(13)
    adaptive = AdaptiveMini(SMALL)
    pixels, text = torch.randn(2, 3, 96, 96).clamp(-1, 1), columns(packed_text())
    pixels[:, :, 36:] = 0.5
    lesson = Lesson(adaptive, False, 0.5, 1.0)
    _, _, full = lesson.in_full(pixels, text)
    adaptive.zero_grad()
    parts, wrong = lesson.by_plan(pixels, block_ink(pixels, SMALL), text, full, plan, everything(SMALL, 2, pixels.device))
    assert 0 < parts["apart"].item() < 1 and wrong.shape == text["targets"].shape
    grads = [p.grad for p in adaptive.model.parameters() if p.grad is not None]
    assert grads and all(grad.isfinite().all() for grad in grads)
    assert all(p.grad is None for p in adaptive.token_scorer.parameters())


def test_the_export_has_the_order_and_the_scorer(tmp_path):
    adaptive = AdaptiveMini(GROWN)
    export_adaptive(adaptive, tmp_path)
    tensors = load_file(str(tmp_path / "model.safetensors"))
    assert tensors["token_scorer.words.weight"].shape == (128, 256, 5) and not any(name.startswith("scheduler.") for name in tensors)
    assert tensors["language_model.model.norm.weight"].shape == (256,)
    assert json.loads((tmp_path / "config.json").read_text())["saccade_skip_order"] == {"vision": [11, 9, 7, 5, 3, 1], "text": [9, 7, 5, 3, 1]}


def test_layers_leave_in_the_order_that_engines_follow():
    for total in (12, 10):
        order = skip_order(total)
        for count in range(total // 2, total + 1):
            assert nested(total, count) == tuple(sorted({*range(total)} - {*order[:total - count]}))
        assert nested(total, total // 2) == originals(total)


def test_equal_patches_are_found_one_by_one():
    """Along diagonals as in the order of reading."""
    rng = np.random.default_rng(0)
    cells = rng.choice((0, 3, 100), (3, 8, 8, 1, 1), p=(0.5, 0.3, 0.2)) + rng.integers(0, 3, (3, 8, 8, 1, 1))
    levels = np.broadcast_to(cells, (3, 8, 8, 12, 12)).transpose(0, 1, 3, 2, 4).reshape(3, 1, 96, 96).repeat(3, 1)
    for tolerance in (0, 3, 5):
        told = stand_ins(torch.from_numpy(levels / 127.5 - 1).float(), SMALL, tolerance)
        for picture, own in zip(cells[..., 0, 0], told):
            flat, wanted = picture.flatten(), np.arange(64)
            equal = lambda a, b: abs(int(flat[a]) - int(flat[b])) <= tolerance
            for i in range(1, 64):
                row, col = divmod(i, 8)
                above = col == 0 or row > 0 and equal(i - 1, i - 9) and not equal(i - 8, i - 9)
                predictor = i - 8 if above else i - 1
                if equal(i, predictor) and equal(i, wanted[predictor]):
                    wanted[i] = wanted[predictor]
            assert own.tolist() == wanted.tolist()
    places, counts = seen_patches(torch.from_numpy(levels / 127.5 - 1).float(), SMALL, 3, 60)
    assert (counts.sum(1) == 64).all() and (places[counts > 0].numel() == (counts > 0).sum())
    for own, weigh in zip(places, counts):
        kept = own[weigh > 0]
        assert (kept.diff() > 0).all() and (weigh[len(kept):] == 0).all()


@torch.no_grad()
def test_room_for_more_patches_changes_nothing(adaptive, pixels):
    places, counts = torch.tensor([[0, 3, 9, 40], [1, 5, 6, 7]]), torch.tensor([[1.0, 5, 2, 3], [2.0, 1, 1, 9]])
    asked, known = everything(SMALL, 2, pixels.device), packed_text().block_ids >= 0

    def told(places, counts, room):
        visual, _, _ = adaptive.encode(pixels, places, asked, counts=counts)
        return adaptive.read(visual, places, columns(packed_text()), asked, room=room, counts=counts)[0][known]

    tight = told(places, counts, 0)
    wide = told(torch.cat([places, torch.full((2, 3), 63)], 1), torch.cat([counts, torch.zeros(2, 3)], 1), 12)
    assert torch.allclose(tight, wide, atol=1e-5)
    assert torch.allclose(told(places, torch.ones(2, 4), 0), told(places, None, 0), atol=1e-5)
    assert not torch.allclose(tight, told(places, None, 0), atol=1e-4)


@torch.no_grad()
def test_words_of_questions_are_found():
    text = columns(packed_text())
    places, is_word, answered = asked_words(text, torch.tensor([[1, 2, 3], [2, 1, 1]]))
    said = lambda row, n: tokenizer.decode(text["ids"][row][places[row, n][is_word[row, n]]].tolist())
    assert [said(0, 0), said(0, 1), said(0, 2), said(1, 0), said(1, 2)] == ["What is it?", "How many?", "", "How many?", "What is it?"]
    assert tokenizer.decode(text["targets"][0][answered[0, 0]].tolist()[:-1]) == "12.50" and not answered[0, 2].any()


def test_the_scorer_learns_from_the_attention_of_answers(adaptive, pixels):
    text, decoder = columns(packed_text()), adaptive.model.language_model
    visual = adaptive.model.encode(pixels)
    chosen = torch.tensor([[1, 2, 3], [2, 1, 1]])
    with mock.patch("train.token_scorer.WATCHED", (2, 4)):
        shares = attention_on_picture(decoder, visual, text, asked_words(text, chosen)[2])
    assert torch.allclose(shares.sum(-1), torch.tensor([[1.0, 1, 0], [1, 1, 1]]), atol=1e-5)
    scores = scores_of_questions(adaptive.token_scorer, decoder.embed_tokens, text, chosen, visual)
    adaptive.zero_grad()
    scorer_loss(scores, shares).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in adaptive.token_scorer.parameters())
    assert all(p.grad is None for p in adaptive.model.parameters())
    # Alone and without padding a question has the same scores.
    words = decoder.embed_tokens(torch.tensor(tokenizer.encode("How many?")))
    alone = adaptive.token_scorer(words[None, None], torch.ones(1, 1, len(words), dtype=torch.bool), visual[1:])
    assert torch.allclose(alone[0, 0], scores[1, 0], atol=1e-5)
    assert sum(p.numel() for p in AdaptiveMini(GROWN).token_scorer.parameters()) < 300_000


def test_half_of_the_tokens_are_those_of_the_highest_scores():
    visual, scores = torch.randn(1, 12, 8), torch.arange(12.0)[None]
    kept = highest_then_diverse(visual, scores, 6)[0].tolist()
    assert kept[:3] == [11, 10, 9] and len(set(kept)) == 6


def test_a_grown_file_is_read_as_it_is():
    cfg = read_model(Path("models/saccade-mini.gguf"), ModelConfig()).cfg
    assert (cfg.vision_layers, cfg.num_layers) in ((6, 5), (12, 10))
    adaptive = start_of(Path("models/saccade-mini.gguf"))
    assert adaptive.model.cfg == GROWN
    shipped = read_token_scorer(Path("models/saccade-mini.gguf"))
    assert set(shipped) == set(adaptive.token_scorer.state_dict())
    assert all(torch.equal(adaptive.token_scorer.state_dict()[name], values) for name, values in shipped.items())

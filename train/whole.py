"""The losses of stage `full` on whole pictures, all of one shape: what a GPU likes, where `train.py`'s ragged batches suit a CPU.

The losses are the same, but for empty patches, which are never left out here; `tests/test_whole.py` compares them. Nothing in
here waits for the GPU.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from train.dense_labels import FACTS_WEIGHT, GROUP_HEADS, IGNORED, LINK_HEADS, LINKS_WEIGHT, NUM_CHARS, SPREAD, WATCHED_LAYERS, DenseHeads
from train.model import DecoderLayer, Decoder, SaccadeMini, VisionLayer, VisionTower, cast_once, rope_table, rotate
from train.packing import EMPTY
from train.pages.page import FACTS, GROUPS, LINKS
from train.pointers import AHEAD_LAYER, HERE_LAYER, UNKNOWN
from train import tokenizer


def heads_of(x: torch.Tensor, head_dim: int) -> torch.Tensor:
    """[batch, tokens, dim] to [batch, heads, tokens, head_dim]."""
    return x.view(*x.shape[:2], -1, head_dim).transpose(1, 2)


def tower_layer(layer: VisionLayer, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The output, the queries and the keys."""
    own, normed = layer.self_attn, cast_once(layer.layer_norm1(x))
    q, k, v = (heads_of(p(normed), own.head_dim) for p in (own.q_proj, own.k_proj, own.v_proj))
    x = x + own.out_proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
    return x + layer.mlp(layer.layer_norm2(x)), q, k


def look(tower: VisionTower, pixels: torch.Tensor, run=tower_layer) -> tuple[torch.Tensor, dict[int, tuple[torch.Tensor, torch.Tensor]]]:
    """Features [batch, num_patches, vision_dim], and the queries and keys of the watched layers."""
    cls, patches = tower.embeddings(pixels)
    x = tower.pre_layrnorm(torch.cat([cls.expand(len(patches), 1, -1), patches], dim=1))
    watched = {}
    for i, layer in enumerate(tower.layers):
        x, q, k = run(layer, x)
        if i in WATCHED_LAYERS:
            watched[i] = (q, k)
    return x[:, 1:], watched


def mean_where(values: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """0 where nothing is known."""
    return torch.where(known, values, 0.0).sum() / known.sum().clamp(min=1)


def scores_of(watched: dict, layer: int, head: int) -> torch.Tensor:
    """[batch, num_patches, 1 + num_patches], as the head looks from each patch at the class token and all patches."""
    q, k = watched[layer]
    return ((q[:, head, 1:] * q.shape[-1] ** -0.5) @ k[:, head].mT).float()


def links_loss(watched: dict, links: torch.Tensor) -> torch.Tensor:
    total = torch.zeros((), device=links.device)
    for i, name in enumerate(LINKS):
        scores, wanted = scores_of(watched, *LINK_HEADS[name]), links[..., i]
        told = scores.gather(-1, 1 + wanted.clamp(min=0)[..., None])[..., 0]
        total = total + LINKS_WEIGHT * mean_where(scores.logsumexp(-1) - told, wanted != UNKNOWN)
    return total


def groups_loss(watched: dict, groups: torch.Tensor) -> torch.Tensor:
    total = torch.zeros((), device=groups.device)
    for i, name in enumerate(GROUPS):
        group = groups[..., i]
        known = group != UNKNOWN
        same = F.pad(group[:, :, None] == group[:, None, :], (1, 0), value=True) & known[..., None]
        count = same.sum(-1).clamp(min=1)
        scores = scores_of(watched, *GROUP_HEADS[name])
        told = torch.where(same, scores, 0.0).sum(-1) / count
        total = total + LINKS_WEIGHT * mean_where(scores.logsumexp(-1) - told - count.float().log(), known)
    return total


def facts_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    total = torch.zeros((), device=logits.device)
    for i, (name, part) in enumerate(zip(FACTS, logits.split(list(FACTS.values()), -1))):
        wanted, told = labels[..., i], part.float().log_softmax(-1)
        if name in SPREAD:
            away = torch.arange(FACTS[name], device=part.device) - wanted[..., None]
            loss = -((-0.5 * (away / SPREAD[name]) ** 2).softmax(-1) * told).sum(-1)
        else:
            loss = -told.gather(-1, wanted.clamp(min=0)[..., None])[..., 0]
        total = total + FACTS_WEIGHT * mean_where(loss, wanted != IGNORED)
    return total


def cover_loss(logits: torch.Tensor, labels: torch.Tensor, others: torch.Tensor | None = None) -> torch.Tensor:
    """Places with something weigh most. What `others` (places of the whole batch) point to may tell the label instead."""
    log_probs, target = logits.float().flatten(0, -2).log_softmax(-1), labels.flatten()
    present, wanted = target > 0, target.clamp(min=0)
    importance = torch.where(present, 1.0, 0.2) * (target != IGNORED)
    told = log_probs.gather(1, wanted[:, None])[:, 0]
    if others is not None:
        has_other = present & (others != torch.arange(len(others), device=others.device))
        beside = log_probs.flatten()[others * log_probs.shape[1] + wanted]
        told = torch.where(has_other, torch.logaddexp(told, beside), told)
    return -(told * importance).sum() / importance.sum()


def dense_loss(heads: DenseHeads, features: torch.Tensor, labels: dict[str, torch.Tensor]) -> torch.Tensor:
    """What DenseHeads.forward gives, without its report."""
    x = heads.norm(features)
    chars = heads.chars(x).reshape(-1, NUM_CHARS)
    first_cells = torch.arange(len(x), device=x.device) * labels["others"][0].numel()
    others = (labels["others"].flatten(1) + first_cells[:, None]).flatten()
    return 3 * cover_loss(chars, labels["chars"], others) + 0.3 * cover_loss(heads.things(x), labels["things"]) \
        + 0.2 * cover_loss(heads.colours(x), labels["colours"]) + facts_loss(heads.facts(x), labels["facts"])


def queries_keys_values(layer: DecoderLayer, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor):
    """Of every head, [batch, heads, tokens, head_dim], turned by their positions."""
    own, normed = layer.self_attn, layer.input_layernorm(x)
    q, k, v = (heads_of(p(normed), own.head_dim) for p in (own.q_proj, own.k_proj, own.v_proj))
    q, k = rotate(q, cos, sin).to(v.dtype), rotate(k, cos, sin).to(v.dtype)
    return q, k, v


def decoder_layer(layer: DecoderLayer, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, mask: torch.Tensor, num_first: int):
    """`mask` [batch, 1, text tokens, all tokens] is added to the scores of the text; the `num_first` tokens before it see what is
    before them. Returns the output and the queries and keys of head 0."""
    q, k, v = queries_keys_values(layer, x, cos, sin)
    first = F.scaled_dot_product_attention(*(t[:, :, :num_first] for t in (q, k, v)), is_causal=True)
    text = F.scaled_dot_product_attention(q[:, :, num_first:], k, v, attn_mask=mask)
    x = x + layer.self_attn.o_proj(torch.cat([first, text], dim=2).transpose(1, 2).flatten(2))
    return x + layer.mlp(layer.post_attention_layernorm(x)), q[:, 0, num_first:], k[:, 0]


def text_mask(block_ids: torch.Tensor, num_first: int) -> torch.Tensor:
    """Where text may look, [batch, text tokens, num_first + text tokens], as `packed_mask` has it."""
    n = block_ids.shape[1]
    query, key = block_ids[:, :, None], block_ids[:, None, :]
    causal = torch.ones(n, n, dtype=torch.bool, device=block_ids.device).tril()
    text = causal & (query >= 0) & ((query == key) | (key == 0)) | torch.eye(n, dtype=torch.bool, device=block_ids.device)
    return torch.cat([(query >= 0).expand(-1, -1, num_first), text], dim=2)


def pointing_loss(q: torch.Tensor, k: torch.Tensor, mask: torch.Tensor, pointers: torch.Tensor) -> torch.Tensor:
    scores = ((q * q.shape[-1] ** -0.5) @ k.mT).float() + mask[:, 0]
    told = scores.gather(-1, 1 + pointers.clamp(min=0)[..., None])[..., 0]
    return mean_where(scores.logsumexp(-1) - told, pointers != UNKNOWN)


def read(decoder: Decoder, visual: torch.Tensor, text: dict[str, torch.Tensor], run=decoder_layer):
    """Hidden states of the text [batch, num_text, model_dim] and the loss of the two pointing heads.
    `text` has the columns of a packed batch."""
    batch, num_patches = visual.shape[:2]
    embed, device = decoder.embed_tokens, visual.device
    start = embed(torch.full((batch, 1), tokenizer.BOS, device=device))
    x = torch.cat([start, visual.float(), embed(text["ids"])], dim=1)
    first = torch.arange(1 + num_patches, device=device)
    cos, sin = rope_table(torch.cat([first.expand(batch, -1), text["positions"]], dim=1), decoder.cfg.head_dim, decoder.cfg.rope_theta)
    seen = text_mask(text["block_ids"], 1 + num_patches)[:, None]
    mask = torch.zeros(seen.shape, dtype=cast_once(x[:0]).dtype, device=device).masked_fill_(~seen, float("-inf"))
    pointing = torch.zeros((), device=device)
    for i, layer in enumerate(decoder.layers):
        x, q, k = run(layer, x, cos, sin, mask, 1 + num_patches)
        if i in (HERE_LAYER, AHEAD_LAYER):
            pointing = pointing + pointing_loss(q, k, mask, text["here" if i == HERE_LAYER else "ahead"])
    return decoder.norm(x[:, 1 + num_patches:]), pointing


def full_loss(model: SaccadeMini, heads: DenseHeads, pixels: torch.Tensor, batch: dict[str, torch.Tensor], dense_weight: float = 1.0,
              pointer_weight: float = 0.4, run_tower=tower_layer, run_decoder=decoder_layer) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The loss, its parts, and under `wrong` which text tokens [batch, num_text] are answered wrong."""
    features, watched = look(model.vision_tower, pixels, run_tower)
    dense = dense_loss(heads, features, batch)
    attention = links_loss(watched, batch["links"]) + groups_loss(watched, batch["groups"])
    hidden, pointing = read(model.language_model, model.multi_modal_projector(features), {name: batch[name] for name in EMPTY}, run_decoder)
    logits = model.logits(hidden).float()
    asked = batch["targets"] != IGNORED
    losses = F.cross_entropy(logits.flatten(0, 1), batch["targets"].flatten(), ignore_index=IGNORED, reduction="none").view_as(asked)
    weights = batch["weights"] * asked
    answer = (losses * weights).sum() / weights.sum()
    wrong = asked & (logits.argmax(-1) != batch["targets"])
    parts = {"answer": answer, "dense": dense, "attention": attention, "pointing": pointing}
    return answer + dense_weight * (dense + attention) + pointer_weight * pointing, {n: p.detach() for n, p in parts.items()} | {"wrong": wrong}

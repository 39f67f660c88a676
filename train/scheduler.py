"""Which layers run under a budget: AdaLLaVA's latency token and scheduler, and lighter ones for the layers before it.

AdaLLaVA: Z. Xu et al., "Learning to Inference Adaptively for Multimodal Large Language Models", ICCV 2025. A budget is embedded as
a token, the token reads the picture in the decoder's first layers, and its hidden state ranks the layers that follow (variant L)
or the heads and groups of MLP neurons in them (variant H). Picks are drawn with Gumbel noise in training and are the
highest without it. Here the first layers and those of the vision encoder are picked too, from the budget and a mean.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from train.model import ModelConfig
from train.plans import UNITS_A_LAYER

TEMPERATURE = 5.0
# Decoder layers that are picked before the latency token has been read.
NUM_PREFIX = 4
SLOTS = 2 * UNITS_A_LAYER  # heads, then groups
# Learned logits are between -BOUND and BOUND, and the original layers' is LEAD: neither learning nor Gumbel noise (-5 to 18.5) makes up for that.
BOUND, LEAD = 16.0, 128.0


def latency_embedding(share: torch.Tensor, dim: int) -> torch.Tensor:
    """Sines and cosines [batch, dim] of budgets [batch] below 1."""
    half = dim // 2
    steps = 10000.0 ** (-torch.arange(half, device=share.device) / half)
    angles = 2 * math.pi * share[:, None] * steps
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def pick_one(logits: torch.Tensor, free: torch.Tensor) -> torch.Tensor:
    """One-hot [batch, options] of the highest free logit, exactly 0 and 1, with the gradient of the softmax."""
    soft = (logits / TEMPERATURE).masked_fill(~free, float("-inf")).softmax(-1)
    hard = (soft.argmax(-1, keepdim=True) == torch.arange(logits.shape[-1], device=logits.device)).float()
    return hard + (soft - soft.detach())


def gumbel_like(logits: torch.Tensor, noise: bool) -> torch.Tensor:
    return -torch.empty_like(logits).exponential_().clamp(min=1e-8).log() if noise else torch.zeros_like(logits)


def lead_of(num_layers: int, first: int = 0) -> torch.Tensor:
    """Of the original layers from `first` on; 0 of the added ones."""
    return LEAD * torch.tensor([float(i % 2 == 0) for i in range(first, num_layers)])


def ranks(lead: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """What picks go by: learned logits of the added layers only, far below the original ones."""
    return torch.where(lead > 0, lead, BOUND * torch.tanh(logits / BOUND))


def pick_layers(logits: torch.Tensor, count: torch.Tensor, noise: bool) -> torch.Tensor:
    """Gates [batch, options], `count` [batch] of them 1, picked one after another."""
    gates, free = torch.zeros_like(logits), torch.ones_like(logits, dtype=torch.bool)
    for step in range(logits.shape[1]):
        pick = pick_one(logits + gumbel_like(logits, noise), free) * (step < count)[:, None]
        gates, free = gates + pick, free & (pick < 0.5)
    return gates


def pick_units(logits: torch.Tensor, count: torch.Tensor, noise: bool) -> torch.Tensor:
    """Gates [batch, layers, SLOTS]: each of `count` [batch] units takes the layer of the highest free logit, and in it the
    highest free head and the highest free group."""
    gates, free = torch.zeros_like(logits), torch.ones_like(logits, dtype=torch.bool)
    for step in range(logits.shape[1] * UNITS_A_LAYER):
        drawn = logits + gumbel_like(logits, noise)
        cell = pick_one(drawn.flatten(1), free.flatten(1)).view_as(drawn)
        layer = cell.sum(-1)  # [batch, layers]
        own = layer.detach()[..., None] > 0.5
        in_layer, free_in_layer = (drawn * own).sum(1), (free & own).any(1)
        halves = [pick_one(part, f) for part, f in zip(in_layer.split(UNITS_A_LAYER, -1), free_in_layer.split(UNITS_A_LAYER, -1))]
        pick = layer[..., None] * torch.cat(halves, -1)[:, None] * (step < count)[:, None, None]
        gates, free = gates + pick, free & (pick < 0.5)
    return gates


class UpProjection(nn.Module):
    """The latency token [batch, model_dim] of an embedding [batch, dim]."""

    def __init__(self, dim: int, model_dim: int):
        super().__init__()
        self.net = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, model_dim), nn.GELU(), nn.Linear(model_dim, model_dim))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


class Scheduler(nn.Module):
    """All of its products are in 32 bits: a pick must not hang on a rounding."""

    def __init__(self, cfg: ModelConfig):
        super().__init__()
        self.cfg, dim = cfg, cfg.model_dim
        num_late = cfg.num_layers - NUM_PREFIX
        self.scheduler_up_proj = UpProjection(dim, dim)
        self.mlp_head = nn.Linear(dim, num_late)
        self.unit_head = nn.Linear(dim, num_late * SLOTS)
        self.early_head = nn.Linear(2 * dim, cfg.num_layers)
        self.early_unit_head = nn.Linear(2 * dim, cfg.num_layers * SLOTS)
        self.tower_head = nn.Linear(dim + cfg.vision_dim, cfg.vision_layers)
        for head in (self.mlp_head, self.unit_head, self.early_head, self.early_unit_head, self.tower_head):
            nn.init.normal_(head.weight, std=0.02)
            nn.init.zeros_(head.bias)
        self.register_buffer("tower_lead", lead_of(cfg.vision_layers), persistent=False)
        self.register_buffer("lead", lead_of(cfg.num_layers), persistent=False)

    def token(self, share: torch.Tensor) -> torch.Tensor:
        return self.scheduler_up_proj(latency_embedding(share, self.cfg.model_dim))

    def ranked(self, head: nn.Linear, share: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """Logits from a budget [batch] and the mean of features [batch, tokens, dim]."""
        mean = features.float().mean(1)
        return head(torch.cat([self.token(share), F.layer_norm(mean, mean.shape[-1:])], dim=-1))

    def tower_gates(self, count: torch.Tensor, patches: torch.Tensor, noise: bool) -> torch.Tensor:
        """Gates [batch, vision_layers] from the number of layers [batch] and the patches that enter the first one."""
        logits = self.ranked(self.tower_head, count / (self.cfg.vision_layers + 1), patches)
        return pick_layers(ranks(self.tower_lead, logits), count, noise)

    def early_gates(self, count: torch.Tensor, by_unit: bool, visual: torch.Tensor, noise: bool) -> torch.Tensor:
        """A first choice of all decoder layers, [batch, num_layers, SLOTS]; it holds for the first NUM_PREFIX."""
        share, num_layers = self.share(count, by_unit), self.cfg.num_layers
        if by_unit:
            logits = self.ranked(self.early_unit_head, share, visual).view(-1, num_layers, SLOTS)
            return pick_units(ranks(self.lead[:, None], logits), count, noise)
        return pick_layers(ranks(self.lead, self.ranked(self.early_head, share, visual)), count, noise)[..., None].expand(-1, -1, SLOTS)

    def late_gates(self, early: torch.Tensor, count: torch.Tensor, by_unit: bool, latency: torch.Tensor, noise: bool) -> torch.Tensor:
        """The final choice: the first layers as they were, what is left of `count` picked by the latency token's hidden state [batch, model_dim]."""
        first, lead = early[:, :NUM_PREFIX], self.lead[NUM_PREFIX:]
        if by_unit:
            left = count - first.detach()[..., :UNITS_A_LAYER].sum((1, 2)).round().long()
            late = pick_units(ranks(lead[:, None], self.unit_head(latency).view(len(latency), -1, SLOTS)), left, noise)
        else:
            left = count - first.detach()[..., 0].sum(1).round().long()
            late = pick_layers(ranks(lead, self.mlp_head(latency)), left, noise)[..., None].expand(-1, -1, SLOTS)
        return torch.cat([first, late], dim=1)

    def share(self, count: torch.Tensor, by_unit: bool) -> torch.Tensor:
        """What is embedded: as in AdaLLaVA, all of the layers are a little less than 1."""
        return count / (self.cfg.num_layers * (UNITS_A_LAYER if by_unit else 1) + 1)

"""Muon for hidden matrices, AdamW for everything else, and an average of the weights for export.

Muon: K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager

import torch
import torch.distributed as dist

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonalise(g: torch.Tensor, num_steps: int = 5) -> torch.Tensor:
    """Nearest half-orthogonal matrices to g [count, rows, cols], by a quintic Newton-Schulz iteration in bf16."""
    a, b, c = NEWTON_SCHULZ
    x = g.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT.contiguous()
    x = x / (x.float().norm(dim=(-2, -1), keepdim=True) + 1e-7).bfloat16()
    for _ in range(num_steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).float()


class MuonAdamW:
    """Steps named parameters; state is kept by name, so a checkpoint can be loaded into a larger set."""

    def __init__(self, named_params, muon_lr=0.02, adam_lr=2e-3, momentum=0.95, weight_decay=0.01, betas=(0.9, 0.98), rank=0, num_processes=1,
                 decoder_boost=1.0, boost=lambda name: 1.0):
        self.params = dict(named_params)
        self.rank, self.num_processes, self.decoder_boost, self.other_boost = rank, num_processes, decoder_boost, boost
        self.muon_lr, self.adam_lr = muon_lr, adam_lr
        self.momentum, self.weight_decay, self.betas = momentum, weight_decay, betas
        self.state: dict[str, dict] = defaultdict(dict)

    @staticmethod
    def is_hidden_matrix(name: str, p: torch.Tensor) -> bool:
        return p.ndim == 2 and not any(part in name for part in ("embed", "heads.", "scheduler.", "scorer."))

    def boost(self, name: str) -> float:
        """The decoder starts later than the tower, so it may learn faster."""
        return self.other_boost(name) * (self.decoder_boost if "language_model" in name or "projector" in name else 1.0)

    def zero_grad(self) -> None:
        for p in self.params.values():
            p.grad = None

    def clip(self, max_norm: float) -> float:
        return float(torch.nn.utils.clip_grad_norm_([p for p in self.params.values() if p.grad is not None], max_norm))

    @torch.no_grad()
    def step(self, scale: float) -> None:
        """One update; `scale` is the schedule's factor on both learning rates."""
        stepped = [name for name, p in self.params.items() if p.grad is not None]
        hidden = [name for name in stepped if self.is_hidden_matrix(name, self.params[name])]
        others = [name for name in stepped if not self.is_hidden_matrix(name, self.params[name])]
        if others:
            self._adamw(others, scale)
        if hidden:
            self._muon(hidden, self.muon_lr * scale)

    def _muon(self, names: list[str], rate: float) -> None:
        """Each process orthogonalises its share of the matrices; the results are exchanged as one vector."""
        params = [self.params[n] for n in names]
        flat = torch.zeros(sum(p.numel() for p in params), device=params[0].device)
        updates = [part.view_as(p) for part, p in zip(flat.split([p.numel() for p in params]), params)]
        by_shape: dict[tuple, list[int]] = defaultdict(list)
        for i, p in enumerate(params):
            by_shape[tuple(p.shape)].append(i)
        pushes = self._pushes(names)
        for same in by_shape.values():
            mine = same[self.rank :: self.num_processes]
            if mine:
                torch._foreach_copy_([updates[i] for i in mine], list(orthogonalise(torch.stack([pushes[i] for i in mine]))))
        if self.num_processes > 1:
            dist.all_reduce(flat)
        rates = [rate * self.boost(n) for n in names]
        torch._foreach_mul_(updates, [-own * max(1.0, p.shape[0] / p.shape[1]) ** 0.5 for own, p in zip(rates, params)])
        torch._foreach_mul_(params, [1 - own * self.weight_decay for own in rates])
        torch._foreach_add_(params, updates)

    def _pushes(self, names: list[str]) -> list[torch.Tensor]:
        """Nesterov momentum of the matrices' gradients."""
        grads = [self.params[n].grad for n in names]
        for name, grad in zip(names, grads):
            if not self.state[name]:
                self.state[name]["velocity"] = torch.zeros_like(grad)
        velocities = [self.state[n]["velocity"] for n in names]
        torch._foreach_lerp_(velocities, grads, 1 - self.momentum)
        return torch._foreach_lerp(grads, velocities, self.momentum)

    def _adamw(self, names: list[str], scale: float) -> None:
        params, (b1, b2) = [self.params[n] for n in names], self.betas
        grads, states = [p.grad for p in params], [self.state[n] for n in names]
        for state, p in zip(states, params):
            if not state:
                state.update(m=torch.zeros_like(p), v=torch.zeros_like(p), t=0)
            state["t"] += 1
        m, v = [state["m"] for state in states], [state["v"] for state in states]
        torch._foreach_lerp_(m, grads, 1 - b1)
        torch._foreach_mul_(v, b2)
        torch._foreach_addcmul_(v, grads, grads, 1 - b2)
        spread = torch._foreach_sqrt(torch._foreach_div(v, [1 - b2 ** state["t"] for state in states]))
        torch._foreach_add_(spread, 1e-8)
        steps = torch._foreach_div(m, spread)
        torch._foreach_mul_(steps, [-self.adam_lr * scale * self.boost(n) / (1 - b1 ** state["t"]) for n, state in zip(names, states)])
        torch._foreach_add_(params, steps)

    def state_dict(self) -> dict:
        return dict(self.state)

    def load_state_dict(self, state: dict) -> None:
        self.state = defaultdict(dict, state)


class Average:
    """Exponential average of parameters."""

    def __init__(self, named_params, decay: float = 0.998):
        self.params = dict(named_params)
        self.decay = decay
        self.num_updates = 0
        self.values = {n: p.detach().clone() for n, p in self.params.items()}

    @torch.no_grad()
    def update(self) -> None:
        self.num_updates += 1
        decay = min(self.decay, self.num_updates / (self.num_updates + 10))
        torch._foreach_lerp_(list(self.values.values()), list(self.params.values()), 1 - decay)

    @torch.no_grad()
    def copy_to_params(self) -> None:
        for name, p in self.params.items():
            p.copy_(self.values[name])

    @contextmanager
    def in_place(self):
        """The averaged weights stand in for the parameters."""
        kept = {n: p.detach().clone() for n, p in self.params.items()}
        self.copy_to_params()
        try:
            yield
        finally:
            with torch.no_grad():
                for name, p in self.params.items():
                    p.copy_(kept[name])

    @torch.no_grad()
    def begin_missing(self, loaded: dict) -> None:
        """Parameters without a loaded average, or of another shape, start from what they are now."""
        for name, p in self.params.items():
            if name not in loaded or loaded[name].shape != p.shape:
                self.values[name].copy_(p)

    def state_dict(self) -> dict:
        return {"values": self.values, "num_updates": self.num_updates}

    def load_state_dict(self, state: dict) -> None:
        self.num_updates = state["num_updates"]
        for name, value in state["values"].items():
            if name in self.values and self.values[name].shape == value.shape:
                self.values[name].copy_(value)

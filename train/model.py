"""The mini model: a CLIP-shaped vision tower, LLaVA's projector and a Llama decoder, in plain PyTorch.

Parameter names are those of Hugging Face's LlavaForConditionalGeneration checkpoints, so exporting is a copy.
Several question blocks can share one picture's prefix; `packed_mask` keeps them from seeing each other.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class ModelConfig:
    """All sizes of the model. Dimensions are multiples of 32 so that every matrix can be Q8_0."""

    image_size: int = 288
    patch_size: int = 12
    vision_dim: int = 256
    vision_ffn_dim: int = 1024
    vision_layers: int = 6
    model_dim: int = 256
    ffn_dim: int = 704
    num_layers: int = 5
    head_dim: int = 64
    vocab_size: int = 512
    rope_theta: float = 10000.0
    norm_eps: float = 1e-5
    max_positions: int = 2048

    @property
    def grid(self) -> int:
        return self.image_size // self.patch_size

    @property
    def num_patches(self) -> int:
        return self.grid * self.grid

    def to_dict(self) -> dict:
        return asdict(self)


def sincos_positions(grid: int, dim: int) -> torch.Tensor:
    """Two-dimensional sine-cosine table, [grid * grid, dim]; a start from which neighbours are easy to find."""
    quarter = dim // 4
    omega = 1.0 / (100.0 ** (torch.arange(quarter) / quarter))
    steps = torch.arange(grid).float()[:, None] * omega[None] * (math.pi / 2)  # [grid, quarter]
    wave = torch.cat([steps.sin(), steps.cos()], dim=1)  # [grid, dim / 2]
    rows = wave[:, None].expand(grid, grid, -1)
    cols = wave[None].expand(grid, grid, -1)
    return torch.cat([rows, cols], dim=-1).reshape(grid * grid, dim)


def attention_scores(q: torch.Tensor, k: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """Scores [batch, heads, queries, keys] before the softmax of q and k [batch, heads, tokens, head_dim]. Attention is
    written out: at these sizes that is twice as fast on a CPU as PyTorch's fused one, forward and backward.
    `mask` is True where a key may be seen, or is added to the scores."""
    scores = (q * q.shape[-1] ** -0.5) @ k.mT
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf")) if mask.dtype == torch.bool else scores + mask.to(scores.dtype)
    return scores


def attend(scores: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return torch.softmax(scores, -1, dtype=v.dtype) @ v


def self_attention(q, k, v, lengths: list[int] | None = None, masks=None, num_first: list[int] | None = None):
    """Attention of q on k and v [batch, heads, tokens, head_dim]; returns the output, of the same shape, and the scores.

    With `lengths` the batch is ragged: the tokens of several pictures stand one after another in one row, each picture
    sees itself only, and masks and scores are lists. Tokens that were left out then cost nothing. With `num_first` that many
    tokens of each picture do not see the others, and the scores are those of the others.
    """
    if lengths is None:
        scores = attention_scores(q, k, masks)
        return attend(scores, v), scores
    outputs, scores = [], []
    rows = zip(*(t.split(lengths, dim=2) for t in (q, k, v)), masks or [None] * len(lengths), num_first or [0] * len(lengths))
    for q_i, k_i, v_i, mask, n in rows:
        if n:
            outputs.append(attend(attention_scores(q_i[:, :, :n], k_i[:, :, :n], mask[..., :n, :n]), v_i[:, :, :n]))
        scores.append(attention_scores(q_i[:, :, n:], k_i, mask[..., n:, :] if mask is not None else None))
        outputs.append(attend(scores[-1], v_i))
    return torch.cat(outputs, dim=2), scores


def cast_once(x: torch.Tensor) -> torch.Tensor:
    """Under autocast the type that products take: a norm's output goes into several of them."""
    return x.to(torch.get_autocast_dtype(x.device.type)) if torch.is_autocast_enabled(x.device.type) else x


def split_windows(x: torch.Tensor, windows: int) -> torch.Tensor:
    """[batch, grid * grid, dim] to [batch * windows * windows, part * part, dim], part = grid / windows."""
    batch_size, num_patches, dim = x.shape
    part = math.isqrt(num_patches) // windows
    return x.view(batch_size, windows, part, windows, part, dim).transpose(2, 3).reshape(-1, part * part, dim)


def join_windows(x: torch.Tensor, windows: int) -> torch.Tensor:
    """The opposite of `split_windows`."""
    part, dim = math.isqrt(x.shape[1]), x.shape[2]
    return x.view(-1, windows, windows, part, part, dim).transpose(2, 3).reshape(-1, (windows * part) ** 2, dim)


class VisionAttention(nn.Module):
    def __init__(self, dim: int, head_dim: int):
        super().__init__()
        self.head_dim = head_dim
        self.q_proj = nn.Linear(dim, dim)
        self.k_proj = nn.Linear(dim, dim)
        self.v_proj = nn.Linear(dim, dim)
        self.out_proj = nn.Linear(dim, dim)

    def forward(self, x: torch.Tensor, lengths: list[int] | None = None):
        """Returns the output and the scores."""
        b, n, d = x.shape
        q, k, v = (p(x).view(b, n, -1, self.head_dim).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj))
        attended, scores = self_attention(q, k, v, lengths)
        return self.out_proj(attended.transpose(1, 2).reshape(b, n, d)), scores


class VisionMlp(nn.Module):
    def __init__(self, dim: int, ffn_dim: int):
        super().__init__()
        self.fc1 = nn.Linear(dim, ffn_dim)
        self.fc2 = nn.Linear(ffn_dim, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class VisionLayer(nn.Module):
    def __init__(self, cfg: ModelConfig):
        super().__init__()
        self.self_attn = VisionAttention(cfg.vision_dim, cfg.head_dim)
        self.layer_norm1 = nn.LayerNorm(cfg.vision_dim, eps=1e-5)
        self.mlp = VisionMlp(cfg.vision_dim, cfg.vision_ffn_dim)
        self.layer_norm2 = nn.LayerNorm(cfg.vision_dim, eps=1e-5)

    def forward(self, x: torch.Tensor, lengths: list[int] | None = None):
        """Returns the output and the scores of the attention."""
        attended, scores = self.self_attn(cast_once(self.layer_norm1(x)), lengths)
        x = x + attended
        return x + self.mlp(self.layer_norm2(x)), scores


class VisionEmbeddings(nn.Module):
    def __init__(self, cfg: ModelConfig):
        super().__init__()
        self.class_embedding = nn.Parameter(torch.randn(cfg.vision_dim) * 0.02)
        self.patch_embedding = nn.Conv2d(3, cfg.vision_dim, cfg.patch_size, cfg.patch_size, bias=False)
        self.position_embedding = nn.Embedding(cfg.num_patches + 1, cfg.vision_dim)

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The class row [vision_dim] and the patches [batch, num_patches, vision_dim]."""
        patches = self.patch_embedding(pixels).flatten(2).transpose(1, 2)
        return self.class_embedding + self.position_embedding.weight[0], patches + self.position_embedding.weight[1:]


class VisionTower(nn.Module):
    """Pixels [batch, 3, image_size, image_size] to patch features [batch, num_patches, vision_dim], the class row dropped.

    With `windows` above 1 the picture is cut into windows x windows parts that do not see each other: reading is local,
    so it can be learned that way, at a fraction of the attention's cost.
    """

    def __init__(self, cfg: ModelConfig):
        super().__init__()
        self.embeddings = VisionEmbeddings(cfg)
        self.pre_layrnorm = nn.LayerNorm(cfg.vision_dim, eps=1e-5)
        self.layers = nn.ModuleList(VisionLayer(cfg) for _ in range(cfg.vision_layers))

    def forward(self, pixels: torch.Tensor, windows: int = 1) -> torch.Tensor:
        cls, patches = self.embeddings(pixels)
        patches = split_windows(patches, windows)
        x = self.pre_layrnorm(torch.cat([cls.expand(patches.shape[0], 1, -1), patches], dim=1))
        for layer in self.layers:
            x, _ = layer(x)
        return join_windows(x[:, 1:], windows)

    def forward_places(self, pixels: torch.Tensor, places: list[torch.Tensor], watched: dict[int, list] | None = None) -> list[torch.Tensor]:
        """Of each picture only the patches at `places`: features [num_places, vision_dim] a picture.

        `watched` takes the scores of the layers that it names, [heads, 1 + num_places, 1 + num_places] a picture."""
        cls, patches = self.embeddings(pixels)
        rows = [row for kept, place in zip(patches, places) for row in (cls[None], kept[place])]
        lengths = [1 + len(place) for place in places]
        x = self.pre_layrnorm(torch.cat(rows)[None])
        for i, layer in enumerate(self.layers):
            x, scores = layer(x, lengths)
            if watched is not None and i in watched:
                watched[i] = [s[0] for s in scores]
        return [features[1:] for features in x[0].split(lengths)]


class Projector(nn.Module):
    def __init__(self, cfg: ModelConfig):
        super().__init__()
        self.linear_1 = nn.Linear(cfg.vision_dim, cfg.model_dim)
        self.linear_2 = nn.Linear(cfg.model_dim, cfg.model_dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear_2(F.gelu(self.linear_1(x)))


class RmsNorm(nn.Module):
    def __init__(self, dim: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return cast_once(F.rms_norm(x.float(), (x.shape[-1],), self.weight, self.eps))


def rope_table(positions: torch.Tensor, head_dim: int, theta: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines [batch, 1, num_tokens, head_dim], halves layout (NeoX)."""
    inv_freq = 1.0 / (theta ** (torch.arange(0, head_dim, 2, device=positions.device).float() / head_dim))
    angles = positions[:, None, :, None].float() * inv_freq
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    half = x.shape[-1] // 2
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], dim=-1) * sin


class DecoderAttention(nn.Module):
    def __init__(self, cfg: ModelConfig):
        super().__init__()
        self.head_dim = cfg.head_dim
        self.q_proj = nn.Linear(cfg.model_dim, cfg.model_dim, bias=False)
        self.k_proj = nn.Linear(cfg.model_dim, cfg.model_dim, bias=False)
        self.v_proj = nn.Linear(cfg.model_dim, cfg.model_dim, bias=False)
        self.o_proj = nn.Linear(cfg.model_dim, cfg.model_dim, bias=False)

    def forward(self, x, rope, mask, cache=None, lengths=None, num_first=None):
        """Returns the output and the scores."""
        b, n, d = x.shape
        q, k, v = (p(x).view(b, n, -1, self.head_dim).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj))
        q, k = rotate(q, *rope).to(v.dtype), rotate(k, *rope).to(v.dtype)
        if cache is not None:
            if "k" in cache:
                k, v = torch.cat([cache["k"], k], dim=2), torch.cat([cache["v"], v], dim=2)
            cache["k"], cache["v"] = k, v
        attended, scores = self_attention(q, k, v, lengths, mask, num_first)
        return self.o_proj(attended.transpose(1, 2).reshape(b, n, d)), scores


class DecoderMlp(nn.Module):
    def __init__(self, cfg: ModelConfig):
        super().__init__()
        self.gate_proj = nn.Linear(cfg.model_dim, cfg.ffn_dim, bias=False)
        self.up_proj = nn.Linear(cfg.model_dim, cfg.ffn_dim, bias=False)
        self.down_proj = nn.Linear(cfg.ffn_dim, cfg.model_dim, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class DecoderLayer(nn.Module):
    def __init__(self, cfg: ModelConfig):
        super().__init__()
        self.self_attn = DecoderAttention(cfg)
        self.mlp = DecoderMlp(cfg)
        self.input_layernorm = RmsNorm(cfg.model_dim, cfg.norm_eps)
        self.post_attention_layernorm = RmsNorm(cfg.model_dim, cfg.norm_eps)

    def forward(self, x, rope, mask, cache=None, lengths=None, num_first=None):
        attended, scores = self.self_attn(self.input_layernorm(x), rope, mask, cache, lengths, num_first)
        x = x + attended
        return x + self.mlp(self.post_attention_layernorm(x)), scores


class Decoder(nn.Module):
    """Embedded tokens [batch, num_tokens, model_dim] to hidden states of the same shape, final norm applied."""

    def __init__(self, cfg: ModelConfig):
        super().__init__()
        self.cfg = cfg
        self.embed_tokens = nn.Embedding(cfg.vocab_size, cfg.model_dim)
        self.layers = nn.ModuleList(DecoderLayer(cfg) for _ in range(cfg.num_layers))
        self.norm = RmsNorm(cfg.model_dim, cfg.norm_eps)

    def forward(self, x, positions, mask, caches=None, watched=None, lengths=None, num_first=None):
        """With `lengths` the batch is ragged (see `self_attention`), `mask` a list, and `watched` takes the scores of head 0,
        [num_tokens - num_first, num_tokens] of each picture, in the layers that it names."""
        rope = rope_table(positions, self.cfg.head_dim, self.cfg.rope_theta)
        for i, layer in enumerate(self.layers):
            x, scores = layer(x, rope, mask, caches[i] if caches is not None else None, lengths, num_first)
            if watched is not None and i in watched:
                watched[i] = [s[0, 0] for s in scores]
        return self.norm(x)


class SaccadeMini(nn.Module):
    """The whole model. Tied embeddings: logits are hidden states times `embed_tokens`."""

    def __init__(self, cfg: ModelConfig):
        super().__init__()
        self.cfg = cfg
        self.vision_tower = VisionTower(cfg)
        self.multi_modal_projector = Projector(cfg)
        self.language_model = Decoder(cfg)
        self.apply(init_weights)
        scale_residual_outputs(self)
        with torch.no_grad():
            self.vision_tower.embeddings.position_embedding.weight[1:] = 0.5 * sincos_positions(cfg.grid, cfg.vision_dim)

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels to visual tokens [batch, num_patches, model_dim]."""
        return self.multi_modal_projector(self.vision_tower(pixels))

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        return F.linear(hidden, self.language_model.embed_tokens.weight)


def init_weights(module: nn.Module) -> None:
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        fan_in = module.weight[0].numel()
        nn.init.normal_(module.weight, std=fan_in**-0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)


def scale_residual_outputs(model: SaccadeMini) -> None:
    """Start every residual branch small so that depth does not blow up the sum."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith(("out_proj.weight", "fc2.weight", "o_proj.weight", "down_proj.weight")):
                p.mul_(0.3)


def packed_mask(block_ids: torch.Tensor) -> torch.Tensor:
    """Boolean mask [batch, 1, num_tokens, num_tokens], true where a token may look.

    `block_ids` [batch, num_tokens]: 0 for the shared prefix, 1.. for question blocks, -1 for padding.
    A token sees earlier tokens of the prefix and of its own block; padding sees itself only.
    """
    n = block_ids.shape[1]
    query, key = block_ids[:, :, None], block_ids[:, None, :]
    device = block_ids.device
    causal = torch.ones(n, n, dtype=torch.bool, device=device).tril()
    own = (query == key) & (query >= 0)
    allowed = causal & (own | ((key == 0) & (query > 0)))
    return (allowed | torch.eye(n, dtype=torch.bool, device=device))[:, None]

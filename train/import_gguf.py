"""Begins a checkpoint from a finished file, so that training can go on where only the file is left.

    python -m train.import_gguf models/saccade-mini.gguf ~/saccade-train/last.pt

The read-outs and the optimiser's state are not in the file: both begin anew and are back after some hundred steps.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from gguf import GGUFReader, dequantize

from train.model import ModelConfig, SaccadeMini
from train.optimizer import Average, MuonAdamW
from train.train import Trainee, save

# Parts of a GGUF name to parts of ours.
DECODER_NAMES = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
                 "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
                 "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
TOWER_NAMES = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_out": "self_attn.out_proj",
               "ln1": "layer_norm1", "ln2": "layer_norm2", "ffn_up": "mlp.fc1", "ffn_down": "mlp.fc2"}
OTHER_NAMES = {"token_embd.weight": "language_model.embed_tokens.weight", "output_norm.weight": "language_model.norm.weight",
               "v.patch_embd.weight": "vision_tower.embeddings.patch_embedding.weight", "v.class_embd": "vision_tower.embeddings.class_embedding",
               "v.position_embd.weight": "vision_tower.embeddings.position_embedding.weight",
               "v.pre_ln.weight": "vision_tower.pre_layrnorm.weight", "v.pre_ln.bias": "vision_tower.pre_layrnorm.bias",
               "mm.0.weight": "multi_modal_projector.linear_1.weight", "mm.0.bias": "multi_modal_projector.linear_1.bias",
               "mm.2.weight": "multi_modal_projector.linear_2.weight", "mm.2.bias": "multi_modal_projector.linear_2.bias"}


def our_name(name: str) -> str:
    """A GGUF tensor's name to our parameter's."""
    if name in OTHER_NAMES:
        return OTHER_NAMES[name]
    tower, layer, part, kind = re.fullmatch(r"(v\.)?blk\.(\d+)\.(\w+)\.(weight|bias)", name).groups()
    if tower:
        return f"vision_tower.layers.{layer}.{TOWER_NAMES[part]}.{kind}"
    return f"language_model.layers.{layer}.{DECODER_NAMES[part]}.{kind}"


SCORER_PREFIX = "saccade.token_scorer."


def read_token_scorer(path: Path) -> dict[str, torch.Tensor]:
    """The parameters of `token_scorer.TokenScorer`; empty where the file has none."""
    return {tensor.name.removeprefix(SCORER_PREFIX): torch.from_numpy(tensor.data.copy()) for tensor in GGUFReader(path).tensors if tensor.name.startswith(SCORER_PREFIX)}


def halves_rows(weight: np.ndarray, head_dim: int) -> np.ndarray:
    """GGUF keeps the rotated pairs of a Llama side by side; ours (and Hugging Face's) stand half a head apart."""
    rows, cols = weight.shape
    return weight.reshape(rows // head_dim, head_dim // 2, 2, cols).swapaxes(1, 2).reshape(rows, cols)


def read_model(path: Path, cfg: ModelConfig) -> SaccadeMini:
    """`cfg` with as many layers as the file has."""
    reader = GGUFReader(path)
    model = SaccadeMini(replace(cfg, vision_layers=reader.get_field("clip.vision.block_count").contents(), num_layers=reader.get_field("llama.block_count").contents()))
    params = dict(model.named_parameters())
    for tensor in reader.tensors:
        if tensor.name.startswith(SCORER_PREFIX):
            continue
        values = dequantize(tensor.data, tensor.tensor_type)
        if re.fullmatch(r"blk\.\d+\.attn_[qk]\.weight", tensor.name):
            values = halves_rows(values, cfg.head_dim)
        param = params.pop(our_name(tensor.name))
        with torch.no_grad():
            param.copy_(torch.from_numpy(np.array(values)).view_as(param))
    if params:
        raise ValueError(f"{path} lacks {', '.join(params)}")
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf", type=Path)
    parser.add_argument("checkpoint", type=Path)
    args = parser.parse_args()
    trainee = Trainee(ModelConfig())
    trainee.model.load_state_dict(read_model(args.gguf, trainee.cfg).state_dict())
    optimizer = MuonAdamW(trainee.named_parameters())
    average = Average((n.removeprefix("model."), p) for n, p in trainee.named_parameters())
    progress = {"step": 0, "next_sample": 0, "seconds": 0.0, "stage": "vision", "stage_step": 0}
    args.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    save(args.checkpoint, trainee, optimizer, average, progress)


if __name__ == "__main__":
    main()

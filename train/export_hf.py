"""Writes a checkpoint as a Hugging Face directory that `LlavaForConditionalGeneration` and `saccade convert` read.

    python -m train.export_hf ~/saccade-train/last.pt ~/saccade-train/export
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from train import tokenizer
from train.data import PIXEL_MEAN, PIXEL_STD
from train.model import ModelConfig, SaccadeMini

# A picture, then text: `<s><image>\n{question}\n` is answered by `{answer}</s>`. Further turns follow without a new <s>.
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}"
    "{% if message['content'] is string %}{{ message['content'] + '\\n' }}"
    "{% else %}"
    "{% for part in message['content'] if part['type'] in ['image', 'image_url'] %}{{ '<image>\\n' }}{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}{{ '\\n' }}"
    "{% endif %}"
    "{% elif message['role'] == 'assistant' %}"
    "{% if message['content'] is string %}{{ message['content'] + eos_token }}"
    "{% else %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}{{ eos_token }}"
    "{% endif %}"
    "{% endif %}"
    "{% endfor %}"
)


def load_model(checkpoint: Path, averaged: bool = True) -> SaccadeMini:
    """The model of a checkpoint, with the averaged weights unless told otherwise."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=False)
    model = SaccadeMini(ModelConfig(**state["config"]))
    if averaged:
        model.load_state_dict({k: v for k, v in state["average"]["values"].items() if not k.startswith("heads.")})
    else:
        model.load_state_dict({k[len("model."):]: v for k, v in state["trainee"].items() if k.startswith("model.")})
    return model.eval()


def hf_name(name: str) -> str:
    """Our parameter name to that of the original LLaVA checkpoints."""
    if name.startswith("vision_tower."):
        name = name.replace("vision_tower.", "vision_tower.vision_model.", 1)
        return name.replace("vision_model.layers.", "vision_model.encoder.layers.")
    if name.startswith("language_model."):
        return name.replace("language_model.", "language_model.model.", 1)
    return name


def hf_tensors(model: SaccadeMini) -> dict[str, torch.Tensor]:
    tensors = {hf_name(n): p.detach().float().contiguous() for n, p in model.named_parameters()}
    dim = model.cfg.vision_dim
    # CLIP has a norm after the last layer; LLaVA reads the features before it. It is written as the identity.
    tensors["vision_tower.vision_model.post_layernorm.weight"] = torch.ones(dim)
    tensors["vision_tower.vision_model.post_layernorm.bias"] = torch.zeros(dim)
    return tensors


def config_json(cfg: ModelConfig) -> dict:
    return {
        "architectures": ["LlavaForConditionalGeneration"],
        "model_type": "llava",
        "torch_dtype": "float32",
        "image_token_index": tokenizer.IMAGE,
        "image_token_id": tokenizer.IMAGE,
        "image_seq_length": cfg.num_patches,
        "image_aspect_ratio": "pad",
        "projector_hidden_act": "gelu",
        "multimodal_projector_bias": True,
        "vision_feature_layer": -1,
        "vision_feature_select_strategy": "default",
        "tie_word_embeddings": True,
        "pad_token_id": tokenizer.PAD,
        "bos_token_id": tokenizer.BOS,
        "eos_token_id": tokenizer.EOS,
        "vision_config": {
            "model_type": "clip_vision_model",
            "hidden_size": cfg.vision_dim,
            "intermediate_size": cfg.vision_ffn_dim,
            "num_hidden_layers": cfg.vision_layers,
            "num_attention_heads": cfg.vision_dim // cfg.head_dim,
            "image_size": cfg.image_size,
            "patch_size": cfg.patch_size,
            "projection_dim": cfg.vision_dim,
            "hidden_act": "gelu",
            "layer_norm_eps": 1e-5,
            "num_channels": 3,
        },
        "text_config": {
            "model_type": "llama",
            "architectures": ["LlamaForCausalLM"],
            "hidden_size": cfg.model_dim,
            "intermediate_size": cfg.ffn_dim,
            "num_hidden_layers": cfg.num_layers,
            "num_attention_heads": cfg.model_dim // cfg.head_dim,
            "num_key_value_heads": cfg.model_dim // cfg.head_dim,
            "head_dim": cfg.head_dim,
            "vocab_size": cfg.vocab_size,
            "max_position_embeddings": cfg.max_positions,
            "rms_norm_eps": cfg.norm_eps,
            "rope_theta": cfg.rope_theta,
            "hidden_act": "silu",
            "tie_word_embeddings": True,
            "attention_bias": False,
            "mlp_bias": False,
            "pad_token_id": tokenizer.PAD,
            "bos_token_id": tokenizer.BOS,
            "eos_token_id": tokenizer.EOS,
        },
    }


def tokenizer_config_json(cfg: ModelConfig) -> dict:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "image_token": "<image>",
        "add_bos_token": False,
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": cfg.max_positions,
        "chat_template": CHAT_TEMPLATE,
        "added_tokens_decoder": {str(i): {"content": t, "special": True, "normalized": False, "lstrip": False, "rstrip": False, "single_word": False}
                                 for i, t in enumerate(tokenizer.SPECIAL)},
    }


def preprocessor_json(cfg: ModelConfig) -> dict:
    side = cfg.image_size
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_convert_rgb": True,
        "do_pad": True,
        "do_resize": True,
        "size": {"shortest_edge": side},
        "do_center_crop": True,
        "crop_size": {"height": side, "width": side},
        "resample": 3,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [PIXEL_MEAN] * 3,
        "image_std": [PIXEL_STD] * 3,
    }


def export(model: SaccadeMini, out: Path) -> None:
    cfg = model.cfg
    out.mkdir(parents=True, exist_ok=True)
    save_file(hf_tensors(model), str(out / "model.safetensors"), metadata={"format": "pt"})
    tokenizer.make_tokenizer().save(str(out / "tokenizer.json"))
    files = {
        "config.json": config_json(cfg),
        "tokenizer_config.json": tokenizer_config_json(cfg),
        "special_tokens_map.json": {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"},
        "preprocessor_config.json": preprocessor_json(cfg),
        "processor_config.json": {"processor_class": "LlavaProcessor", "patch_size": cfg.patch_size, "vision_feature_select_strategy": "default",
                                  "image_token": "<image>", "num_additional_image_tokens": 1},
        "generation_config.json": {"bos_token_id": tokenizer.BOS, "eos_token_id": tokenizer.EOS, "pad_token_id": tokenizer.PAD,
                                   "do_sample": False, "max_new_tokens": 160},
    }
    for name, content in files.items():
        (out / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    export(load_model(args.checkpoint), args.out)


if __name__ == "__main__":
    main()

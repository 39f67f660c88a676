"""Writes a tiny model as the hub's checkpoints are: weights, configuration, tokenizer and processor files.

The same model is laid out in different ways by different versions of Transformers; `Layout` names the ways a converter
meets in the wild.
"""

import json
import pathlib
from enum import Enum

import torch
from safetensors.torch import save_file

import tokenizer_kinds
from tiny_models import TinyModel


class Layout(Enum):
    CURRENT = "current"    # as this version of Transformers saves
    HUB = "hub"            # as the original checkpoints on the hub are
    PREFIXED = "prefixed"  # as versions 4.52 to 4.57 save: everything but the head under "model."


def _hub_name(family: str, name: str) -> str:
    if name.startswith("vision_tower.") and not name.startswith("vision_tower.vision_model."):
        return name.replace("vision_tower.", "vision_tower.vision_model.", 1)
    return name


def _prefixed_name(family: str, name: str) -> str:
    name = _hub_name(family, name)
    if family.startswith("llava"):
        name = name.replace("language_model.lm_head.", "lm_head.").replace("language_model.model.", "language_model.")
        return name if name.startswith("lm_head.") else "model." + name
    if family in {"qwen2_vl", "qwen2_5_vl"}:
        if name.startswith("visual."):
            return "model." + name
        return name.replace("model.", "model.language_model.", 1)
    return name


RENAME = {Layout.CURRENT: lambda family, name: name, Layout.HUB: _hub_name, Layout.PREFIXED: _prefixed_name}


def _flat_rope(config: dict) -> None:
    """`rope_parameters` to `rope_theta` and `rope_scaling`, as before Transformers 5."""
    rope = config.pop("rope_parameters", None)
    if rope is None:
        return
    config["rope_theta"] = rope.pop("rope_theta")
    kind = rope.pop("rope_type")
    if "mrope_section" in rope:
        config["rope_scaling"] = {"type": "mrope", "mrope_section": rope["mrope_section"]}
    elif kind != "default":
        config["rope_scaling"] = {"rope_type": kind, "type": kind} | rope


def _config_as(layout: Layout, tiny: TinyModel, config: dict) -> dict:
    config["dtype"] = str(tiny.storage).removeprefix("torch.")
    if layout == Layout.CURRENT:
        return config
    config["torch_dtype"] = config.pop("dtype")
    text = config.get("text_config", config)
    _flat_rope(text)
    if layout == Layout.HUB and tiny.family in {"qwen2_vl", "qwen2_5_vl"}:
        del config["text_config"]
        outer = {name: config[name] for name in ("model_type", "architectures", "tie_word_embeddings") if name in config}
        config = text | config | outer
        config["vision_config"] = config.pop("vision_config") | {"model_type": tiny.family, "in_chans": 3,
                                                                 "spatial_patch_size": tiny.dims.patch_size}
    return config


def _save_weights(tiny: TinyModel, folder: pathlib.Path, layout: Layout, num_shards: int) -> None:
    is_tied = tiny.model.get_output_embeddings().weight is tiny.model.get_input_embeddings().weight
    state = {name: tensor.to(tiny.storage).contiguous() for name, tensor in tiny.model.state_dict().items()
             if not (is_tied and name == "lm_head.weight")}
    # Transformers' own save applies its renaming; the file is then read back and laid out as wanted.
    tiny.model.save_pretrained(folder, state_dict=state, max_shard_size="1GB")
    from safetensors.torch import load_file
    path = folder / "model.safetensors"
    saved = {RENAME[layout](tiny.family, name): tensor for name, tensor in load_file(path).items()
             if not (is_tied and name.endswith("lm_head.weight"))}
    if num_shards == 1:
        save_file(saved, path, metadata={"format": "pt"})
        return
    path.unlink()
    index = {"metadata": {"total_size": sum(t.numel() * t.element_size() for t in saved.values())}, "weight_map": {}}
    names = sorted(saved)
    for shard in range(num_shards):
        file_name = f"model-{shard + 1:05d}-of-{num_shards:05d}.safetensors"
        mine = names[shard::num_shards]
        save_file({name: saved[name] for name in mine}, folder / file_name, metadata={"format": "pt"})
        index["weight_map"] |= {name: file_name for name in mine}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")


def save(tiny: TinyModel, folder: pathlib.Path, layout: Layout = Layout.CURRENT, num_shards: int = 1,
         template_in: str = "jinja", with_tokenizer_json: bool = True) -> None:
    """`template_in`: "jinja" (chat_template.jinja), "processor" (chat_template.json) or "tokenizer" (tokenizer_config.json)."""
    folder.mkdir(parents=True, exist_ok=True)
    _save_weights(tiny, folder, layout, num_shards)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(_config_as(layout, tiny, config), indent=1) + "\n")
    if tiny.image_processor is not None:
        tiny.image_processor.save_pretrained(folder)
        if layout == Layout.HUB:
            _old_processor(tiny, folder / "preprocessor_config.json")
    tokenizer_kinds.save(tiny.tokenizer_kind, tiny.tokenizer, tiny.sentencepiece_model, folder,
                         tiny.chat_template if template_in == "tokenizer" else None, with_tokenizer_json)
    if template_in == "processor":
        (folder / "chat_template.json").write_text(json.dumps({"chat_template": tiny.chat_template}) + "\n")
    if template_in == "jinja":
        (folder / "chat_template.jinja").write_text(tiny.chat_template)


def _old_processor(tiny: TinyModel, path: pathlib.Path) -> None:
    """Qwen2-VL's hub files give the range of pixels by other names."""
    config = json.loads(path.read_text())
    if tiny.family in {"qwen2_vl", "qwen2_5_vl"}:
        size = config.pop("size")
        config |= {"min_pixels": size["shortest_edge"], "max_pixels": size["longest_edge"]}
    path.write_text(json.dumps(config, indent=1) + "\n")

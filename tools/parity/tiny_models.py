"""Random models of every family, a few layers deep, made of Transformers' own classes.

A family is a function that turns dimensions into a configuration, a processor and a tokenizer. The dimensions come from
`default_dims()` (the stored golden files) or `draw_dims()` (the live comparison).
"""

import dataclasses
import random
from typing import Any, Callable

import torch
import transformers
from tokenizers import Tokenizer
from transformers.models.idefics3 import image_processing_pil_idefics3
from transformers.models.llava import image_processing_pil_llava
from transformers.models.llava_next import image_processing_pil_llava_next
from transformers.models.qwen2_vl import image_processing_pil_qwen2_vl
from transformers.models.smolvlm import image_processing_pil_smolvlm

import family_templates
import text_lines
import tokenizer_kinds


@dataclasses.dataclass
class Dims:
    """Sizes of a tiny model; each family reads what it has."""
    model_dim: int = 64
    ffn_dim: int = 96
    num_layers: int = 2
    num_heads: int = 4
    num_kv_heads: int = 2
    head_dim: int = 16
    rope_theta: float = 10000.0
    rms_eps: float = 1e-5
    is_tied: bool = False
    vision_dim: int = 64
    vision_ffn_dim: int = 96
    vision_layers: int = 3
    vision_heads: int = 4
    patch_size: int = 14
    image_size: int = 56       # of a tile; Qwen2-VL has none
    merge: int = 2             # patches merged into one token, each way
    window_patches: int = 4    # Qwen2.5-VL: side of an attention window
    feature_layer: int = -2    # LLaVA: which of the tower's hidden states the projector gets
    full_attention: tuple = (1,)  # Qwen2.5-VL: the blocks that attend to everything
    tile_edge: int = 3         # tiles along the longest edge (SmolVLM), along the largest resolution (LLaVA-1.6)
    vocab_size: int = 700


@dataclasses.dataclass
class TinyModel:
    family: str
    dims: Dims
    model: Any                      # in float32, every weight a bf16 or f16 value
    tokenizer: Tokenizer
    tokenizer_kind: str
    sentencepiece_model: bytes | None
    chat_template: str
    image_processor: Any            # None for text models
    image_token: str | None
    storage: torch.dtype
    content_is_text: bool = False   # the template takes plain strings, not parts


def draw_dims(family: str, rng: random.Random) -> Dims:
    is_qwen_vl = family.startswith("qwen2") and family.endswith("vl")
    head_dim = rng.choice([8, 16, 24, 32])
    num_kv_heads = rng.choice([1, 2, 3])
    num_heads = num_kv_heads * rng.choice([1, 2, 3, 4])
    # The head's width is a setting of its own in Llama; Qwen2 divides the model's.
    model_dim = num_heads * (head_dim if "qwen2" in family else rng.choice([8, 16, 24]))
    vision_heads = rng.choice([1, 2, 3, 4])
    merge = rng.choice([2, 3]) if not is_qwen_vl else 2
    patch_size = rng.choice([7, 8, 14, 16])
    vision_layers = rng.randrange(2, 5)
    return Dims(
        model_dim=model_dim, ffn_dim=rng.choice([48, 80, 128, 160]), num_layers=rng.randrange(1, 5),
        num_heads=num_heads, num_kv_heads=num_kv_heads, head_dim=head_dim, rope_theta=rng.choice([1e4, 5e5, 1e6]),
        rms_eps=rng.choice([1e-5, 1e-6]), is_tied=rng.random() < 0.5,
        vision_dim=vision_heads * rng.choice([8, 16, 24, 32]), vision_ffn_dim=rng.choice([64, 72, 128]),
        vision_layers=vision_layers, vision_heads=vision_heads, patch_size=patch_size,
        image_size=patch_size * (merge * rng.randrange(1, 4)), merge=merge, window_patches=rng.choice([2, 4, 6]),
        feature_layer=rng.choice([-1, -2, -2]),
        full_attention=tuple(sorted(rng.sample(range(vision_layers), rng.randrange(1, vision_layers)))),
        tile_edge=rng.randrange(2, 5), vocab_size=rng.choice([640, 700, 900]))


def llama3_rope(theta: float) -> dict:
    # A short original context, so that the prompts of the tests reach into all three ranges of frequencies.
    return {"rope_type": "llama3", "rope_theta": theta, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64}


def linear_rope(theta: float) -> dict:
    return {"rope_type": "linear", "rope_theta": theta, "factor": 4.0}


def yarn_rope(theta: float) -> dict:
    return {"rope_type": "yarn", "rope_theta": theta, "factor": 4.0, "original_max_position_embeddings": 128}


def _text_config(dims: Dims, tokenizer: Tokenizer, kind: str, rope: dict | None = None,
                 config_class=transformers.LlamaConfig, **more):
    names = tokenizer_kinds.KINDS[kind]
    arguments = dict(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=dims.model_dim, intermediate_size=dims.ffn_dim,
        num_hidden_layers=dims.num_layers, num_attention_heads=dims.num_heads, num_key_value_heads=dims.num_kv_heads,
        rms_norm_eps=dims.rms_eps, max_position_embeddings=2048, tie_word_embeddings=dims.is_tied,
        rope_parameters=rope or {"rope_type": "default", "rope_theta": dims.rope_theta},
        bos_token_id=tokenizer.token_to_id(names.bos) if names.bos else None,
        eos_token_id=tokenizer.token_to_id(names.eos))
    if config_class is transformers.LlamaConfig:
        arguments["head_dim"] = dims.head_dim
    return config_class(**(arguments | more))


def _clip_config(dims: Dims):
    return transformers.CLIPVisionConfig(
        hidden_size=dims.vision_dim, intermediate_size=dims.vision_ffn_dim, num_hidden_layers=dims.vision_layers,
        num_attention_heads=dims.vision_heads, image_size=dims.image_size, patch_size=dims.patch_size,
        projection_dim=dims.vision_dim)


def _llava(dims: Dims, tokenizer: Tokenizer):
    # The hub's files pad the vocabulary too: rows that no token has.
    text = _text_config(dims, tokenizer, "spm", vocab_size=-(-tokenizer.get_vocab_size() // 64) * 64)
    config = transformers.LlavaConfig(
        vision_config=_clip_config(dims), text_config=text, image_token_index=tokenizer.token_to_id("<image>"),
        vision_feature_layer=dims.feature_layer,
        image_seq_length=(dims.image_size // dims.patch_size) ** 2, tie_word_embeddings=dims.is_tied)
    processor = image_processing_pil_llava.LlavaImageProcessorPil(
        size={"shortest_edge": dims.image_size}, crop_size={"height": dims.image_size, "width": dims.image_size},
        do_pad=True)
    return transformers.LlavaForConditionalGeneration, config, processor


def _llava_next(dims: Dims, tokenizer: Tokenizer):
    edge = dims.image_size
    pinpoints = [[edge, 2 * edge], [2 * edge, edge], [2 * edge, 2 * edge], [dims.tile_edge * edge, edge],
                 [edge, dims.tile_edge * edge]]
    config = transformers.LlavaNextConfig(
        vision_config=_clip_config(dims), text_config=_text_config(dims, tokenizer, "spm"),
        image_token_index=tokenizer.token_to_id("<image>"), image_grid_pinpoints=pinpoints,
        vision_feature_layer=dims.feature_layer,
        image_seq_length=(edge // dims.patch_size) ** 2, tie_word_embeddings=dims.is_tied)
    processor = image_processing_pil_llava_next.LlavaNextImageProcessorPil(
        size={"shortest_edge": edge}, crop_size={"height": edge, "width": edge}, image_grid_pinpoints=pinpoints)
    return transformers.LlavaNextForConditionalGeneration, config, processor


def _idefics3(dims: Dims, tokenizer: Tokenizer, prefix: str, processor_class):
    config_class = getattr(transformers, f"{prefix}Config")
    vision = dict(hidden_size=dims.vision_dim, intermediate_size=dims.vision_ffn_dim,
                  num_hidden_layers=dims.vision_layers, num_attention_heads=dims.vision_heads,
                  image_size=dims.image_size, patch_size=dims.patch_size)
    config = config_class(
        vision_config=vision, text_config=_text_config(dims, tokenizer, "smollm", pad_token_id=0),
        scale_factor=dims.merge, image_token_id=tokenizer.token_to_id("<image>"), tie_word_embeddings=dims.is_tied)
    processor = processor_class(size={"longest_edge": dims.tile_edge * dims.image_size},
                                max_image_size={"longest_edge": dims.image_size}, return_row_col_info=True)
    return getattr(transformers, f"{prefix}ForConditionalGeneration"), config, processor


def _smolvlm(dims: Dims, tokenizer: Tokenizer):
    return _idefics3(dims, tokenizer, "SmolVLM", image_processing_pil_smolvlm.SmolVLMImageProcessorPil)


def _idefics3_own(dims: Dims, tokenizer: Tokenizer):
    return _idefics3(dims, tokenizer, "Idefics3", image_processing_pil_idefics3.Idefics3ImageProcessorPil)


def mrope_sections(head_dim: int) -> list[int]:
    """The pairs of a head in the real models' proportion, 16 : 24 : 24."""
    pairs = head_dim // 2
    spatial = pairs * 3 // 8
    return [pairs - 2 * spatial, spatial, spatial]


def _qwen_vl(dims: Dims, tokenizer: Tokenizer, prefix: str, vision: dict):
    ids = {f"{name}_token_id": tokenizer.token_to_id(f"<|{text}|>") for name, text in
           [("image", "image_pad"), ("video", "video_pad"), ("vision_start", "vision_start"),
            ("vision_end", "vision_end")]}
    rope = {"rope_type": "default", "rope_theta": dims.rope_theta, "mrope_section": mrope_sections(dims.head_dim)}
    text = _text_config(dims, tokenizer, "qwen2", rope, getattr(transformers, f"{prefix}TextConfig"))
    config = getattr(transformers, f"{prefix}Config")(
        text_config=text.to_dict(), tie_word_embeddings=dims.is_tied, **ids,
        vision_config=vision | {"depth": dims.vision_layers, "num_heads": dims.vision_heads,
                                "patch_size": dims.patch_size, "spatial_merge_size": dims.merge})
    factor = dims.patch_size * dims.merge
    processor = image_processing_pil_qwen2_vl.Qwen2VLImageProcessorPil(
        size={"shortest_edge": 4 * factor * factor, "longest_edge": 24 * factor * factor}, patch_size=dims.patch_size,
        merge_size=dims.merge)
    return getattr(transformers, f"{prefix}ForConditionalGeneration"), config, processor


def _qwen2_vl(dims: Dims, tokenizer: Tokenizer):
    return _qwen_vl(dims, tokenizer, "Qwen2VL", {"embed_dim": dims.vision_dim, "hidden_size": dims.model_dim,
                                                 "mlp_ratio": 2})


def _qwen2_5_vl(dims: Dims, tokenizer: Tokenizer):
    return _qwen_vl(dims, tokenizer, "Qwen2_5_VL", {
        "hidden_size": dims.vision_dim, "out_hidden_size": dims.model_dim, "intermediate_size": dims.vision_ffn_dim,
        "window_size": dims.window_patches * dims.patch_size, "fullatt_block_indexes": list(dims.full_attention)})


def _text_llama3(dims: Dims, tokenizer: Tokenizer):
    return transformers.LlamaForCausalLM, _text_config(dims, tokenizer, "llama_bpe", llama3_rope(dims.rope_theta)), None


def _text_linear(dims: Dims, tokenizer: Tokenizer):
    return transformers.LlamaForCausalLM, _text_config(dims, tokenizer, "spm", linear_rope(dims.rope_theta)), None


def _text_qwen2(dims: Dims, tokenizer: Tokenizer):
    config = _text_config(dims, tokenizer, "qwen2", yarn_rope(dims.rope_theta), transformers.Qwen2Config,
                          max_position_embeddings=512)
    return transformers.Qwen2ForCausalLM, config, None


@dataclasses.dataclass
class Family:
    make: Callable
    tokenizer_kind: str
    chat_template: str
    image_token: str | None = None
    content_is_text: bool = False
    stored: dict = dataclasses.field(default_factory=dict)  # dimensions of the stored case, where not the default


FAMILIES = {
    "llava": Family(_llava, "spm", family_templates.VICUNA, "<image>"),
    "llava_next": Family(_llava_next, "spm", family_templates.MISTRAL, "<image>",
                         stored={"num_heads": 2, "num_kv_heads": 2, "head_dim": 32, "rope_theta": 1e6}),
    "smolvlm": Family(_smolvlm, "smollm", family_templates.SMOLVLM, "<image>",
                      stored={"image_size": 48, "patch_size": 8, "merge": 3, "tile_edge": 3, "model_dim": 96,
                              "num_heads": 3, "num_kv_heads": 1, "is_tied": True}),
    "idefics3": Family(_idefics3_own, "smollm", family_templates.SMOLVLM, "<image>",
                       stored={"image_size": 56, "patch_size": 14, "rope_theta": 5e5}),
    "qwen2_vl": Family(_qwen2_vl, "qwen2", family_templates.QWEN2_VL, "<|image_pad|>",
                       stored={"is_tied": True, "rope_theta": 1e6, "rms_eps": 1e-6, "vision_layers": 2}),
    "qwen2_5_vl": Family(_qwen2_5_vl, "qwen2", family_templates.QWEN2_VL, "<|image_pad|>",
                         stored={"rope_theta": 1e6, "rms_eps": 1e-6}),
    "text_llama3": Family(_text_llama3, "llama_bpe", family_templates.LLAMA3, content_is_text=True,
                          stored={"is_tied": True, "rope_theta": 5e5}),
    "text_linear": Family(_text_linear, "spm", family_templates.LLAMA2, content_is_text=True),
    "text_qwen2": Family(_text_qwen2, "qwen2", family_templates.CHATML, content_is_text=True,
                         stored={"rope_theta": 1e6}),
}


# The matrices whose output is added to the residual stream, in all the families' words.
BRANCH_ENDS = ("o_proj", "out_proj", "down_proj", "fc2", "attn.proj")


@dataclasses.dataclass
class WeightScale:
    """How strongly the random weights act. The defaults make a model that shows every error; calm() is nearer to a
    trained one, whose blocks each change little of what they are given and whose logits are not so far apart."""
    logits: float = 4.0    # standard deviation
    branches: float = 1.0  # what attention and the feed-forward block add, against the default

    @classmethod
    def calm(cls) -> "WeightScale":
        return cls(logits=2.0, branches=0.3)


def draw_weights(model: torch.nn.Module, seed: int, storage: torch.dtype, scale: WeightScale) -> None:
    """Random weights that keep activations near 1 and logits well apart, rounded to `storage` so that both sides of a
    comparison hold the same numbers."""
    generator = torch.Generator().manual_seed(seed)
    is_tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith("embed_tokens.weight"):
                noise *= scale.logits / parameter.shape[1] ** 0.5 if is_tied else 1.0
            elif "lm_head" in name:
                noise *= scale.logits / parameter.shape[1] ** 0.5
            elif parameter.dim() == 1 and name.endswith("weight"):
                noise = 1 + 0.2 * noise
            elif parameter.dim() == 1 or "position_embedding" in name:
                noise *= 0.3
            else:
                noise *= 1.4 / (parameter.numel() / parameter.shape[0]) ** 0.5
                if any(part in name for part in BRANCH_ENDS):
                    noise *= scale.branches
            parameter.copy_(noise.to(storage).float())


def make(family_name: str, dims: Dims, seed: int, storage: torch.dtype = torch.bfloat16,
         scale: WeightScale = WeightScale()) -> TinyModel:
    family = FAMILIES[family_name]
    latin = [line for line in text_lines.make_lines() if all(ord(character) < 0x180 for character in line)]
    tokenizer, sentencepiece_model = tokenizer_kinds.build(family.tokenizer_kind, latin, dims.vocab_size)
    model_class, config, processor = family.make(dims, tokenizer)
    config._attn_implementation = "eager"
    torch.manual_seed(seed)
    model = model_class(config).float().eval()
    draw_weights(model, seed, storage, scale)
    return TinyModel(family_name, dims, model, tokenizer, family.tokenizer_kind, sentencepiece_model,
                     family.chat_template, processor, family.image_token, storage, family.content_is_text)


def default_dims(family_name: str) -> Dims:
    return Dims(**FAMILIES[family_name].stored)

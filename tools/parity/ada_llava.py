#!/usr/bin/env python3
"""Writes tests/parity/data/ada_llava: tiny AdaLLaVA checkpoints of both variants, and what becomes of each budget.

    venv/bin/python tools/parity/ada_llava.py [--out tests/parity/data/ada_llava]

Transformers has no AdaLLaVA. What the budget's token is and how the scheduler picks is written here from the paper
(arXiv 2503.10905); the language model that then answers is Transformers' own Llama with the layers that were not picked
taken out, or the heads and MLP neurons that were not picked set to zero.

Folders: `tower` (the CLIP model, which the checkpoints lack), `L` and `H`. Each of the two has a `checkpoint`, a
`case.json` with `budgets` [[share, layers or units], ...] besides what README.md says, and in `golden.safetensors`, for a
case NAME and every plan of 0 to all layers or units:

- NAME.plans    uint8 [plans, num_layers, 2, num_heads]: heads, and groups of MLP neurons, that run
- NAME.logits   f32 [plans, vocab_size]: of the answer's first token
- NAME.greedy   int32 [plans, NUM_GREEDY]
- NAME.last_logits  f32 [1, vocab_size]: from which the full plan's last token was taken
"""

import argparse
import copy
import dataclasses
import functools
import json
import math
import pathlib
import random
import shutil
import sys

import numpy as np
import torch
import transformers
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file
from torch import nn
from transformers.models.llava import image_processing_pil_llava

import reference
import text_lines
import tiny_models
import tokenizer_kinds

ROOT = pathlib.Path(__file__).resolve().parents[2]
NUM_GREEDY = 8
NUM_LAYERS, NUM_PREFIX, NUM_HEADS, MODEL_DIM, FFN_DIM, RANK = 6, 2, 8, 32, 32, 2
NUM_WAVES = 128
IMAGE_SIZE, PATCH_SIZE, VISION_DIM = 56, 14, 16
# Rounding moves a logit by about 1e-5.
MIN_MARGIN = 1e-3
BUDGETS = [round(0.05 * step, 2) for step in range(1, 21)]


class Scheduler(nn.Module):
    """Named as the published checkpoints name its tensors."""

    def __init__(self, num_logits: int):
        super().__init__()
        self.mlp_head = nn.Linear(MODEL_DIM, num_logits)
        self.scheduler_up_proj = nn.Module()
        self.scheduler_up_proj.net = nn.Sequential(nn.LayerNorm(2 * NUM_WAVES), nn.Linear(2 * NUM_WAVES, MODEL_DIM),
                                                   nn.GELU(), nn.Linear(MODEL_DIM, MODEL_DIM))


@dataclasses.dataclass
class AdaLlava:
    variant: str  # "L" or "H"
    language_model: transformers.LlamaForCausalLM
    tower: transformers.CLIPVisionModel
    projector: nn.Sequential
    scheduler: Scheduler
    tokenizer: object
    sentencepiece_model: bytes
    processor: object

    @property
    def units_per_layer(self) -> int:
        return NUM_HEADS // RANK if self.variant == "H" else 1

    @property
    def num_options(self) -> int:
        return (NUM_LAYERS - NUM_PREFIX) * self.units_per_layer

    def num_scheduled(self, budget: float) -> int:
        """In float32, as the published code computes it."""
        total = torch.floor(torch.tensor(budget) * NUM_LAYERS * self.units_per_layer)
        return max(0, int(total) - NUM_PREFIX * self.units_per_layer)


def randomize(module: nn.Module, generator: torch.Generator, scale: float = 1.4) -> None:
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() > 1:
                noise *= scale / (parameter.numel() / parameter.shape[0]) ** 0.5
            elif name.endswith("weight") and "embedding" not in name:
                noise = 1 + 0.2 * noise
            else:
                noise *= 0.3
            parameter.copy_(noise.bfloat16().float())


@functools.cache
def build_tokenizer():
    lines = [line for line in text_lines.make_lines() if line.isascii()]
    return tokenizer_kinds.build("spm", lines, 400, added=[])  # the original has no <image>


def make(variant: str, seed: int) -> AdaLlava:
    tokenizer, sentencepiece_model = build_tokenizer()
    torch.manual_seed(seed)
    config = transformers.LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=MODEL_DIM, intermediate_size=FFN_DIM,
        num_hidden_layers=NUM_LAYERS, num_attention_heads=NUM_HEADS, num_key_value_heads=NUM_HEADS, rms_norm_eps=1e-5,
        max_position_embeddings=2048, rope_parameters={"rope_type": "default", "rope_theta": 10000.0})
    config._attn_implementation = "eager"
    language_model = transformers.LlamaForCausalLM(config).float().eval()
    tiny_models.draw_weights(language_model, seed, torch.bfloat16, tiny_models.WeightScale())
    with torch.no_grad():
        language_model.lm_head.weight[:3] = 0  # <unk>, <s> and </s>: no answer ends early
    vision = transformers.CLIPVisionConfig(
        hidden_size=VISION_DIM, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, image_size=IMAGE_SIZE,
        patch_size=PATCH_SIZE)
    vision._attn_implementation = "eager"
    num_logits = (NUM_LAYERS - NUM_PREFIX) * (2 * NUM_HEADS if variant == "H" else 1)
    ada = AdaLlava(
        variant, language_model, transformers.CLIPVisionModel(vision).float().eval(),
        nn.Sequential(nn.Linear(VISION_DIM, MODEL_DIM), nn.GELU(), nn.Linear(MODEL_DIM, MODEL_DIM)),
        Scheduler(num_logits), tokenizer, sentencepiece_model,
        image_processing_pil_llava.LlavaImageProcessorPil(
            size={"shortest_edge": IMAGE_SIZE}, crop_size={"height": IMAGE_SIZE, "width": IMAGE_SIZE}, do_pad=True))
    randomize(ada.tower, torch.Generator().manual_seed(1))  # one tower for both
    generator = torch.Generator().manual_seed(seed)
    randomize(ada.projector, generator)
    randomize(ada.scheduler, generator)
    return ada


# --- The reference.

def latency_token(ada: AdaLlava, num_scheduled: int) -> torch.Tensor:
    share = num_scheduled / (ada.num_options + 1)
    angles = 2 * math.pi * share * 10000.0 ** (-torch.arange(NUM_WAVES, dtype=torch.float64) / NUM_WAVES)
    return ada.scheduler.scheduler_up_proj.net(torch.cat([angles.sin(), angles.cos()]).float())


def pick_layers(logits: torch.Tensor, num_scheduled: int) -> tuple[np.ndarray, float]:
    """[layers behind the prefix, 2, num_heads], and by how much the last pick leads what was not picked."""
    order = logits.argsort(descending=True)
    plan = np.zeros((len(logits), 2, NUM_HEADS), np.uint8)
    plan[order[:num_scheduled]] = 1
    is_choice = 0 < num_scheduled < len(logits)
    return plan, float(logits[order[num_scheduled - 1]] - logits[order[num_scheduled]]) if is_choice else math.inf


def pick_units(logits: torch.Tensor, num_scheduled: int) -> tuple[np.ndarray, float]:
    values = logits.reshape(-1, 2, NUM_HEADS).double().numpy()
    plan = np.zeros(values.shape, np.uint8)
    margin = math.inf

    def lead(kept, others):
        return min(kept) - max(others) if len(kept) and len(others) else math.inf

    for _ in range(num_scheduled):
        free = np.where(plan == 1, -np.inf, values)
        layer = int(free.max(axis=(1, 2)).argmax())
        others = np.delete(free, layer, axis=0)
        margin = min(margin, float(free[layer].max() - others.max()))
        for part in range(2):
            order = np.argsort(-free[layer, part])
            left = [value for value in free[layer, part, order[RANK:]] if value > -np.inf]
            margin = min(margin, float(lead(free[layer, part, order[:RANK]], left)))
            plan[layer, part, order[:RANK]] = 1
    return plan, margin


def carried_out(language_model: transformers.LlamaForCausalLM, plan: np.ndarray) -> transformers.LlamaForCausalLM:
    """A copy that has the plan's layers alone, in which heads and neurons that do not run are zeros."""
    model = copy.deepcopy(language_model)
    layers = []
    for layer, (heads, groups) in zip(model.model.layers, plan):
        if not heads.any():
            continue
        layer.self_attn.layer_idx = len(layers)
        layers.append(layer)
        for linear, units in [(layer.self_attn.o_proj, heads), (layer.mlp.down_proj, groups)]:
            mask = torch.tensor(units).repeat_interleave(linear.in_features // NUM_HEADS).float()
            linear.register_forward_pre_hook(lambda _, arguments, mask=mask: (arguments[0] * mask,))
    model.model.layers = nn.ModuleList(layers)
    model.config.num_hidden_layers = len(layers)
    return model


def rows_of(ada: AdaLlava, question: str, pictures: list) -> tuple[list[int], torch.Tensor, list[np.ndarray]]:
    """Tokens, -1 where a visual one stands, the decoder's input [rows, MODEL_DIM] and each picture's pixels."""
    pieces = ("USER: " + "<image>\n" * len(pictures) + question + " ASSISTANT:").split("<image>")
    embed = ada.language_model.get_input_embeddings()
    tokens, rows, all_pixels = [], [], []
    for index, piece in enumerate(pieces):
        if index > 0:
            pixels = np.stack(ada.processor([pictures[index - 1]])["pixel_values"])
            all_pixels.append(unnormalized(ada, pixels))
            features = ada.tower(torch.tensor(pixels), output_hidden_states=True).hidden_states[-2][0, 1:]
            rows.append(ada.projector(features))
            tokens += [-1] * len(features)
        ids = ada.tokenizer.encode(piece, add_special_tokens=index == 0).ids
        rows.append(embed(torch.tensor(ids)))
        tokens += ids
    return tokens, torch.cat(rows), all_pixels


def unnormalized(ada: AdaLlava, pixels: np.ndarray) -> np.ndarray:
    mean, std = (np.array(values).reshape(3, 1, 1) for values in (ada.processor.image_mean, ada.processor.image_std))
    levels = np.rint((pixels * std + mean) * 255)
    assert np.abs((levels / 255 - mean) / std - pixels).max() < 1e-5, "pixels are not normalised 8-bit levels"
    return levels.astype(np.uint8)


@dataclasses.dataclass
class Answer:
    plan: np.ndarray         # [NUM_LAYERS, 2, NUM_HEADS]
    logits: np.ndarray       # [vocab_size], of the first token
    last_logits: np.ndarray
    greedy: list[int]
    margin: float            # the smallest of all choices of the plan and of the tokens


@torch.no_grad()
def answer(ada: AdaLlava, rows: torch.Tensor, num_scheduled: int) -> Answer:
    rows = torch.cat([rows, latency_token(ada, num_scheduled)[None]])[None]
    hidden = ada.language_model.model(inputs_embeds=rows, output_hidden_states=True).hidden_states[NUM_PREFIX][0, -1]
    pick = pick_units if ada.variant == "H" else pick_layers
    late, margin = pick(ada.scheduler.mlp_head(hidden), num_scheduled)
    plan = np.concatenate([np.ones((NUM_PREFIX, 2, NUM_HEADS), np.uint8), late])
    model = carried_out(ada.language_model, plan)
    model.generation_config.eos_token_id = None
    generated = model.generate(inputs_embeds=rows, attention_mask=torch.ones(rows.shape[:2], dtype=torch.long),
                               do_sample=False, max_new_tokens=NUM_GREEDY, output_logits=True,
                               return_dict_in_generate=True, pad_token_id=0)
    steps = torch.cat(generated.logits)
    best = steps.topk(2, dim=-1).values
    return Answer(plan, steps[0].numpy(), steps[-1].numpy(), generated.sequences[0].tolist(),
                  min(margin, float((best[:, 0] - best[:, 1]).min())))


# --- What is written.

CASES = {"text": ("What is the total amount due?", []), "picture": ("What does the display show?", [(93, 61)]),
         "two_pictures": ("Compare the two, please!", [(47, 120), (70, 70)])}


def all_answers(ada: AdaLlava, rows: torch.Tensor) -> list[Answer]:
    """One for each number of layers or units, as far as nothing hangs on rounding."""
    answers = []
    for count in range(ada.num_options + 1):
        answers.append(answer(ada, rows, count))
        if answers[-1].margin < MIN_MARGIN:
            break
    return answers


def is_telling(answers: list[Answer]) -> bool:
    """Whether nothing hangs on rounding, and plans and answers differ."""
    plans = {answer.plan.tobytes() for answer in answers}
    texts = {tuple(answer.greedy) for answer in answers}
    return (min(answer.margin for answer in answers) >= MIN_MARGIN and len(plans) == len(answers)
            and len(texts) > 2 * len(answers) // 3 and all(len(set(text)) >= 4 for text in texts))


def record(variant: str):
    rng = random.Random("ada_llava")
    pictures = {name: [reference.draw_picture(*size, rng) for size in sizes] for name, (_, sizes) in CASES.items()}
    for seed in range(1, 400):
        ada = make(variant, seed)
        recorded = {}
        for name, (question, _) in CASES.items():
            with torch.no_grad():
                tokens, rows, pixels = rows_of(ada, question, pictures[name])
            answers = all_answers(ada, rows)
            if not is_telling(answers):
                break
            recorded[name] = (tokens, pixels, answers)
        plans = {b"".join(a.plan.tobytes() for a in answers) for _, _, answers in recorded.values()}
        if len(plans) == len(CASES):  # the question and the picture count, too
            return ada, pictures, recorded, seed
    raise RuntimeError(f"{variant}: no seed gives decisive plans and tokens")


def save_checkpoint(ada: AdaLlava, folder: pathlib.Path) -> None:
    folder.mkdir(parents=True)
    state = dict(ada.language_model.state_dict())
    state |= {f"model.mm_projector.{name}": tensor for name, tensor in ada.projector.state_dict().items()}
    state |= {f"scheduler.{name}": tensor for name, tensor in ada.scheduler.state_dict().items()}
    save_file({name: tensor.bfloat16().contiguous() for name, tensor in state.items()}, folder / "model.safetensors",
              metadata={"format": "pt"})
    config = {
        "architectures": ["AdaLlavaLlamaForCausalLM"], "model_type": "ada_llava_llama", "torch_dtype": "bfloat16",
        "vocab_size": ada.tokenizer.get_vocab_size(), "hidden_size": MODEL_DIM, "intermediate_size": FFN_DIM,
        "num_hidden_layers": NUM_LAYERS, "num_attention_heads": NUM_HEADS, "num_key_value_heads": NUM_HEADS,
        "hidden_act": "silu", "rms_norm_eps": 1e-5, "max_position_embeddings": 2048, "rope_scaling": None,
        "rope_theta": 10000.0, "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2,
        "image_aspect_ratio": "pad", "mm_hidden_size": VISION_DIM, "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_feature": "patch", "mm_vision_select_layer": -2,
        "mm_vision_tower": "openai/clip-vit-large-patch14-336", "num_prefix_layers": NUM_PREFIX,
        "scheduler_type": ada.variant, "token_selecting": "none"}
    if ada.variant == "H":
        config["scheduler_rank"] = RANK
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    tokenizer_kinds.save("spm", ada.tokenizer, ada.sentencepiece_model, folder, None, with_json=False)


def save_tower(ada: AdaLlava, folder: pathlib.Path) -> None:
    """As the hub's CLIP folders are, the vision part of two."""
    folder.mkdir(parents=True)
    state = {name if name.startswith("vision_model.") else f"vision_model.{name}": tensor
             for name, tensor in ada.tower.state_dict().items() if "position_ids" not in name}
    save_file({name: tensor.bfloat16().contiguous() for name, tensor in state.items()}, folder / "model.safetensors",
              metadata={"format": "pt"})
    vision = {name: getattr(ada.tower.config, name)
              for name in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "image_size",
                           "patch_size", "hidden_act", "layer_norm_eps")}
    config = {"architectures": ["CLIPModel"], "model_type": "clip",
              "vision_config": {"model_type": "clip_vision_model"} | vision}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def write(variant: str, out: pathlib.Path) -> None:
    ada, pictures, recorded, seed = record(variant)
    save_checkpoint(ada, out / variant / "checkpoint")
    if not (out / "tower").exists():
        save_tower(ada, out / "tower")
    described, tensors = [], {}
    for name, (tokens, pixels, answers) in recorded.items():
        files = [f"{name}_{index}.png" for index in range(len(pixels))]
        for file, picture, levels in zip(files, pictures[name], pixels):
            picture.save(out / variant / file, optimize=True)
            tensors[f"{name}.pixels.{files.index(file)}"] = levels
        parts = [{"type": "image", "file": file} for file in files] + [{"type": "text", "text": CASES[name][0]}]
        described.append({"name": name, "messages": [{"role": "user", "content": parts}]})
        tensors |= {f"{name}.tokens": np.array(tokens, np.int32),
                    f"{name}.plans": np.stack([a.plan for a in answers]),
                    f"{name}.logits": np.stack([a.logits for a in answers]),
                    f"{name}.greedy": np.array([a.greedy for a in answers], np.int32),
                    f"{name}.last_logits": answers[-1].last_logits[None]}
    header = {"family": "ada_llava", "seed": seed, "image_token_id": -1, "image_mean": list(ada.processor.image_mean),
              "image_std": list(ada.processor.image_std),
              "budgets": [[budget, ada.num_scheduled(budget)] for budget in BUDGETS], "cases": described}
    (out / variant / "case.json").write_text(json.dumps(header, indent=1) + "\n")
    save_arrays({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()},
                out / variant / "golden.safetensors")
    margin = min(a.margin for _, _, answers in recorded.values() for a in answers)
    print(f"{variant}: seed {seed}, {ada.num_options + 1} plans, {len(recorded)} cases, smallest margin {margin:.4f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "tests/parity/data/ada_llava")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    shutil.rmtree(arguments.out, ignore_errors=True)
    for variant in "LH":
        write(variant, arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())

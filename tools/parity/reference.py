"""Runs a tiny model in Transformers and records every stage of an answer, for our program to be compared with."""

import dataclasses
import random

import jinja2
import numpy as np
import torch
from PIL import Image, ImageDraw
from transformers.models.smolvlm.processing_smolvlm import get_image_prompt_string
from transformers.models.llava_next.processing_llava_next import LlavaNextProcessor
from transformers.utils.chat_template_utils import render_jinja_template
from transformers.vision_utils import get_vision_window_index

import text_lines
import tokenizer_kinds
from tiny_models import TinyModel

NUM_GREEDY = 64
NUM_LOGIT_ROWS = 8


@dataclasses.dataclass
class Case:
    """A question: messages whose parts are text or the index of a picture."""
    name: str
    messages: list[dict]
    pictures: list[Image.Image]


@dataclasses.dataclass
class Recording:
    tokens: list[int]            # prompt after expansion: the image token repeated where pictures stand
    pixels: list[np.ndarray]     # per picture [num_tiles, 3, height, width], uint8: before normalisation
    encoder: np.ndarray          # [num_patches of all pictures, vision_dim]: what the projector is given
    projector: np.ndarray        # [num_tokens of all pictures, model_dim]: before newlines are arranged
    logits: np.ndarray           # [NUM_LOGIT_ROWS or fewer, vocab_size]: of the prompt's last positions
    greedy: list[int]            # NUM_GREEDY tokens, end-of-text tokens treated like any other
    last_logits: np.ndarray      # [vocab_size]: from which the last of them was taken
    min_margin: float            # between the best and the second logit, over all greedy steps

    def is_decisive(self) -> bool:
        """Whether the greedy tokens say something: not decided by rounding, not one token for ever."""
        return self.min_margin > 5e-3 and len(set(self.greedy)) >= 12


def draw_picture(width: int, height: int, rng: random.Random) -> Image.Image:
    """Shapes on a gradient: edges for the resampling, flat areas, every channel different."""
    image = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(image)
    for x in range(width):
        draw.line([(x, 0), (x, height)], fill=(255 * x // width, 128 + 64 * (x % 2), 255 - 200 * x // width))
    for _ in range(6):
        x0, y0 = rng.randrange(width), rng.randrange(height)
        box = [x0, y0, x0 + 1 + rng.randrange(width), y0 + 1 + rng.randrange(height)]
        color = tuple(rng.randrange(256) for _ in range(3))
        rng.choice([draw.ellipse, draw.rectangle])(box, fill=color, outline=(0, 0, 0))
    return image


def user(text: str, *pictures: int) -> dict:
    parts = [{"type": "image", "picture": index} for index in pictures]
    return {"role": "user", "content": parts + [{"type": "text", "text": text}]}


def said(role: str, text: str) -> dict:
    return {"role": role, "content": [{"type": "text", "text": text}]}


def draw_text(rng: random.Random) -> str:
    words = [rng.choice(text_lines.WORDS["english"].split(" ")) for _ in range(rng.randrange(3, 12))]
    return " ".join(words) + rng.choice(["?", ".", "", "!\nSecond line", " 12.50"])


def render(tiny: TinyModel, messages: list[dict]) -> str:
    if tiny.content_is_text:
        messages = [{"role": m["role"], "content": "".join(p["text"] for p in m["content"])} for m in messages]
    kind = tokenizer_kinds.KINDS[tiny.tokenizer_kind]
    rendered, _ = render_jinja_template([messages], chat_template=tiny.chat_template, add_generation_prompt=True,
                                        bos_token=kind.bos, eos_token=kind.eos)
    return rendered[0]


def unnormalized(tiny: TinyModel, pixels: np.ndarray) -> np.ndarray:
    """[tiles, 3, height, width] back to the 8-bit levels that the processor normalised, exactly."""
    mean = np.array(tiny.image_processor.image_mean).reshape(3, 1, 1)
    std = np.array(tiny.image_processor.image_std).reshape(3, 1, 1)
    levels = np.rint((pixels * std + mean) * 255)
    again = (levels / 255 - mean) / std
    assert np.abs(again - pixels).max() < 1e-5, "pixels are not normalised 8-bit levels"
    return levels.astype(np.uint8)


def _llava_inputs(tiny: TinyModel, pictures):
    pixels = np.stack(tiny.image_processor(pictures)["pixel_values"])
    count = (tiny.dims.image_size // tiny.dims.patch_size) ** 2
    return {"pixel_values": pixels}, list(pixels[:, None]), ["<image>" * count] * len(pictures)


def _llava_next_inputs(tiny: TinyModel, pictures):
    each = [tiny.image_processor([picture]) for picture in pictures]
    tiles = [np.asarray(one["pixel_values"][0]) for one in each]
    together = tiny.image_processor(pictures)
    sizes = np.asarray([one["image_sizes"][0] for one in each])
    counter = LlavaNextProcessor.__new__(LlavaNextProcessor)  # for its arithmetic alone
    counter.image_processor, counter.patch_size, counter.num_additional_image_tokens = (
        tiny.image_processor, tiny.dims.patch_size, 1)
    edge = tiny.dims.image_size
    counts = [counter._get_number_of_features(int(h), int(w), edge, edge) - 1 for h, w in sizes]
    inputs = {"pixel_values": np.asarray(together["pixel_values"]), "image_sizes": sizes}
    return inputs, tiles, ["<image>" * count for count in counts]


def _idefics3_inputs(tiny: TinyModel, pictures):
    batch = tiny.image_processor([pictures])
    pixels = np.asarray(batch["pixel_values"])
    grids = list(zip(batch["rows"][0], batch["cols"][0]))
    num_tiles = [rows * cols + 1 if rows else 1 for rows, cols in grids]
    seq_len = (tiny.dims.image_size // tiny.dims.patch_size) ** 2 // tiny.dims.merge ** 2
    texts = [get_image_prompt_string(rows, cols, seq_len, "<fake_token_around_image>", "<image>", "<global-img>")
             for rows, cols in grids]
    inputs = {"pixel_values": pixels, "pixel_attention_mask": np.asarray(batch["pixel_attention_mask"])}
    return inputs, np.split(pixels[0], np.cumsum(num_tiles)[:-1]), texts


def _qwen_vl_inputs(tiny: TinyModel, pictures):
    each = [tiny.image_processor([picture]) for picture in pictures]
    grids = np.concatenate([np.asarray(one["image_grid_thw"]) for one in each])
    merge, patch = tiny.dims.merge, tiny.dims.patch_size
    images = []
    for one, (_, rows, cols) in zip(each, grids):
        patches = np.asarray(one["pixel_values"]).reshape(rows // merge, cols // merge, merge, merge, 3, 2, patch, patch)
        image = patches[..., 0, :, :].transpose(4, 0, 2, 5, 1, 3, 6)  # one of the two equal frames
        images.append(image.reshape(1, 3, rows * patch, cols * patch))
    inputs = {"pixel_values": np.concatenate([np.asarray(one["pixel_values"]) for one in each]), "image_grid_thw": grids}
    return inputs, images, ["<|image_pad|>" * int(rows * cols // merge ** 2) for _, rows, cols in grids]


INPUTS = {"llava": _llava_inputs, "llava_next": _llava_next_inputs, "smolvlm": _idefics3_inputs,
          "idefics3": _idefics3_inputs, "qwen2_vl": _qwen_vl_inputs, "qwen2_5_vl": _qwen_vl_inputs}


def encode_prompt(tiny: TinyModel, text: str) -> list[int]:
    """As apply_chat_template tokenises: a BOS in front unless the template printed one."""
    bos = tokenizer_kinds.KINDS[tiny.tokenizer_kind].bos
    return tiny.tokenizer.encode(text, add_special_tokens=not (bos and text.startswith(bos))).ids


def model_inputs(tiny: TinyModel, case: Case):
    """Keyword arguments of the model's forward, and per picture its pixels."""
    text = render(tiny, case.messages)
    inputs, pixels = {}, []
    if case.pictures:
        inputs, pixels, texts = INPUTS[tiny.family](tiny, case.pictures)
        pieces = text.split(tiny.image_token)
        assert len(pieces) == len(texts) + 1, "the template printed another number of pictures"
        text = pieces[0] + "".join(picture + piece for picture, piece in zip(texts, pieces[1:]))
    tokens = encode_prompt(tiny, text)
    inputs = {name: torch.as_tensor(np.asarray(value)) for name, value in inputs.items()}
    inputs["input_ids"] = torch.tensor([tokens])
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    if "image_grid_thw" in inputs:
        image_id = tiny.tokenizer.token_to_id(tiny.image_token)
        inputs["mm_token_type_ids"] = (inputs["input_ids"] == image_id).int()
    return inputs, [unnormalized(tiny, picture) for picture in pixels]


def _projector(tiny: TinyModel):
    inner = tiny.model.model
    for holder, name in [(inner, "multi_modal_projector"), (inner, "connector"), (getattr(inner, "visual", None), "merger")]:
        if hasattr(holder, name):
            return getattr(holder, name)
    raise ValueError(f"{tiny.family}: no projector found")


def watch_projector(tiny: TinyModel, inputs: dict):
    """What the projector is given and gives in one forward."""
    seen = {}

    def hook(module, arguments, output):
        seen["encoder"] = arguments[0].reshape(-1, arguments[0].shape[-1])
        seen["projector"] = output.reshape(-1, output.shape[-1])

    handle = _projector(tiny).register_forward_hook(hook)
    logits = tiny.model(**inputs).logits[0]
    handle.remove()
    if tiny.family == "qwen2_5_vl":  # its blocks and merger run in the order of windows
        config = tiny.model.config.vision_config
        window_index, _ = get_vision_window_index(inputs["image_grid_thw"], config.spatial_merge_size, config.window_size,
                                                  config.patch_size)
        seen["projector"] = seen["projector"][torch.argsort(window_index)]
    return logits, seen


@torch.no_grad()
def record(tiny: TinyModel, case: Case) -> Recording:
    inputs, pixels = model_inputs(tiny, case)
    if case.pictures:
        logits, seen = watch_projector(tiny, inputs)
    else:
        logits, empty = tiny.model(**inputs).logits[0], torch.zeros(0, 1)
        seen = {"encoder": empty, "projector": empty}
    tiny.model.generation_config.eos_token_id = None
    generated = tiny.model.generate(**inputs, do_sample=False, max_new_tokens=NUM_GREEDY, output_logits=True,
                                    return_dict_in_generate=True, pad_token_id=0)
    steps = torch.cat(generated.logits)
    best = steps.topk(2, dim=-1).values
    return Recording(
        tokens=inputs["input_ids"][0].tolist(), pixels=pixels, encoder=seen["encoder"].numpy(),
        projector=seen["projector"].numpy(), logits=logits[-NUM_LOGIT_ROWS:].numpy(),
        greedy=generated.sequences[0, inputs["input_ids"].shape[1]:].tolist(), last_logits=steps[-1].numpy(),
        min_margin=float((best[:, 0] - best[:, 1]).min()))

"""Golden pixels: what Pillow and the Hugging Face processors make of pictures, for src/media's tests.

Writes to tests/parity/data/pixels/:
  *.jpg *.png *.webp  small pictures of every kind that the decoders know
  decode.tsv          file, width, height, CRC-32 of the RGB bytes
  resize.tsv          width, height, filter, new width, new height, CRC-32 of the RGB bytes
  processors.tsv      the processor and its settings, a picture's size, the tiles, a CRC-32 and sampled values

The pictures to resize are not stored: synthetic_picture() here and in src/media/golden_pixels.h draw the same ones.
Needs numpy, pillow 13.0 and transformers 5.23.
With --torchvision it also prints how far Transformers' torchvision processors are from the Pillow ones.
"""

import argparse
import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

OUT = Path(__file__).resolve().parents[2] / "tests" / "parity" / "data" / "pixels"
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC,
           "lanczos": Image.Resampling.LANCZOS}


def synthetic_picture(width: int, height: int) -> np.ndarray:
    """[height, width, 3]: a slope with hashed noise on it, in integers alone so that C++ draws the same."""
    y = np.arange(height, dtype=np.uint32)[:, None, None]
    x = np.arange(width, dtype=np.uint32)[None, :, None]
    c = np.arange(3, dtype=np.uint32)[None, None, :]
    place = (x * np.uint32(73856093)) ^ (y * np.uint32(19349663)) ^ (c * np.uint32(83492791))
    noise = (place ^ (place >> 15)) * np.uint32(739982445)
    slope = (x * 151 // np.uint32(width) + y * 40 // np.uint32(height) + c * 10) % 192
    return (slope + ((noise >> 20) & 63)).astype(np.uint8)


# Decoding.


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def make_png(samples: np.ndarray, bit_depth: int, color_type: int, interlaced=False, extra=b"", after=b"") -> bytes:
    """`samples` is [height, width, channels]; for the kinds of PNG that Pillow cannot write."""
    height, width, channels = samples.shape

    def scanlines(part: np.ndarray) -> bytes:
        rows = []
        for row in part:
            if bit_depth == 16:
                rows.append(b"\0" + row.astype(">u2").tobytes())
            elif bit_depth == 8:
                rows.append(b"\0" + row.astype(np.uint8).tobytes())
            else:
                bits = ((row.reshape(-1, 1) >> np.arange(bit_depth - 1, -1, -1)) & 1).astype(np.uint8)
                rows.append(b"\0" + np.packbits(bits.reshape(-1)).tobytes())
        return b"".join(rows)

    if interlaced:
        parts = [samples[y0::dy, x0::dx] for x0, y0, dx, dy in ADAM7]
        data = b"".join(scanlines(part) for part in parts if part.size)
    else:
        data = scanlines(samples)
    header = struct.pack(">IIBBBBB", width, height, bit_depth, color_type, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + extra + png_chunk(b"IDAT", zlib.compress(data, 9)) +
            after + png_chunk(b"IEND", b""))


def exif_bytes(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def decode_with_pillow(data: bytes) -> np.ndarray:
    """As a user of the processors does: upright, composed on white, RGB."""
    picture = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", rgba.size, (255, 255, 255, 255)), rgba)
    return np.asarray(picture.convert("RGB"))


def saved(picture: Image.Image, kind: str, **options) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def wide_16_bit(samples: np.ndarray) -> np.ndarray:
    """8-bit samples spread over 16 bits, with low bytes that matter for the rounding."""
    high = samples.astype(np.uint32)
    return np.minimum(high * 257 + (high * 7919) % 256, 65535).astype(np.uint16)


def scaled_to_8_bits(samples: np.ndarray) -> np.ndarray:
    return ((samples.astype(np.uint32) * 255 + 32895) >> 16).astype(np.uint8)


def as_ycck(cmyk: bytes) -> bytes:
    """The same file with Adobe's transform byte saying YCCK: other colours, but what a reader makes of them counts."""
    transform = cmyk.index(b"Adobe") + 11
    return cmyk[:transform] + b"\2" + cmyk[transform + 1:]


def jpeg_sources(rgb: Image.Image, smooth: Image.Image) -> dict:
    files = {
        "baseline_444.jpg": saved(rgb, "JPEG", quality=90, subsampling=0),
        "baseline_420.jpg": saved(rgb, "JPEG", quality=80, subsampling=2),
        "progressive_422.jpg": saved(rgb, "JPEG", quality=75, subsampling=1, progressive=True),
        "restarts.jpg": saved(rgb, "JPEG", quality=75, restart_marker_blocks=2),
        "grey.jpg": saved(rgb.convert("L"), "JPEG", quality=85),
        "cmyk.jpg": saved(rgb.convert("CMYK"), "JPEG", quality=85),
    }
    files["ycck.jpg"] = as_ycck(files["cmyk.jpg"])
    for orientation in range(1, 9):
        files[f"orientation_{orientation}.jpg"] = saved(smooth, "JPEG", quality=90, exif=exif_bytes(orientation))
    return files


def png_sources(rgb: Image.Image, smooth: Image.Image) -> tuple:
    """The files, and the pixels expected of those that Pillow reads differently."""
    array = np.asarray(rgb)
    grey = np.asarray(rgb.convert("L"))[:, :, None]
    alpha = synthetic_picture(*rgb.size)[:, :, 1:2]
    rgba = Image.fromarray(np.concatenate([array, alpha], axis=2))
    palette = rgb.quantize(200)
    # 8 MB each once inflated, in chunks that a reader of pixels has no need to open.
    bombs = (png_chunk(b"iCCP", b"bomb\0\0" + zlib.compress(bytes(8 << 20), 9)) +
             png_chunk(b"zTXt", b"bomb\0\0" + zlib.compress(bytes(8 << 20), 9)))
    files = {
        "rgb.png": saved(rgb, "PNG"),
        "rgba.png": saved(rgba, "PNG"),
        "grey.png": saved(rgb.convert("L"), "PNG"),
        "grey_alpha.png": saved(rgba.convert("LA"), "PNG"),
        "bilevel.png": saved(rgb.convert("1"), "PNG"),
        "palette.png": saved(palette, "PNG"),
        "palette_4_bits.png": saved(rgb.quantize(13), "PNG", bits=4),
        "palette_alpha.png": saved(palette, "PNG", transparency=bytes(range(0, 200, 2))),
        "rgb_key.png": saved(rgb, "PNG", transparency=tuple(int(v) for v in array[0, 0])),
        "grey_2_bits.png": make_png(grey >> 6, 2, 0),
        "grey_4_bits_interlaced.png": make_png(grey >> 4, 4, 0, interlaced=True),
        "rgb_interlaced.png": make_png(array, 8, 2, interlaced=True),
        "rgba_interlaced.png": make_png(np.asarray(rgba), 8, 6, interlaced=True),
        "gamma.png": make_png(array, 8, 2, extra=png_chunk(b"gAMA", struct.pack(">I", 220000))),
        "bombs.png": make_png(array, 8, 2, extra=bombs),
        "orientation_6.png": saved(smooth, "PNG", exif=exif_bytes(6)),
        "orientation_late.png": make_png(np.asarray(smooth), 8, 2, after=png_chunk(b"eXIf", exif_bytes(8)[6:])),
    }
    # 16 bits: Pillow keeps the high byte of colours and clips greys; the nearest 8-bit value is what is asked of us.
    expected = {"bombs.png": array}  # Pillow refuses it
    for name, samples, color_type in [("grey_16.png", grey, 0), ("rgb_16.png", array, 2)]:
        files[name] = make_png(wide_16_bit(samples), 16, color_type, interlaced=color_type == 2)
        expected[name] = np.broadcast_to(scaled_to_8_bits(wide_16_bit(samples)), array.shape)
    for name, samples, color_type in [("grey_alpha_16.png", grey, 4), ("rgba_16.png", array, 6)]:
        wide = wide_16_bit(np.concatenate([samples, alpha], axis=2))
        files[name] = make_png(wide, 16, color_type)
        narrow = scaled_to_8_bits(wide)
        narrow = np.concatenate([np.broadcast_to(narrow[:, :, :-1], array.shape), narrow[:, :, -1:]], axis=2)
        expected[name] = decode_with_pillow(saved(Image.fromarray(narrow), "PNG"))
    return files, expected


def webp_sources(rgb: Image.Image, smooth: Image.Image) -> dict:
    alpha = Image.fromarray(synthetic_picture(*rgb.size)[:, :, 1])
    rgba = rgb.copy()
    rgba.putalpha(alpha)
    return {
        "lossy.webp": saved(rgb, "WEBP", quality=70),
        "lossless.webp": saved(rgb, "WEBP", lossless=True),
        "lossy_alpha.webp": saved(rgba, "WEBP", quality=70),
        "lossless_alpha.webp": saved(rgba, "WEBP", lossless=True, exact=True),
        "orientation_5.webp": saved(smooth, "WEBP", lossless=True, exif=exif_bytes(5)),
    }


def write_decode_goldens() -> None:
    rgb = Image.fromarray(synthetic_picture(37, 23))
    smooth = Image.fromarray(synthetic_picture(64, 64)).resize((11, 7))
    pngs, expected = png_sources(rgb, smooth)
    files = {**jpeg_sources(rgb, smooth), **pngs, **webp_sources(rgb, smooth)}
    lines = ["# file\twidth\theight\tcrc32"]
    for name, data in files.items():
        (OUT / name).write_bytes(data)
        pixels = np.ascontiguousarray(expected[name] if name in expected else decode_with_pillow(data))
        if name.endswith("_16.png"):
            off = np.abs(decode_with_pillow(data).astype(int) - pixels).max()
            print(f"{name}: Pillow itself is off by up to {off}")
        lines.append(f"{name}\t{pixels.shape[1]}\t{pixels.shape[0]}\t{zlib.crc32(pixels.tobytes()):08x}")
    (OUT / "decode.tsv").write_text("\n".join(lines) + "\n")
    # Only to be refused.
    (OUT / "animation.webp").write_bytes(
        saved(rgb, "WEBP", save_all=True, append_images=[rgb.transpose(Image.Transpose.FLIP_LEFT_RIGHT)], duration=100))


# Resizing.

RESIZES = [(37, 23, 16, 11), (37, 23, 74, 61), (37, 23, 37, 11), (37, 23, 50, 23), (37, 23, 37, 23), (1, 1, 9, 5),
           (500, 3, 7, 9), (3, 500, 9, 7), (301, 203, 336, 336), (640, 480, 336, 252), (2, 2, 1, 1), (97, 61, 1, 61),
           (97, 61, 97, 1), (1000, 751, 224, 223),
           # Either side of where Pillow 13 begins to go down first: rows lost against twice the columns lost.
           (60, 112, 30, 52), (60, 112, 30, 51), (60, 61, 61, 60), (60, 50, 90, 49)]


def write_resize_goldens() -> None:
    lines = ["# width\theight\tfilter\tnew width\tnew height\tcrc32"]
    for width, height, new_width, new_height in RESIZES:
        picture = Image.fromarray(synthetic_picture(width, height))
        for name, resampling in FILTERS.items():
            pixels = np.asarray(picture.resize((new_width, new_height), resampling))
            lines.append(f"{width}\t{height}\t{name}\t{new_width}\t{new_height}\t{zlib.crc32(pixels.tobytes()):08x}")
    (OUT / "resize.tsv").write_text("\n".join(lines) + "\n")


# Processors.

CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
CLIP_STD = [0.26862954, 0.26130258, 0.27577711]
PINPOINTS = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]
SIZES = [(640, 480), (480, 640), (333, 333), (336, 336), (1023, 517), (31, 97), (1, 1), (1, 190), (190, 1), (700, 5)]


def processor_cases(backend: str) -> list:
    """(kind, settings as the test reads them, processor, how its output becomes [tiles, 3, height, width])."""
    import transformers.models as models

    def make(module: str, name: str, **options):
        suffix = f"_pil_{module}" if backend == "pil" else f"_{module}"
        loaded = __import__(f"transformers.models.{module}.image_processing{suffix}", fromlist=["x"])
        return getattr(loaded, name + ("Pil" if backend == "pil" else ""))(**options)

    def square(size, is_padded):
        return make("llava", "LlavaImageProcessor", size={"shortest_edge": size}, do_pad=is_padded,
                    crop_size={"height": size, "width": size})

    def tiled(module, name, edge, tile, is_split):
        return make(module, name, size={"longest_edge": edge}, max_image_size={"longest_edge": tile},
                    do_image_splitting=is_split)

    def unpatched(values, grid, processor):
        """Qwen2-VL's patches [grid, channel * time * patch * patch] back to a picture."""
        _, rows, cols = (int(v) for v in grid[0])
        patch, merge = processor.patch_size, processor.merge_size
        values = values.reshape(rows // merge, cols // merge, merge, merge, 3, processor.temporal_patch_size, patch, patch)
        assert (values[:, :, :, :, :, 0] == values[:, :, :, :, :, 1]).all()
        return values[:, :, :, :, :, 0].transpose(4, 0, 2, 5, 1, 3, 6).reshape(1, 3, rows * patch, cols * patch)

    next_processor = make("llava_next", "LlavaNextImageProcessor", size={"shortest_edge": 336},
                          crop_size={"height": 336, "width": 336}, image_grid_pinpoints=PINPOINTS)
    qwen = make("qwen2_vl", "Qwen2VLImageProcessor")
    small_qwen = make("qwen2_vl", "Qwen2VLImageProcessor", min_pixels=28 * 28 * 9, max_pixels=28 * 28 * 64)

    def plain(out, _):
        return out["pixel_values"]

    def nested(out, _):
        return out["pixel_values"][0]

    def patches(out, processor):
        return unpatched(out["pixel_values"], out["image_grid_thw"], processor)

    return [
        ("square", "336 1", square(336, True), plain),
        ("square", "336 0", square(336, False), plain),
        ("any_resolution", "336", next_processor, nested),
        ("tiles", "512 2048 1", tiled("smolvlm", "SmolVLMImageProcessor", 2048, 512, True), nested),
        ("tiles", "384 1536 1", tiled("smolvlm", "SmolVLMImageProcessor", 1536, 384, True), nested),
        ("tiles", "364 1456 1", tiled("idefics3", "Idefics3ImageProcessor", 1456, 364, True), nested),
        ("tiles", "64 333 1", tiled("smolvlm", "SmolVLMImageProcessor", 333, 64, True), nested),
        ("tiles", "512 512 1", tiled("smolvlm", "SmolVLMImageProcessor", 512, 512, True), nested),
        ("tiles", "512 2048 0", tiled("smolvlm", "SmolVLMImageProcessor", 2048, 512, False), nested),
        ("dynamic", f"14 2 {56 * 56} {28 * 28 * 1280}", qwen, patches),
        ("dynamic", f"14 2 {28 * 28 * 9} {28 * 28 * 64}", small_qwen, patches),
    ]


def process(case, width: int, height: int) -> np.ndarray:
    _, _, processor, to_tiles = case
    out = processor(Image.fromarray(synthetic_picture(width, height)), return_tensors="np")
    return np.ascontiguousarray(to_tiles(out, processor), dtype=np.float32)


def sample_places(count: int) -> np.ndarray:
    return (np.arange(24, dtype=np.uint64) * np.uint64(2654435761) + np.uint64(12345)) % np.uint64(count)


def write_processor_goldens() -> None:
    lines = ["# kind\tsettings\twidth\theight\ttiles\ttile width\ttile height\tcrc32 of the floats\tsamples"]
    for case in processor_cases("pil"):
        for width, height in SIZES:
            tiles = process(case, width, height)
            samples = " ".join(f"{v:.9g}" for v in tiles.reshape(-1)[sample_places(tiles.size)])
            lines.append(f"{case[0]}\t{case[1]}\t{width}\t{height}\t{tiles.shape[0]}\t{tiles.shape[3]}\t{tiles.shape[2]}"
                         f"\t{zlib.crc32(tiles.tobytes()):08x}\t{samples}")
    (OUT / "processors.tsv").write_text("\n".join(lines) + "\n")


def print_torchvision_differences() -> None:
    for slow, fast in zip(processor_cases("pil"), processor_cases("torchvision")):
        worst, worst_size = 0.0, None
        for size in SIZES:
            expected, actual = process(slow, *size), process(fast, *size)
            if expected.shape != actual.shape:
                print(f"{slow[0]} {slow[1]} {size}: {expected.shape} against {actual.shape}")
                continue
            difference = float(np.abs(expected - actual).max())
            if difference > worst:
                worst, worst_size = difference, size
        print(f"{slow[0]} {slow[1]}: torchvision's values differ by up to {worst:.4f}, at {worst_size}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torchvision", action="store_true")
    if parser.parse_args().torchvision:
        print_torchvision_differences()
    else:
        OUT.mkdir(parents=True, exist_ok=True)
        write_decode_goldens()
        write_resize_goldens()
        write_processor_goldens()

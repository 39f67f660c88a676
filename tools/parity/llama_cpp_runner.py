"""The little of llama.cpp's API that the comparison needs, through llama-cpp-python's bindings."""

import ctypes

import llama_cpp
import numpy as np
from llama_cpp import mtmd_cpp

GGML_TYPE_F32 = 0
MAX_TOKENS = 4096


@llama_cpp.llama_log_callback
def _silent(level, text, user_data):
    pass


def quiet() -> None:
    llama_cpp.llama_log_set(_silent, None)
    mtmd_cpp.mtmd_log_set(_silent, None)
    mtmd_cpp.mtmd_helper_log_set(_silent, None)


def quantize(source: str, target: str, ftype: int) -> None:
    """All matrices to one type, the embedding too. A quantised source may be expanded to f32."""
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype, params.pure, params.nthread, params.allow_requantize = ftype, True, 1, True
    if llama_cpp.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(params)) != 0:
        raise RuntimeError(f"llama.cpp could not quantise {source}")


class LanguageModel:
    def __init__(self, path: str):
        params = llama_cpp.llama_model_default_params()
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), params)
        if not self.model:
            raise RuntimeError(f"llama.cpp could not load {path}")
        context = llama_cpp.llama_context_default_params()
        context.n_ctx = context.n_batch = context.n_ubatch = MAX_TOKENS
        context.n_threads = context.n_threads_batch = 1
        # Keys and values as exact as ours, and no fused attention, so that only the weights' types differ.
        context.type_k = context.type_v = GGML_TYPE_F32
        context.flash_attn_type = 0
        self.context = llama_cpp.llama_init_from_model(self.model, context)
        vocab = llama_cpp.llama_model_get_vocab(self.model)
        self.vocab_size = llama_cpp.llama_vocab_n_tokens(vocab)
        self.model_dim = llama_cpp.llama_model_n_embd(self.model)

    def close(self) -> None:
        llama_cpp.llama_free(self.context)
        llama_cpp.llama_model_free(self.model)

    def logits(self, segments: list) -> np.ndarray:
        """[num_rows, vocab_size]. A segment is (tokens, positions) or (vectors, places): int32 [n] and int32 [n], or
        float32 [n, model_dim] and int32 [4, n] (M-RoPE) or [n]."""
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)
        return np.concatenate([self._decode(rows, positions) for rows, positions in segments])

    def _decode(self, rows: np.ndarray, positions: np.ndarray) -> np.ndarray:
        count = len(rows)
        batch = llama_cpp.llama_batch()
        batch.n_tokens = count
        positions = np.ascontiguousarray(positions, np.int32)
        batch.pos = positions.ctypes.data_as(ctypes.POINTER(ctypes.c_int32))
        if rows.ndim == 2:
            rows = np.ascontiguousarray(rows, np.float32)
            batch.embd = rows.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        else:
            rows = np.ascontiguousarray(rows, np.int32)
            batch.token = rows.ctypes.data_as(ctypes.POINTER(ctypes.c_int32))
        ones = np.ones(count, np.int32)
        batch.n_seq_id = ones.ctypes.data_as(ctypes.POINTER(ctypes.c_int32))
        sequence = (ctypes.c_int32 * 1)(0)
        pointers = (ctypes.POINTER(ctypes.c_int32) * count)(*[ctypes.cast(sequence, ctypes.POINTER(ctypes.c_int32))] * count)
        batch.seq_id = ctypes.cast(pointers, ctypes.POINTER(ctypes.POINTER(ctypes.c_int32)))
        wanted = np.ones(count, np.int8)
        batch.logits = wanted.ctypes.data_as(ctypes.POINTER(ctypes.c_int8))
        if (code := llama_cpp.llama_decode(self.context, batch)) != 0:
            raise RuntimeError(f"llama_decode: {code}")
        out = [np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(self.context, i), (self.vocab_size,)).copy()
               for i in range(count)]
        return np.stack(out)


def picture_vectors(model: LanguageModel, mmproj: str, rgb: np.ndarray) -> np.ndarray:
    """[num_tokens, model_dim]: what llama.cpp's vision part makes of a picture, all of its tiles in order."""
    params = mtmd_cpp.mtmd_context_params_default()
    params.use_gpu, params.print_timings, params.n_threads, params.warmup = False, False, 1, False
    params.flash_attn_type = 0
    context = mtmd_cpp.mtmd_init_from_file(mmproj.encode(), model.model, params)
    if not context:
        raise RuntimeError(f"llama.cpp could not load {mmproj}")
    rgb = np.ascontiguousarray(rgb, np.uint8)
    bitmap = mtmd_cpp.mtmd_bitmap_init(rgb.shape[1], rgb.shape[0], rgb.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8)))
    text = mtmd_cpp.mtmd_input_text()
    text.text = mtmd_cpp.mtmd_default_marker()
    text.text_len, text.add_special, text.parse_special = len(text.text), False, True
    chunks = mtmd_cpp.mtmd_input_chunks_init()
    bitmaps = (mtmd_cpp.mtmd_bitmap_p_ctypes * 1)(bitmap)
    if mtmd_cpp.mtmd_tokenize(context, chunks, ctypes.byref(text), bitmaps, 1) != 0:
        raise RuntimeError("mtmd_tokenize failed")
    vectors = []
    for index in range(mtmd_cpp.mtmd_input_chunks_size(chunks)):
        chunk = mtmd_cpp.mtmd_input_chunks_get(chunks, index)
        if mtmd_cpp.mtmd_input_chunk_get_type(chunk) != mtmd_cpp.MTMD_INPUT_CHUNK_TYPE_IMAGE:
            continue
        if mtmd_cpp.mtmd_encode_chunk(context, chunk) != 0:
            raise RuntimeError("mtmd_encode_chunk failed")
        count = mtmd_cpp.mtmd_input_chunk_get_n_tokens(chunk)
        output = mtmd_cpp.mtmd_get_output_embd(context)
        vectors.append(np.ctypeslib.as_array(output, (count, model.model_dim)).copy())
    mtmd_cpp.mtmd_input_chunks_free(chunks)
    mtmd_cpp.mtmd_bitmap_free(bitmap)
    mtmd_cpp.mtmd_free(context)
    return np.concatenate(vectors)

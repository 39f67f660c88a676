"""llama.cpp, through llama-cpp-python's bindings: times the measures that are asked for, prints them as JSON.

Run by compare.py. Its own best settings: all layers on the CPU, batches of 512 rows, fused attention left to its choice.
"""

import ctypes
import json
import sys
import time

import llama_cpp
from llama_cpp import mtmd_cpp


@llama_cpp.llama_log_callback
def _silent(level, text, user_data):
    pass


class Peer:
    def __init__(self, job: dict):
        llama_cpp.llama_log_set(_silent, None)
        mtmd_cpp.mtmd_log_set(_silent, None)
        mtmd_cpp.mtmd_helper_log_set(_silent, None)
        self.job = job
        params = llama_cpp.llama_model_default_params()
        params.n_gpu_layers = 0
        self.model = llama_cpp.llama_model_load_from_file(job["model"].encode(), params)
        context = llama_cpp.llama_context_default_params()
        context.n_ctx, context.n_seq_max = 8 * 1024 if not job.get("mmproj") else 16 * 1024, 8
        context.n_batch = context.n_ubatch = 512
        context.n_threads = context.n_threads_batch = job["threads"]
        context.kv_unified = True
        self.context = llama_cpp.llama_init_from_model(self.model, context)
        if not self.context:
            raise RuntimeError(f"llama.cpp could not load {job['model']}")
        self.batch = llama_cpp.llama_batch_init(512, 0, 8)
        if job.get("mmproj"):
            vision = mtmd_cpp.mtmd_context_params_default()
            vision.use_gpu, vision.print_timings, vision.n_threads, vision.warmup = False, False, job["threads"], False
            self.vision = mtmd_cpp.mtmd_init_from_file(job["mmproj"].encode(), self.model, vision)
            if not self.vision:
                raise RuntimeError(f"llama.cpp could not load {job['mmproj']}")

    def _clear(self) -> None:
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)

    def _decode(self, rows: list, wants_all: bool) -> None:
        """rows: (token, position, sequence)."""
        self.batch.n_tokens = len(rows)
        for i, (token, position, sequence) in enumerate(rows):
            self.batch.token[i], self.batch.pos[i] = token, position
            self.batch.n_seq_id[i], self.batch.seq_id[i][0] = 1, sequence
            self.batch.logits[i] = wants_all or i + 1 == len(rows)
        if (code := llama_cpp.llama_decode(self.context, self.batch)) != 0:
            raise RuntimeError(f"llama_decode: {code}")
        llama_cpp.llama_synchronize(self.context)

    def prefill(self) -> None:
        self._clear()
        self._decode([(300 + 7 * i % 1000, i, 0) for i in range(self.job["prompt_tokens"])], False)

    def decode(self, batch_size: int) -> None:
        self._clear()
        for i in range(self.job["generated_tokens"]):
            self._decode([(300 + (7 * i + s) % 1000, i, s) for s in range(batch_size)], True)

    def _chunks(self):
        bitmap = mtmd_cpp.mtmd_helper_bitmap_init_from_file(self.vision, self.job["image"].encode(), False)
        text = mtmd_cpp.mtmd_input_text()
        text.text = mtmd_cpp.mtmd_default_marker() + self.job["question"].encode()
        if hasattr(text, "text_len"):
            text.text_len = len(text.text)
        text.add_special, text.parse_special = True, True
        chunks = mtmd_cpp.mtmd_input_chunks_init()
        bitmaps = (mtmd_cpp.mtmd_bitmap_p_ctypes * 1)(bitmap)
        if mtmd_cpp.mtmd_tokenize(self.vision, chunks, ctypes.byref(text), bitmaps, 1) != 0:
            raise RuntimeError("mtmd_tokenize failed")
        mtmd_cpp.mtmd_bitmap_free(bitmap)
        return chunks

    def encode(self) -> float:
        chunks = self._chunks()
        elapsed = 0.0
        for index in range(mtmd_cpp.mtmd_input_chunks_size(chunks)):
            chunk = mtmd_cpp.mtmd_input_chunks_get(chunks, index)
            if mtmd_cpp.mtmd_input_chunk_get_type(chunk) != mtmd_cpp.MTMD_INPUT_CHUNK_TYPE_IMAGE:
                continue
            start = time.perf_counter()
            if mtmd_cpp.mtmd_encode_chunk(self.vision, chunk) != 0:
                raise RuntimeError("mtmd_encode_chunk failed")
            elapsed += time.perf_counter() - start
        mtmd_cpp.mtmd_input_chunks_free(chunks)
        return elapsed * 1000

    def first_token(self) -> None:
        self._clear()
        chunks = self._chunks()
        past = llama_cpp.llama_pos(0)
        code = mtmd_cpp.mtmd_helper_eval_chunks(self.vision, self.context, chunks, 0, 0, 512, True, ctypes.byref(past))
        if code != 0:
            raise RuntimeError(f"mtmd_helper_eval_chunks: {code}")
        llama_cpp.llama_synchronize(self.context)
        mtmd_cpp.mtmd_input_chunks_free(chunks)


def main() -> None:
    job = json.load(sys.stdin)
    peer = Peer(job)
    runs = {"encode": peer.encode, "prefill": peer.prefill, "first_token": peer.first_token,
            "decode_1": lambda: peer.decode(1), "decode_8": lambda: peer.decode(8)}
    results = {}
    for measure in job["measures"]:
        times = []
        for _ in range(job["warmups"] + job["repeats"]):
            start = time.perf_counter()
            elapsed = runs[measure]()
            times.append((time.perf_counter() - start) * 1000 if elapsed is None else elapsed)
        results[measure] = times[job["warmups"]:]
    info = llama_cpp.llama_print_system_info().decode()
    print(json.dumps({"ms": results, "version": f"llama-cpp-python {llama_cpp.__version__}", "info": info}))


if __name__ == "__main__":
    main()

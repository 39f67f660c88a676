#!/usr/bin/env python3
"""Runs the real program as a user would. usage: program_test.py PATH_TO_SACCADE SOURCE_DIR [TEST...]"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM = sys.argv[1]
ROOT = pathlib.Path(sys.argv[2]).resolve()
MODEL = ROOT / "models" / "saccade-mini.gguf"
DEMO = [json.loads(line) for line in (ROOT / "samples" / "demo.jsonl").read_text().splitlines()]
PICTURE = ROOT / "samples" / DEMO[0]["image"]


def run(*args, stdin="", env=None):
    return subprocess.run(
        [PROGRAM, *map(str, args)], input=stdin, capture_output=True, text=True, timeout=300, env={**os.environ, **(env or {})}
    )


class ProgramTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def fails(self, code, *words, result):
        """The run ended with `code` and one line on stderr that holds all of `words`."""
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertTrue(result.stderr.startswith("saccade: error: "), result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)


class Ask(ProgramTest):
    def test_json_receipt_accounts_for_the_time(self):
        started = time.monotonic()
        result = run("ask", MODEL, "--image", PICTURE, "--json", DEMO[0]["question"])
        wall_ms = (time.monotonic() - started) * 1000
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stderr, "")
        answer = json.loads(result.stdout)
        receipt = answer["receipt"]
        stages = receipt["stages_ms"]
        self.assertEqual(
            list(stages), ["load", "media_decode", "prompt", "resize", "encode", "project", "prefill", "decode"]
        )
        self.assertLessEqual(sum(stages.values()), receipt["latency_ms"] + 0.01)
        self.assertGreater(sum(stages.values()), 0.95 * receipt["latency_ms"])
        self.assertLessEqual(receipt["ttft_ms"], receipt["latency_ms"])
        self.assertLess(receipt["latency_ms"], wall_ms)
        self.assertGreaterEqual(receipt["tokens"]["visual"], 256)
        self.assertGreater(receipt["tokens"]["generated"], 0)
        self.assertGreater(receipt["peak_memory_bytes"], MODEL.stat().st_size)
        self.assertEqual(receipt["chat_template"], "file")

    def test_table_goes_to_stderr_and_quiet_removes_it(self):
        loud = run("ask", MODEL, "--image", PICTURE, DEMO[0]["question"])
        self.assertIn("prefill", loud.stderr)
        quiet = run("ask", MODEL, "--image", PICTURE, "-q", DEMO[0]["question"])
        self.assertEqual(quiet.stderr, "")
        self.assertEqual(quiet.stdout, loud.stdout)

    def test_every_isa_gives_the_same_answer(self):
        answers = set()
        for isa in ("reference", "avx2", "avx512"):
            result = run("ask", MODEL, "--image", PICTURE, "-q", "-n", 8, DEMO[0]["question"], env={"SACCADE_ISA": isa})
            if result.returncode == 0:
                answers.add(result.stdout)
            else:
                print(f"{isa} skipped: {result.stderr.strip()}")
        self.assertEqual(len(answers), 1)

    def test_seed_repeats_a_draw(self):
        draws = [
            json.loads(run("ask", MODEL, "--json", "-n", 24, "--temperature", 2, "--seed", seed, "Say something.").stdout)
            for seed in (5, 5, 6)
        ]
        self.assertEqual(draws[0]["answer"], draws[1]["answer"])
        self.assertNotEqual(draws[0]["answer"], draws[2]["answer"])

    def test_conversation_keeps_what_it_computed(self):
        lines = f"{DEMO[0]['question']}\n{DEMO[0]['question']}\n/quit\n"
        result = run("ask", MODEL, "--image", PICTURE, "--json", "-i", stdin=lines)
        self.assertEqual(result.returncode, 0, result.stderr)
        first, second = map(json.loads, result.stdout.splitlines())
        self.assertEqual(first["receipt"]["tokens"]["cached"], 0)
        self.assertGreater(second["receipt"]["tokens"]["cached"], 256)
        self.assertEqual(second["receipt"]["stages_ms"]["encode"], 0)
        self.assertTrue(second["receipt"]["pictures"][0]["cached"])
        self.assertEqual(second["receipt"]["pictures"][0]["tiles"], first["receipt"]["pictures"][0]["tiles"])

    def test_several_pictures(self):
        result = run("ask", MODEL, "--image", PICTURE, "--image", PICTURE, "--json", "-n", 4, "Compare them.")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(len(json.loads(result.stdout)["receipt"]["pictures"]), 2)

    def test_reads_the_prompt_from_stdin(self):
        direct = run("ask", MODEL, "-q", "--image", PICTURE, DEMO[0]["question"])
        piped = run("ask", MODEL, "-q", "--image", PICTURE, "-", stdin=DEMO[0]["question"])
        self.assertEqual(piped.stdout, direct.stdout)

    def test_stop_string_ends_the_answer(self):
        full = run("ask", MODEL, "-q", "--image", PICTURE, DEMO[0]["question"]).stdout.removesuffix("\n")
        self.assertGreater(len(full), 1)
        stop = full[1]
        result = run("ask", MODEL, "-q", "--image", PICTURE, "--stop", stop, DEMO[0]["question"])
        self.assertEqual(result.returncode, 0, result.stderr)
        cut = result.stdout.removesuffix("\n")
        self.assertEqual(cut, full[: full.find(stop)])


class Errors(ProgramTest):
    def test_wrong_paths(self):
        self.fails(3, "no/such.gguf", "no such file", result=run("ask", "no/such.gguf", "x"))
        self.fails(3, "no/such.png", "no such file", result=run("ask", MODEL, "--image", "no/such.png", "x"))
        self.fails(6, "directory", result=run("ask", MODEL, "--image", ROOT, "x"))

    def test_text_file_called_jpg(self):
        path = self.folder / "notes.jpg"
        path.write_text("Dear all,\nthis is not a picture.\n")
        self.fails(4, "notes.jpg", "JPEG, PNG or WebP", result=run("ask", MODEL, "--image", path, "x"))

    def test_fifo_is_refused_not_waited_for(self):
        path = self.folder / "pipe"
        os.mkfifo(path)
        self.fails(6, "not a regular file", result=run("ask", MODEL, "--image", path, "x"))
        self.fails(6, "not a regular file", result=run("ask", path, "x"))

    def test_weights_that_are_not_numbers(self):
        path = self.folder / "nan.gguf"
        path.write_bytes(MODEL.read_bytes()[:-1024] + b"\xff" * 1024)
        self.fails(4, "nan.gguf", "not numbers", result=run("ask", path, "--image", PICTURE, "x"))

    def test_picture_cut_in_half(self):
        whole = PICTURE.read_bytes()
        path = self.folder / "half.png"
        path.write_bytes(whole[: len(whole) // 2])
        self.fails(4, "half.png", result=run("ask", MODEL, "--image", path, "x"))

    def test_empty_picture(self):
        path = self.folder / "empty.png"
        path.write_bytes(b"")
        self.fails(4, "empty.png", "empty", result=run("ask", MODEL, "--image", path, "x"))

    def test_model_cut_anywhere(self):
        whole = MODEL.read_bytes()
        path = self.folder / "cut.gguf"
        for share in (0.0, 0.00001, 0.001, 0.5, 0.999):
            with self.subTest(share=share):
                path.write_bytes(whole[: int(len(whole) * share)])
                self.fails(4, "cut.gguf", result=run("ask", path, "--image", PICTURE, "x"))

    def test_picture_as_model_and_model_as_picture(self):
        self.fails(4, "GGUF", result=run("ask", PICTURE, "x"))
        self.fails(4, "GGUF", result=run("inspect", PICTURE))
        result = run("ask", MODEL, "--image", MODEL, "x")
        self.assertEqual(result.returncode, 4)

    def test_usage(self):
        self.assertEqual(run().returncode, 2)
        self.assertEqual(run("ask", MODEL, "--no-such-flag", "x").returncode, 2)
        self.assertEqual(run("ask", MODEL).returncode, 2)
        self.assertEqual(run("ask", MODEL, "--top-p", 7, "x").returncode, 2)
        self.assertEqual(run("ask", MODEL, "x", env={"SACCADE_ISA": "z80"}).returncode, 2)

    def test_over_the_context(self):
        self.fails(5, "context", "pictures", result=run("ask", MODEL, "-c", 100, "--image", PICTURE, "x"))

    def test_reader_goes_away(self):
        with open("/dev/full", "w") as full:
            result = subprocess.run([PROGRAM, "ask", str(MODEL), "-q", "--image", str(PICTURE), DEMO[0]["question"]],
                                    stdout=full, stderr=subprocess.PIPE, text=True, timeout=300)
        self.assertEqual(result.returncode, 6, result.stderr)

    def test_interrupt_ends_with_130(self):
        process = subprocess.Popen(
            [PROGRAM, "eval", str(MODEL), "--data", str(ROOT / "samples" / "heldout" / "set.jsonl")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, stderr)


class Files(ProgramTest):
    def test_inspect_shows_what_is_needed(self):
        result = run("inspect", MODEL, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        facts = json.loads(result.stdout)
        self.assertEqual(facts["architecture"], "llama")
        self.assertEqual(facts["family"], "llama+llava")
        self.assertEqual(facts["problem"], "")
        self.assertGreater(facts["language_parameters"], 1e6)
        self.assertGreaterEqual(min(facts["tokens_per_picture"].values()), 256)
        self.assertIn("quantisation", run("inspect", MODEL).stdout)

    def test_eval_counts(self):
        data = self.folder / "set.jsonl"
        answer = run("ask", MODEL, "--image", PICTURE, "-q", "-n", 128, DEMO[0]["question"]).stdout
        good = {"image": str(PICTURE), "question": DEMO[0]["question"], "answer": answer, "kind": "good"}
        bad = {**good, "answer": "certainly not this", "kind": "bad"}
        data.write_text(json.dumps(good) + "\n\n" + json.dumps(bad) + "\n")
        result = run("eval", MODEL, "--data", data, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        outcome = json.loads(result.stdout)
        self.assertEqual((outcome["asked"], outcome["right"]), (2, 1))
        self.assertEqual(run("eval", MODEL, "--data", data, "--min-share", 0.9).returncode, 1)
        data.write_text('{"image": "x"}\n')
        self.fails(4, "set.jsonl:1", "question", result=run("eval", MODEL, "--data", data))

    def test_convert_replaces_nothing_but_gguf_files(self):
        checkpoint = self.folder / "checkpoint"
        shutil.copytree(ROOT / "tests" / "parity" / "data" / "text_qwen2" / "checkpoint", checkpoint)
        weights = next(checkpoint.glob("*.safetensors"))
        before = weights.read_bytes()
        self.fails(2, "not a GGUF file", result=run("convert", checkpoint, weights))
        self.assertEqual(weights.read_bytes(), before)
        os.mkfifo(self.folder / "pipe")
        self.fails(6, "not a regular file", result=run("convert", checkpoint, self.folder / "pipe"))
        self.fails(3, "does not exist", result=run("convert", checkpoint, self.folder / "nowhere" / "out.gguf"))
        out = self.folder / "out.gguf"
        for _ in range(2):
            self.assertEqual(run("convert", checkpoint, out).returncode, 0)
        self.assertEqual(run("ask", out, "-q", "-n", 4, "hi").returncode, 0)
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["checkpoint", "out.gguf", "pipe"])

    def test_convert_refuses_what_is_no_checkpoint(self):
        out = self.folder / "out.gguf"
        self.assertEqual(run("convert", self.folder / "nowhere", out).returncode, 3)
        (self.folder / "config.json").write_text("{")
        self.assertEqual(run("convert", self.folder, out).returncode, 4)
        (self.folder / "config.json").write_text('{"architectures": ["BertModel"], "model_type": "bert"}')
        self.fails(4, "BertModel", result=run("convert", self.folder, out))
        self.assertFalse(out.exists())


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])

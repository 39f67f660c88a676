#!/usr/bin/env python3
"""Runs the real program as a user would. usage: program_test.py PATH_TO_SACCADE SOURCE_DIR [TEST...]"""

import json
import os
import pathlib
import pty
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest
import zlib

PROGRAM = sys.argv[1]
ROOT = pathlib.Path(sys.argv[2]).resolve()
MODEL = ROOT / "models" / "saccade-mini.gguf"
DEMO = [json.loads(line) for line in (ROOT / "samples" / "demo.jsonl").read_text().splitlines()]
PICTURE = ROOT / "samples" / DEMO[0]["image"]


def run(*args, stdin="", env=None):
    return subprocess.run(
        [PROGRAM, *map(str, args)],
        input=stdin, capture_output=True, text=True, timeout=300, env={**os.environ, **(env or {})},
    )


def png(width, height):
    """A grey picture, all black."""

    def chunk(kind, data):
        body = kind + data
        return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\0\0\0\0"
    rows = zlib.compress(bytes((width + 1) * height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def read_until(stream, text):
    """What comes from the pipe up to and with `text`, or to its end."""
    got = b""
    while text not in got:
        piece = os.read(stream.fileno(), 4096)
        if not piece:
            break
        got += piece
    return got


class ProgramTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def fails(self, code, *words, result):
        """The run ended with `code` and one line on stderr that holds all of `words`."""
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(result.stdout, "")
        self.has_error_line(*words, result=result)

    def has_error_line(self, *words, result):
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertTrue(result.stderr.startswith("saccade: error: "), result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)


class Analyze(ProgramTest):
    CONFIGS = ROOT / "tests" / "e2e" / "configs"
    LLAVA = CONFIGS / "llava-1.5-7b-hf.json"

    def analyze(self, *args):
        result = run("analyze", *args, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def is_near(self, plan, tflops, ms):
        self.assertAlmostEqual(plan["flops"]["prefill"] / 1e12, tflops, delta=0.02 * tflops)
        self.assertAlmostEqual(plan["ms"]["prefill"], ms, delta=0.05 * ms)

    def test_comes_to_published_figures_from_settings_alone(self):
        for budget, tflops, ms in ((1, 8.6, 81), (0.85, 7.2, 69), (0.6, 5.1, 49)):
            full, plan = self.analyze(self.LLAVA, "--hardware", "v100", "--budget", budget)["plans"]
            self.is_near(full, 8.6, 81)
            self.is_near(plan, tflops, ms)
        pruned = self.CONFIGS / "ada-llava-L-v1.5-7b-prumerge-plus.json"
        for budget, tflops, ms in ((1, 3.0, 29), (0.85, 2.6, 24), (0.6, 1.8, 17)):
            plan = self.analyze(pruned, "--hardware", "v100", "--budget", budget)["plans"][1]
            self.is_near(plan, tflops, ms)
            self.assertIn("assumed are 164 of 576", plan["notes"][0])

    def test_counts_what_a_receipt_counts(self):
        levers = {"layers": 0.5, "keep": 144, "encoder-layers": 0.7}
        flags = [word for name, value in levers.items() for word in ("--" + name, value)]
        asked = run("ask", MODEL, "--image", PICTURE, "--json", "--no-speculation", *flags, DEMO[0]["question"])
        receipt = json.loads(asked.stdout)["receipt"]
        tokens = receipt["tokens"]
        picture = receipt["pictures"][0]
        plan = self.analyze(
            MODEL, "--plan", ",".join(f"{name}={value}" for name, value in levers.items()),
            "--picture", f"{picture['width']}x{picture['height']}",
            "--prompt-tokens", tokens["text"], "--generated", tokens["generated"],
        )["plans"][1]
        self.assertEqual(plan["visual_tokens"], tokens["visual"])
        flops = receipt["flops"]
        encode = plan["flops"]["encode"] + plan["flops"]["project"]
        for ours, counted in ((encode, flops["encode"]), (plan["flops"]["prefill"], flops["prefill"])):
            self.assertAlmostEqual(ours, counted, delta=0.03 * counted)  # norms, softmax and sums are ours alone

    def test_lists_operators_and_memory(self):
        report = self.analyze(self.LLAVA, "--hardware", "a100", "--weights", "q4_0", "--batch", 4, "--operators")
        plan = report["plans"][0]
        names = {(op["stage"], op["operator"]) for op in plan["operators"]}
        self.assertLessEqual({("encode", "softmax"), ("project", "projector"), ("prefill", "feed-forward up"),
                              ("token", "logits")}, names)
        for stage in ("encode", "prefill", "project"):
            total = sum(op["flops"] for op in plan["operators"] if op["stage"] == stage)
            self.assertAlmostEqual(total, plan["flops"][stage], delta=1e-6 * total)
        self.assertTrue(all(op["bound"] == "memory" for op in plan["operators"] if op["stage"] == "token"))
        self.assertTrue(plan["memory"]["fits"])
        self.assertLess(plan["memory"]["weights_bytes"], 5e9)
        self.assertEqual(plan["memory"]["kv_bytes"], 4 * 32 * 2 * 4096 * 2 * (68 + 576 + 63))
        self.assertFalse(self.analyze(self.LLAVA, "--hardware", "v100", "--weights", "f32")["plans"][0]["memory"]["fits"])
        text = run("analyze", self.LLAVA, "--hardware", "a100", "--operators").stdout
        for word in ("7.05 B parameters", "data sheet: not measured", "ms, first token", "FLOP a byte", "sequences"):
            self.assertIn(word, text)

    def test_lists_the_hardware(self):
        text = run("analyze", "--hardware", "list").stdout
        self.assertIn("h200", text)
        self.assertIn("paper", text)
        names = [machine["name"] for machine in json.loads(run("analyze", "--hardware", "list", "--json").stdout)["hardware"]]
        self.assertLessEqual({"v100", "a100", "a6000", "a40", "l40", "h100", "h200"}, set(names))
        self.fails(2, "nvidia", "h100", "this", result=run("analyze", self.LLAVA, "--hardware", "nvidia"))

    def test_refuses_what_cannot_be_reckoned(self):
        path = self.folder / "config.json"
        path.write_text('{"model_type": "llava", "text_config": {')
        self.fails(4, "config.json", result=run("analyze", path))
        path.write_text('{"model_type": "llama", "hidden_size": -1}')
        self.fails(4, "hidden_size", result=run("analyze", path))
        path.write_text('{"architectures": ["MambaForCausalLM"], "model_type": "mamba"}')
        self.fails(4, "MambaForCausalLM", "LlavaForConditionalGeneration", result=run("analyze", self.folder))
        path.write_text('{"model_type": "qwen2"}')
        self.fails(2, "no vision part", result=run("analyze", path, "--pictures", 1))
        self.fails(3, "absent.json", result=run("analyze", self.folder / "absent.json"))
        self.fails(3, "absent.gguf", result=run("analyze", self.folder / "absent.gguf"))
        self.fails(2, "--weights", result=run("analyze", MODEL, "--weights", "q8_0"))
        self.fails(4, "skip-equal", "the picture shows", result=run("analyze", MODEL, "--plan", "skip-equal=0"))
        self.fails(2, "640by480", result=run("analyze", MODEL, "--picture", "640by480"))
        self.fails(2, "MODEL", result=run("analyze"))


class Bench(ProgramTest):
    def test_runs_the_tests_asked_for(self):
        common = ("bench", MODEL, "--image", PICTURE, "-r", 2, "--json")
        report = json.loads(run(*common, "--tests", "prepare", "--exact-pixels").stdout)
        self.assertEqual([result["test"] for result in report["results"]], ["prepare"])
        self.assertGreater(report["results"][0]["ms"], 0)
        self.assertEqual(len(report["results"][0]["runs_ms"]), 2)
        report = json.loads(run(*common, "--tests", "encode,prefill", "-p", 8).stdout)
        self.assertEqual([result["test"] for result in report["results"]], ["encode", "prefill"])
        result = run("bench", MODEL, "--image", PICTURE, "-r", 1, "--tests", "prepare")
        self.assertRegex(result.stdout, r"(?m)^prepare .*%$")

    def test_refuses_tests_it_cannot_run(self):
        self.fails(2, "--tests", "sleep", result=run("bench", MODEL, "--tests", "sleep"))
        self.fails(2, "nothing to measure", result=run("bench", MODEL, "--tests", "prepare"))


class Ask(ProgramTest):
    def test_pictures_read_another_way_get_the_answer_too(self):
        for option in ("--exact-pixels", "--no-upscale"):
            result = run("ask", MODEL, "--image", PICTURE, "-q", option, DEMO[0]["question"])
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(result.stdout.strip(), DEMO[0]["answer"])

    def test_help_shows_how_pictures_are_read(self):
        for command in ("ask", "eval"):
            text = run(command, "--help").stdout
            self.assertIn("--exact-pixels", text)
            self.assertIn("--no-upscale", text)

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
            list(stages),
            ["load", "media_decode", "prompt", "resize", "encode", "project", "describe", "compress", "prefill", "decode", "wait"],
        )
        self.assertLessEqual(sum(stages.values()), receipt["latency_ms"] + 0.01)
        self.assertGreater(sum(stages.values()), 0.95 * receipt["latency_ms"])
        self.assertLessEqual(receipt["ttft_ms"], receipt["latency_ms"])
        self.assertLess(receipt["latency_ms"], wall_ms)
        self.assertEqual(receipt["tokens"]["visual"], 576)
        self.assertGreater(receipt["tokens"]["generated"], 0)
        self.assertGreater(receipt["peak_memory_bytes"], MODEL.stat().st_size)
        self.assertEqual(receipt["chat_template"], "file")

    def test_demo_question_is_answered_right(self):
        self.assertEqual(run("ask", MODEL, "--image", PICTURE, "-q", DEMO[0]["question"]).stdout.strip(), DEMO[0]["answer"])

    def test_most_demo_questions_are_answered_right(self):  # of six; models/README.md has the figures on more
        scored = run("eval", MODEL, "--data", ROOT / "samples" / "demo.jsonl", "--min-share", 0.6, "--failures")
        self.assertEqual(scored.returncode, 0, scored.stdout + scored.stderr)

    def test_table_goes_to_stderr_and_quiet_removes_it(self):
        loud = run("ask", MODEL, "--image", PICTURE, DEMO[0]["question"])
        self.assertIn("prefill", loud.stderr)
        quiet = run("ask", MODEL, "--image", PICTURE, "-q", DEMO[0]["question"])
        self.assertEqual(quiet.stderr, "")
        self.assertEqual(quiet.stdout, loud.stdout)

    def test_every_isa_gives_the_same_answer(self):
        answers = set()
        for isa in ("reference", "avx2", "avx512", "neon"):
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

    def test_an_answer_satisfies_a_schema(self):
        schema = {
            "type": "object",
            "properties": {
                "kind": {"enum": ["receipt", "letter", "chart"]},
                "total": {"type": "number", "minimum": 0, "maximum": 10000},
                "words": {"type": "array", "items": {"type": "string", "maxLength": 12}, "minItems": 1, "maxItems": 3},
            },
            "required": ["kind", "total", "words"],
        }
        path = self.folder / "schema.json"
        path.write_text(json.dumps(schema))
        for seed in range(3):
            result = run("ask", MODEL, "--image", PICTURE, "--json", "--json-schema", path, "--temperature", 1.2,
                         "--seed", seed, "-n", 200, "Describe it.")
            self.assertEqual(result.returncode, 0, result.stderr)
            said = json.loads(result.stdout)
            self.assertEqual(said["receipt"]["finish_reason"], "stop", said["answer"])
            answer = json.loads(said["answer"])
            self.assertEqual(list(answer), ["kind", "total", "words"])
            self.assertIn(answer["kind"], schema["properties"]["kind"]["enum"])
            self.assertTrue(0 <= answer["total"] <= 10000)
            self.assertTrue(1 <= len(answer["words"]) <= 3)
            self.assertTrue(all(isinstance(word, str) and len(word) <= 12 for word in answer["words"]))

    def test_an_answer_is_a_json_object(self):
        result = run("ask", MODEL, "-q", "--json-object", "-n", 12, "Say something.")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue(result.stdout.lstrip().startswith("{"), result.stdout)

    def test_refuses_schemas_that_it_cannot_enforce(self):
        path = self.folder / "schema.json"
        path.write_text('{"properties": {"a": {"not": {}}}}')
        asked = ("ask", MODEL, "-q", "--json-schema")
        self.fails(4, '"not"', "/properties/a", result=run(*asked, path, "x"))
        path.write_text("{")
        self.fails(2, "not JSON", result=run(*asked, path, "x"))
        path.write_text("")
        self.fails(2, "empty", result=run(*asked, path, "x"))
        self.fails(3, "none.json", result=run(*asked, self.folder / "none.json", "x"))
        self.fails(2, "--json-object", result=run(*asked, path, "--json-object", "x"))

    def test_conversation_keeps_what_it_computed(self):
        lines = f"{DEMO[0]['question']}\n{DEMO[0]['question']}\n/quit\n"
        result = run("ask", MODEL, "--image", PICTURE, "--json", "-i", stdin=lines)
        self.assertEqual(result.returncode, 0, result.stderr)
        first, second = map(json.loads, result.stdout.splitlines())
        self.assertEqual(first["receipt"]["tokens"]["cached"], 0)
        self.assertGreater(second["receipt"]["tokens"]["cached"], 576)
        self.assertEqual(second["receipt"]["stages_ms"]["encode"], 0)
        self.assertTrue(second["receipt"]["pictures"][0]["cached"])
        self.assertEqual(second["receipt"]["pictures"][0]["tiles"], first["receipt"]["pictures"][0]["tiles"])

    def test_says_that_the_template_leaves_out_the_system_message(self):
        result = run("ask", MODEL, "-q", "-n", 1, "--system", "Be brief.", "x")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("--system does nothing", result.stderr)

    def test_says_where_the_answer_was_cut(self):
        sampling = ("--temperature", 100, "--seed", 2)
        self.assertIn("cut at --max-tokens 2\n", run("ask", MODEL, "-n", 2, *sampling, "x").stderr)
        self.assertIn("the context of 24 tokens is full", run("ask", MODEL, "-c", 24, *sampling, "x").stderr)

    def test_control_characters_reach_files_but_no_terminal(self):
        args = ("ask", MODEL, "-q", "-n", 100, "--temperature", 100, "--seed", 2, "x")
        controls = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
        piped = subprocess.run([PROGRAM, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60)
        self.assertRegex(piped.stdout, controls)
        master, slave = pty.openpty()
        process = subprocess.Popen([PROGRAM, *map(str, args)], stdout=slave, stderr=subprocess.DEVNULL)
        os.close(slave)
        shown = b""
        try:
            while piece := os.read(master, 4096):
                shown += piece
        except OSError:  # how Linux says that the other side is closed
            pass
        os.close(master)
        self.assertEqual(process.wait(timeout=60), 0)
        self.assertNotRegex(shown.replace(b"\r\n", b"\n"), controls)
        self.assertIn(b"\\u00", shown)

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


class Plans(ProgramTest):
    """Looking and thinking less."""

    def ask(self, *flags, picture=PICTURE):
        result = run("ask", MODEL, "--image", picture, "--json", *flags, DEMO[0]["question"])
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def picture_of(self, *flags):
        receipt = self.ask(*flags)["receipt"]
        return receipt, receipt["pictures"][0]

    def test_the_receipt_says_what_was_looked_at(self):
        full, picture = self.picture_of()
        tokens = [picture[name] for name in ("laid_out_tokens", "encoded_tokens", "visual_tokens")]
        self.assertEqual(tokens, [576, 576, 576])
        for flags, laid_out, encoded, visual in (
            (("--keep", 144), 576, 576, 144),
            (("--keep", 100, "--strategy", "tome"), 576, 576, 100),
            (("--keep", 100, "--strategy", "cdpruner"), 576, 576, 100),
            (("--resolution", 240), 400, 400, 400),
            (("--resolution", 192, "--keep", 64, "--repack"), 256, 256, 64),
        ):
            with self.subTest(flags=flags):
                receipt, picture = self.picture_of(*flags)
                tokens = [picture[name] for name in ("laid_out_tokens", "encoded_tokens", "visual_tokens")]
                self.assertEqual(tokens, [laid_out, encoded, visual])
                self.assertEqual(receipt["tokens"]["visual"], visual)
                self.assertLess(receipt["flops"]["prefill"], full["flops"]["prefill"])
        for flags in (("--skip-equal", 8), ("--merge", 20)):
            with self.subTest(flags=flags):
                receipt, picture = self.picture_of(*flags)
                self.assertLess(picture["encoded_tokens"], 576)
                self.assertEqual(picture["visual_tokens"], picture["encoded_tokens"])
                self.assertLess(receipt["flops"]["encode"], full["flops"]["encode"])
        for flags in (("--encoder-keep", 0.35), ("--encoder-layers", 0.6)):
            with self.subTest(flags=flags):
                receipt, picture = self.picture_of(*flags)
                self.assertEqual(picture["visual_tokens"], 576)
                self.assertLess(receipt["flops"]["encode"], 0.8 * full["flops"]["encode"])

    def test_the_receipt_says_how_much_of_the_decoder_ran(self):
        full = self.ask()["receipt"]["decoder"]
        every = list(range(10))
        self.assertEqual((full["num_layers"], full["layers"], full["prefill_layers"]), (10, every, 10))
        skipped = self.ask("--skip-layers", "1,3")["receipt"]["decoder"]
        self.assertEqual((skipped["layers"], skipped["prefill_layers"]), ([0, 2, 4, 5, 6, 7, 8, 9], 8))
        shared = self.ask("--layers", 0.6)["receipt"]["decoder"]  # in the order that the model learned
        self.assertEqual((len(shared["layers"]), shared["prefill_layers"]), (6, 6))
        frozen = self.ask("--freeze-layers", "8,9")["receipt"]["decoder"]
        self.assertEqual(frozen["layers"], every)
        self.assertTrue(8 < frozen["prefill_layers"] < 8.2, frozen)
        for flags in (("--prune", "2:0.5,4:0.25"), ("--prune-fastv", "2:0.25")):
            pruned = self.ask(*flags)["receipt"]["decoder"]
            self.assertEqual(pruned["last_visual_tokens"], 144)
            self.assertLess(pruned["prefill_layers"], 10)
        early = self.ask("--exit", 0.5)["receipt"]["decoder"]
        self.assertLess(early["decode_layers"], 10)
        self.assertEqual(early["prefill_layers"], 10)

    def test_the_table_says_what_was_kept(self):
        result = run("ask", MODEL, "--image", PICTURE, "--keep", 144, "--skip-equal", 0, DEMO[0]["question"])
        self.assertRegex(result.stderr, r"picture 1: 144 of 576 visual tokens, \d+ encoded")
        self.assertRegex(result.stderr, r"GFLOP: .*; layers 10\.0 of 10 reading")

    def test_help_lists_the_levers(self):
        for command in ("ask", "eval"):
            text = run(command, "--help").stdout
            self.assertIn("Looking and thinking less", text)
            for flag in ("--resolution", "--crop-margins", "--skip-equal", "--merge", "--encoder-keep", "--encoder-layers",
                         "--keep", "--strategy", "--keep-threshold", "--repack", "--layers", "--skip-layers",
                         "--freeze-layers", "--prune", "--prune-fastv", "--exit", "--plan-seed"):
                self.assertIn(flag + " ", text)
        self.assertIn("--show-kept", run("ask", "--help").stdout)

    def test_refuses_what_makes_no_sense(self):
        for flags, words in (
            (("--keep", 0), ("--keep", "1 or more")),
            (("--strategy", "luck"), ("--strategy", "luck", "divprune")),
            (("--resolution", 0), ("--resolution", "1 or more")),
            (("--skip-equal", 256), ("--skip-equal", "0 to 255")),
            (("--exit", 2), ("--exit", "0 to 1")),
            (("--prune", "3"), ("--prune", "LAYER:SHARE")),
            (("--prune", "3:0"), ("--prune", "LAYER:SHARE")),
            (("--freeze-layers", "x"), ("--freeze-layers", "x")),
        ):
            with self.subTest(flags=flags):
                self.fails(2, *words, result=run("ask", "no.gguf", *flags, "x"))
        for flags, words in (
            (("--strategy", "random"), ("random", "keep")),
            (("--skip-layers", 10), ("names layer 10", "0 to 9")),
            (("--skip-layers", "0,1,2,3,4,5,6,7,8,9"), ("no layer",)),
            (("--prune", "3:0.5,2:0.2"), ("in the order",)),
            (("--layers", 0), ("layers is 0",)),
            (("--merge", 3, "--encoder-keep", 0.5), ("one of them",)),
        ):
            with self.subTest(flags=flags):
                self.fails(2, *words, result=run("ask", MODEL, "--image", PICTURE, *flags, "x"))

    def test_a_conversation_goes_on_under_a_plan(self):
        lines = f"{DEMO[0]['question']}\nAnd the date?\n"
        result = run("ask", MODEL, "--image", PICTURE, "--json", "--keep", 144, "--skip-equal", 0, "-i", stdin=lines)
        first, second = map(json.loads, result.stdout.splitlines())
        self.assertFalse(first["receipt"]["pictures"][0]["cached"])
        self.assertTrue(second["receipt"]["pictures"][0]["cached"])
        self.assertGreater(second["receipt"]["tokens"]["cached"], 144)

    def shown(self, name, *flags, pictures=(PICTURE,)):
        path = self.folder / name
        images = [word for picture in pictures for word in ("--image", picture)]
        result = run("ask", MODEL, *images, *flags, "--show-kept", path, DEMO[0]["question"])
        self.assertEqual(result.returncode, 0, result.stderr)
        size = json.loads(run("inspect", "--image", path, "--json").stdout)
        self.assertEqual((size["width"], size["height"]), (256, 256))
        return result, path.read_bytes()

    def test_shows_what_was_kept(self):
        painted = set()
        for flags, words in (
            ((), "576 parts kept, 0 merged (tinted), 0 dropped (dark)"),
            (("--keep", 144), "144 parts kept, 0 merged (tinted), 432 dropped (dark)"),
            (("--keep", 100, "--strategy", "tome"), " merged (tinted), 0 dropped (dark)"),
            (("--skip-equal", 8), " merged (tinted), 0 dropped (dark)"),
        ):
            result, png = self.shown("kept.png", *flags)
            self.assertIn("kept.png: ", result.stderr)
            self.assertIn(words, result.stderr)
            painted.add(png)
        self.assertEqual(len(painted), 4)
        self.assertEqual([entry.name for entry in self.folder.iterdir()], ["kept.png"])
        self.shown("two.png", "--keep", 9, "-q", pictures=(PICTURE, PICTURE))
        self.assertEqual((self.folder / "two-2.png").read_bytes(), (self.folder / "two.png").read_bytes())
        quiet = run("ask", MODEL, "--image", PICTURE, "--json", "--show-kept", self.folder / "json.png", "x")
        self.assertEqual(quiet.stderr, "")
        self.assertTrue((self.folder / "json.png").exists())

    def test_shows_what_was_kept_of_a_picture_of_the_conversation(self):
        path = self.folder / "kept.png"
        args = ("ask", MODEL, "--image", PICTURE, "-q", "--keep", 144, "--show-kept", path)
        self.assertEqual(run(*args, "Once.").returncode, 0)
        once = path.read_bytes()
        path.unlink()
        result = run(*args, "-i", stdin="Once.\nAnd again.\n")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(path.read_bytes(), once)

    def test_refuses_to_show_where_it_cannot(self):
        args = ("ask", "no.gguf", "--image", PICTURE)
        self.fails(3, "nowhere", "folder", result=run(*args, "--show-kept", self.folder / "nowhere" / "a.png", "x"))
        self.fails(6, "directory", result=run(*args, "--show-kept", self.folder, "x"))
        self.fails(2, "--show-kept", "--image", result=run("ask", "no.gguf", "--show-kept", self.folder / "a.png", "x"))
        copy = self.folder / "copy.png"
        copy.write_bytes(PICTURE.read_bytes())
        self.fails(2, "copy.png", "another name",
                   result=run("ask", "no.gguf", "--image", copy, "--show-kept", copy, "x"))
        self.assertEqual(copy.read_bytes(), PICTURE.read_bytes())


class Substitution(ProgramTest):
    """Text, or nothing, in place of pictures."""

    def setUp(self):
        super().setUp()
        self.texts = self.folder / "texts.sqlite"

    def receipt(self, *args):
        result = run("ask", MODEL, "--json", "--image", PICTURE, "--texts", self.texts, *args, "What is the total?")
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)["receipt"]

    def test_a_text_is_made_once_and_kept(self):
        described = run("describe", MODEL, "--json", "--texts", self.texts, PICTURE)
        self.assertEqual(described.returncode, 0, described.stderr)
        text = json.loads(described.stdout)
        self.assertEqual(set(text), {"image", "caption", "transcription"})
        receipt = self.receipt("--pictures", "text")
        self.assertEqual(receipt["plan"], "pictures=text")
        self.assertEqual(receipt["stages_ms"]["describe"], 0)
        self.assertEqual(receipt["tokens"]["visual"], 0)
        self.assertEqual(receipt["pictures"][0]["use"], "text")
        self.assertGreater(receipt["pictures"][0]["text_tokens"], 0)
        with sqlite3.connect(self.texts) as kept:
            self.assertEqual(kept.execute("SELECT caption, transcription FROM texts").fetchall(),
                             [(text["caption"], text["transcription"])])

    def test_a_conversation_makes_texts_while_it_waits(self):
        with subprocess.Popen(
            [PROGRAM, "ask", MODEL, "-i", "-q", "--texts", self.texts, "--image", PICTURE],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        ) as program:
            program.stdin.write(b"What is the total?\n")
            program.stdin.flush()
            read_until(program.stdout, b"\n")
            deadline = time.monotonic() + 60
            count = 0
            while count == 0 and time.monotonic() < deadline:
                time.sleep(0.05)
                with sqlite3.connect(self.texts) as kept:
                    count = kept.execute("SELECT count(*) FROM texts").fetchone()[0]
            program.stdin.write(b"What is the total?\n")
            program.stdin.close()
            self.assertEqual(program.stdout.read(), b"149.80\n")
        self.assertEqual((program.returncode, count), (0, 1))

    def test_pictures_are_left_out(self):
        receipt = self.receipt("--pictures", "none")
        self.assertEqual((receipt["tokens"]["visual"], receipt["flops"]["encode"]), (0, 0))
        self.assertEqual(receipt["pictures"][0]["use"], "none")

    def test_refuses_a_file_of_something_else(self):
        self.texts.write_bytes(b"x" * 4096)
        result = run("ask", MODEL, "--texts", self.texts, "--image", PICTURE, "What is the total?")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("texts.sqlite", result.stderr)


class Layers(ProgramTest):
    def setUp(self):
        super().setUp()
        self.model = self.folder / "tiny.gguf"
        checkpoint = ROOT / "tests" / "parity" / "data" / "llava" / "checkpoint"
        self.assertEqual(run("convert", checkpoint, self.model).returncode, 0)
        self.order = self.folder / "tiny.gguf.layers.json"
        self.data = ROOT / "samples" / "demo.jsonl"

    def ask(self, *flags):
        return run("ask", self.model, "--image", PICTURE, "-n", 4, *flags, "--json", DEMO[0]["question"])

    def test_an_order_is_measured_once_for_all_answers(self):
        unknown = self.ask("--layers", 0.5)
        self.assertEqual(unknown.returncode, 4)
        self.has_error_line("saccade layers", "tiny.gguf", result=unknown)
        self.assertIn("trained", self.ask("--encoder-layers", 0.5).stderr)
        result = run("layers", self.model, "--data", self.data, "--limit", 2)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(f"wrote {self.order}", result.stdout)
        self.assertEqual(len(re.findall(r"(?m)^ +\d  \d", result.stdout)), 2)
        order = json.loads(self.order.read_text())
        self.assertEqual((order["model"], order["num_layers"], order["num_items"]), ("tiny.gguf", 2, 2))
        self.assertEqual(sorted(order["order"]), [0, 1])
        self.assertEqual(order["divergence"], sorted(order["divergence"]))
        self.assertFalse(self.order.with_name(self.order.name + ".partial").exists())
        decoder = json.loads(self.ask("--layers", 0.5).stdout)["receipt"]["decoder"]
        self.assertTrue(1 < decoder["prefill_layers"] < 2, decoder)
        same = self.ask("--freeze-layers", order["order"][0])
        self.assertEqual(json.loads(same.stdout)["receipt"]["decoder"], decoder)

    def test_a_damaged_order_is_made_anew(self):
        self.order.write_text('{"order": [0]}')
        self.assertEqual(self.ask().returncode, 0)
        damaged = self.ask("--layers", 0.5)
        self.assertEqual(damaged.returncode, 4)
        self.has_error_line(self.order.name, "saccade layers", result=damaged)
        result = run("layers", self.model, "--data", self.data, "--limit", 1, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        outcome = json.loads(result.stdout)
        self.assertEqual((outcome["file"], outcome["is_used"]), (str(self.order), True))
        self.assertEqual([need["layer"] for need in outcome["layers"]], json.loads(self.order.read_text())["order"])

    def test_says_where_an_answer_goes_by_another_order(self):
        out = self.folder / "elsewhere.json"
        result = run("layers", self.model, "--data", self.data, "--limit", 1, "--out", out)
        self.assertIn(f"wrote {out}", result.stdout)
        self.assertIn(f"looks for {self.order}", result.stdout)
        self.assertTrue(out.exists())
        self.assertFalse(self.order.exists())
        trained = run("layers", MODEL, "--data", self.data, "--limit", 1, "--out", out)
        self.assertEqual(trained.returncode, 0, trained.stderr)
        self.assertEqual(len(re.findall(r"(?m)^ +\d  \d", trained.stdout)), 10)
        self.assertIn("what the model learned", trained.stdout)

    def test_refuses_what_it_cannot_do(self):
        self.fails(3, "no/such.gguf", result=run("layers", "no/such.gguf", "--data", self.data))
        self.fails(3, "no/such.jsonl", result=run("layers", self.model, "--data", "no/such.jsonl"))
        self.fails(2, "--data", result=run("layers", self.model))
        self.fails(2, "--limit", result=run("layers", self.model, "--data", self.data, "--limit", 0))
        self.fails(3, "nowhere", "folder",
                   result=run("layers", self.model, "--data", self.data, "--out", self.folder / "nowhere" / "a.json"))
        self.fails(2, "tiny.gguf", "--out", result=run("layers", self.model, "--data", self.data, "--out", self.model))
        text = self.folder / "text.gguf"
        checkpoint = ROOT / "tests" / "parity" / "data" / "text_qwen2" / "checkpoint"
        self.assertEqual(run("convert", checkpoint, text).returncode, 0)
        self.fails(2, "--mmproj", result=run("layers", text, "--data", self.data))
        self.assertEqual(list(self.folder.glob("*.json*")), [])

    def test_interrupt_leaves_no_order(self):
        items = [json.dumps({"image": str(PICTURE), "question": "What?"})] * 5000
        data = self.folder / "set.jsonl"
        data.write_text("\n".join(items))
        process = subprocess.Popen([PROGRAM, "layers", str(self.model), "--data", str(data), "--limit", "5000"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
        self.assertEqual((process.returncode, stdout), (130, ""), stderr)
        self.assertFalse(self.order.exists())


class Conversation(ProgramTest):
    def turns(self, *lines, args=()):
        """What -i does with the lines: its outcome, and the objects it printed."""
        result = run("ask", MODEL, "--json", "-n", 4, *args, "-i", stdin="".join(line + "\n" for line in lines))
        return result, [json.loads(line) for line in result.stdout.splitlines()]

    def test_a_bad_picture_is_refused_before_the_question(self):
        lines = (f"/image {PICTURE}", "/image no/such.png", f"/image {MODEL}", "What?")
        result, (refused, kind, answer) = self.turns(*lines)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(refused["error"]["code"], "not_found")
        self.assertEqual(kind["error"]["code"], "unsupported")
        self.assertEqual([picture["name"] for picture in answer["receipt"]["pictures"]], [str(PICTURE)])
        result, (nameless,) = self.turns("/image")
        self.assertIn("needs the name", nameless["error"]["message"])

    def test_a_failed_turn_can_be_asked_again(self):
        lines = ("first", "word " * 60, "/again", "/drop", "/reset", "/again", "short", "/again")
        args = ("-c", 620, "--image", PICTURE)
        result, (first, *failed, kept, short) = self.turns(*lines, args=args)
        self.assertIn("receipt", first)
        self.assertEqual([turn["error"]["code"] for turn in failed], ["resource_exhausted"] * 2)
        self.assertEqual(result.stderr.count("/again asks it once more, after /reset without"), 2)
        self.assertEqual(kept["receipt"]["pictures"], [])
        self.assertGreater(kept["receipt"]["tokens"]["text"], 60)
        self.assertIn("receipt", short)
        self.assertIn("every message has its answer", result.stderr)

    def test_commands_and_messages_that_look_like_them(self):
        result, answers = self.turns("/etc/passwd is what?", "//etc is what?", "  ", "/quit ")
        self.assertIn("no such command: /etc/passwd", result.stderr)
        self.assertIn("//...", result.stderr)
        self.assertEqual(len(answers), 1)
        unix = run("ask", MODEL, "--json", "-n", 4, "/etc is what?")
        self.assertEqual(answers[0]["answer"], json.loads(unix.stdout)["answer"])

    def test_line_ends_of_dos(self):
        _, (dos,) = self.turns(f"/image {PICTURE}\r", "What?\r", "/quit\r")
        _, (unix,) = self.turns(f"/image {PICTURE}", "What?", "/quit")
        self.assertEqual(dos["answer"], unix["answer"])
        self.assertEqual(dos["receipt"]["tokens"], unix["receipt"]["tokens"])

    def test_ctrl_c_ends_the_answer_then_the_conversation(self):
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        args = ("ask", MODEL, "--temperature", 100, "--seed", 2, "-n", 900, "-i")
        process = subprocess.Popen(
            [PROGRAM, *map(str, args)], stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "SACCADE_ISA": "reference"},
        )
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.kill)
        os.close(slave)
        read_until(process.stderr, b"> ")
        os.write(master, b"Say something.\n")
        self.assertTrue(os.read(process.stdout.fileno(), 1))
        process.send_signal(signal.SIGINT)
        self.assertTrue(read_until(process.stderr, b"\n> ").endswith(b"\n> "))
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=60), 130)


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
        self.fails(2, "subcommand", "`saccade --help`", result=run())
        self.fails(2, "--no-such-flag", "`saccade ask --help`", result=run("ask", MODEL, "--no-such-flag", "x"))
        self.fails(2, "PROMPT", result=run("ask", MODEL))
        self.fails(2, "FILE", "`saccade inspect --help`", result=run("inspect"))
        self.fails(2, "--image", result=run("ask", MODEL, "x", "--image"))
        self.fails(2, "SACCADE_ISA", result=run("ask", MODEL, "x", env={"SACCADE_ISA": "z80"}))
        self.fails(2, "prompt", "UTF-8", result=run("ask", MODEL, "\udcff"))

    def test_option_values_out_of_range(self):
        for option, value, allowed in (
            ("--top-p", 7, "0 to 1"),
            ("--temperature", "nan", "0 to 100"),
            ("--max-tokens", 0, "1 or more"),
            ("--context", "many", "1 or more"),
            ("--threads", 2000, "1 to 1024"),
            ("--seed", -1, "0 or more"),
        ):
            with self.subTest(option=option):
                self.fails(2, f'{option}: "{value}"', allowed, result=run("ask", "no.gguf", option, value, "x"))

    def test_json_has_the_error(self):
        for code, name, args in (
            (2, "invalid_argument", ("ask", MODEL, "--json", "--no-such-flag", "x")),
            (2, "invalid_argument", ("ask", MODEL, "--json")),
            (3, "not_found", ("ask", "no/such\x1b.gguf", "--json", "x")),
            (4, "unsupported", ("ask", MODEL, "--image", MODEL, "--json", "x")),
            (4, "unsupported", ("inspect", PICTURE, "--json")),
            (3, "not_found", ("eval", MODEL, "--data", "no/such.jsonl", "--json")),
        ):
            with self.subTest(args=args):
                result = run(*args)
                self.assertEqual(result.returncode, code, result.stderr)
                self.has_error_line(result=result)
                error = json.loads(result.stdout)["error"]
                self.assertEqual(error["code"], name)
                self.assertTrue(error["message"])
                self.assertNotIn("\x1b", result.stderr)

    def test_the_system_refuses(self):
        loop = self.folder / "loop"
        loop.symlink_to(loop)
        self.fails(6, "loop", result=run("eval", MODEL, "--data", loop))
        self.fails(6, "directory", result=run("eval", MODEL, "--data", self.folder))
        self.fails(6, "loop", result=run("convert", loop, self.folder / "out.gguf"))
        checkpoint = ROOT / "tests" / "parity" / "data" / "text_qwen2" / "checkpoint"
        self.fails(6, "loop", result=run("convert", checkpoint, loop / "out.gguf"))

    def test_interrupt_while_the_prompt_is_typed(self):
        process = subprocess.Popen(
            [PROGRAM, "ask", str(MODEL), "-"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        catches_sigint = re.compile(r"SigCgt:.*[2367abef]\n")  # bit 1 of the last digit
        status = pathlib.Path(f"/proc/{process.pid}/status")
        while process.poll() is None and not catches_sigint.search(status.read_text()):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
        self.assertEqual((process.returncode, stderr), (130, ""))

    def test_over_the_context(self):
        self.fails(5, "context", "pictures", result=run("ask", MODEL, "-c", 100, "--image", PICTURE, "x"))

    def test_reader_goes_away(self):
        with open("/dev/full", "w") as full:
            result = subprocess.run([PROGRAM, "ask", str(MODEL), "-q", "--image", str(PICTURE), DEMO[0]["question"]],
                                    stdout=full, stderr=subprocess.PIPE, text=True, timeout=300)
        self.assertEqual(result.returncode, 6, result.stderr)


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

    def test_inspect_shows_names_without_their_control_characters(self):
        path = self.folder / "red.gguf"
        whole = MODEL.read_bytes()
        key = b"general.name\x08\0\0\0"  # a string follows: its length in 8 bytes, itself
        self.assertEqual(whole.count(key), 1)
        begin = whole.index(key) + len(key) + 8
        path.write_bytes(whole[:begin] + b"\x1b\n" + whole[begin + 2 :])
        self.assertIn("\\u001b\\u000a", run("inspect", path).stdout)

    def test_a_picture_too_long_for_its_family(self):
        model = self.folder / "qwen.gguf"
        checkpoint = ROOT / "tests" / "parity" / "data" / "qwen2_vl" / "checkpoint"
        self.assertEqual(run("convert", checkpoint, model).returncode, 0)
        picture = self.folder / "long.png"
        picture.write_bytes(png(4020, 20))
        self.fails(4, "long.png", "4020 x 20", "200 times", result=run("ask", model, "--image", picture, "x"))

    def test_inspect_shows_how_redundant_a_picture_is(self):
        flat = self.folder / "flat.png"
        flat.write_bytes(png(300, 200))
        result = run("inspect", "--image", flat, "--cell", 20, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        facts = json.loads(result.stdout)
        self.assertEqual((facts["width"], facts["height"], facts["rows"], facts["cols"]), (300, 200, 10, 15))
        self.assertAlmostEqual(facts["unique_share"], 1 / 150)
        self.assertEqual(facts["background"], {"color": "#000000", "share": 1})
        self.assertFalse(facts["content"]["is_cut"])
        facts = json.loads(run("inspect", "--image", PICTURE, "--json").stdout)
        self.assertGreater(facts["unique_share"], facts["unique_share_within_8"])
        self.assertTrue(0 < facts["survives"]["quarter"] < facts["survives"]["half"] < 1)
        table = run("inspect", "--image", PICTURE).stdout
        for word in (str(PICTURE), "unique", "background", "decoding"):
            self.assertIn(word, table)
        for size in ((1, 1), (1, 3000), (3000, 1)):
            flat.write_bytes(png(*size))
            self.assertEqual(run("inspect", "--image", flat, "--map", self.folder / "map.png").returncode, 0, size)

    def test_inspect_shows_what_an_encoder_is_given(self):
        result = run("inspect", MODEL, "--image", PICTURE, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        encoder = json.loads(result.stdout)["encoder"]
        self.assertEqual((encoder["family"], encoder["cells"], encoder["tiles"]), ("llava", 576, 1))
        self.assertLess(encoder["unique_cells_within_8"], encoder["unique_cells"])
        self.assertIn("576 cells of", run("inspect", MODEL, "--image", PICTURE).stdout)

    def test_inspect_shows_what_tokens_say_twice(self):
        def tokens(*flags):
            result = run("inspect", MODEL, "--image", PICTURE, "--json", *flags)
            self.assertEqual(result.returncode, 0, result.stderr)
            return json.loads(result.stdout)["tokens"]

        quarter = tokens()
        self.assertEqual((quarter["count"], quarter["kept"]["count"], quarter["kept"]["strategy"]), (576, 144, "divprune"))
        self.assertTrue(1 < quarter["effective_rank"] < 576 and 0 < quarter["unique_share"] < 1)
        self.assertTrue(0 < quarter["neighbour_cosine"] < 1 and 0 < quarter["entropy_bits"] < 9.17)
        self.assertIn("Renyi", quarter["entropy_estimator"])
        kept = quarter["kept"]
        self.assertAlmostEqual(kept["mutual_bits"] + kept["conditional_bits"], quarter["entropy_bits"])
        self.assertTrue(0 < kept["mutual_bits"] < kept["mutual_bits_of_all"] < quarter["entropy_bits"])
        few = tokens("--keep", 9, "--strategy", "random", "--plan-seed", 1)
        self.assertEqual((few["kept"]["count"], few["kept"]["strategy"]), (9, "random"))
        self.assertLess(few["kept"]["mutual_bits"], kept["mutual_bits"])
        self.assertEqual(few["entropy_bits"], quarter["entropy_bits"])
        self.assertLess(tokens("--strategy", "prumerge")["kept"]["count"], 576)
        table = run("inspect", MODEL, "--image", PICTURE, "--keep", 9).stdout
        for words in ("9 by divprune", "I(X; Y)", "H(X|Y)", "matrix-based Renyi entropy of order 2", "effective"):
            self.assertIn(words, table)
        self.assertNotIn("tokens", json.loads(run("inspect", "--image", PICTURE, "--json").stdout))
        self.fails(2, "--keep", result=run("inspect", "--image", PICTURE, "--keep", 9))
        self.fails(2, "question", result=run("inspect", MODEL, "--image", PICTURE, "--strategy", "query"))

    def test_inspect_writes_a_map(self):
        path = self.folder / "map.png"
        for _ in range(2):
            result = run("inspect", "--image", PICTURE, "--map", path)
            self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(json.loads(run("inspect", "--image", path, "--json").stdout)["width"], 256)
        self.assertEqual([entry.name for entry in self.folder.iterdir()], ["map.png"])
        copy = self.folder / "copy.png"
        copy.write_bytes(PICTURE.read_bytes())
        self.fails(2, "copy.png", "another name", result=run("inspect", "--image", copy, "--map", copy))
        self.assertEqual(copy.read_bytes(), PICTURE.read_bytes())
        nowhere = self.folder / "nowhere" / "map.png"
        self.fails(3, "nowhere", "folder", result=run("inspect", "--image", PICTURE, "--map", nowhere))
        self.fails(6, "directory", result=run("inspect", "--image", PICTURE, "--map", self.folder))
        small_files = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
                       "restore_signals": False}  # Python ignores SIGXFSZ
        before = path.read_bytes()
        full = subprocess.run([PROGRAM, "inspect", "--image", str(PICTURE), "--map", str(path)],
                              capture_output=True, text=True, timeout=60, **small_files)
        self.fails(6, "map.png", "cannot write", result=full)
        self.assertEqual(path.read_bytes(), before)
        self.assertFalse(path.with_name("map.png.partial").exists())

    def test_inspect_refuses_bad_pictures(self):
        whole = PICTURE.read_bytes()
        path = self.folder / "half.png"
        path.write_bytes(whole[: len(whole) // 2])
        self.fails(4, "half.png", result=run("inspect", "--image", path))
        path.write_bytes(b"")
        self.fails(4, "half.png", "empty", result=run("inspect", "--image", path))
        path.write_bytes(png(0, 5))
        self.fails(4, "half.png", result=run("inspect", "--image", path))
        self.fails(4, "JPEG, PNG or WebP", result=run("inspect", "--image", MODEL))
        self.fails(3, "no/such.png", result=run("inspect", "--image", "no/such.png"))
        self.fails(2, "--cell", result=run("inspect", "--image", PICTURE, "--cell", 0))
        self.fails(2, "--map requires --image", result=run("inspect", MODEL, "--map", "map.png"))

    def eval_set(self, *changes):
        """A set of one question with changes; its answer is what the model says."""
        answer = run("ask", MODEL, "--image", PICTURE, "-q", "-n", 128, DEMO[0]["question"]).stdout
        good = {"image": str(PICTURE), "question": DEMO[0]["question"], "answer": answer, "kind": "good"}
        data = self.folder / "set.jsonl"
        data.write_text("\n\n".join(json.dumps({**good, **change}) for change in changes))
        return data

    def test_eval_counts(self):
        data = self.eval_set({}, {"answer": "certainly not this", "kind": "b\x1bad"})
        result = run("eval", MODEL, "--data", data, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        outcome = json.loads(result.stdout)
        self.assertEqual((outcome["questions"], outcome["asked"], outcome["right"]), (2, 2, 1))
        self.assertNotIn("error", outcome)
        missed = run("eval", MODEL, "--data", data, "--min-share", 0.9)
        self.assertEqual(missed.returncode, 1)
        self.has_error_line("1 of 2", "0.500", "0.9", result=missed)
        for word in (str(MODEL), str(data), "2 questions", "b\\u001bad"):
            self.assertIn(word, missed.stdout)
        data.write_text('{"image": "x"}\n')
        self.fails(4, "set.jsonl:1", "question", result=run("eval", MODEL, "--data", data))

    def test_eval_keeps_what_was_done_before_a_failure(self):
        data = self.eval_set({}, {"image": "no/such.png"}, {})
        result = run("eval", MODEL, "--data", data)
        self.assertEqual(result.returncode, 3)
        self.has_error_line("set.jsonl:3", "no/such.png", result=result)
        self.assertIn("partial: only 1 of 3", result.stdout)
        outcome = json.loads(run("eval", MODEL, "--data", data, "--json").stdout)
        self.assertEqual((outcome["questions"], outcome["asked"], outcome["right"]), (3, 1, 1))
        self.assertEqual(outcome["error"]["code"], "not_found")
        data.write_text(data.read_text().split("\n\n")[1])
        self.fails(3, "set.jsonl:1", result=run("eval", MODEL, "--data", data))

    def test_eval_keeps_what_was_done_before_an_interrupt(self):
        data = self.eval_set(*[{"answer": "certainly not this"}] * 5000)
        process = subprocess.Popen(
            [PROGRAM, "eval", str(MODEL), "--data", str(data), "--failures"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        process.stderr.readline()  # the first answer that is wrong
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, stderr)
        self.assertIn("interrupted", stderr)
        self.assertRegex(stdout, r"partial: only \d+ of 5000")

    def sweep_set(self, num_items=3):
        """A set of one question several times, without an answer but for the first."""
        item = {"image": str(PICTURE), "question": DEMO[0]["question"]}
        data = self.folder / "set.jsonl"
        items = [{**item, "answer": DEMO[0]["answer"]}] + [item] * (num_items - 1)
        data.write_text("\n".join(map(json.dumps, items)))
        return data

    def test_sweep_compares_plans(self):
        out = self.folder / "out"
        plans = ("--plan", "keep=36,strategy=random", "--plan", "half: resolution=144")
        args = ("sweep", MODEL, "--data", self.sweep_set(), *plans, "--out", out, "--reuse", 1)
        result = run(*args, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        outcome = json.loads(result.stdout)
        self.assertEqual(outcome, json.loads((out / "sweep.json").read_text()))
        full, few, half = outcome["rows"]
        self.assertEqual([row["plan"] for row in outcome["rows"]], ["full", "keep=36,strategy=random", "half"])
        self.assertEqual([row["visual_tokens"] for row in outcome["rows"]], [576, 36, 144])
        for row in outcome["rows"]:
            self.assertEqual(row["num_items"], 3)
            for name in ("layers", "flops", "latency_ms", "ttft_ms", "encode_ms", "prefill_ms"):
                self.assertGreater(row[name], 0, name)
        self.assertEqual((full["quality"], full["agreement"], full["flops_share"]), (1, 1, 1))
        self.assertLess(few["prefill_flops"], full["prefill_flops"])
        self.assertLess(half["encode_flops"], full["encode_flops"])
        self.assertLess(full["reuse"]["same_picture"]["ttft_ms"], full["reuse"]["cold"]["ttft_ms"])
        self.assertIsNone(full["reuse"]["other_picture"])
        for name in ("quality_flops.png", "quality_ms.png", "linearity.png"):
            self.assertTrue((out / name).read_bytes().startswith(b"\x89PNG"), name)
        page = (out / "sweep.html").read_text()
        self.assertEqual(page.count("<svg"), 3)
        self.assertNotIn("http", page)
        self.assertIn("| half |", (out / "table.md").read_text())
        # Once more: nothing is asked, and the table is the same.
        asked = (out / "results.jsonl").read_text()
        again = run(*args)
        self.assertRegex(again.stdout, r"(?m)^half +144\.0 ")
        self.assertEqual((out / "results.jsonl").read_text(), asked)
        refused = run(*args, "--max-tokens", 7)
        self.fails(2, "max_tokens", "--restart", result=refused)

    def test_sweep_goes_on_after_an_interrupt(self):
        out = self.folder / "out"
        args = ("sweep", MODEL, "--data", self.sweep_set(300), "--plan", "keep=36", "--reuse", 0, "--out", out)
        process = subprocess.Popen([PROGRAM, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        results = out / "results.jsonl"
        while process.poll() is None and not (results.exists() and results.read_text().count("\n") > 5):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, stderr)
        self.assertIn("goes on from here", stderr)
        self.assertRegex(stdout, r"partial: only \d+ of 300")
        # As a kill in the middle of a line would leave it; with the rest of the questions gone, it is soon done.
        lines = results.read_text().splitlines(keepends=True)
        results.write_text("".join(lines[:5]) + lines[5][:40])
        process = subprocess.Popen([PROGRAM, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while process.poll() is None and results.read_text().count("\n") < 8:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        self.assertTrue(results.read_text().startswith("".join(lines[:5])))
        keys = [(row["item"], row["plan"]) for row in map(json.loads, results.read_text().splitlines()[1:])]
        self.assertEqual(len(keys), len(set(keys)))

    def test_sweep_refuses_plans_that_make_no_sense(self):
        data = self.sweep_set()
        self.fails(2, "keep=0", "1 or more", result=run("sweep", MODEL, "--data", data, "--plan", "keep=0"))
        unknown = run("sweep", MODEL, "--data", data, "--plan", "keep=9,strategy=luck")
        self.fails(2, "luck", "divprune", result=unknown)
        self.fails(3, "nowhere.txt", "default", result=run("sweep", MODEL, "--data", data, "--grid", "nowhere.txt"))

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


class Calibrate(ProgramTest):
    def args(self, num_items, *more):
        """Questions on pictures of their own: copies of the demo's."""
        lines = []
        for i in range(num_items):
            item = DEMO[i % len(DEMO)]
            picture = self.folder / f"{i}.png"
            shutil.copy(ROOT / "samples" / item["image"], picture)
            lines.append(json.dumps({**item, "image": picture.name}))
        (self.folder / "set.jsonl").write_text("\n".join(lines))
        out = ("--out", self.folder / "quality.json", "--work", self.folder / "work")
        return ("calibrate", MODEL, "--data", self.folder / "set.jsonl", "--design-share", 0.5, *out, *more)

    def test_measures_and_goes_on_after_an_interrupt(self):
        args = self.args(6)
        results = self.folder / "work" / "results.jsonl"
        process = subprocess.Popen([PROGRAM, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while process.poll() is None and not (results.exists() and results.read_text().count("\n") > 5):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
        self.assertEqual((process.returncode, stdout), (130, ""), stderr)
        self.assertIn("goes on from here", stderr)
        self.assertFalse((self.folder / "quality.json").exists())
        asked = results.read_text()
        result = run(*args, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue(results.read_text().startswith(asked))
        outcome = json.loads(result.stdout)
        self.assertEqual([row["class"] for row in outcome["classes"]], ["any"])
        self.assertEqual((outcome["classes"][0]["num_design"], outcome["classes"][0]["num_certification"]), (3, 3))
        ladder = outcome["classes"][0]["ladder"]
        self.assertGreater(len(ladder), 0)
        for rung in ladder:
            self.assertLess(rung["mean_loss"], rung["epsilon"])
        table = json.loads((self.folder / "quality.json").read_text())
        self.assertEqual(table["model"], {**table["model"], "file": MODEL.name, "bytes": MODEL.stat().st_size})
        self.assertEqual([rung["plan"] for rung in table["classes"]["any"]["ladder"]], [rung["plan"] for rung in ladder])
        losses = json.loads((self.folder / "work" / "losses.jsonl").read_text())
        self.assertEqual([row.count("1") / len(row) for row in losses["losses"]], [rung["mean_loss"] for rung in ladder])
        # Once more, by two at the same time: nothing is asked, and all is the same.
        again = run(*args, "--workers", 2, "-t", 1)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertIn("class any: 3 questions", again.stdout)
        self.assertIn("wrote ", again.stdout)
        self.assertEqual(json.loads((self.folder / "quality.json").read_text()), table)
        self.fails(2, "max_tokens", "--restart", result=run(*args, "--max-tokens", 7))

    def test_refuses_what_it_cannot_measure(self):
        args = self.args(2)
        (self.folder / "set.jsonl").write_text(json.dumps({**DEMO[0], "image": "0.png"}))
        self.fails(2, "one picture", result=run(*args))
        self.fails(3, "nowhere.jsonl", result=run("calibrate", MODEL, "--data", self.folder / "nowhere.jsonl"))
        data = self.folder / "set.jsonl"
        self.fails(2, "--out", "is read here", result=run("calibrate", MODEL, "--data", data, "--out", data))
        self.assertIn("Example", run("calibrate", "--help").stdout)

    def test_a_budget_goes_by_what_was_measured(self):
        model = self.folder / "mini.gguf"
        shutil.copy(MODEL, model)
        beside = self.folder / "mini.gguf.quality.json"
        ask = ("ask", model, "--image", PICTURE, "--min-quality", 0.5, "-q", DEMO[0]["question"])
        self.assertEqual(json.loads(run("inspect", model, "--json").stdout)["quality"], "published figures of other models")
        table = json.loads((ROOT / "models" / "saccade-mini.gguf.quality.json").read_text())
        beside.write_text(json.dumps(table))
        self.fails(2, "another model", "saccade-mini.gguf", result=run(*ask))
        table["model"]["file"] = model.name
        beside.write_text(json.dumps(table))
        self.assertEqual(run(*ask).stdout.strip(), DEMO[0]["answer"])
        claim = json.loads(run(*ask, "--json").stdout)["receipt"]["budget"]["claim"]
        self.assertEqual((claim["kind"], claim["epsilon"], claim["delta"]), ("certified", 0.5, 0.05))
        self.assertIn("set.jsonl", run("inspect", model).stdout)
        beside.write_text(json.dumps({**table, "delta": "x"}))
        self.fails(4, "mini.gguf.quality.json", "delta", result=run(*ask))


class Ledgers(ProgramTest):
    def make_ledger(self, *entries):
        """A ledger as version 1 of it is, by SQLite itself. Entries have request_id, time_us and what else is told."""
        text = "request_id account model plan task_class modality status cause finish_reason budget_mode policy candidates"
        counts = "time_us claim_questions text_tokens visual_tokens laid_out_visual_tokens cached_tokens generated_tokens"
        numbers = "waited_ms claim_epsilon claim_delta flops propensity"
        optional = (
            "max_latency_ms max_ttft_ms max_cost_usd min_quality predicted_ttft_ms predicted_ttft_p95_ms "
            "predicted_latency_ms predicted_latency_p95_ms predicted_cost_usd predicted_quality ttft_ms latency_ms "
            "met_latency met_ttft met_cost met_quality claim_kind cost_usd full_plan_usd"
        )
        defaults = {**dict.fromkeys(text.split(), ""), **dict.fromkeys((counts + " " + numbers).split(), 0),
                    **dict.fromkeys(optional.split()), "context": b"", "status": "ok", "budget_mode": "best_effort",
                    "propensity": 1}
        path = self.folder / "a.ledger"
        base = sqlite3.connect(path)
        base.execute(f"CREATE TABLE entries ({', '.join(defaults)}, UNIQUE (request_id))")
        base.execute("CREATE TABLE feedback (request_id, source, score, time_us, PRIMARY KEY (request_id, source))")
        base.execute("PRAGMA application_id = 0x53414343")
        base.execute("PRAGMA user_version = 1")
        for entry in entries:
            names = ", ".join(defaults)
            base.execute(f"INSERT INTO entries ({names}) VALUES ({', '.join('?' * len(defaults))})",
                         list({**defaults, **entry}.values()))
        base.commit()
        base.close()
        return path

    def test_a_budget_is_planned_kept_and_told(self):
        profile = self.folder / "profile.json"
        made = run("profile", "--profile", profile, "--json")
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertGreater(json.loads(made.stdout)["memory_gbytes_per_second"], 0)
        ask = ["ask", MODEL, "--image", PICTURE, "--profile", profile, DEMO[0]["question"]]
        full = json.loads(run(*ask, "--json", "--within", "60s", "--min-quality", "1").stdout)["receipt"]
        self.assertEqual(full["plan"], "full")
        self.assertEqual(full["budget"]["claim"], {"kind": "full"})
        learnt = json.loads(profile.read_text())["models"]
        self.assertEqual(len(learnt), 1)
        (model,) = learnt.values()
        self.assertEqual(model["answer_tokens"], {"read": [full["tokens"]["generated"]]})
        quick = json.loads(run(*ask, "--json", "--within", "1ms").stdout)["receipt"]
        self.assertLess(quick["pictures"][0]["visual_tokens"], full["pictures"][0]["visual_tokens"])
        self.assertFalse(quick["budget"]["met_latency"])
        self.assertIn("cannot promise an answer within 1 ms", quick["budget"]["shortfall"])
        table = run(*ask, "--within", "60s").stderr
        self.assertRegex(table, r"asked within 6e\+04 ms: time kept\n  took [0-9.]+ ms without loading, predicted [0-9.]+")
        refused = run(*ask, "--within", "1ms", "--strict")
        self.assertEqual(refused.returncode, 5)
        self.assertIn("the fastest plan takes", refused.stderr)

    def test_a_plan_is_explained(self):
        plan = ["plan", MODEL, "--image", PICTURE, DEMO[0]["question"]]
        report = run(*plan, "--within", "1s")
        self.assertEqual(report.returncode, 0, report.stderr)
        self.assertEqual(len(re.findall(r"^> ", report.stdout, re.M)), 1)
        self.assertRegex(report.stdout, r"(?m)^[> ] full +[0-9]")
        told = json.loads(run(*plan, "--min-quality", "1", "--json").stdout)
        chosen = [one for one in told["plans"] if one["chosen"]]
        self.assertEqual([one["plan"] for one in chosen], ["full"])
        self.assertGreater(told["compared"], 1000)
        rules = self.folder / "rules.txt"
        rules.write_text("sums: total\n")
        told = json.loads(run(*plan, "--within", "1s", "--json", "--task-rules", rules).stdout)
        self.assertEqual((told["task_class"], told["calibrated"]), ("sums", True))
        rules.write_text("sums: total\nwhat\n")
        self.fails(2, "rules.txt", "line 2", result=run(*plan, "--task-rules", rules))

    def test_memory_has_a_limit(self):
        question = [MODEL, "--image", PICTURE, DEMO[0]["question"]]
        refused = run("ask", *question, "--max-memory", "1MiB")
        self.assertEqual(refused.returncode, 5, refused.stderr)
        self.assertIn("--max-memory", refused.stderr)
        told = json.loads(run("plan", *question, "--within", "60s", "--max-memory", "1GiB", "--json").stdout)
        self.assertLess(told["free_memory_bytes"], 1 << 30)
        wrong = run("ask", *question, "--max-memory", "lots")
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("--max-memory", wrong.stderr)

    def test_budgets_that_make_no_sense(self):
        ask = ["ask", MODEL, "--image", PICTURE, "What is it?"]
        for option, value in [("--within", "0"), ("--within", "-5ms"), ("--within", "soon"), ("--within", "nan"),
                              ("--within", "1e999"), ("--first-token-within", "5 parsecs"), ("--min-quality", "1.1"),
                              ("--min-quality", "-0.1"), ("--max-cost", "0"), ("--max-cost", "-1")]:
            result = run(*ask, f"{option}={value}")
            self.assertEqual(result.returncode, 2, (option, value, result.stderr))
            self.assertIn(option, result.stderr)
        self.assertIn("no prices", run(*ask, "--max-cost", "1").stderr)

    def test_answers_are_on_record_until_the_money_is_spent(self):
        prices, ledger = self.folder / "prices.toml", self.folder / "ledger.db"
        prices.write_text("[per_million_tokens]\noutput = 1000\n[accounts.acme]\nday_usd = 0.02\n")
        ask = ["ask", MODEL, "--image", PICTURE, DEMO[0]["question"], "--max-tokens", "8", "--json",
               "--prices", prices, "--ledger", ledger, "--account", "acme"]
        refusals = 0
        for _ in range(5):
            result = run(*ask)
            if result.returncode == 5:
                refusals += 1
                self.assertIn("acme" if "acme" in result.stderr else "usd", (result.stdout + result.stderr).lower())
                continue
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertGreater(json.loads(result.stdout)["receipt"]["cost"]["usd"], 0)
        self.assertGreaterEqual(refusals, 1)
        report = json.loads(run("report", ledger, "--json").stdout)
        self.assertIn("5", json.dumps(report))

    def test_feedback_is_reported(self):
        day = 86_400_000_000
        ledger = self.make_ledger(
            {"request_id": "r1", "time_us": 20_000 * day, "model": "m", "cost_usd": 0.25, "full_plan_usd": 1},
            {"request_id": "r2", "time_us": 20_002 * day - 1, "model": "m"},
            {"request_id": "r3", "time_us": 20_002 * day, "model": "n", "status": "refused"},
        )
        self.assertEqual(run("feedback", ledger, "r1", "--wrong").stdout, "request r1: 0\n")
        for options, score in ((("--right",), 1), (("--score", 0.5), 0.5)):
            self.assertEqual(json.loads(run("feedback", ledger, "r1", *options, "--json").stdout)["score"], score)
        page = self.folder / "report.html"
        result = run("report", ledger, "--by", "day,model", "--html", page)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"(?m)^2024-10-04 +m .* 75\.0 % .* 0\.500 of 1$")
        self.assertIn("3 requests, from 2024-10-04 to 2024-10-06", result.stdout)
        self.assertIn("<svg", page.read_text())
        self.assertNotIn("http", page.read_text())
        days = ("--since", "2024-10-05", "--until", "2024-10-05")
        report = json.loads(run("report", ledger, *days, "--json").stdout)
        self.assertEqual((report["total"]["requests"], report["groups"][0]["key"]), (1, {"day": "2024-10-05"}))
        self.fails(3, "a.ledger", '"r9"', result=run("feedback", ledger, "r9", "--right"))
        self.fails(2, "ledger itself", result=run("report", ledger, "--html", ledger))
        self.fails(3, "nowhere", result=run("report", ledger, "--html", self.folder / "nowhere" / "report.html"))

    def test_refuses_what_is_no_ledger(self):
        notes = self.folder / "notes.txt"
        notes.write_text("Dear all,\nthis is no ledger.\n")
        newer = self.make_ledger()
        base = sqlite3.connect(newer)
        base.execute("PRAGMA user_version = 2")
        base.close()
        for command, *rest in (("report",), ("feedback", "r1", "--right")):
            with self.subTest(command=command):
                self.fails(4, "notes.txt", "not a ledger", result=run(command, notes, *rest))
                self.fails(3, "no/such", "no such file", result=run(command, "no/such.ledger", *rest))
                self.fails(6, "directory", result=run(command, self.folder, *rest))
                self.fails(4, "version 2", "newer saccade", result=run(command, newer, *rest))
        self.assertEqual(notes.read_text(), "Dear all,\nthis is no ledger.\n")
        result = run("report", "no/such.ledger", "--json")
        self.assertEqual((result.returncode, json.loads(result.stdout)["error"]["code"]), (3, "not_found"))

    def test_usage(self):
        self.fails(2, "--by", "moon", "task_class", result=run("report", "a", "--by", "day,moon"))
        self.fails(2, "--since", "2026-13-01", "as in", result=run("report", "a", "--since", "2026-13-01"))
        backwards = run("report", "a", "--since", "2026-12-01", "--until", "2026-11-30")
        self.fails(2, "2026-12-01", "2026-11-30", result=backwards)
        self.fails(2, "--score", "--right", "--wrong", result=run("feedback", "a", "r1"))
        self.fails(2, "--score", result=run("feedback", "a", "r1", "--right", "--wrong"))
        self.fails(2, "--score", "0 to 1", result=run("feedback", "a", "r1", "--score", "nan"))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])

#!/usr/bin/env python3
"""Measures saccade beside llama.cpp and OpenVINO on the same shapes, in alternating rounds of one run, and prints a table.

    python bench/peers/compare.py MODEL.gguf [MODEL.gguf,MMPROJ.gguf,PICTURE ...] --saccade build/release/bin/saccade
        --llama-python VENV/bin/python --openvino-python VENV/bin/python

bench/README.md says how to make the models and the environments and how to read the table. Needs nothing but Python.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
MEASURES = ["encode", "prefill", "decode_1", "decode_8", "first_token"]
QUESTION = "Please look closely at this picture and tell me in one short sentence what the largest thing in it could be"


def run(command: list, env: dict, job: dict | None) -> dict:
    done = subprocess.run([str(word) for word in command], input=None if job is None else json.dumps(job), capture_output=True,
                          text=True, check=False, env=os.environ | env)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or [f"exit code {done.returncode}"]
        raise RuntimeError(f"{command[0]}: {lines[-1]}")
    return json.loads(done.stdout.strip().splitlines()[-1] if job else done.stdout)


def show(progress: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{progress}", end="", file=sys.stderr, flush=True)


class Saccade:
    name = "saccade"

    def __init__(self, args: argparse.Namespace):
        self.args, self.facts, self.limits = args, {}, {}

    def measure(self, files: list, measures: list) -> dict:
        args = self.args
        command = [args.saccade, "bench", files[0], "-t", args.threads, "-r", args.repeats, "--json"]
        command += ["-p", args.prompt_tokens if "prefill" in measures else 0]
        batches = [batch for batch in (1, 8) if f"decode_{batch}" in measures]
        command += ["-n", args.generated_tokens if batches else 0, "-b", ",".join(map(str, batches or [1]))]
        command += ["--tests", ",".join(sorted({measure.split("_")[0] if "decode" in measure else measure for measure in measures}))]
        if len(files) > 1 and {"encode", "first_token"} & set(measures):
            command += ["--mmproj", files[1], "--image", files[2]]
        report = run(command, {"SACCADE_ISA": args.isa} if args.isa else {}, None)
        self.isa = report["isa"]
        times = {}
        for result in report["results"]:
            name = f"decode_{result['batch_size']}" if result["test"] == "decode" else result["test"]
            times[name] = [result["ms"]]
            self.facts.setdefault(name, []).append(result)
        return times


class Peer:
    def __init__(self, name: str, python: str, script: str, args: argparse.Namespace):
        self.name, self.python, self.script, self.args = name, python, script, args
        self.version = ""

    def measure(self, files: list, measures: list) -> dict:
        args = self.args
        job = {"model": files[0], "threads": args.threads, "measures": measures, "prompt_tokens": args.prompt_tokens,
               "generated_tokens": args.generated_tokens, "repeats": args.repeats, "warmups": 1, "question": QUESTION, "tiles": args.tiles}
        if len(files) > 1:
            job |= {"mmproj": files[1], "image": files[2]}
        report = run([self.python, HERE / self.script], {"ONEDNN_MAX_CPU_ISA": "AVX2"} if args.isa == "avx2" else {}, job)
        self.version = report["version"]
        return report["ms"]


def peers_of(args: argparse.Namespace) -> list:
    peers = [Saccade(args)]
    if args.llama_python:
        peers.append(Peer("llama.cpp", args.llama_python, "llama_cpp_peer.py", args))
    if args.openvino_python:
        peers.append(Peer("openvino", args.openvino_python, "openvino_peer.py", args))
    return peers


def measure_model(files: list, args: argparse.Namespace) -> dict:
    """{"peers": {peer: {measure: [ms of each run]}}, ...} of all rounds."""
    measures = [measure for measure in args.measures if len(files) > 1 or measure not in ("encode", "first_token")]
    peers = peers_of(args)
    times = {peer.name: {} for peer in peers}
    for number in range(args.rounds):
        for peer in peers:
            show(f"{pathlib.Path(files[0]).name}: round {number + 1} of {args.rounds}, {peer.name}")
            try:
                for measure, runs in peer.measure(files, measures).items():
                    times[peer.name].setdefault(measure, []).extend(runs)
            except RuntimeError as error:
                show("")
                print(error, file=sys.stderr)
    show("")
    ours = peers[0]
    limit_shares = {name: statistics.median(result["limit_share"] for result in results) for name, results in ours.facts.items()}
    limits = {name: results[0]["limit"] for name, results in ours.facts.items()}
    return {"model": pathlib.Path(files[0]).name, "isa": getattr(ours, "isa", ""), "threads": args.threads, "ms": times,
            "limit_share": limit_shares, "limit": limits, "versions": {peer.name: peer.version for peer in peers[1:]}}


def print_table(report: dict, names: list) -> None:
    print(f"\n{report['model']}, {report['isa']}, {report['threads']} threads, medians in ms (smallest to largest)")
    print(f"{'measure':<12}" + "".join(f"{name:>27}" for name in names) + "".join(f"{'x ' + name:>13}" for name in names[1:]) + "   of the limit")
    for measure in MEASURES:
        runs = {name: report["ms"].get(name, {}).get(measure) for name in names}
        if not runs[names[0]]:
            continue
        line = f"{measure:<12}"
        for name in names:
            line += f"{statistics.median(runs[name]):>12.1f} {f'({min(runs[name]):.0f} to {max(runs[name]):.0f})':>14}" if runs[name] else f"{'-':>27}"
        for name in names[1:]:
            ratio = statistics.median(runs[name]) / statistics.median(runs[names[0]]) if runs[name] else None
            line += f"{ratio:>13.2f}" if ratio else f"{'-':>13}"
        print(line + f"   {report['limit_share'][measure]:.0%} of {report['limit'][measure]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="MODEL.gguf, or MODEL.gguf,MMPROJ.gguf,PICTURE")
    parser.add_argument("--saccade", required=True, help="our program")
    parser.add_argument("--llama-python", help="a Python that has llama-cpp-python")
    parser.add_argument("--openvino-python", help="a Python that has openvino, gguf and numpy")
    parser.add_argument("--isa", default="", help="force our instruction set, such as avx2; give a llama-cpp-python built for the same")
    parser.add_argument("--measures", nargs="+", choices=MEASURES, default=MEASURES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=2, help="runs of a measure in a round, after one that does not count")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prompt-tokens", type=int, default=512)
    parser.add_argument("--generated-tokens", type=int, default=64)
    parser.add_argument("--tiles", type=int, default=1, help="tiles that openvino encodes at once (SmolVLM: 17)")
    parser.add_argument("--json", type=pathlib.Path, help="write all runs there as well")
    args = parser.parse_args()
    reports = []
    for model in args.models:
        report = measure_model(model.split(","), args)
        reports.append(report)
        names = [name for name in report["ms"] if report["ms"][name]]
        if names[:1] == ["saccade"]:
            print_table(report, names)
    for name, version in {name: version for report in reports for name, version in report["versions"].items()}.items():
        print(f"{name}: {version}")
    if args.json:
        args.json.write_text(json.dumps(reports, indent=1))
    return 0 if all(set(report["ms"]) and all(report["ms"].values()) for report in reports) else 1


if __name__ == "__main__":
    sys.exit(main())

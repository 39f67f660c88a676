#!/usr/bin/env python3
"""How much slower a model gets when another program keeps one core busy.

    python bench/busy_core.py build/release/bin/saccade MODEL [options of `saccade bench`]

Runs `saccade bench` free, busy and free again, and prints the times and their ratio; one of the two free runs alone would take a
neighbour on a shared machine for the effect.
"""

import json
import os
import subprocess
import sys


def measure(command: list[str]) -> dict[str, float]:
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {f"{result['test']} x {result['batch_size']}": result["ms"] for result in report["results"]}


def main() -> int:
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    command = [sys.argv[1], "bench", *sys.argv[2:], "--json"]
    core = min(os.sched_getaffinity(0))
    before = measure(command)
    neighbour = subprocess.Popen([sys.executable, "-c", f"import os\nos.sched_setaffinity(0, [{core}])\nwhile True: pass"])
    try:
        busy = measure(command)
    finally:
        neighbour.kill()
    after = measure(command)
    print(f"{'test':<20}{'free, ms':>12}{'busy, ms':>12}{'free, ms':>12}{'slower':>10}")
    for test, ms in busy.items():
        free = (before[test] + after[test]) / 2
        print(f"{test:<20}{before[test]:>12.1f}{ms:>12.1f}{after[test]:>12.1f}{ms / free:>9.2f}x")
    return 0


if __name__ == "__main__":
    sys.exit(main())

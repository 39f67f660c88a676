#!/usr/bin/env python3
"""A server under load: open-loop arrivals, real pictures, a deadline for each request.

    python3 bench/load/load.py build/release/bin/saccade models/saccade-mini.gguf --data samples/heldout/set.jsonl

Starts the server, finds how many requests a second it answers at most with the full plan, and then sends requests at
multiples of that, whether or not earlier ones were answered, each with a deadline of its own (log-uniform between
--tightest and --loosest times what the full plan takes alone). Prints a table: how many were taken in, how many ended in time, how
many a second did so without being cut short ("good/s"), how many of these were right; times to the first token, between tokens, and in all. Twice: by plans that the server chooses (--floor is their
min_quality), and by one fixed plan. Needs nothing but Python.
"""
import argparse
import asyncio
import base64
import json
import math
import pathlib
import random
import re
import statistics
import subprocess
import sys
import time


def quantile(values, share):
    """Of sorted or unsorted values; NaN of none."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


MARK = "@@@@@@@@"  # in a picture: where each request puts bytes of its own, unless pictures may come again


def load_items(path, limit, comes_again):
    folder = pathlib.Path(path).parent
    items = [json.loads(line) for line in pathlib.Path(path).read_text().splitlines() if line.strip()]
    random.Random(1).shuffle(items)
    for item in items[:limit]:
        data = (folder / item["image"]).read_bytes()
        kind = "png" if data[:4] == b"\x89PNG" else "jpeg"
        data += bytes(-len(data) % 3)  # so that more can be put behind it; decoders stop at the picture's end
        url = f"data:image/{kind};base64," + base64.b64encode(data).decode() + MARK
        content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": item["question"]}]
        yield {"messages": json.dumps([{"role": "user", "content": content}]), "answer": item["answer"], "comes_again": comes_again}


def is_right(text, answer):
    def plain(words):
        return re.sub(r"\s+", " ", words).strip().strip(".").lower()
    return plain(text) == plain(answer)


class Result:
    def __init__(self, deadline_ms, answer):
        self.deadline_ms = deadline_ms
        self.answer = answer
        self.status = 0
        self.text = ""
        self.ttft_ms = math.nan
        self.total_ms = math.nan
        self.num_pieces = 0
        self.finish_reason = ""
        self.error = ""

    @property
    def is_in_time(self):
        return self.status == 200 and not self.error and self.total_ms <= self.deadline_ms

    @property
    def is_good(self):
        """In time, and not cut short for it."""
        return self.is_in_time and self.finish_reason == "stop"


async def ask(port, item, fields, deadline_ms):
    """Streams one answer. Times count from before the connection is made."""
    result = Result(deadline_ms, item["answer"])
    own = "" if item["comes_again"] else base64.b64encode(random.randbytes(6)).decode()
    messages = item["messages"].replace(MARK, own)
    body = ('{"stream":true,"max_tokens":32,"messages":' + messages + ',"saccade":' + json.dumps(fields) + "}").encode()
    start = time.perf_counter()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                     b"connection: close\r\ncontent-length: " + str(len(body)).encode() + b"\r\n\r\n")
        writer.write(body)
        head = await reader.readuntil(b"\r\n\r\n")
        result.status = int(head.split(b" ", 2)[1])
        if result.status != 200:
            result.error = (await reader.read()).decode(errors="replace")
            result.total_ms = (time.perf_counter() - start) * 1e3
        else:
            pending = b""
            while piece := await reader.read(65536):
                now_ms = (time.perf_counter() - start) * 1e3
                pending += piece
                *lines, pending = pending.split(b"\n")
                for line in lines:
                    if not line.startswith(b"data: {"):
                        continue
                    event = json.loads(line[6:])
                    if "error" in event:
                        result.error = event["error"]["message"]
                    for choice in event.get("choices", []):
                        text = choice.get("delta", {}).get("content")
                        if text:
                            if math.isnan(result.ttft_ms):
                                result.ttft_ms = now_ms
                            result.text += text
                            result.num_pieces += 1
                            result.total_ms = now_ms
                        if choice.get("finish_reason"):
                            result.finish_reason = choice["finish_reason"]
                            result.total_ms = now_ms
        writer.close()
    except (OSError, asyncio.IncompleteReadError, ValueError) as failure:
        result.error = repr(failure)
    return result


async def closed_loop(port, items, fields, num_clients, seconds):
    """Requests a second that so many clients get answered, one after the other."""
    end = time.perf_counter() + seconds
    times = []

    async def client(number):
        order = random.Random(number)
        while time.perf_counter() < end:
            result = await ask(port, order.choice(items), fields, math.inf)
            if result.status == 200:
                times.append(result.total_ms)
    await asyncio.gather(*(client(number) for number in range(num_clients)))
    return len(times) / seconds, statistics.median(times)


async def open_loop(port, items, fields, rate, seconds, shape, deadlines, seed):
    """Poisson arrivals; bursty ones come in threes to nines at a time, as many in the mean."""
    order = random.Random(seed)
    tasks = []
    start = time.perf_counter()
    at = 0.0
    while at < seconds:
        if shape == "bursts":
            count = order.randint(3, 9)
            at += order.expovariate(rate / 6)
        else:
            count = 1
            at += order.expovariate(rate)
        await asyncio.sleep(max(0.0, start + at - time.perf_counter()))
        for _ in range(count):
            deadline_ms = deadlines(order)
            tasks.append(asyncio.create_task(
                ask(port, order.choice(items), dict(fields, max_latency_ms=deadline_ms), deadline_ms)))
    return await asyncio.gather(*tasks)


COLUMNS = ("load", "req/s", "taken", "in time", "of taken", "good/s", "right", "ttft50", "ttft95", "ttft99", "tpot50", "tpot95", "e2e50", "e2e95",
           "e2e99", "refused ms")


def row(load, rate, seconds, results):
    taken = [r for r in results if r.status == 200 and not r.error]
    in_time = [r for r in taken if r.is_in_time]
    refused = [r for r in results if r.status == 429]
    good = [r for r in in_time if r.is_good]
    right = [r for r in good if is_right(r.text, r.answer)]
    tpot = [(r.total_ms - r.ttft_ms) / (r.num_pieces - 1) for r in taken if r.num_pieces > 1]
    share = len(in_time) / len(taken) if taken else math.nan
    other = len(results) - len(taken) - len(refused)
    cells = [f"{load:g}", f"{rate:.1f}", f"{len(taken)}/{len(results)}", str(len(in_time)), f"{share:.1%}", f"{len(good) / seconds:.1f}",
             f"{len(right) / len(good):.1%}" if good else "-"]
    cells += [f"{quantile([r.ttft_ms for r in taken if not math.isnan(r.ttft_ms)], q):.0f}" for q in (0.5, 0.95, 0.99)]
    cells += [f"{quantile(tpot, q):.1f}" for q in (0.5, 0.95)]
    cells += [f"{quantile([r.total_ms for r in taken], q):.0f}" for q in (0.5, 0.95, 0.99)]
    cells += [f"{quantile([r.total_ms for r in refused], 0.5):.1f}"]
    if other:
        cells[-1] += f"  ({other} failed: {next(r.error for r in results if r.status not in (200, 429) or (r.status == 200 and r.error))[:80]})"
    return cells


def print_row(cells):
    print("  ".join(cell.rjust(9) for cell in cells), flush=True)


async def measure(port, options):
    items = list(load_items(options.data, options.items, options.same_pictures))
    full = {"min_quality": 1}
    for item in items[:20]:
        await ask(port, item, full, math.inf)
        await ask(port, item, dict({"max_latency_ms": 60_000}, **options.adaptive), math.inf)
    _, alone_ms = await closed_loop(port, items, full, 1, 3)
    saturation, _ = await closed_loop(port, items, full, 8, 5)
    saturation = options.saturation or saturation
    print(f"the full plan alone: {alone_ms:.0f} ms; answered a second, 8 clients: {saturation:.1f}")
    print(f"deadlines: {options.tightest * alone_ms:.0f} to {options.loosest * alone_ms:.0f} ms; {options.seconds:g} s each")

    def deadlines(order):
        low, high = math.log(options.tightest * alone_ms), math.log(options.loosest * alone_ms)
        return math.exp(order.uniform(low, high))
    # What plans take with others beside them is learnt on the way.
    await open_loop(port, items, options.adaptive, saturation, options.seconds / 2, "poisson", deadlines, 99)
    for shape in options.shapes:
        for name, fields in (("plans by the server " + json.dumps(options.adaptive), options.adaptive), ("one plan: " + json.dumps(options.fixed), options.fixed)):
            print(f"\n{shape}, {name}")
            print_row(COLUMNS)
            for load in options.loads:
                rate = load * saturation
                results = await open_loop(port, items, fields, rate, options.seconds, shape, deadlines, round(1000 * load))
                print_row(row(load, rate, options.seconds, results))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("model")
    parser.add_argument("--data", default="samples/heldout/set.jsonl")
    parser.add_argument("--items", type=int, default=400, help="questions of the set that are asked (default: 400)")
    parser.add_argument("--same-pictures", action="store_true", help="pictures come again, so that caches help (default: no two are the same)")
    parser.add_argument("--seconds", type=float, default=20, help="of each row (default: 20)")
    parser.add_argument("--loads", type=float, nargs="+", default=[0.25, 0.5, 1, 1.5, 2, 3], help="multiples of saturation")
    parser.add_argument("--shapes", nargs="+", default=["poisson", "bursts"])
    parser.add_argument("--saturation", type=float, help="requests a second, in place of measuring it")
    parser.add_argument("--floor", type=float, default=0.99, help="min_quality of the requests whose plans the server chooses; 0: none")
    parser.add_argument("--fixed", help="the one plan that it is compared with, as `--plan` writes it (default: the full one)")
    parser.add_argument("--tightest", type=float, default=1.5)
    parser.add_argument("--loosest", type=float, default=10)
    parser.add_argument("--serve", nargs="*", default=[], help="more options of `saccade serve`, without their dashes: parallel=8")
    options = parser.parse_args()
    # A plan leaves to the server what it does not say: all of the full one is a floor.
    options.fixed = {"plan": options.fixed} if options.fixed else {"min_quality": 1}
    options.adaptive = {"min_quality": options.floor} if options.floor > 0 else {}
    more = [part for option in options.serve for part in ("--" + option).split("=")]
    server = subprocess.Popen([options.program, "serve", options.model, "--port", "0", *more], stderr=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, text=True)
    try:
        port = None
        for line in server.stdout:
            if found := re.search(r":(\d+)", line):
                port = int(found[1])
            if "ready" in line.lower():
                break
        if port is None:
            sys.exit("the server did not start")
        asyncio.run(measure(port, options))
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()

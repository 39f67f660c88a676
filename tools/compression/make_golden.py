#!/usr/bin/env python3
"""Writes tests/parity/data/compression/golden.safetensors: what every compression strategy should keep and merge.

An independent, slow reference: each strategy is written from its paper's formulas, in doubles, with loops, and shares no
shortcut with the C++ code (determinants are computed as such, merged vectors are really averaged, gains are summed anew
in each step). What our strategies do differently from the papers is said in the headers of src/compression/*.cc, and done
so here too.

Numbers are such that bf16 holds them exactly, so that every instruction set must come to the same decisions, and a case is
drawn anew until no decision is close. Ties that are exact go to the lowest token.

usage: make_golden.py [OUT]     (needs NumPy only)
"""

import json
import math
import pathlib
import sys

import numpy as np

MARGIN = 3e-5  # a decision by less is refused ...
TIE = 1e-9  # ... unless it is one by nothing


class TooClose(Exception):
    pass


def to_bf16(values):
    """Rounded to the nearest bf16, as f32."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32).astype(np.uint64)
    bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return bits.astype(np.uint32).view(np.float32)


def check_gap(difference, scale=1.0):
    difference = abs(difference)
    if TIE * scale < difference < MARGIN * scale:
        raise TooClose


def argmax(values, candidates, scale=1.0):
    """The first of the largest among the candidates, with no other close to it."""
    best = None
    for i in candidates:
        if best is None or values[i] > values[best] + TIE * scale:
            best = i
    for i in candidates:
        if i != best:
            check_gap(values[best] - values[i], scale)
    return best


def falling(values, scale=1.0):
    """All by falling value, ties to the lowest; no two close to each other."""
    order = sorted(range(len(values)), key=lambda i: (-round(values[i] / TIE / scale), i))
    for a, b in zip(order, order[1:]):
        check_gap(values[a] - values[b], scale)
    return order


def cosine(a, b):
    lengths = math.sqrt(float(a @ a)) * math.sqrt(float(b @ b))
    return float(a @ b) / lengths if lengths > 0 else 0.0


def cosines(rows):
    lengths = np.sqrt(np.sum(rows * rows, axis=1))
    return (rows @ rows.T) / np.outer(lengths, lengths)


def to_unit(values, if_equal):
    low, high = min(values), max(values)
    if high - low <= 1e-6 * max(abs(low), abs(high)):
        return [if_equal] * len(values)
    return [(v - low) / (high - low) for v in values]


def relevance(case, kind):
    words = [w / math.sqrt(float(w @ w)) for w in case["query"]]
    mean = sum(words)
    by_mean = [cosine(v, mean) for v in case["vectors"]]
    by_word = [max(cosine(v, w) for w in words) for v in case["vectors"]]
    if kind == "mean":
        return by_mean
    if kind == "max":
        return by_word
    return [(a + b) / 2 for a, b in zip(to_unit(by_mean, 1), to_unit(by_word, 1))]


# A strategy returns the ranking and, of tokens that are merged, {target: {source: share}}, with {source: target} where
# that does not follow.


def random(case):
    mask = (1 << 64) - 1
    state = case["seed"]
    order = list(range(case["n"]))
    for i in range(case["n"] - 1):
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        z ^= z >> 31
        j = i + z % (case["n"] - i)
        order[i], order[j] = order[j], order[i]
    return order[: case["keep"]], {}, {}


def grids_of(case):
    """[tokens, rows, cols, keep] of each grid, keep shared by largest remainders."""
    grids = {}
    for i, (t, y, x) in enumerate(case["places"]):
        grids.setdefault(int(t), []).append(i)
    shares = [case["keep"] * len(tokens) / case["n"] for tokens in grids.values()]
    keep = [math.floor(s + 1e-9) for s in shares]
    order = sorted(range(len(shares)), key=lambda i: (-round((shares[i] - keep[i]) * 1e6), i))
    for i in order[: case["keep"] - sum(keep)]:
        keep[i] += 1
    result = []
    for tokens, k in zip(grids.values(), keep):
        rows = max(int(case["places"][i][1]) for i in tokens) + 1
        cols = max(int(case["places"][i][2]) for i in tokens) + 1
        result.append((tokens, rows, cols, k))
    return result


def nearest(case, candidates, taken, y, x):
    best, smallest = None, math.inf
    for i in candidates:
        distance = (case["places"][i][1] - y) ** 2 + (case["places"][i][2] - x) ** 2
        if i not in taken and distance < smallest - 1e-12:
            best, smallest = i, distance
    return best


def round_half_up(value):
    return math.floor(value + 0.5)


def uniform(case):
    ranking = []
    for tokens, rows, cols, keep in grids_of(case):
        if keep == 0:
            continue
        num_rows = min(max(round_half_up(math.sqrt(keep * rows / cols)), 1), min(rows, keep))
        for i in range(num_rows):
            in_row = (i + 1) * keep // num_rows - i * keep // num_rows
            for j in range(in_row):
                y = (i + 0.5) * rows / num_rows - 0.5
                x = (j + 0.5) * cols / in_row - 0.5
                ranking.append(nearest(case, tokens, ranking, y, x))
    return ranking, {}, {}


def downscale(case):
    ranking, parts, target, largest = [], {}, {}, {}
    for tokens, rows, cols, keep in grids_of(case):
        if keep == 0:
            continue
        scale = math.sqrt(keep / (rows * cols))
        h = min(max(round_half_up(rows * scale), 1), min(rows, keep))
        w = min(max(keep // h, 1), cols)
        h = min(max(keep // w, 1), rows)
        for i in range(h):
            for j in range(w):
                area = {}
                for token in tokens:
                    _, y, x = case["places"][token]
                    dy = min((i + 1) * rows / h, y + 1) - max(i * rows / h, y)
                    dx = min((j + 1) * cols / w, x + 1) - max(j * cols / w, x)
                    if dy > 0 and dx > 0 and dy * dx >= 1e-9:
                        area[token] = dy * dx
                taker = nearest(case, area, ranking, (i + 0.5) * rows / h - 0.5, (j + 0.5) * cols / w - 0.5)
                if taker is None:
                    continue
                ranking.append(taker)
                total = sum(a * case["weights"][t] for t, a in area.items())
                parts[taker] = {t: a * case["weights"][t] / total for t, a in area.items()}
                for token, a in area.items():
                    if a > largest.get(token, 0) + 1e-12:
                        largest[token], target[token] = a, taker
    return ranking, parts, target


def attention(case):
    return falling(case["class_attention"], 1e-3)[: case["keep"]], {}, {}


def query(case):
    unit = to_unit(relevance(case, "mean"), 1)
    exponentials = [math.exp(u / 0.1) for u in unit]
    probability = [e / sum(exponentials) for e in exponentials]
    keep = case["keep"]
    if keep == 0:
        bound = 0.1 * max(probability)
        for p in probability:
            check_gap(p / bound - 1)
        keep = sum(p >= bound for p in probability)
    return falling(unit)[:keep], {}, {}


def hybrid(case):
    largest = max(case["class_attention"])
    scores = [a / largest for a in case["class_attention"]]
    if case["query"] is not None:
        scores = [s * r for s, r in zip(scores, to_unit(relevance(case, "mean"), 1))]
    return falling(scores, 0.1)[: case["keep"]], {}, {}


def farthest(case, chosen):
    s, n = cosines(case["vectors"]), case["n"]
    distance = 1 - s
    while len(chosen) < case["keep"]:
        others = [i for i in range(n) if i not in chosen]
        to = chosen if chosen else range(n)
        scores = {i: min([distance[i][j] for j in to if j != i], default=1.0) for i in others}
        chosen.append(argmax(scores, others))
    return chosen, {}, {}


def divprune(case):
    return farthest(case, [])


def learned(case):
    return farthest(case, falling(case["question_scores"])[: math.ceil(case["keep"] / 2)])


def cdpruner(case):
    n = case["n"]
    r = to_unit(relevance(case, "mean"), 1) if case["query"] is not None else [1.0] * n
    s = cosines(case["vectors"])
    kernel = np.array([[r[i] * s[i][j] * r[j] for j in range(n)] for i in range(n)])
    chosen, independent, determinant = [], [], 1.0
    while len(chosen) < case["keep"]:
        others = [i for i in range(n) if i not in chosen]
        gains = {}
        for i in others:
            ids = independent + [i]
            gain = float(np.linalg.det(kernel[np.ix_(ids, ids)])) / determinant
            gains[i] = gain if gain > 1e-5 * kernel[i][i] else 0.0
        best = argmax(gains, others)
        if 0 < gains[best] < 1e-3 * kernel[best][best]:
            raise TooClose
        chosen.append(best)
        if gains[best] > 0:
            independent.append(best)
            determinant *= gains[best]
    return chosen, {}, {}


def coverage_gain(similarity, importance, chosen, u):
    covered = np.max([np.zeros(len(importance))] + [similarity[i] for i in chosen], axis=0)
    return float(np.sum(importance * np.maximum(0.0, similarity[u] - covered)))


def facility(case):
    n = case["n"]
    r = relevance(case, "mixed") if case["query"] is not None else [1.0] * n
    importance = np.array([a * w for a, w in zip(r, case["weights"])])
    s = cosines(case["vectors"])
    chosen = []
    while len(chosen) < case["keep"]:
        others = [i for i in range(n) if i not in chosen]
        chosen.append(argmax({i: coverage_gain(s, importance, chosen, i) for i in others}, others, 10.0))
    return chosen, {}, {}


def tops(case):
    n = case["n"]
    r = to_unit(relevance(case, "mean"), 0) if case["query"] is not None else [0.0] * n
    s = cosines(case["vectors"])
    chosen = []

    def scaled(values):
        low, high = min(values.values()), max(values.values())
        same = high - low <= 1e-6 * max(high, 1.0)
        return {i: 0.0 if same else (v - low) / (high - low) for i, v in values.items()}

    while len(chosen) < case["keep"]:
        others = [i for i in range(n) if i not in chosen]
        gain = scaled({i: coverage_gain(s, np.array(case["weights"]), chosen, i) for i in others})
        far = scaled({i: 1 - max([s[i][j] for j in chosen], default=1.0) for i in others})
        chosen.append(argmax({i: r[i] + gain[i] + far[i] for i in others}, others))
    return chosen, {}, {}


def vispruner(case):
    num_important = int(case["keep"] * 0.5)
    num_diverse = case["keep"] - num_important
    order = falling(case["class_attention"], 1e-3)
    important, rest = order[:num_important], order[num_important:]
    while len(rest) > num_diverse:
        even, odd = rest[0::2], rest[1::2]
        remove = min(8, len(rest) - num_diverse, len(even))
        likeness = [max(cosine(case["vectors"][a], case["vectors"][b]) for b in odd) for a in even]
        rest = [even[i] for i in falling(likeness)[remove:]] + odd
    return important + sorted(rest), {}, {}


def means_by_weight(case, groups):
    parts = {}
    for target, sources in groups.items():
        total = sum(case["weights"][i] for i in sources)
        parts[target] = {i: case["weights"][i] / total for i in sources}
    return parts


def key_rows(case):
    return case["keys"] if case["keys"] is not None else case["vectors"]


def visionzip(case):
    keys = key_rows(case)
    num_contextual = min(round_half_up(case["keep"] * 10 / 64), case["keep"] - 1)
    order = falling(case["class_attention"], 1e-3)
    dominant = order[: case["keep"] - num_contextual]
    rest = sorted(order[len(dominant) :])
    if num_contextual == 0:
        return dominant, {}, {}
    step = max(1, len(rest) // num_contextual)
    contextual = [rest[i * step] for i in range(num_contextual)]
    groups = {c: [c] for c in contextual}
    for token in rest:
        if token not in groups:
            best = argmax({c: cosine(keys[token], keys[c]) for c in contextual}, contextual)
            groups[best].append(token)
    return dominant + contextual, means_by_weight(case, groups), {}


def num_outliers(case):
    low, high = np.percentile(case["class_attention"], [25, 75])
    bound = high + 1.5 * (high - low)
    for a in case["class_attention"]:
        check_gap(a - bound, 1e-3)
    return max(1, sum(a > bound for a in case["class_attention"]))


def absorb(case, kept):
    keys = key_rows(case)
    parts, target, likeness = {}, {}, {}
    for p in kept:
        similarity = {i: cosine(keys[p], keys[i]) for i in range(case["n"]) if i != p}
        order = sorted(similarity, key=lambda i: (-round(similarity[i] / TIE), i))
        if len(order) > 32:
            check_gap(similarity[order[31]] - similarity[order[32]])
        around = order[:32]
        if not around:
            continue
        total = 1 + sum(case["class_attention"][i] for i in around)
        parts[p] = {i: case["class_attention"][i] / total for i in around}
        parts[p][p] = 1 / total
        for i in around:
            if i in kept:
                continue
            if i in target:
                check_gap(similarity[i] - likeness[i])
            closer = i not in target or similarity[i] > likeness[i] + TIE
            if closer or (abs(similarity[i] - likeness[i]) <= TIE and p < target[i]):
                target[i], likeness[i] = p, similarity[i]
    return kept, parts, target


def prumerge(case):
    count = case["keep"] or num_outliers(case)
    return absorb(case, falling(case["class_attention"], 1e-3)[:count])


def prumerge_plus(case):
    order = falling(case["class_attention"], 1e-3)
    if case["keep"] == 0:
        kept = order[: num_outliers(case)]
        step = max(1, int(case["n"] / len(kept)) // 3)
        kept = kept + [i for i in range(0, case["n"], step) if i not in kept]
    else:
        kept = order[: math.ceil(case["keep"] / 4)]
        rest = sorted(set(range(case["n"])) - set(kept))
        count = case["keep"] - len(kept)
        kept = kept + [rest[(2 * i + 1) * len(rest) // (2 * count)] for i in range(count)]
    return absorb(case, kept)


def tome(case):
    vectors = {i: np.array(v) for i, v in enumerate(case["vectors"])}
    sizes = {i: w for i, w in enumerate(case["weights"])}
    members = {i: [i] for i in vectors}
    while True:
        left = sorted(members)
        even, odd = left[0::2], left[1::2]
        limit = min(max(1, len(left) // 8), len(left) - max(1, case["keep"]))
        if limit <= 0 or not odd:
            break
        partner = {a: argmax({b: cosine(vectors[a], vectors[b]) for b in odd}, odd) for a in even}
        likeness = [cosine(vectors[a], vectors[partner[a]]) for a in even]
        pairs = [even[i] for i in falling(likeness)[:limit]]
        if case["keep"] == 0:
            for value in likeness:
                check_gap(value - 0.9)
            pairs = [a for a in pairs if likeness[even.index(a)] >= 0.9]
        if not pairs:
            break
        for a in pairs:
            b = partner[a]
            vectors[b] = (vectors[a] * sizes[a] + vectors[b] * sizes[b]) / (sizes[a] + sizes[b])
            sizes[b] += sizes[a]
            members[b] += members.pop(a)
    ranking = sorted(members, key=lambda i: (-sizes[i], i))
    return ranking, means_by_weight(case, members), {}


STRATEGIES = {
    "random": (random, ""),
    "uniform": (uniform, ""),
    "downscale": (downscale, ""),
    "attention": (attention, "a"),
    "query": (query, "q"),
    "hybrid": (hybrid, "a"),
    "divprune": (divprune, ""),
    "learned": (learned, "s"),
    "cdpruner": (cdpruner, ""),
    "facility": (facility, ""),
    "tops": (tops, ""),
    "vispruner": (vispruner, "a"),
    "visionzip": (visionzip, "a"),
    "prumerge": (prumerge, "a"),
    "prumerge+": (prumerge_plus, "a"),
    "tome": (tome, ""),
}
DECIDES_COUNT = {"query", "prumerge", "prumerge+", "tome"}


def draw_case(name, rng, shape, keep, dim=20, kind="random", with_all=True, with_weights=False):
    places = [(t, y, x) for t, (rows, cols) in enumerate(shape) for y in range(rows) for x in range(cols)]
    n = len(places)
    if kind == "clusters":
        centres = rng.normal(size=(6, dim))
        vectors = centres[rng.integers(0, 6, n)] + 0.35 * rng.normal(size=(n, dim))
    else:
        vectors = rng.normal(size=(n, dim)) + 0.4 * rng.normal(size=dim)
    keys = rng.normal(size=(n, 16))
    attention_ = np.exp(rng.normal(size=n)) / n / 2
    if kind == "equal":
        vectors[:], keys[:], attention_[:] = vectors[0], keys[0], attention_[0]
    case = {
        "name": name,
        "n": n,
        "keep": keep,
        "seed": int(rng.integers(0, 1 << 31)),
        "places": places,
        "vectors": to_bf16(vectors).astype(np.float64),
        "weights": [float(w) for w in rng.integers(1, 4, n)] if with_weights else [1.0] * n,
        "has_weights": with_weights,
        "class_attention": None,
        "keys": None,
        "query": None,
        "question_scores": None,
    }
    if with_all:
        case["class_attention"] = attention_.astype(np.float32).astype(np.float64)
        case["keys"] = to_bf16(keys).astype(np.float64)
        case["query"] = to_bf16(rng.normal(size=(3, dim))).astype(np.float64)
        scores = 3 * np.log(attention_)
        case["question_scores"] = scores.astype(np.float32).astype(np.float64)
    return case


def results_of(case):
    results = {}
    for name, (function, needs) in STRATEGIES.items():
        if ("a" in needs and case["class_attention"] is None) or ("q" in needs and case["query"] is None):
            continue
        if "s" in needs and case["question_scores"] is None:
            continue
        if case["keep"] == 0 and name not in DECIDES_COUNT:
            continue
        ranking, parts, where = function(case)
        target = [-1] * case["n"]
        for t, sources in parts.items():
            for source in sources:
                target[source] = t
        for source, t in where.items():
            target[source] = t
        for t in ranking:
            target[t] = t
        merged = []
        for t in sorted(ranking):
            merged.append(sum(share * case["vectors"][i] for i, share in parts.get(t, {t: 1.0}).items()))
        results[name] = (ranking, target, np.array(merged, dtype=np.float32))
    return results


def find_case(*args, **kwargs):
    for seed in range(100000):
        if seed % 100 == 99:
            print(f"{args[0]}: {seed + 1} draws", file=sys.stderr)
        try:
            case = draw_case(*args[:1], np.random.default_rng(seed), *args[1:], **kwargs)
            return case, results_of(case)
        except TooClose:
            continue
    raise SystemExit(f"{args[0]}: no draw without a close decision")


def write_safetensors(path, tensors):
    header, offset, blobs = {}, 0, []
    for name, values in tensors.items():
        kind = "F32" if values.dtype == np.float32 else "I32"
        blob = np.ascontiguousarray(values).tobytes()
        header[name] = {"dtype": kind, "shape": list(values.shape), "data_offsets": [offset, offset + len(blob)]}
        offset += len(blob)
        blobs.append(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(blobs))


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else root / "tests/parity/data/compression/golden.safetensors"
    square = [(6, 6)]
    cases = [
        find_case("random", square, 12),
        find_case("clusters", [(7, 7)], 16, dim=24, kind="clusters", with_weights=True),
        find_case("tiles", [(4, 5), (3, 3)], 10),
        find_case("bare", [(5, 7)], 9, with_all=False),
        find_case("half", [(6, 6)], 18, with_all=False, with_weights=True),
        find_case("all_equal", [(4, 4)], 5, kind="equal"),
        find_case("one_token", [(1, 1)], 1),
        find_case("keep_one", [(3, 5)], 1),
        find_case("keep_all", [(3, 4)], 12),
        find_case("decides", square, 0, kind="clusters"),
    ]
    tensors = {}
    for case, results in cases:
        name = case["name"]
        tensors[f"{name}.options"] = np.array([case["keep"], case["seed"]], dtype=np.int32)
        tensors[f"{name}.places"] = np.array(case["places"], dtype=np.int32)
        for member in ("vectors", "keys", "query", "class_attention", "question_scores"):
            if case[member] is not None:
                tensors[f"{name}.{member}"] = np.array(case[member], dtype=np.float32)
        if case["has_weights"]:
            tensors[f"{name}.weights"] = np.array(case["weights"], dtype=np.float32)
        for strategy, (ranking, target, merged) in results.items():
            tensors[f"{name}.{strategy}.ranking"] = np.array(ranking, dtype=np.int32)
            tensors[f"{name}.{strategy}.target"] = np.array(target, dtype=np.int32)
            tensors[f"{name}.{strategy}.merged"] = merged
    out.parent.mkdir(parents=True, exist_ok=True)
    write_safetensors(out, tensors)
    print(f"{out}: {len(tensors)} tensors, {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()

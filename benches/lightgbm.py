#!/usr/bin/env python3
"""cpufence's trees beside LightGBM's on the same rows: loss, coverage, user CPU, memory.

    pip install lightgbm numpy
    cargo build --release
    python3 benches/lightgbm.py --traces DIR [--max-rows 1000000] [--repeat 1] [--threads 2]

Rows come of `cpufence train --export`; LightGBM is trained once on all features and once
on those of the design's first list (200 trees of 63 leaves, rate 0.1, quantile 0.95), both
tell their loss on the exported test rows; cpufence's is of `evaluate --part test --max-rows N`,
which scores the same rows. Trainings alternate, each in a process of its own. User CPU of
LightGBM is that of Dataset and train without loading; of cpufence what `train --json` tells for
bins and trees, and beside it the whole command with reading the traces.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CATEGORIES = ["owner", "image", "app", "kind"]
TREES, LEAVES, RATE, QUANTILE = 200, 63, 0.1, 0.95


def basic_features():
    """Names of the features that `features.rs` does not mark with `more`."""
    text = open(os.path.join(ROOT, "src/predict/features.rs")).read()
    found = re.findall(r"^    (level|plain|category)\(\s*\"(\w+)\"\)", text, re.M)
    return [name for _, name in found]


def pinball(y, p):
    miss = y - p
    return np.maximum(QUANTILE * miss, (QUANTILE - 1) * miss)


def load(path):
    names = open(path).readline().strip().split(",")
    numeric = [i for i, n in enumerate(names) if i >= 4 and n not in CATEGORIES]
    x = np.loadtxt(path, delimiter=",", skiprows=1, usecols=numeric, dtype=np.float32)
    texts = np.loadtxt(
        path, delimiter=",", skiprows=1, usecols=[0, 1] + [names.index(c) for c in CATEGORIES], dtype=str
    )
    columns = [names[i] for i in numeric[1:]]
    y, x = x[:, 0].copy(), x[:, 1:]
    codes = np.full((len(y), 4), np.nan, np.float32)
    for c in range(4):
        levels, code = np.unique(texts[:, 2 + c], return_inverse=True)
        codes[:, c] = np.where(levels[code] == "", np.nan, code)
    return columns + CATEGORIES, np.hstack([x, codes]), y, texts[:, 0], texts[:, 1]


def child(data, which, threads, out):
    """One training of LightGBM; prints its cost."""
    import lightgbm

    npz = np.load(data, allow_pickle=False)
    names, x, y, part = list(npz["names"]), npz["x"], npz["y"], npz["part"]
    keep = set(basic_features()) if which == "design" else set(names)
    columns = [i for i, n in enumerate(names) if n in keep]
    train = part == "train"
    xt, yt = np.ascontiguousarray(x[train][:, columns]), y[train]
    xs = np.ascontiguousarray(x[part == "test"][:, columns])
    del x, npz
    categories = [i for i, c in enumerate(columns) if names[c] in CATEGORIES]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    dataset = lightgbm.Dataset(xt, yt, categorical_feature=categories, params={"verbose": -1})
    settings = dict(
        objective="quantile", alpha=QUANTILE, num_leaves=LEAVES, learning_rate=RATE, num_threads=threads,
        verbose=-1, seed=0,
    )
    model = lightgbm.train(settings, dataset, TREES)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    np.save(out, model.predict(xs, num_threads=threads))
    print(json.dumps({"user_s": usage.ru_utime - before, "peak_mib": usage.ru_maxrss / 1024}))


def run(command):
    """Standard output, user CPU and peak memory of a command."""
    read, write = os.pipe()
    process = subprocess.Popen(command, stdout=write)
    os.close(write)
    text = os.fdopen(read).read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{command} failed")
    return text, usage.ru_utime, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--traces", required=True)
    parser.add_argument("--cpufence", default=os.path.join(ROOT, "target/release/cpufence"))
    parser.add_argument("--max-rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--scratch", default=None)
    arguments = parser.parse_args()
    scratch = arguments.scratch or tempfile.mkdtemp()
    at = lambda name: os.path.join(scratch, name)
    rows = ["--traces", arguments.traces, "--max-rows", str(arguments.max_rows)]
    subprocess.check_call([arguments.cpufence, "train", *rows, "--export", at("rows.csv")])
    names, x, y, part, group = load(at("rows.csv"))
    np.savez(at("rows.npz"), names=np.array(names), x=x, y=y, part=part)
    test = part == "test"
    counts = {p: int((part == p).sum()) for p in ["train", "calibrate", "test"]}
    print(f"rows {counts}, features {len(names)}, trees {TREES} x {LEAVES}, threads {arguments.threads}")
    y, group = y[test], group[test]
    del x
    cost = {}
    for _ in range(arguments.repeat):
        for which in ["design", "all"]:
            text, _, _ = run(
                [sys.executable, __file__, "--child", at("rows.npz"), which, str(arguments.threads), at(which + ".npy")]
            )
            cost.setdefault("lightgbm " + which, []).append(json.loads(text))
        text, user, peak = run(
            [arguments.cpufence, "train", *rows, "--out", at("model"), "--trees", str(TREES), "--leaves", str(LEAVES),
             "--rate", str(RATE), "--patience", "0", "--threads", str(arguments.threads), "--json"]
        )
        told = json.loads(text)
        cost.setdefault("cpufence", []).append(
            {"user_s": told["user_s"]["grow"], "peak_mib": peak, "command_user_s": user}
        )
    for name, runs in cost.items():
        print(name, " | ".join(f"{k} " + ", ".join(f"{r[k]:.1f}" for r in runs) for k in runs[0]))
    for which in ["design", "all"]:
        p = np.maximum(np.load(at(which + ".npy")), 0)
        p = np.where(np.char.startswith(group, "nezha"), p, np.minimum(p, 100))
        loss, covered = pinball(y, p), y <= p
        print(f"lightgbm {which}: pooled {loss.mean():.4f} / {covered.mean():.4f}", end="")
        for g in np.unique(group):
            m = group == g
            print(f"  {g} ({m.sum()}) {loss[m].mean():.4f} / {covered[m].mean():.4f}", end="")
        print()
    text, _, _ = run([arguments.cpufence, "evaluate", "--model", at("model"), *rows, "--part", "test", "--json"])
    told = json.loads(text)
    for kind in ["raw", "calibrated"]:
        show = lambda s: f"{s[kind]['pinball']:.4f} / {s[kind]['coverage']:.4f}"
        groups = "".join(f"  {g} ({s['rows']}) {show(s)}" for g, s in told["groups"].items())
        print(f"cpufence {kind}: pooled {show(told['pooled'])}{groups}")
    for name, score in told["baselines"].items():
        print(f"rule {name}: pooled {score['pinball']:.4f} / {score['coverage']:.4f}")
    print(f"traces in band: {told['traces_in_band']} of {told['traces']}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])
    else:
        main()

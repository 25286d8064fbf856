#!/usr/bin/env python3
"""LightGBM's own answers, to compare with.

    benches/lightgbm_fixtures.py make            writes fixtures/predict/lightgbm/NAME.txt and NAME.json
    benches/lightgbm_fixtures.py check CPUFENCE  imports each with the binary CPUFENCE, exports it again, loads
                                                 that with LightGBM and compares with NAME.json to 1e-12

Needs lightgbm 4 and numpy, pandas. NAME.json: rows (null: missing), expected predictions.
"""
import json
import math
import pathlib
import subprocess
import sys
import tempfile

# The bench lightgbm.py beside this file is not the package.
sys.path = [p for p in sys.path if pathlib.Path(p or ".").resolve() != pathlib.Path(__file__).resolve().parent]

import lightgbm as lgb
import numpy as np
import pandas as pd

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "predict" / "lightgbm"
OWNERS = ["ops", "web", "batch", "db", "ml"] + [f"team-{i}" for i in range(36)]


def data(rng, rows):
    x = rng.gamma(1.5, 20.0, rows)
    y = rng.normal(0.0, 3.0, rows)
    z = rng.integers(0, 4, rows).astype(float)
    owner = rng.integers(0, len(OWNERS), rows).astype(float)
    kind = rng.integers(0, 3, rows).astype(float)
    target = x + 5.0 * np.sin(y) + (owner % 7) * 8.0 + (kind == 1) * 15.0 + rng.gamma(1.0, 5.0, rows) * (1 + z)
    table = np.column_stack([x, y, z, owner, kind])
    table[rng.random(table.shape) < 0.1] = np.nan
    table[rng.random(rows) < 0.2, 1] = 0.0
    return table, target


CASES = {
    "nan": {},
    "zero": {"zero_as_missing": True},
    "none": {"use_missing": False},
    "onehot": {"max_cat_to_onehot": 64},
}


def odd_rows(rng):
    """Rows of the training's kind, and what training never saw."""
    rows, _ = data(rng, 150)
    odd = [
        [math.nan] * 5,
        [0.0] * 5,
        [-1.0] * 5,
        [1e-36, -1e-36, 1e300, 40.0, 2.0],
        [1e-34, -1e-34, -1e300, 41.0, 3.0],
        [5.5, 0.1, 2.5, 1.9, 0.5],
        [5.5, 0.1, 2.5, -0.5, 1e9],
        [5.5, 0.1, 2.5, 100.0, math.nan],
    ]
    return np.vstack([rows, odd])


def make():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for seed, (name, extra) in enumerate(CASES.items()):
        rng = np.random.default_rng(seed)
        table, target = data(rng, 4000)
        params = {"objective": "quantile", "alpha": 0.95, "num_leaves": 15, "learning_rate": 0.2, "min_data_in_leaf": 10,
                  "min_data_per_group": 10, "cat_smooth": 1, "deterministic": True, "num_threads": 1, "verbose": -1, **extra}
        names = ["x", "y", "z", "owner", "kind"]
        rows = odd_rows(rng)
        if name == "nan":
            frame = pd.DataFrame(table, columns=names)
            codes = frame["owner"].fillna(-1).astype(int)
            frame["owner"] = pd.Categorical.from_codes(codes, OWNERS)
            kinds = frame["kind"].fillna(-1).astype(int)
            frame["kind"] = pd.Categorical.from_codes(kinds, ["static", "burst", "pooled"])
            train = lgb.Dataset(frame, target)
        else:
            train = lgb.Dataset(table, target, feature_name=names, categorical_feature=[3, 4])
        model = lgb.train(params, train, num_boost_round=12)
        model.save_model(FOLDER / f"{name}.txt")
        expected = lgb.Booster(model_file=FOLDER / f"{name}.txt").predict(rows, validate_features=False)
        cells = [[None if math.isnan(v) else v for v in row] for row in rows.tolist()]
        (FOLDER / f"{name}.json").write_text(json.dumps({"rows": cells, "expected": expected.tolist()}) + "\n")
        print(name, len(cells), "rows", (FOLDER / f"{name}.txt").stat().st_size, "bytes")
    refused()


def refused():
    """Models that must be refused."""
    rng = np.random.default_rng(9)
    table, target = data(rng, 400)
    table = np.nan_to_num(table[:, :3])
    base = {"objective": "quantile", "alpha": 0.95, "num_leaves": 3, "deterministic": True, "num_threads": 1, "verbose": -1}
    cases = {
        "linear": {"linear_tree": True},
        "forest": {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},
        "poisson": {"objective": "poisson"},
        "classes": {"objective": "multiclass", "num_class": 3},
    }
    for name, extra in cases.items():
        labels = np.arange(len(target)) % 3 if name == "classes" else np.abs(target)
        model = lgb.train({**base, **extra}, lgb.Dataset(table, labels), num_boost_round=2)
        model.save_model(FOLDER / f"refused-{name}.txt")


def check(binary):
    worst = 0.0
    folder = pathlib.Path(tempfile.mkdtemp())
    for name in CASES:
        golden = json.loads((FOLDER / f"{name}.json").read_text())
        rows = np.array([[math.nan if v is None else v for v in row] for row in golden["rows"]])
        expected = np.array(golden["expected"])
        model, text = folder / f"{name}.cpm", folder / f"{name}.txt"
        subprocess.run([binary, "import", FOLDER / f"{name}.txt", "--out", model], check=True)
        subprocess.run([binary, "export", "--model", model, "--quantile", "0.95", "--out", text], check=True)
        got = lgb.Booster(model_file=text).predict(rows, validate_features=False)
        difference = np.max(np.abs(got - expected) / np.maximum(1e-300, np.abs(expected)))
        print(f"{name}: largest relative difference {difference:.2e} over {len(rows)} rows")
        worst = max(worst, difference)
    sys.exit(0 if worst <= 1e-12 else 1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["make"]:
        make()
    elif sys.argv[1:2] == ["check"] and len(sys.argv) == 3:
        check(sys.argv[2])
    else:
        sys.exit(__doc__)

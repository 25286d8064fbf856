#!/usr/bin/env python3
"""Small models of five classes, for what the corpus does not show.

    benches/generated.py DIR [--seeds 5]

writes, for each seed, an LP file of a multidimensional knapsack, a matching, a
stable set by edges, a generalized assignment and a capacitated lot sizing
problem: what covers, odd cycles, cliques and flow covers were invented for.
"""
import argparse, os, random


def write(path, sense, costs, rows, binaries):
    def terms(pairs):
        return " ".join(f"{'-' if c < 0 else '+'} {abs(c)} {v}" for v, c in pairs)
    with open(path, "w") as out:
        out.write(f"{sense}\n obj: {terms(costs)}\nSubject To\n")
        for i, (pairs, op, side) in enumerate(rows):
            out.write(f" r{i}: {terms(pairs)} {op} {side}\n")
        out.write("Binaries\n " + "\n ".join(binaries) + "\nEnd\n")


def edges(rng, vertices, density):
    return [(i, j) for i in range(vertices) for j in range(i + 1, vertices) if rng.random() < density]


def knapsack(rng, items=40, rows=5):
    w = [[rng.randint(5, 100) for _ in range(items)] for _ in range(rows)]
    x = [f"x{j}" for j in range(items)]
    costs = [(x[j], sum(row[j] for row in w) // rows + rng.randint(1, 50)) for j in range(items)]
    return "Maximize", costs, [(list(zip(x, row)), "<=", sum(row) // 2) for row in w], x


def matching(rng, vertices=60):
    e = edges(rng, vertices, 0.12)
    x = {pair: f"x{pair[0]}_{pair[1]}" for pair in e}
    at = [[(x[pair], 1) for pair in e if v in pair] for v in range(vertices)]
    return "Maximize", [(x[pair], rng.randint(10, 40)) for pair in e], [(row, "<=", 1) for row in at if row], list(x.values())


def stable_set(rng, vertices=45):
    x = [f"x{i}" for i in range(vertices)]
    rows = [([(x[i], 1), (x[j], 1)], "<=", 1) for i, j in edges(rng, vertices, 0.15)]
    return "Maximize", [(v, rng.randint(5, 20)) for v in x], rows, x


def assignment(rng, agents=5, jobs=25):
    w = [[rng.randint(5, 25) for _ in range(jobs)] for _ in range(agents)]
    x = [[f"x{a}_{j}" for j in range(jobs)] for a in range(agents)]
    rows = [([(x[a][j], 1) for a in range(agents)], "=", 1) for j in range(jobs)]
    rows += [(list(zip(x[a], w[a])), "<=", int(0.8 * sum(w[a]) / agents)) for a in range(agents)]
    every = [v for row in x for v in row]
    return "Minimize", [(v, rng.randint(10, 50)) for v in every], rows, every


def lot_sizing(rng, products=4, periods=12):
    rows, costs, setups = [], [], []
    for p in range(products):
        for t in range(periods):
            stock, made, setup = (f"{kind}{p}_{t}" for kind in "sqy")
            before = [(f"s{p}_{t - 1}", 1)] if t else []
            rows.append((before + [(made, 1), (stock, -1)], "=", rng.randint(0, 60)))
            rows.append(([(made, 1), (setup, -180)], "<=", 0))
            costs += [(stock, rng.randint(1, 3)), (setup, rng.randint(60, 150))]
            setups.append(setup)
    for t in range(periods):
        used = [(f"q{p}_{t}", 1) for p in range(products)] + [(f"y{p}_{t}", 15) for p in range(products)]
        rows.append((used, "<=", 230))
    return "Minimize", costs, rows, setups


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir")
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    os.makedirs(args.dir, exist_ok=True)
    for seed in range(args.seeds):
        rng = random.Random(seed)
        for make in (knapsack, matching, stable_set, assignment, lot_sizing):
            write(os.path.join(args.dir, f"{make.__name__}{seed}.lp"), *make(rng))


main()

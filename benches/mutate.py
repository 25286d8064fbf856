#!/usr/bin/env python3
"""Hunts for wrong answers on mutants of instances: branchcut against HiGHS.

    nice -n 19 benches/mutate.py BINARY FILE.. [--count 200] [--seed 0]
        [--time-limit 5] [--kinds NAME,..] [--techniques 40] [--keep DIR]

Each mutant is a random instance among FILE.. with one to three random changes:
another objective, rows dropped, columns made integer or continuous, bounds
tightened or moved, sides moved, rows made equations, rows and columns scaled,
columns doubled. It is written with all digits, so that both solvers read the
same numbers, and solved by both. In `--techniques` percent of the runs some
techniques are switched off. A test tool: it needs Python 3, the wheels
`highspy` and `numpy`; no part of branchcut does.

What is wrong, and kept (model and report) in DIR:

- a point of ours that leaves a row or bound by more than 1e-6 (and round-off)
  or has another objective than claimed;
- a bound of ours beyond a point of theirs, or `infeasible` in spite of one.
  Theirs counts as it is after its integers were rounded and fixed and the rest
  was solved again within 1e-9: tolerances of theirs are not held against us.
  A point of theirs that does not survive this is only noted (`soft`);
- `optimal` or `unbounded` where their proof says otherwise, as far as our own
  point does not prove them wrong;
- a crash, an answer that is none, an end long after the limit.

Status `numerical_trouble` is counted and listed, not wrong. Exit code 1 where
something was wrong.
"""
import argparse, collections, json, os, random, subprocess, sys, tempfile, time
import numpy as np
import highspy

INF = highspy.kHighsInf
TECHNIQUES = """presolve dual-reductions coefficient-tightening parallel dominated substitution
probing clique-merging components gomory cmir knapsack-cover flow-cover clique-cuts zero-half
implied-bound local-cuts reliability propagation reduced-cost-fixing conflicts restarts symmetry
feasibility-jump rounding fractional-dive coefficient-dive guided-dive pseudocost-dive rins rens
one-opt feasibility-pump""".split()


class Model:
    """Plain arrays; rows as lists of (column, value)."""

    def __init__(self, path):
        highs = highspy.Highs()
        highs.silent()
        highs.readModel(path)
        lp = highs.getLp()
        self.sign = -1 if lp.sense_ == highspy.ObjSense.kMaximize else 1
        self.offset = lp.offset_
        self.cost, self.lower, self.upper = (list(map(float, v)) for v in (lp.col_cost_, lp.col_lower_, lp.col_upper_))
        self.row_lower, self.row_upper = list(map(float, lp.row_lower_)), list(map(float, lp.row_upper_))
        kinds = list(lp.integrality_) or [highspy.HighsVarType.kContinuous] * lp.num_col_
        self.integer = [kind == highspy.HighsVarType.kInteger for kind in kinds]
        self.rows = [[] for _ in self.row_lower]
        matrix = lp.a_matrix_
        start, at, value = list(matrix.start_), list(matrix.index_), list(matrix.value_)
        if matrix.format_ == highspy.MatrixFormat.kColwise:
            for j in range(lp.num_col_):
                for k in range(start[j], start[j + 1]):
                    self.rows[at[k]].append((j, float(value[k])))
        else:
            for i in range(lp.num_row_):
                self.rows[i] = [(at[k], float(value[k])) for k in range(start[i], start[i + 1])]

    def copy(self):
        other = object.__new__(Model)
        for key, value in vars(self).items():
            setattr(other, key, [list(r) for r in value] if key == "rows" else list(value) if isinstance(value, list) else value)
        return other

    def write(self, path):
        with open(path, "w") as out:
            p = lambda *words: print(*words, file=out)
            p("NAME mutant")
            p("OBJSENSE\n " + ("MAX" if self.sign < 0 else "MIN"))
            p("ROWS\n N OBJ")
            for i, (l, u) in enumerate(zip(self.row_lower, self.row_upper)):
                p("", "E" if l == u else "G" if u >= INF and l > -INF else "L" if l <= -INF and u < INF else "N" if u >= INF else "G", f"r{i}")
            columns = [[] for _ in self.cost]
            for i, row in enumerate(self.rows):
                for j, a in row:
                    columns[j].append((f"r{i}", a))
            p("COLUMNS")
            marked = False
            for j, entries in enumerate(columns):
                if self.integer[j] != marked:
                    marked = self.integer[j]
                    p(" M", "'MARKER'", "'INTORG'" if marked else "'INTEND'")
                if self.cost[j] != 0 or not entries:
                    p("", f"x{j}", "OBJ", repr(self.cost[j]))
                for name, a in entries:
                    p("", f"x{j}", name, repr(a))
            if marked:
                p(" M 'MARKER' 'INTEND'")
            p("RHS")
            if self.offset:
                p(" RHS OBJ", repr(-self.offset))
            ranged = []
            for i, (l, u) in enumerate(zip(self.row_lower, self.row_upper)):
                side = l if l > -INF else u
                if abs(side) < INF and side != 0:
                    p(" RHS", f"r{i}", repr(side))
                if l > -INF and u < INF and l != u:
                    ranged.append((i, u - l))
            if ranged:
                p("RANGES")
                for i, r in ranged:
                    p(" RNG", f"r{i}", repr(r))
            p("BOUNDS")
            for j, (l, u) in enumerate(zip(self.lower, self.upper)):
                if l <= -INF and u >= INF:
                    p(" FR BND", f"x{j}")
                    continue
                p(*([" MI BND", f"x{j}"] if l <= -INF else [" LO BND", f"x{j}", repr(l)]))
                p(*([" PL BND", f"x{j}"] if u >= INF else [" UP BND", f"x{j}", repr(u)]))
            p("ENDATA")

    def violation(self, x):
        """Largest violation beyond round-off."""
        x = np.asarray(x)
        worst = max([0.0] + [max(l - v, v - u) for l, v, u in zip(self.lower, x, self.upper)])
        for row, l, u in zip(self.rows, self.row_lower, self.row_upper):
            terms = [a * x[j] for j, a in row]
            value, size = float(np.sum(np.array(terms, dtype=np.longdouble))) if terms else 0.0, sum(map(abs, terms))
            worst = max(worst, max(l - value, value - u) - 2e-13 * size)
        return worst

    def objective(self, x):
        return self.offset + float(np.dot(np.array(self.cost, dtype=np.longdouble), x))

    def drop_rows(self, keep):
        for name in ("rows", "row_lower", "row_upper"):
            setattr(self, name, [v for v, k in zip(getattr(self, name), keep) if k])


def some(rng, n, share):
    return [k for k in range(n) if rng.random() < share] if n else []


def objective(m, rng):
    how = rng.randrange(6)
    n = len(m.cost)
    if how == 0:
        rng.shuffle(m.cost)
    elif how == 1:
        m.cost = [float(rng.randint(-5, 5)) for _ in range(n)]
    elif how == 2:
        m.cost = [c * rng.uniform(0.5, 1.5) for c in m.cost]
    elif how == 3:
        m.sign = -m.sign
    elif how == 4:
        m.cost = [0.0] * n if rng.random() < 0.3 else [float(rng.randint(0, 3)) for _ in range(n)]
    else:
        m.cost = [c if rng.random() < 0.7 else rng.uniform(-1, 1) * max(1.0, abs(c)) for c in m.cost]


def drop(m, rng):
    share = rng.choice([0.02, 0.1, 0.3, 0.6])
    m.drop_rows([rng.random() >= share for _ in m.rows])


def integrality(m, rng):
    share = rng.choice([0.03, 0.2, 0.7])
    mode = rng.randrange(3)
    for j in some(rng, len(m.cost), share):
        m.integer[j] = [not m.integer[j], True, False][mode]


def bounds(m, rng):
    share = rng.choice([0.02, 0.1, 0.4])
    for j in some(rng, len(m.cost), share):
        l, u = m.lower[j], m.upper[j]
        how = rng.randrange(7)
        if how == 0 and l > -INF:
            m.upper[j] = l
        elif how == 1 and u < INF:
            m.lower[j] = u
        elif how == 2 and l > -INF and u < INF:
            m.upper[j] = l + rng.choice([0.5, 0.3, 0.75]) * (u - l)
        elif how == 3 and l > -INF:
            m.lower[j] = l - rng.choice([1.0, 2.5, 10.0])
        elif how == 4 and u < INF:
            m.upper[j] = u + rng.choice([1.0, 2.5, 1000.0])
        elif how == 5:
            m.upper[j] = max(l, 0.0) + rng.choice([1.0, 3.0, 12.5]) if u >= INF else INF
        elif how == 6 and rng.random() < 0.3:
            m.lower[j] = -INF if l > -INF else min(u, 0.0)


def sides(m, rng):
    share = rng.choice([0.02, 0.1, 0.4])
    for i in some(rng, len(m.rows), share):
        factor = rng.choice([0.5, 0.9, 0.99, 1.01, 1.1, 2.0])
        shift = rng.choice([0.0, 0.0, 1.0, -1.0, 0.3])
        move = lambda v: v if abs(v) >= INF else v * factor + shift
        l, u = move(m.row_lower[i]), move(m.row_upper[i])
        m.row_lower[i], m.row_upper[i] = min(l, u), max(l, u)


def equations(m, rng):
    for i in some(rng, len(m.rows), rng.choice([0.01, 0.05, 0.2])):
        l, u = m.row_lower[i], m.row_upper[i]
        side = l if l > -INF else u
        how = rng.randrange(4)
        if how == 0 and abs(side) < INF:
            m.row_lower[i] = m.row_upper[i] = side
        elif how == 1 and l == u:
            m.row_lower[i] = -INF
        elif how == 2 and l == u:
            m.row_upper[i] = INF
        elif how == 3 and abs(side) < INF:
            m.row_lower[i], m.row_upper[i] = (-INF, side) if l > -INF else (side, INF)


def scales(m, rng):
    decimal = rng.random() < 0.5
    pick = lambda: (10.0 if decimal else 2.0) ** rng.randint(-3, 4) * rng.choice([1, 1, -1, 3])
    for i in some(rng, len(m.rows), rng.choice([0.05, 0.3])):
        s = pick()
        m.rows[i] = [(j, a * s) for j, a in m.rows[i]]
        l, u = m.row_lower[i], m.row_upper[i]
        l, u = (l * s if abs(l) < INF else l * np.sign(s)), (u * s if abs(u) < INF else u * np.sign(s))
        m.row_lower[i], m.row_upper[i] = min(l, u), max(l, u)
    factor = {}
    for j in some(rng, len(m.cost), rng.choice([0.0, 0.05, 0.3])):
        if not m.integer[j]:
            s = factor[j] = abs(pick())
            m.cost[j] *= s
            m.lower[j], m.upper[j] = (v / s if abs(v) < INF else v for v in (m.lower[j], m.upper[j]))
    m.rows = [[(j, a * factor.get(j, 1.0)) for j, a in row] for row in m.rows]


def doubles(m, rng):
    """Some columns come again, perhaps scaled, at a cost that is as good or not."""
    twin = {}
    for j in some(rng, len(m.cost), rng.choice([0.02, 0.1])):
        s = rng.choice([1.0, 1.0, 2.0, -1.0, 0.5])
        twin[j] = (len(m.cost), s)
        m.cost.append(m.cost[j] * s + rng.choice([0.0, 0.0, 1.0, -0.5]))
        m.lower.append(rng.choice([0.0, m.lower[j]]))
        m.upper.append(max(m.lower[-1], rng.choice([1.0, 3.0, m.upper[j]])))
        m.integer.append(m.integer[j] if rng.random() < 0.8 else not m.integer[j])
    m.rows = [row + [(twin[j][0], a * twin[j][1]) for j, a in row if j in twin] for row in m.rows]


KINDS = {f.__name__: f for f in (objective, drop, integrality, bounds, sides, equations, scales, doubles)}


def highs_of(m, limit, tight=False):
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(m.cost), len(m.rows)
    lp.sense_ = highspy.ObjSense.kMaximize if m.sign < 0 else highspy.ObjSense.kMinimize
    lp.offset_ = m.offset
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = m.cost, m.lower, m.upper
    lp.row_lower_, lp.row_upper_ = m.row_lower, m.row_upper
    lp.integrality_ = [highspy.HighsVarType.kInteger if k else highspy.HighsVarType.kContinuous for k in m.integer]
    start, at, value = [0], [], []
    for row in m.rows:
        at += [j for j, _ in row]
        value += [a for _, a in row]
        start.append(len(at))
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = start, at, value
    highs = highspy.Highs()
    highs.silent()
    for name, setting in [("threads", 1), ("parallel", "off"), ("time_limit", limit), ("mip_rel_gap", 1e-6), ("mip_abs_gap", 1e-6)]:
        highs.setOptionValue(name, setting)
    if tight:
        highs.setOptionValue("primal_feasibility_tolerance", 1e-9)
        highs.setOptionValue("small_matrix_value", 1e-12)
    highs.passModel(lp)
    highs.run()
    return highs


def theirs(m, limit):
    """Status, bound, and the point after its integers were fixed: (objective, violation)."""
    if any(l > u for l, u in zip(m.lower, m.upper)) or any(l > u for l, u in zip(m.row_lower, m.row_upper)):
        return "infeasible", None, None, None
    highs = highs_of(m, limit)
    status = highs.modelStatusToString(highs.getModelStatus())
    info = highs.getInfo()
    is_mip = any(m.integer)
    bound = info.mip_dual_bound if is_mip else info.objective_function_value if status == "Optimal" else None
    if bound is not None and not abs(bound) < 1e30:
        bound = None
    if info.primal_solution_status != 2:
        return status, bound, None, None
    x = list(highs.getSolution().col_value)
    fixed = m.copy()
    for j, integer in enumerate(m.integer):
        if integer:
            x[j] = round(x[j])
            fixed.lower[j] = fixed.upper[j] = x[j]
            if not m.lower[j] <= x[j] <= m.upper[j]:
                return status, bound, (m.objective(x), m.violation(x)), x
            fixed.integer[j] = False
    fixed.integer = [False] * len(m.cost)
    best = (m.objective(x), m.violation(x))
    if best[1] > 1e-9:
        again = highs_of(fixed, limit, tight=True)
        if again.getInfo().primal_solution_status == 2:
            y = list(again.getSolution().col_value)
            if m.violation(y) < best[1]:
                best, x = (m.objective(y), m.violation(y)), y
    return status, bound, best, x


def ours(binary, path, limit, names):
    solution = path + ".ours"
    if os.path.exists(solution):
        os.remove(solution)
    command = [binary, path, "--json", "--gap", "1e-6", "--time-limit", f"{limit}s", "--solution", solution]
    if names:
        command += ["--disable", ",".join(names)]
    start = time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit + 60)
        answer = json.loads(done.stdout.strip().splitlines()[-1])
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
        text = getattr(done, "stderr", "") if "done" in locals() else ""
        return {"status": "crash", "objective": None, "bound": None, "why": f"{error} {text[-500:]}"}, None, 0.0
    wall = time.monotonic() - start
    point = None
    if os.path.exists(solution):
        values = {}
        for line in open(solution):
            words = line.split()
            if len(words) == 2 and words[0][:1] == "x":
                values[words[0]] = float(words[1])
        point = values
    return answer, point, wall


def judge(m, ours_, point, wall, limit, theirs_):
    """(hard, soft) complaints."""
    hard, soft = [], []
    status, bound, best, _ = theirs_
    s = m.sign
    if ours_["status"] == "crash":
        return [f"crash: {ours_.get('why')}"], soft
    if wall > limit + 5:
        soft.append(f"late: {wall:.1f} s")
    z, b = ours_["objective"], ours_["bound"]
    scale = lambda v: 1e-6 * max(1.0, abs(v)) * 2
    ours_feasible = False
    if z is not None and point is not None:
        x = [point.get(f"x{j}", 0.0) for j in range(len(m.cost))]
        off = m.violation(x)
        if off > 1.001e-6:
            hard.append(f"our point is off by {off}")
        elif any(k and v != round(v) for k, v in zip(m.integer, x)):
            hard.append("our point is fractional")
        elif abs(m.objective(x) - z) > 1e-9 * max(1.0, abs(z), sum(abs(c * v) for c, v in zip(m.cost, x)) * 1e-3):
            hard.append(f"our objective is {m.objective(x)}")
        else:
            ours_feasible = True
    if best is not None:
        value, off = best
        list_ = hard if off <= 1e-9 else soft
        if off <= 1e-6:
            if ours_["status"] == "infeasible":
                list_.append(f"infeasible, but they have {value} (off by {off:.1e})")
            if b is not None and s * b > s * value + scale(value):
                list_.append(f"bound {b} beyond their {value} (off by {off:.1e})")
            if ours_["status"] == "optimal" and z is not None and s * z > s * value + scale(value):
                list_.append(f"optimum {z} is worse than their {value} (off by {off:.1e})")
    if ours_["status"] == "unbounded" and (status == "Infeasible" or status == "Optimal"):
        hard.append(f"unbounded, they say {status}")
    if ours_["status"] == "infeasible" and status == "Unbounded":
        hard.append("infeasible, they say unbounded")
    if ours_["status"] == "infeasible_or_unbounded" and status == "Optimal":
        hard.append("infeasible or unbounded, they say optimal")
    if ours_["status"] == "optimal" and status == "Unbounded":
        hard.append("optimal, they say unbounded")
    if z is not None and ours_feasible and bound is not None and s * z < s * bound - scale(bound):
        soft.append(f"our feasible {z} beats their bound {bound}")
    if status == "Infeasible" and ours_feasible:
        soft.append(f"they say infeasible, we have {z}")
    if ours_["status"] == "numerical_trouble":
        soft.append("numerical trouble")
    return hard, soft


def main():
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("binary")
    ask.add_argument("files", nargs="+")
    ask.add_argument("--count", type=int, default=200)
    ask.add_argument("--seed", type=int, default=0)
    ask.add_argument("--time-limit", type=float, default=5)
    ask.add_argument("--kinds", default=",".join(KINDS))
    ask.add_argument("--techniques", type=float, default=40)
    ask.add_argument("--keep", default="mutants")
    ask.add_argument("--verbose", action="store_true")
    args = ask.parse_args()
    os.makedirs(args.keep, exist_ok=True)
    kinds = args.kinds.split(",")
    tally, wrong = collections.Counter(), 0
    scratch = tempfile.mkdtemp()
    for case in range(args.seed, args.seed + args.count):
        rng = random.Random(case)
        file = rng.choice(args.files)
        m = Model(file)
        applied = [rng.choice(kinds) for _ in range(rng.choice([1, 1, 2, 2, 3]))]
        for name in applied:
            KINDS[name](m, rng)
        off = []
        if rng.random() * 100 < args.techniques:
            off = rng.sample(TECHNIQUES, rng.choice([1, 2, 5, 10, 20]))
        path = os.path.join(scratch, "mutant.mps")
        m.write(path)
        answer, point, wall = ours(args.binary, path, args.time_limit, off)
        they = theirs(m, args.time_limit)
        hard, soft = judge(m, answer, point, wall, args.time_limit, they)
        tally[answer["status"]] += 1
        tally["their " + they[0]] += 1
        text = (f"{case} {os.path.basename(file)} {'+'.join(applied)} disable={','.join(off)} | "
                f"ours {answer['status']} {answer['objective']} bound {answer['bound']} | theirs {they[0]} {they[2]} bound {they[1]}")
        if hard or soft:
            print("WRONG" if hard else "soft", text, "|", "; ".join(hard + soft), flush=True)
            kept = os.path.join(args.keep, f"{'wrong' if hard else 'soft'}-{case}.mps")
            m.write(kept)
            with open(kept + ".txt", "w") as out:
                print(text, hard, soft, file=out)
            if they[3] is not None:
                with open(kept + ".point", "w") as out:
                    print(*map(repr, map(float, they[3])), sep="\n", file=out)
        elif args.verbose:
            print("ok", text, f"{wall:.2f}", flush=True)
        wrong += bool(hard)
    print(dict(tally), "wrong", wrong)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

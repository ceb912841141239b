#!/usr/bin/env python3
"""The figures of evaluate, evaluate/rank, truth and offline, learn/strengths, learn/search and the
bandit in golden cases, computed apart from the rows that the cases hold: ranks follow the arms' values, an arm's clicks are the sum of examination x truth over
its ranks, IPS and SNIPS follow their definitions, intervals are the delta method over users.

usage: figures_test.py
"""
import csv
import json
import math
import pathlib
import random
import sys

HERE = pathlib.Path(__file__).resolve().parent
Z = 1.959963984540054
DAY = 86400000


def read(name):
    return [json.loads(line) for line in (HERE / name).read_text().splitlines()]


class Sums:
    """By slice, arm and user: a dict of variables."""

    def __init__(self):
        self.of = {}

    def add(self, slices, arm, user, values):
        for name in slices:
            sums = self.of.setdefault((name, arm), {}).setdefault(user, {})
            for key, value in values.items():
                sums[key] = sums.get(key, 0) + value

    def total(self, where, key):
        return sum(user.get(key, 0) for user in self.of[where].values())

    def terms(self, where, over, under):
        all_over, all_under = self.total(where, over), self.total(where, under)
        return {user: sums.get(over, 0) / all_over - sums.get(under, 0) / all_under
                for user, sums in self.of[where].items()}

    def figure(self, where, over, under, base=None):
        """Value, low, high; of the uplift where there is a base."""
        if not self.total(where, under):
            return None
        value = self.total(where, over) / self.total(where, under)
        if not value:
            return None
        terms = self.terms(where, over, under)
        if base:
            value /= self.total(base, over) / self.total(base, under)
            for user, term in self.terms(base, over, under).items():
                terms[user] = terms.get(user, 0) - term
        units = len(terms)
        error = math.sqrt(sum(term ** 2 for term in terms.values()) * units / (units - 1)) \
            if units > 1 else math.nan
        less = 1 if base else 0
        return value - less, value * (1 - Z * error) - less, value * (1 + Z * error) - less


def close(got, want, what):
    for value, expected in zip(got, want):
        if value is None and math.isnan(expected):
            continue
        if value is None or abs(value - expected) > 2e-4 * max(1, abs(expected)):
            yield f"{what}: {got}, computed {want}"
            return


def slice_of(row):
    return ("period", row["until"]) if row["by"] == "period" else (row["by"], row["level"])


def check(name, sums, figures, base, counts):
    rows = read(name)
    if {(slice_of(row), row["arm"]) for row in rows} != set(sums.of):
        yield f"{name}: other slices or arms than computed"
        return
    for row in rows:
        where, what = (slice_of(row), row["arm"]), f"{name} {slice_of(row)} {row['arm']}"
        for column, key in counts.items():
            if row[column] != round(sums.total(where, key)):
                yield f"{what}: {column} {row[column]}, computed {sums.total(where, key)}"
        for column, (over, under) in figures.items():
            expected = sums.figure(where, over, under)
            if expected:
                yield from close([row[column + end] for end in ("", "_low", "_high")], expected,
                                 f"{what} {column}")
            elif row[column]:
                yield f"{what}: {column} is {row[column]}, not nothing"
            other = (where[0], base)
            if not base or row["arm"] == base or other not in sums.of or not expected or \
                    not sums.figure(other, over, under):
                continue
            yield from close([row[column + "_uplift" + end] for end in ("", "_low", "_high")],
                             sums.figure(where, over, under, other), f"{what} {column} uplift")


# ---- ranks and lists ----

def arm_values(row):
    hour = row["event_time"] // 3600000 % 24
    for item in row["items"]:
        score, reasons = item["score"], item["reasons"]
        yield item, {"base": reasons["base"], "all": reasons["base"] + reasons["network"],
                     "few": hour - score if score > 0.4 else None, "same": 1}


def check_ranks(rows):
    for row in rows:
        for arm in ("base", "all", "few", "same"):
            pairs = [(values[arm], item["ranks"][arm]) for item, values in arm_values(row)]
            ranked = sorted((rank, value) for value, rank in pairs if rank)
            rest = [value for value, rank in pairs if not rank and value is not None]
            known = sum(value is not None for value, _ in pairs)
            if [rank for rank, _ in ranked] != list(range(1, min(3, known) + 1)):
                yield f"{row['rec_id']}: ranks of {arm} are {ranked}"
            if any(a[1] < b[1] for a, b in zip(ranked, ranked[1:])) or \
                    (ranked and any(value > ranked[-1][1] for value in rest)):
                yield f"{row['rec_id']}: ranks of {arm} do not follow its values"


def check_positions(rows):
    for row in rows:
        places = [item["position"] for item in row["items"]]
        shown = row["list_len"]
        if len(places) != row["candidates"] or \
                places != list(range(1, shown + 1)) + [None] * (len(places) - shown):
            yield f"{row['rec_id']}: positions {places} of {shown}"
        if any((item["propensity"] is None) != (item["position"] is None) or
               (item["p_served"] is None) != (item["position"] is None) for item in row["items"]):
            yield f"{row['rec_id']}: an item that is not shown has probabilities"


def truth(rows, arms, length):
    sums = Sums()
    for row in rows:
        week = 7 * 86400000
        end = row["event_time"] // week * week + week
        slices = [("all", None)]
        if arms["base"]:
            slices += [("net", row["net"]), ("period", end)]
        for arm, rank_of in arms["ranks"].items():
            values = {"lists": 1, "n": 0, "clicks": 0, "conversions": 0, "dwell": 0}
            for item in row["items"]:
                rank = rank_of(item)
                if not rank or rank > length(row):
                    continue
                clicks = rank ** -0.5 * item["score"]
                values["n"] += 1
                values["clicks"] += clicks
                values["conversions"] += clicks * item["reasons"]["base"]
                values["dwell"] += clicks * (item["propensity"] or 0)
            sums.add(slices, arm, row["user"], values)
    return sums


def check_truth():
    rows = read("evaluate-rank/out.jsonl")
    yield from check_ranks(rows)
    yield from check_positions(rows)
    ranks = {arm: (lambda item, arm=arm: item["ranks"][arm]) for arm in
             ("base", "all", "few", "same")}
    figures = {"ctr": ("clicks", "n"), "clicks": ("clicks", "lists"),
               "conversions": ("conversions", "lists"), "dwell": ("dwell", "lists")}
    sums = truth(rows, {"base": True, "ranks": ranks}, lambda row: min(3, row["list_len"]))
    yield from check("evaluate-rank/out-truth.jsonl", sums, figures, "base", {"lists": "lists"})
    served = {"all": ranks["all"], "position": lambda item: item["position"]}
    sums = truth(rows, {"base": False, "ranks": served}, lambda row: 2)
    yield from check("evaluate-rank/out-served.jsonl", sums,
                     {"ctr": ("clicks", "n"), "clicks": ("clicks", "lists")}, "position",
                     {"lists": "lists"})


# ---- lists against what was taken ----

def quality(rows, k):
    """Rows in order of time; of each: the rank within k or 0, AUC and diversity."""
    seen = set()
    for row in rows:
        listed = [item["item"] for item in row["items"]]
        rank = listed.index(row["item"]) + 1 if row["item"] in listed else 0
        others = len(seen - {row["item"]})
        behind = others - rank + 1 if rank else (others - len(listed)) / 2
        alike = [item["ranks"]["few"] for item in row["items"]][:k]
        pairs = [a != b for i, a in enumerate(alike) for b in alike[:i]]
        yield (rank if rank <= k else 0, max(behind, 0) / others if others else None,
               sum(pairs) / len(pairs) if pairs else None)
        seen.add(row["item"])


def popularity_hit(counts, own, item, k):
    """How likely the item is among the k most frequent ones that are not the user's, equals drawn."""
    count = counts.get(item, 0)
    more = sum(other > count for name, other in counts.items() if name not in own)
    equal = sum(other == count for name, other in counts.items() if name not in own or name == item)
    return min(1, max(0, k - more) / equal) if count else 0


def live(rows, k):
    """Of each row: what popularity would have hit, the novelty of each listed item, the items listed."""
    counts, own = {}, {}
    for number, row in enumerate(rows):
        listed = [item["item"] for item in row["items"]][:k]
        yield (popularity_hit(counts, own.get(row["user"], set()), row["item"], k),
               [math.log2(max(number, 1) / counts.get(item, 1)) for item in listed], listed)
        counts[row["item"]] = counts.get(row["item"], 0) + 1
        own.setdefault(row["user"], set()).add(row["item"])


def check_quality():
    rows = sorted(read("evaluate-rank/out.jsonl"), key=lambda row: row["event_time"])
    if len({row["event_time"] for row in rows}) != len(rows):
        yield "evaluate-rank: two rows of one time, whose order is not known here"
    skip = len(rows) // 10
    counted, popular = list(quality(rows, 3))[skip:], list(live(rows, 3))[skip:]
    ranks = [rank for rank, _, _ in counted if rank]
    hits = len(ranks) / len(counted)
    novelty = [value for _, values, _ in popular for value in values]
    expected = {"recall@3": hits, "precision@3": hits / 3, "hit_rate@3": hits,
                "ndcg@3": sum(1 / math.log2(rank + 1) for rank in ranks) / len(counted),
                "mrr@3": sum(1 / rank for rank in ranks) / len(counted),
                "popularity_recall@3": sum(hit for hit, _, _ in popular) / len(popular),
                "novelty": sum(novelty) / len(novelty),
                "coverage": len({item for _, _, items in popular for item in items}) / len({row["item"] for row in rows})}
    for name, place in (("auc", 1), ("diversity", 2)):
        values = [row[place] for row in counted if row[place] is not None]
        expected[name] = sum(values) / len(values)
    figures = read("evaluate-rank/out-quality.jsonl")[0]
    for name, value in expected.items():
        yield from close([figures[name]], [value], f"evaluate {name}")


# ---- offline ----

def offline_values(row, rank, k):
    length, many, position = row["list_len"], row["candidates"], row["position"]
    exam = [0] + [j ** -0.5 for j in range(1, 101)]
    click, mean = float(bool(row["clicked"])), sum(exam[1:k + 1]) / k
    same = many if rank == position else 0
    based = exam[rank] * many / sum(exam[1:length + 1]) if rank else 0
    return {"lists": position == 1, "clicks": click, "places": k if position == 1 else 0,
            "ips": same * click, "ips_self": same * click * mean, "ips_exam": same * exam[position],
            "pbm": based * click, "pbm_self": based * click * mean,
            "pbm_exam": based * exam[position]}


OFFLINE = {"ips": ("ips", "places"), "snips": ("ips_self", "ips_exam"),
           "pbm_ips": ("pbm", "places"), "pbm_snips": ("pbm_self", "pbm_exam")}


def check_offline():
    sums = Sums()
    for row in read("evaluate-clicks/in.jsonl"):
        if not row["explore"] or row["position"] is None or row["candidates"] is None:
            continue
        for arm, rank in row["ranks"].items():
            rank = rank if rank and rank <= 4 else 0
            sums.add([("all", None), ("place", row["place"])], arm, row["user_id"],
                     offline_values(row, rank, 4))
    counts = {"lists": "lists", "clicks": "clicks"}
    yield from check("evaluate-clicks/out-offline.jsonl", sums, OFFLINE, "old", counts)

    sums = Sums()
    for row in read("evaluate-rank/out-log.jsonl"):
        row["candidates"], row["list_len"] = int(row["candidates"]), int(row["list_len"])
        if not row["explore"] or row["position"] is None or row["position"] > row["list_len"]:
            continue
        listed = [item["item"] for item in row["items"]][:3]
        rank = listed.index(row["item"]) + 1 if row["item"] in listed else 0
        sums.add([("all", None)], row["net"], row["user"], offline_values(row, rank, 3))
    yield from check("evaluate-rank/out-offline.jsonl", sums, OFFLINE, "wifi", counts)


# ---- strengths ----

def solve(matrix, right):
    """Gauss-Jordan: the solution and the inverse's diagonal."""
    n = len(right)
    rows = [list(row) + [right[i]] + [float(i == j) for j in range(n)]
            for i, row in enumerate(matrix)]
    for i in range(n):
        pivot = rows[i][i]
        rows[i] = [value / pivot for value in rows[i]]
        for k in range(n):
            if k != i:
                factor = rows[k][i]
                rows[k] = [a - factor * b for a, b in zip(rows[k], rows[i])]
    return [row[n] for row in rows], [rows[i][n + 1 + i] for i in range(n)]


def newton(rows, means, spread):
    """Fisher scoring on all rows at once, to its end."""
    values, n = list(means), len(means)
    for _ in range(15):
        matrix = [[(i == j) / spread ** 2 for j in range(n)] for i in range(n)]
        right = [mean / spread ** 2 for mean in means]
        for terms, exam, click, weight in rows:
            logit = sum(w * x for w, x in zip(values, terms))
            s = 1 / (1 + math.exp(-logit))
            slope = weight * (1 - s) * (click - exam * s) / (1 - exam * s)
            info = weight * exam * s * (1 - s) ** 2 / (1 - exam * s)
            for i in range(n):
                right[i] += (info * logit + slope) * terms[i]
                for j in range(n):
                    matrix[i][j] += info * terms[i] * terms[j]
        values, variances = solve(matrix, right)
    return values, [math.sqrt(variance) for variance in variances]


def check_strengths():
    for name, when, spread, names, window, half_life in (
            ("out", lambda row: row["explore"], 1, ("time", "place", "battery"), DAY, 0),
            ("out-few", lambda row: (row["position"] or 9) <= 4, 0.2, ("time", "battery"),
             3 * DAY, 6 * DAY)):
        last = max(row["window_end"] for row in read(f"learn-strengths/{name}.jsonl"))
        rows = []
        for row in read("learn-strengths/in.jsonl"):
            of = {**row["reasons"], **row["shadow"]}
            end = (row["ts"] * 1000 // window + 1) * window
            weight = 0.5 ** ((last - end) / half_life) if half_life else 1
            if when(row) and row["position"]:
                rows.append(([1, row["base"]] + [of[term] or 0 for term in names],
                             row["position"] ** -0.5, float(bool(row["clicked"])), weight))
        values, errors = newton(rows, [0] + [1] * (1 + len(names)), spread)
        got = read(f"learn-strengths/{name}.jsonl")
        got = {row["factor"]: row for row in got if row["window_end"] == last}
        if list(got) and set(got) != {"level", "base", *names}:
            yield f"learn-strengths {name}: factors {list(got)}"
            continue
        for factor, value, error in zip(("level", "base", *names), values, errors):
            row = got[factor]
            if abs(row["strength"] - value) > 0.3 * error or abs(row["se"] / error - 1) > 0.05 or \
                    row["impressions"] != len(rows):
                yield f"learn-strengths {name} {factor}: {row}, computed {value} +- {error}"


# ---- clicks and what came of them ----

MEASURES = {"ctr": ("clicks", "impressions"), "predicted": ("predicted", "predictions"),
            "calibration": ("predicted", "clicks"), "conversion": ("conversions", "clicks"), "dwell": ("dwell", "dwelt"),
            "dwell_per_impression": ("dwell", "impressions"), "satisfaction": ("stars", "starred"),
            "cancel_rate": ("cancels", "clicks")}


def measures(row):
    seconds, order, predicted = row.get("seconds"), row.get("order"), row["predicted"]
    stars = row["rec_id"] % 5 + 1 if seconds is not None and seconds > 20 else None
    return {"impressions": 1, "clicks": bool(row["clicked"]), "predicted": predicted or 0,
            "predictions": predicted is not None, "conversions": order is not None, "dwell": seconds or 0,
            "dwelt": seconds is not None, "stars": stars or 0, "starred": stars is not None,
            "cancels": seconds is not None and row["rec_id"] % 3 == 0}


def check_clicks():
    """And of an A/B test: how likely sizes as far from the shares are, of one degree of freedom."""
    sums, told, span = Sums(), Sums(), DAY // 4
    for row in read("evaluate-clicks/in.jsonl"):
        slices, end = [("all", None), ("place", row["place"])], (row["ts"] * 1000 // span + 1) * span
        sums.add(slices + [("period", end)], row["arm"], row["user_id"], measures(row))
        told.add(slices, row["arm"], row["user_id"], measures(row))
    counts = {"impressions": "impressions", "clicks": "clicks"}
    for name, of, columns in (("clicks", sums, list(MEASURES)[:6]), ("satisfied", sums, ["ctr", *list(MEASURES)[6:]]),
                              ("told", told, list(MEASURES))):
        yield from check(f"evaluate-clicks/out-{name}.jsonl", of, {key: MEASURES[key] for key in columns}, "a", counts)
    for row in read("evaluate-clicks/out-told.jsonl"):
        users = {arm: len(told.of.get((slice_of(row), arm), {})) for arm in "ab"}
        chi_square = (users["a"] - users["b"]) ** 2 / sum(users.values())
        if abs(row["sample_ratio_p"] - math.erfc(math.sqrt(chi_square / 2))) > 1e-9 or row["sample_ratio_p"] > 0.9:
            yield f"evaluate-clicks: {users} users, sample_ratio_p {row['sample_ratio_p']}"


# ---- groups of users ----

def check_groups():
    """More groups than users give the same, two groups the same figures with other intervals."""
    def by_slice(name, ends):
        return sorted(json.dumps({key: value for key, value in row.items()
                                  if ends or not key.endswith(("_low", "_high"))})
                      for row in read(f"evaluate-clicks/out-{name}.jsonl"))

    if by_slice("many", True) != by_slice("clicks", True):
        yield "evaluate-clicks: a group a user is not the same as users"
    if by_slice("two", False) != by_slice("clicks", False):
        yield "evaluate-clicks: two groups have other figures"
    if by_slice("two", True) == by_slice("clicks", True):
        yield "evaluate-clicks: two groups have the intervals of users"


# ---- searches ----

def list_sums(rows, strengths, k):
    """The two sums of position-based SNIPS of a list that is ranked anew under these strengths; None: two
    items are worth the same."""
    values = [row["base"] + sum(strengths[name] * row[name] for name in strengths) for row in rows]
    if len(set(values)) != len(values):
        return None
    ranks = [1 + sum(other > value for other in values) for value in values]
    total = sum(row["position"] ** -0.5 for row in rows)
    weights = [rank ** -0.5 * len(rows) / total if rank <= k else 0 for rank in ranks]
    return {"over": sum(w * row["clicked"] for w, row in zip(weights, rows)) *
            sum(j ** -0.5 for j in range(1, k + 1)) / k,
            "under": sum(w * row["position"] ** -0.5 for w, row in zip(weights, rows))}


def searched_lists():
    lists = {}
    with open(HERE / "learn-search/in.csv") as file:
        for row in csv.DictReader(file):
            if row["explore"] == "true":
                row = {"ts": int(row["ts"]), "rec": row["rec"], "user": row["user"],
                       "position": int(row["position"]), "clicked": row["clicked"] == "true",
                       "base": float(row["base"]), "time": float(row["time"]), "noise": float(row["noise"])}
                lists.setdefault(row["rec"], []).append(row)
    return sorted(lists.values(), key=lambda rows: rows[0]["ts"])


def check_search_case(case, lists, names, accepted):
    k, split = 2, lists[int(0.6 * len(lists))][0]["ts"]
    found = {}
    for row in read(f"learn-search/out-{case}.jsonl"):
        found.setdefault(row["method"], {})[row["factor"]] = row
    if set(found) != {"cross-entropy", "swarm", "genetic"}:
        yield f"learn-search {case}: methods {list(found)}"
    for method, rows in found.items():
        sums, row = Sums(), next(iter(rows.values()))
        for arm, strengths in (("found", {name: rows[name]["found"] for name in names}),
                               ("plain", dict.fromkeys(names, 1))):
            for one in lists:
                values = list_sums(one, strengths, k)
                if values is None:
                    yield f"learn-search {case}, {one[0]['rec']}: equal values, whose order is not known here"
                    return
                part = "train" if one[0]["ts"] < split else "rest"
                sums.add([part], arm, one[0]["user"], values)
        value, base = ("rest", "found"), ("rest", "plain")
        expected = [sums.total(("train", "found"), "over") / sums.total(("train", "found"), "under"),
                    *(sums.total(of, "over") / sums.total(of, "under") for of in (value, base)),
                    *sums.figure(value, "over", "under", base)]
        got = [row["train"], row["held_out"], row["plain"], row["uplift"], row["uplift_low"],
               row["uplift_high"]]
        yield from close(got, expected, f"learn-search {case} {method}")
        for name in names:
            if (expected[4] > 0) != accepted or rows[name]["accepted"] != accepted or \
                    rows[name]["requests"] != len(lists) or \
                    rows[name]["strength"] != (rows[name]["found"] if accepted else 1):
                yield f"learn-search {case} {method}: {rows[name]}"


def check_search():
    lists = searched_lists()
    doubled = [[{**row, "time": 2 * row["time"]} for row in rows] for rows in lists]
    yield from check_search_case("wrong", doubled, ("time", "noise"), True)
    yield from check_search_case("right", lists, ("time",), False)


# ---- bandits ----

def arm_sums(window, half_life):
    """By window's end: what each arm has earned up to it, with [1, low, length] as context."""
    sums, ends, told = {}, {}, {}
    for row in read("adjust-bandit/in.jsonl"):
        if row["kind"] != "shown" or row["explore"] or row["arm"] is None or row["position"] is None:
            continue
        end = (row["ts"] * 1000 // window + 1) * window
        told.setdefault(end, {})
        arm = sums.setdefault(row["arm"], {"clicks": 0, "exposure": 0, "moments": [0] * 6,
                                           "right": [0] * 3})
        fade = 0.5 ** ((end - ends.get(row["arm"], end)) / half_life) if half_life else 1
        ends[row["arm"]] = end
        exam, click = row["position"] ** -0.5, float(bool(row["clicked"]))
        x = [1, float(row["budget_low"]), row["length"]]
        arm["clicks"] = arm["clicks"] * fade + click
        arm["exposure"] = arm["exposure"] * fade + exam
        pairs = [x[i] * x[j] for i in range(3) for j in range(i + 1)]
        arm["moments"] = [a * fade + exam * exam * b for a, b in zip(arm["moments"], pairs)]
        arm["right"] = [a * fade + exam * click * b for a, b in zip(arm["right"], x)]
        told[end][row["arm"]] = {name: list(value) if isinstance(value, list) else value
                                 for name, value in arm.items()}
    return told


def check_sums(name, told, width):
    for row in read(name):
        arm = told[row["window_end"]].pop(row["arm"])
        expected = [arm["clicks"], arm["exposure"], *arm["moments"][:width * (width + 1) // 2],
                    *arm["right"][:width]]
        got = [row["clicks"], row["exposure"], *(cell["value"] for cell in row["moments"]),
               *(cell["value"] for cell in row["right"])]
        if len(got) != len(expected) or any(abs(a - b) > 1e-9 for a, b in zip(got, expected)):
            yield f"{name} {row['arm']} at {row['window_end']}: {got}, computed {expected}"
    if any(told.values()):
        yield f"{name}: not told of {told}"


def known_at(told, time):
    arms = {}
    for end in sorted(told):
        if end <= time:
            arms.update(told[end])
    return arms


def best_shares(arms, names):
    """How often each is the best in posterior draws."""
    draws, generator = 4000, random.Random(1)
    clicks = sum(arms[name]["clicks"] for name in names if name in arms)
    exposure = sum(arms[name]["exposure"] for name in names if name in arms)
    rate, wins = clicks / exposure if clicks else 1, dict.fromkeys(names, 0)
    for _ in range(draws):
        values = {name: generator.gammavariate(10 + arms.get(name, {"clicks": 0})["clicks"], 1) /
                        (10 / rate + arms.get(name, {"exposure": 0})["exposure"]) for name in names}
        wins[max(values, key=values.get)] += 1
    return {name: count / draws for name, count in wins.items()}


def bounds(arms, names, x):
    found = {}
    for name in names:
        arm = arms.get(name, {"moments": [0] * 6, "right": [0] * 3})
        matrix = [[arm["moments"][max(i, j) * (max(i, j) + 1) // 2 + min(i, j)] + (i == j)
                   for j in range(3)] for i in range(3)]
        theta, _ = solve(matrix, arm["right"])
        spread, _ = solve(matrix, x)
        found[name] = sum(a * b for a, b in zip(theta, x)) + \
            0.5 * math.sqrt(sum(a * b for a, b in zip(spread, x)))
    return found


def check_arm_order(row):
    worth = {"plain": lambda item: item["reasons"]["base"], "all": lambda item: item["score"],
             "odd": lambda item: -item["score"]}[row["arm"]]
    values = [worth(item) for item in row["items"]]
    if not row["explore"] and any(a < b - 1e-12 for a, b in zip(values, values[1:])):
        yield f"{row['rec_id']}: not in the order of {row['arm']}"


def check_bandit():
    names = ["plain", "all", "odd"]
    yield from check_sums("adjust-bandit/out-arms.jsonl", arm_sums(5 * DAY, 0), 1)
    yield from check_sums("adjust-bandit/out-fading.jsonl", arm_sums(5 * DAY, 10 * DAY), 3)
    told, shares = arm_sums(5 * DAY, 0), {}
    for row in read("adjust-bandit/out.jsonl"):
        yield from check_arm_order(row)
        version = max([end for end in told if end <= row["event_time"]], default=None)
        if version not in shares:
            shares[version] = best_shares(known_at(told, row["event_time"]), names)
        expected = 0.7 * shares[version][row["arm"]] + 0.1
        if abs(row["arm_propensity"] - expected) > 0.04:
            yield f"{row['rec_id']}: {row['arm']} with {row['arm_propensity']}, computed {expected}"
    told = arm_sums(5 * DAY, 10 * DAY)
    for row in read("adjust-bandit/out-bound.jsonl"):
        found = bounds(known_at(told, row["event_time"]), names,
                       [1, float(row["budget_low"] or 0), row["length"] or 0])
        if row["arm_propensity"] > 0.5 and found[row["arm"]] < max(found.values()) - 1e-12:
            yield f"{row['rec_id']}: {row['arm']} taken at bounds {found}"
        if min(abs(row["arm_propensity"] - p) for p in (0.1, 0.8)) > 1e-12:
            yield f"{row['rec_id']}: propensity {row['arm_propensity']}"


# ---- versions, and the order by delivery ----

def check_versions():
    """A version is the last end of a window that is `delay` before the row; windows end by the clock."""
    for row in read("versions/out.jsonl"):
        ends = {window: (row["ts"] - delay) // window * window
                for window, delay in ((DAY, DAY // 2), (DAY // 4, 0), (DAY // 8, DAY // 24))}
        if row["versions"] != {"place": ends[DAY], "feedback": {"fatigue": ends[DAY // 4], "dislike": ends[DAY // 8]}}:
            yield f"versions: {row}"
    for row in read("versions/out-similar.jsonl"):
        ends = {window: row["ts"] // window * window for window in (DAY // 12, DAY // 24)}
        if row["versions"]["similar"] != {"items": ends[DAY // 12], "users": ends[DAY // 24]}:
            yield f"versions: {row}"


def check_delivery():
    """`cap` and `strength` are of the order alone."""
    whole, half, off = ({(row["ts"], row["item_id"]): row for row in read(f"adjust-delivery/{name}.jsonl")}
                        for name in ("out", "out-half", "out-off"))
    terms = {key: row.pop("rank")["delivery"] for key, row in whole.items()}
    if min(terms.values()) > -2:
        yield "adjust-delivery: nothing goes far down"
    for key, row in whole.items():
        if half[key].pop("rank")["delivery"] != max(terms[key], -1) / 2 or off[key].pop("rank")["delivery"] != 0:
            yield f"adjust-delivery: {key} of {terms[key]}"
        if half[key] != row or off[key] != row:
            yield f"adjust-delivery: {key} has another variant"


def main():
    problems = list(check_truth()) + list(check_quality()) + list(check_offline()) + \
        list(check_strengths()) + list(check_clicks()) + list(check_search()) + list(check_groups()) + list(check_bandit()) + \
        list(check_versions()) + list(check_delivery())
    print("\n".join(problems))
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()

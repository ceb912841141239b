#!/usr/bin/env python3
"""Models of features, in the plainest way: from the input of a golden case, what must come out is
computed again over lists of all that came before, and compared with the expected file.

usage: models_test.py [CASE...]
"""
import csv
import json
import math
import pathlib
import re
import statistics
import sys
from datetime import datetime, timezone

HERE = pathlib.Path(__file__).parent
HOUR, DAY = 3600000, 86400000


def load(case, name):
    return [json.loads(line) for line in (HERE / case / name).read_text().splitlines()]


def near(want, got):
    if isinstance(want, float) or isinstance(got, float):
        return None not in (want, got) and abs(want - got) <= 1e-9 * max(1, abs(want))
    if isinstance(want, list):
        return isinstance(got, list) and len(want) == len(got) and all(map(near, want, got))
    if isinstance(want, dict):
        return (isinstance(got, dict) and want.keys() == got.keys()
                and all(near(want[key], got[key]) for key in want))
    return want == got


def rounded(value):
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return [rounded(item) for item in value]
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in sorted(value.items())}
    return value


def compare(case, name, want):
    return compare_rows(case, want, load(case, name))


def compare_rows(case, want, got):
    got = sorted(got, key=lambda row: json.dumps(rounded(row)))
    want = sorted(want, key=lambda row: json.dumps(rounded(row)))
    problems = [] if len(want) == len(got) else [f"{case}: {len(got)} rows, not {len(want)}"]
    problems += [f"{case}:\n want {json.dumps(a)}\n got  {json.dumps(b)}"
                 for a, b in zip(want, got) if not near(a, b)][:1]
    return problems


def by_time(row):
    return row["ts"]


def faded(age_ms, half_ms):
    return 0.5 ** (age_ms / half_ms)


MISSING = {  # column: values looked at, what stands where nothing is known
    "mean": (4, None), "median": (4, -1.0), "last": (1, None), "line": (2, None),
    "place": (1, None), "on": (1, True), "stock": (0, 7), "sure": (4, "reject"),
}


def fill(column, known, now):
    values = [value for _, value in known]
    if column in ("mean", "sure"):
        return sum(values) / len(values)
    if column == "median":
        return statistics.median(values)
    if column == "place":
        return values[-1] if len(values[-1]) <= 112 else None
    if column == "line" and len(known) > 1 and known[1][0] > known[0][0]:
        (then, old), (last, new) = known
        return new + min(1, (now - last) / (last - then)) * (new - old)
    return values[-1]


def clean_missing():
    past, want = {}, []
    for row in sorted(load("clean-missing", "in.jsonl"), key=by_time):
        told = {"ts": row["ts"], "sensor": row["sensor"]}
        for column, (count, other) in MISSING.items():
            values = past.setdefault((row["sensor"], column), [])
            known = [v for v in values[-count:] if v[0] >= row["ts"] - 10000] if count else []
            if column in row:
                told[column] = row[column]
                values.append((row["ts"], row[column]))
            else:
                told[column] = fill(column, known, row["ts"]) if known else other
            if told[column] == "reject":
                break
        else:
            told["twice"] = None if told["mean"] is None else told["mean"] * 2
            want.append(told)
    return compare("clean-missing", "out.jsonl", want)


def nearest(values, value):
    return sum(sorted(abs(value - other) for other in values)[:2]) / 2


def outlier(column, known, value):
    """Whether it is one, and what is remembered of it."""
    if len(known) < 5:
        return False, value
    if column == "c":
        usual = statistics.mean(nearest(known[:i] + known[i + 1:], x) for i, x in enumerate(known))
        return usual > 0 and nearest(known, value) > 4 * usual, value
    if column == "a":
        centre, spread = statistics.mean(known), statistics.stdev(known)
    else:
        centre = statistics.median(known)
        apart = [abs(x - centre) for x in known]
        spread = max(0.5, 1.4826 * statistics.median(apart) or 1.2533 * statistics.mean(apart))
    if abs(value - centre) <= 3 * spread:
        return False, value
    return True, centre + math.copysign(3 * spread, value - centre)


def clean_outliers():
    past, last, want = {}, {}, []
    for row in load("clean-outliers", "in.jsonl"):
        told = {"ts": row["ts"], "sensor": row["sensor"]}
        for column in "abc":
            known = past.setdefault((row["sensor"], column), [])
            value = told[column] = row.get(column)
            if value is None:
                out, kept = column == "c", None
            else:
                out, kept = outlier(column, known[-8:], value)
                known.append(kept)
            if out and column != "c":
                break
            if column == "c":
                told[column] = last.get(row["sensor"]) if out else value
                last[row["sensor"]] = told[column]
        else:
            want.append(told)
    return compare("clean-outliers", "out.jsonl", want)


def feature_frequency():
    past, want = {}, []
    for row in sorted(load("feature-frequency", "in.jsonl"), key=by_time):
        now = row["ts"] * 1000
        events = past.setdefault(row["user"], [])
        gaps = len(events) - 1
        told = {"ts": now, "user": row["user"], "kind": row["kind"], "price": row.get("price"),
                "events": len(events), "recency_ms": now - events[-1][0] if events else None,
                "gap_mean_ms": (events[-1][0] - events[0][0]) / gaps if gaps > 0 else None}
        for name, worth in (("frequency", lambda e: 1.0), ("amount", lambda e: e[1])):
            told[name] = {half: sum((worth(e) * faded(now - e[0], ms) for e in events), 0.0)
                          for half, ms in (("1h", HOUR), ("1d", DAY))}
        want.append(told)
        if row["kind"] == "buy":
            events.append((now, row.get("price") or 0))
    return compare("feature-frequency", "out.jsonl", want)


def habit(name, half_ms, prior, by_column):
    past, want = {}, []
    for row in load("feature-habit", "in.jsonl"):
        now, events = row["ts"] * 1000, past.setdefault(row["user"], [])
        local = datetime.fromtimestamp(row["ts"] + 7200, timezone.utc)
        hour, weekday = local.hour, local.weekday()
        if by_column:
            hour, weekday = row.get("hour_local", 99), row["weekday"]
        hours, weekdays = [0] * 24, [0] * 7
        for then, at, on in events:
            weight = faded(now - then, half_ms)
            weekdays[on] += weight
            for place, part in ((at, 2), (at + 1, 4), (at - 1, 4)):
                hours[place % 24] += weight / part
        total = float(sum(weekdays))
        hours = [(x + prior / 24) / (total + prior) for x in hours]
        weekdays = [(x + prior / 7) / (total + prior) for x in weekdays]
        good = 0 <= hour < 24
        told = {"ts": now, "user": row["user"], "hour_local": row.get("hour_local"),
                "weekday": row["weekday"], "habit_hour": hours[hour] if good else None,
                "habit_weekday": weekdays[weekday], "habit_events": total,
                "habit": math.log(24 * hours[hour] * 7 * weekdays[weekday]) if good else None}
        if not by_column:
            told["habit_hours"] = [{"share": x} for x in hours]
            told["habit_weekdays"] = [{"share": x} for x in weekdays]
        want.append(told)
        if good and not (by_column and hour == 3):
            events.append((now, hour, weekday))
    return compare("feature-habit", name, want)


def feature_habit():
    return habit("out.jsonl", 30 * DAY, 4, False) + habit("columns.jsonl", 60 * DAY, 8, True)


def cut(text):
    return text.encode()[:63].decode(errors="ignore")


def feature_recent():
    past, once, want, want_once, table = {}, {}, [], [], {}
    names = ("item", "stars", "share", "done")
    for row in sorted(load("feature-recent", "in.jsonl"), key=by_time):
        user, now = row["user"], row["ts"] * 1000
        told = {"ts": now, "user": user, **{name: row.get(name) for name in names + ("kind",)}}
        met, items = past.setdefault(user, []), once.setdefault(user, [])
        want.append({**told, "recent": met[-1:-4:-1]})
        want_once.append({**told, "items": items[-1:-5:-1]})
        if "item" not in row:
            continue
        entry = {"time": now, **{name: row.get(name) for name in names}, "ts": now}
        if row["kind"] == "play":
            met.append({**entry, "item": cut(row["item"])})
        items[:] = [item for item in items if item["item"] != cut(row["item"])]
        items.append({"time": now, "item": cut(row["item"])})
        counts = table.setdefault(user, {})
        counts[now // 3600000] = (sum(count for count, *_ in list(counts.values())[-1:]) + 1, now,
                                  items[-1:-5:-1])
    got = load("feature-recent", "table.jsonl")
    for row in got:
        for item in row["items"]:
            del item["id"]
    want_table = [{"key": user, "count": count, "last": last,
                   "items": [{"time": item["time"]} for item in items]}
                  for user, windows in table.items() for count, last, items in windows.values()]
    return (compare("feature-recent", "out.jsonl", want)
            + compare("feature-recent", "once-out.jsonl", want_once)
            + compare_rows("feature-recent table", want_table, got))


def interests(events, now, half_ms, top):
    """The best categories, the share of each, and what the shares rest on."""
    weights = {}
    for then, category, worth in events:
        weights[category] = weights.get(category, 0.0) + worth * faded(now - then, half_ms)
    total = sum((w for w in weights.values() if w > 0), 0.0)
    share = {category: w / total if total else 0.0 for category, w in weights.items()}
    ranked = sorted(weights, key=lambda category: (-weights[category], category))[:top]
    return ([{"category": c, "weight": weights[c], "share": share[c]} for c in ranked], share,
            total)


def mean_share(share, categories):
    own = [share.get(category, 0.0) for category in categories]
    return sum(own) / len(own) if own else None


def interest(name, half_ms, top, categories, weight):
    past, want = {}, []
    for row in load("feature-interest", "in.jsonl"):
        now, events = row["ts"] * 1000, past.setdefault(row["user"], [])
        best, share, total = interests(events, now, half_ms, top)
        want.append({"ts": now, **{key: row.get(key) for key in ("user", "kind", "genres", "shelf")},
                     "interests": best, "interest_total": total,
                     "interest": mean_share(share, categories(row))})
        if weight(row):
            events += [(now, category, weight(row)) for category in categories(row)]
    return compare("feature-interest", name, want)


def split_genres(text):
    return [genre[:40] for genre in text.split("|") if genre]


def interest_lists():
    past, problems = {}, []
    told = {(row["event_time"], row["user"]): row
            for row in load("feature-interest", "lists-out.jsonl")}
    for event in load("feature-interest", "in.jsonl"):
        now, events = event["ts"] * 1000, past.setdefault(event["user"], [])
        best, share, total = interests(events, now, 2 * DAY, 2)
        row = told[now, event["user"]]
        got = (row["interests"], row["interest_total"], [i["interest"] for i in row["items"]])
        want = (best, total,
                [mean_share(share, split_genres(i["item"])) or 0.0 for i in row["items"]])
        if not near(list(want), list(got)):
            problems.append(f"feature-interest: {row}: want {want}")
        if event["kind"] != "help":
            events += [(now, genre, 4 if event["kind"] == "buy" else 1)
                       for genre in split_genres(event.get("genres", ""))]
    return problems[:2]


def feature_interest():
    weights = {"buy": 4, "dislike": -2, "help": 0, "look": 1}
    genres = interest("out.jsonl", 2 * DAY, 3, weight=lambda row: weights[row["kind"]],
                      categories=lambda row: split_genres(row.get("genres", "")))
    shelves = interest("shelves-out.jsonl", 30 * DAY, 5, weight=lambda row: row["kind"] != "help",
                       categories=lambda row: [str(row["shelf"])] if "shelf" in row else [])
    return genres + shelves + interest_lists()


def stages(times):
    """All changes of a user, as (time, from, to, silence, events), by asking for his stage at each
    moment when it could change; and his stage and its time before each event."""
    changes, before, stage, since = [], [], None, None
    moments = {t + add for t in times for add in (0, 2 * DAY, 5 * DAY)} | {times[0] + 3 * DAY}
    for now in sorted(moments):
        for event in (False, True):  # what comes about without the event of that moment, then with
            past = [t for t in times if t < now or (event and t == now)]
            if not past or (event and now not in times):
                continue
            silence = now - past[-1]
            new = ("lost" if silence >= 5 * DAY else "lapsing" if silence >= 2 * DAY else
                   "new" if now - past[0] < 3 * DAY else "active")
            if event:
                before.append((now, stage, stage and now - since))
                silence = len(past) > 1 and now - past[-2]
            if new != stage:
                changes.append((now, stage, new, silence if stage else None, len(past)))
                stage, since = new, now
    return changes, before


def feature_stage():
    users, want, want_changes, weeks = {}, [], [], {}
    for row in sorted(load("feature-stage", "in.jsonl"), key=by_time):
        users.setdefault(row["user"], []).append(row["ts"] * 1000)
    for user, times in users.items():
        changes, before = stages(times)
        want += [{"ts": now, "user": user, "stage": stage, "stage_ms": since,
                  "age_ms": stage and now - times[0]} for now, stage, since in before]
        for now, old, new, silence, events in changes:
            want_changes.append({"user": user, "from": old, "to": new, "silence_ms": silence,
                                 "events": events})
            week = (new, (now // (7 * DAY) + 1) * 7 * DAY)
            weeks[week] = weeks.get(week, 0) + 1
    want_weeks = [{"to": to, "users": users, "window_start": end - 7 * DAY,
                   "window_end": end} for (to, end), users in weeks.items()]
    return (compare("feature-stage", "out.jsonl", want)
            + compare("feature-stage", "changes.jsonl", want_changes)
            + compare("feature-stage", "weeks.jsonl", want_weeks))


def feature_trend():
    items, want = {}, []
    for row in load("feature-trend", "in.jsonl"):
        items.setdefault(row.get("title"), []).append(row["ts"] * 1000)
    items.pop(None)
    for item, times in items.items():
        end, now = min(times) // (3 * HOUR) * 3 * HOUR, 1
        while now >= 0.05 or any(t >= end for t in times):
            window, end = end, end + 3 * HOUR
            past = [t for t in times if t < end]
            if now < 0.05 and past[-1] < window:
                continue  # quiet
            age = end - min(times)
            now = sum(faded(end - t, 2 * HOUR) for t in past)
            before = sum(faded(end - t, DAY) for t in past)
            had = 2 * HOUR * (1 - faded(age, 2 * HOUR)) / (DAY * (1 - faded(age, DAY)))
            expected = before * had
            want.append({"item": item, "count": len(past), "first": min(past), "last": max(past),
                         "age_ms": age, "now": now, "before": before, "expected": expected,
                         "trend": math.log((now + 0.5) / (expected + 0.5)),
                         "surge": (now - expected) / math.sqrt(expected + 0.5)})
    return compare("feature-trend", "out.jsonl", want)


def social(events, user, item, now, lately, table=False):
    """Counts of friends at a time: events of a friend are known from the end of their hour on."""
    friends, met, made = set(), {}, []
    for row in events:
        if row["ts"] * 1000 >= now:
            break
        if row["kind"] == "play" and (row["ts"] // 3600 + 1) * HOUR <= now:
            met.setdefault(row["user"], []).append((row["ts"] * 1000, row["item"]))
        elif row["kind"] == "friend" and row["user"] == user and table:
            if "removed" not in row and (row["ts"] // 3600 + 1) * HOUR <= now:
                made = [f for f in made if f != row["friend"]] + [row["friend"]]
                friends = set(made[-3:])
        elif row["kind"] == "friend" and row["user"] == user:
            (friends.discard if row.get("removed") else friends.add)(row["friend"])
    active = [f for f in friends if f in met and met[f][-1][0] >= now - lately]
    took = [f for f in active
            if any(t >= now - lately and i == item for t, i in met[f][-5:])]
    return {"friends": float(len(friends)), "friends_active": float(len(active)),
            "friends_took": float(len(took))}


def feature_social():
    events = load("feature-social", "in.jsonl")
    problems = []
    for name, table in (("plays-out.jsonl", False), ("table-out.jsonl", True)):
        want = [{"ts": row["ts"] * 1000, "kind": "play", "user": row["user"], "friend": None,
                 "removed": None, "item": row["item"],
                 **social(events, row["user"], row["item"], row["ts"] * 1000, 7 * DAY, table)}
                for row in events if row["kind"] == "play"]
        problems += compare("feature-social", name, want)
    for row in load("feature-social", "out.jsonl"):
        for item in row["items"]:
            told = {name: item[name] for name in ("friends", "friends_active", "friends_took")}
            counts = social(events, row["user"], item["item"], row["event_time"], 2 * DAY)
            if told != counts:
                problems.append(f"feature-social: {row} {item['item']}: {counts}")
    return problems


def similar(known, own, user, population, neighbours):
    """Similarities and scores, by the events of closed windows and the user's latest items."""
    by_item, by_user = {}, {}
    for row in known:
        if "item" in row:
            by_item.setdefault(row["item"], []).append(row["user"])
            by_user.setdefault(row["user"], []).append(row["item"])
    users, scores, newest = {}, {}, own[-1:-5:-1]
    for b, item in enumerate(newest):
        for other in set(by_item.get(item, [])[-20:]) - {user}:
            if item not in newest[:b]:
                score, match = users.get(other, (0.0, item))
                weight = 0.75 ** b * math.log(1 + population / (1 + len(by_item[item])))
                users[other] = (score + weight, match)
    ranked = sorted(users.items(), key=lambda pair: -pair[1][0])
    for other, (score, match) in ranked[:neighbours]:
        items = by_user[other][-20:]
        if match not in items:
            continue
        at = len(items) - 1 - items[::-1].index(match)
        for parts, worth in ((items[at + 1:], 1), (items[:at][::-1], 0.5)):
            for r, item in enumerate(parts[:15]):
                scores[item] = scores.get(item, 0.0) + worth * score ** 2 * 0.8 ** r
    return {other: score for other, (score, _) in users.items()}, scores


def agree(case, row, name, want, got, top):
    """The same best scores; ties go by identity, which is not known here."""
    best = sorted(want.values(), reverse=True)[:top]
    if not near(best, [score for _, score in got]) or any(
            not near(want.get(key), score) for key, score in got):
        return [f"{case}: {row} {name}: want {want}, got {got}"]
    return []


def feature_similar_users():
    events, problems = load("feature-similar-users", "in.jsonl"), []
    for name, top, keep, neighbours, population, again in (
            ("out.jsonl", 5, 8, 200, 10, False), ("again-out.jsonl", 4, 100, 2, 10000, True)):
        told = {(row["ts"], row["user"]): row for row in load("feature-similar-users", name)}
        own = {}
        for event in events:
            now, user = event["ts"] * 1000, event["user"]
            known = [row for row in events if row["ts"] * 1000 < now // (6 * HOUR) * 6 * HOUR]
            mine = own.setdefault(user, [])
            users, scores = similar(known, mine, user, population, neighbours)
            row = told[now, user]
            if not again:
                scores = {i: s for i, s in scores.items() if i not in mine[-keep:]}
            tied = sorted(users.values(), reverse=True)[neighbours - 1:neighbours + 1]
            problems += agree(name, event, "similar_users", users,
                              [(u["user"], u["similarity"]) for u in row["similar_users"]], top)
            if len(tied) < 2 or tied[0] - tied[1] > 1e-9:
                problems += agree(name, event, "suggested", scores,
                                  [(i["item"], i["score"]) for i in row["suggested"]], top)
            if "item" in event and not (again and event["item"] == 3):
                mine.append(event["item"])
    return problems[:2]


STEMS = {"running": "run", "runs": "run", "stars": "star", "gardens": "garden", "café": "cafe",
         "naïve": "naiv", "peace": "peac"}  # as English Snowball has them, without accents


def weights(text, frequency, stems):
    words = [stems.get(word, word) for word in re.findall(r"\w+", (text or "").casefold())]
    total = frequency("")
    found = {word: (words.count(word), (1 + math.log(words.count(word))) * math.log(
        1 + (total - frequency(word) + 0.5) / (frequency(word) + 0.5))) for word in words}
    length = math.sqrt(sum(weight ** 2 for _, weight in found.values()))
    return {word: (count, weight / length) for word, (count, weight) in found.items()}


def text_rows(events, top, stems, table):
    want = []
    for event in events:
        def frequency(word, now=event["ts"]):
            closed = now // 7200 * 7200
            return sum(0.5 ** ((now // 3600 - row["ts"] // 3600) / 72) for row in events
                       if table and row["ts"] < closed and "title" in row
                       and (not word or word in re.findall(r"\w+", row["title"].casefold())))
        title = weights(event.get("title"), frequency, stems)
        query = weights(event.get("query"), frequency, stems)
        ranked = sorted(title, key=lambda w: (-round(title[w][1], 12), w.encode()))[:top]
        fit = sum(query[w][1] * title[w][1] for w in query if w in title)
        want.append({"ts": event["ts"] * 1000, "title": event.get("title"),
                     "query": event.get("query"),
                     "terms": [{"term": w, "count": title[w][0], "weight": title[w][1]}
                               for w in ranked],
                     "similarity": float(fit) if title and query else None})
    return want


def feature_text():
    events = load("feature-text", "in.jsonl")
    return (compare("feature-text", "out.jsonl", text_rows(events, 4, {}, True))
            + compare("feature-text", "english-out.jsonl", text_rows(events, 10, STEMS, False)))


def solve(matrix, right):
    """Gauss with pivots."""
    rows = [list(row) + [value] for row, value in zip(matrix, right)]
    for i in range(len(rows)):
        pivot = max(range(i, len(rows)), key=lambda k: abs(rows[k][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [value / rows[i][i] for value in rows[i]]
        for k, row in enumerate(rows):
            if k != i:
                rows[k] = [value - row[i] * own for value, own in zip(row, rows[i])]
    return [row[-1] for row in rows]


def half_step(vectors, met, confidence=8, fade=0.5, ridge=0.03):
    """The user's vector from what he met, newest first, and the vectors of all items."""
    size = range(4)
    pairs = len(vectors) + sum(confidence * fade ** b for b, i in enumerate(met) if i in vectors)
    matrix = [[sum(v[i] * v[k] for v in vectors.values()) + (ridge * pairs if i == k else 0)
               for k in size] for i in size]
    right = [0.0] * 4
    for b, item in enumerate(met):
        weight, v = confidence * fade ** b, vectors.get(item)
        if v:
            matrix = [[matrix[i][k] + weight * v[i] * v[k] for k in size] for i in size]
            right = [value + (1 + weight) * x for value, x in zip(right, v)]
    return solve(matrix, right)


def close(want, got):
    return abs(want - got) < 1e-4  # vectors are written as floats of 32 bits


def learn_mf():
    """Lists and scores by the vectors that were told before."""
    told = load("learn-mf", "items.jsonl")
    lists = {(row["ts"], row["user"]): row["items"] for row in load("learn-mf", "out.jsonl")}
    blended = {(row["event_time"], row["user"]): row for row in load("learn-mf", "blended.jsonl")}
    past, problems = {}, []
    for row in sorted(load("learn-mf", "in.jsonl"), key=by_time):
        now, user = row["ts"] * 1000, row["user"]
        mine, vectors, counts = past.setdefault(user, []), {}, {}
        for item in sorted(told, key=lambda item: item["window_end"]):
            if item["window_end"] <= now:
                vectors[item["item"]], counts[item["item"]] = item["vector"], item["count"]
        known = any(item in vectors for item in mine[-5:])
        folded = half_step(vectors, mine[-1:-6:-1]) if known else []
        scores = {item: sum(a * b for a, b in zip(folded, v)) if known else 0.0
                  for item, v in vectors.items()}
        offered = {item: score for item, score in scores.items() if item not in mine[-9:]}
        for item in blended[now, user]["items"] if (now, user) in blended else []:
            if not close(scores.get(item["item"], 0.0), item["scores"]["mf"]):
                problems.append(f"learn-mf: {row}: scores.mf of {item} is not {scores}")
        if "item" in row:
            got = [(item["item"], item["score"]) for item in lists[now, user]]
            best = sorted(offered.values(), reverse=True)[:4]
            if known and (len(best) != len(got) or not all(
                    close(want, score) and close(offered[item], score)
                    for want, (item, score) in zip(best, got))):
                problems.append(f"learn-mf: {row}: want {offered}, got {got}")
            if not known and [counts[item] for item, _ in got] != sorted(
                    (counts[item] for item in offered), reverse=True)[:4]:
                problems.append(f"learn-mf: {row}: {got} are not those met most, {counts}")
            mine.append(row["item"])
    return problems[:2]


def blend(name, weights):
    want = []
    for row in load("score-blend", "in.jsonl"):
        reasons = {**{"base": 0.0, "time": None}, **row["reasons"]}
        given = {"score": row.get("score"), **{f"scores.{k}": v for k, v in row["scores"].items()}}
        reasons["base"] = 0.0
        for score, weight in weights.items():
            reasons[score.replace("scores.", "").replace("score", "base")] = (
                weight * (given.get(score) or 0.0))
        want.append({"ts": row["ts"] * 1000, "item": row["item"],
                     "score": sum(reason or 0.0 for reason in reasons.values()),
                     "scores": {"near": row["scores"]["near"], "far": row["scores"].get("far")},
                     "reasons": reasons})
    return compare("score-blend", name, want)


def forgotten(windows, column, days):
    """By window: the entries that are left at its end; and of each row whether its entry is new, or would have
    left at the end of the window before."""
    last, left, anew = {}, {}, []
    for window, rows in windows:
        for event in rows:
            then = last.get(event[column])
            anew.append(then is None or window - 6 * HOUR - then >= days * DAY)
            last[event[column]] = window
        last = {name: then for name, then in last.items() if window - then < days * DAY}
        left[window] = set(last)
    return left, anew


def learn_forget():
    with open(HERE / "learn-forget" / "in.csv") as file:
        events = [{key: int(row[key]) for key in ("ts", "user_id", "item_id", "life_id")}
                  for row in csv.DictReader(file)]
    windows = {}
    for row in events:
        windows.setdefault((row["ts"] * 1000 // (6 * HOUR) + 1) * 6 * HOUR, []).append(row)
    windows = sorted(windows.items())
    items, anew = forgotten(windows, "item_id", 2)
    users, _ = forgotten(windows, "user_id", 1)
    lives, names, problems = {}, {}, []
    for row, new in zip(events, anew):
        lives[row["item_id"]] = lives.get(row["item_id"], 0) + new
        names[row["life_id"]] = row["item_id"]
        if row["life_id"] % 100 != lives[row["item_id"]] - 1:
            problems.append(f"learn-forget: {row} is not the life {lives[row['item_id']]}")
    want = [{**row, "item_id": names[row["item_id"]]} for row in load("learn-forget", "lives.jsonl")]
    problems += compare("learn-forget", "items.jsonl", want)
    problems += compare("learn-forget", "out.jsonl", load("learn-forget", "out-renamed.jsonl"))
    if max(lives.values()) < 3:
        problems.append("learn-forget: nothing is forgotten")
    return problems + forgotten_sums(windows, users, items)


def forgotten_sums(windows, users, items):
    """learn/mf: how many are left, and the sum over the vectors of items that are."""
    met = {(row["window_end"], row["item"]): row["vector"] for row in load("learn-forget", "met.jsonl")}
    model = {row["window_end"]: row for row in load("learn-forget", "model.jsonl")}
    vectors, problems = {}, []
    for window, _ in windows:
        vectors.update({item: vector for (end, item), vector in met.items() if end == window})
        vectors = {item: vectors[item] for item in items[window]}
        gram = [sum(v[i] * v[k] for v in vectors.values()) if k <= i else 0
                for i in range(3) for k in range(3)]
        row = model[window]
        if (row["users"], row["items"]) != (len(users[window]), len(items[window])) or \
                max(abs(a - b) for a, b in zip(gram, row["gram"])) > 1e-5:
            problems.append(f"learn-forget: {row}, not {len(users[window])}, {len(items[window])}, {gram}")
    return problems[:1]


def told_until(cell, until):
    """feature/trend: the last window up to `until` at whose end the item was told of."""
    now, last, window = cell
    while window < until and now * 0.5 ** ((window - last) / (3 * HOUR)) >= 0.05:
        window += 6 * HOUR
    return min(window, until)


def lives_of(rows, key, ends):
    """Which of its lives a key is in at each row; `ends` gives, from the rows of a life, the present one last,
    when it was told of last and what that is compared with."""
    lives, past, names = {}, {}, []
    for row in rows:
        name = row[key]
        told, now = ends(past.get(name, []), row)
        if told is not None and now - told >= 2 * DAY:
            lives[name] = lives.get(name, 0) + 1
            past[name] = []
        names.append(name * 100 + lives.get(name, 0))
        past.setdefault(name, []).append(row)
    return names


def window_of(row):
    return row["ts"] // (6 * HOUR) * (6 * HOUR) + 6 * HOUR


def ends_of_window(past, row):
    return window_of(past[-1]) if past else None, window_of(row) - 6 * HOUR


def ends_of_kept(past, row):
    return max((old["ts"] for old in past if old["clicked"]), default=None), row["ts"]


def ends_of_trend(past, row):
    now, last, window = 0, 0, 0
    for old in past:
        now, last, window = now * 0.5 ** ((old["ts"] - last) / (3 * HOUR)) + 1, old["ts"], window_of(old)
    before = window_of(row) - 6 * HOUR
    return (told_until((now, last, window), before) if past and window <= before else window or None), before


def feature_forget():
    with open(HERE / "feature-forget" / "in.csv") as file:
        rows = [{name: value == "true" if name == "clicked" else int(value) for name, value in row.items()}
                for row in csv.DictReader(file)]
    for row in rows:
        row["ts"] *= 1000
    problems = []
    for column, key, ends in (("user_life", "user_id", ends_of_window), ("user_silence", "user_id", ends_of_kept),
                              ("item_life", "item_id", ends_of_window), ("item_trend", "item_id", ends_of_trend)):
        if lives_of(rows, key, ends) != [row[column] for row in rows]:
            problems.append(f"feature-forget: {column} does not tell the lives of {key}")
        if max(row[column] % 100 for row in rows) < 3:
            problems.append("feature-forget: nothing is forgotten")
    for name, key in (("out", None), ("last", None), ("plain", None), ("shown", "user_id"), ("lists", "key"),
                      ("counts", "item"), ("trends", "item")):
        want = load("feature-forget", f"{name}-lives.jsonl")
        for row in want if key else []:
            row[key] //= 100
        problems += compare("feature-forget", f"{name}.jsonl", want)
    return problems + compare("feature-forget", "together.jsonl",
                              load("feature-forget", "together-second.jsonl"))


def feature_likes():
    """Likes and dislikes of the category, the last 16 before the quarter of the day, by age."""
    seen, said, want = {}, {}, []
    for row in load("feature-likes", "in.jsonl"):
        now, user = row["ts"] * 1000, row["user_id"]
        if row["type"] == "impression":
            seen[user, row["item_id"]] = row["category"]
            sums = []
            for kinds, half in ((("hide", "dislike"), DAY), (("like", "share"), 2 * DAY)):
                known = [(category, at) for category, at, kind in said.get(user, [])
                         if kind in kinds and at < now // (6 * HOUR) * 6 * HOUR]
                sums.append(sum(2 ** ((at - now) / half) for category, at in known[-16:]
                                if category == row["category"]))
            want.append((now, user, row["item_id"], *sums))
        elif row.get("category") or (user, row["item_id"]) in seen:
            category = row.get("category") or seen[user, row["item_id"]]
            said.setdefault(user, []).append((category, now, row["kind"]))
    rows = load("feature-likes", "out.jsonl")
    got = [(row["ts"], row["user_id"], row["item_id"], rounded(float(row["dislikes"])), rounded(float(row["likes"])))
           for row in rows]
    up = statistics.mean(row["reasons"]["like"] for row in rows if row["likes"] > .8)
    want = [(*row[:3], *(rounded(float(value)) for value in row[3:])) for row in want]
    return ([] if sorted(want) == sorted(got) else
            [f"feature-likes: {a}, not {b}" for a, b in zip(sorted(got), sorted(want)) if a != b][:2]) + \
        ([] if up > .3 else [f"feature-likes: what is liked goes up by {up}"])


def score_blend():
    problems = (blend("out.jsonl", {"scores.near": 2, "scores.far": -0.5})
                + blend("own-out.jsonl", {"score": 0.25, "scores.far": 1}))
    for row in load("learn-mf", "blended.jsonl"):  # spread: of mean 0 and spread 1, times weights
        for reason, weight in (("base", 1), ("mf", 0.5)):
            terms = [item["reasons"][reason] for item in row["items"]]
            if len(terms) > 1 and any(terms) and not (
                    abs(statistics.mean(terms)) < 1e-9
                    and abs(statistics.pstdev(terms) - weight) < 1e-9):
                problems.append(f"score-blend: {row} {reason}: {terms}")
        scores = [item["score"] for item in row["items"]]
        if scores != sorted(scores, reverse=True) or any(
                not near(sum(item["reasons"].values()), item["score"]) for item in row["items"]):
            problems.append(f"score-blend: {row}")
    return problems[:2]


MODELS = {name.replace("_", "-"): model for name, model in globals().items()
          if name.startswith(("feature_", "clean_", "learn_", "score_")) and callable(model)}


def main():
    problems = [problem for name in sys.argv[1:] or MODELS for problem in MODELS[name]()]
    print("\n".join(problems) or f"{len(sys.argv[1:]) or len(MODELS)} models agree")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()

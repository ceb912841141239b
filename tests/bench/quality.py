#!/usr/bin/env python3
"""How good the learning ranking is: jobs/video.yaml on real logs, test-then-learn, against the bars.

usage: quality.py MILLRACE [--only NAME,...] [--data DIR] [--part BEGIN-END] [-p N] [-D OPERATOR.FIELD=VALUE ...]

 ml-100k     five-star ratings: recall@10 over 30 to 100 % of the events; popularity beside it
 leak        the same with the items permuted over the events: nothing is left to learn but popularity
 latest-4.5  ml-latest-small, ratings of 4.5 and more: recall@10 over 30 to 100 %
 latest-all  ml-latest-small, all ratings
 NAME+       the first and the last two with what the log then tells of each film: its genres, year, decade
 yoochoose   clicks of sessions, repeats allowed: train_tr is learned, train_valid is tested and learned; a click
             with a click before it in its session is a target: HR@20, MRR@20
 ml-1m-seq   each user's last item of the train file: NDCG@10. There are no times, so users' items are spread
             evenly over one span (all last items come at its end)
 versions    ml-100k, served by score/ranking from tables that learn/ranking publishes each second, minute and hour,
             beside the learner's own lists: differences in pairs, CPU and wall time at `-p N`
 versions-clicks  the same of yoochoose

An item that was never seen before is a miss. Ratings of one second stand in the order of the file in ml-100k
and in an order by hash in ml-latest-small, whose file is sorted by item. Figures are computed here, from the
lists that the job wrote; the interval is a bootstrap over users. `--part 10-50` looks at that part of the
events only: options are chosen there. CPU: of all workers, all operators, by event.
"""
import argparse
import collections
import csv
import hashlib
import json
import math
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
HEADER = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
HOUR = 3600


def digest(*values):
    return hashlib.sha256(repr(values).encode()).digest()


def ml100k(data):
    rows = []
    for number, line in enumerate(open(data / "ml-100k" / "u.data")):
        user, item, rating, at = line.split()
        if float(rating) == 5:
            rows.append((float(at), number, user, item))
    return [(at, user, item) for at, _, user, item in sorted(rows)]


def leak(data):
    rows = ml100k(data)
    items = [item for _, _, item in rows]
    random.Random(1).shuffle(items)
    return [(at, user, item) for (at, user, _), item in zip(rows, items)]


def latest(data, least):
    rows = []
    for line in list(open(data / "ml-latest-small" / "ratings.csv"))[1:]:
        user, item, rating, at = line.strip().split(",")
        if float(rating) >= least:
            rows.append((float(at), digest(user, item), user, item))
    return [(at, user, item) for at, _, user, item in sorted(rows)]


def clicks(data):
    rows = []
    for part in ("tr", "valid"):
        path = data / "yoochoose-100k" / f"yoochoose-clicks-100k_train_{part}.txt"
        for number, line in enumerate(list(open(path))[1:]):
            session, item, at = line.split()
            rows.append((part == "valid", float(at), number, session, item))
    rows.sort()
    return [(at, session, item) for _, at, _, session, item in rows], sum(not row[0] for row in rows)


def ml1m(data):
    rows = []
    for user, line in enumerate(open(data / "ml-1m-seq" / "train" / "input.txt")):
        items = line.split()
        for place, item in enumerate(items):
            part = (place + 1) / len(items)
            rows.append((round(part * 1e6), place, str(user + 1), item))
    rows.sort()
    lasts = sum(row[0] == 1000000 for row in rows)
    return [(at, user, item) for at, _, user, item in rows], len(rows) - lasts


def films100k(data):
    """Genres and year by film."""
    names = [line.split("|")[0] for line in open(data / "ml-100k" / "u.genre") if line.strip()]
    films = {}
    for line in open(data / "ml-100k" / "u.item", encoding="latin-1"):
        item, _, released, _, _, *genres = line.strip().split("|")
        films[item] = "|".join(name for name, has in zip(names, genres) if has == "1"), released[-4:]
    return films


def films_latest(data):
    films = {}
    for item, title, genres in list(csv.reader(open(data / "ml-latest-small" / "movies.csv")))[1:]:
        year = re.search(r"\((\d{4})\)\s*$", title)
        films[item] = "" if genres.startswith("(") else genres, year.group(1) if year else ""
    return films


def with_attributes():
    """jobs/video.yaml for a log that tells of each film its genres and year."""
    text = (SOURCE / "jobs" / "video.yaml").read_text()
    for here, more in ATTRIBUTES.items():
        if text.count(here) != 1:
            raise ValueError(f"jobs/video.yaml has no one place: {here!r}")
        text = text.replace(here, here + more)
    return text


def with_versions(period):
    """jobs/video.yaml, whose lists come from versions of what is learnt, with the learner's own draws."""
    text = (SOURCE / "jobs" / "video.yaml").read_text()
    for here, there in (("    kind: learn/ranking\n", LEARNS.replace("PERIOD", period)), ("from: score,", "from: served,")):
        if text.count(here) != 1:
            raise ValueError(f"jobs/video.yaml has no one place: {here!r}")
        text = text.replace(here, there)
    return text + SERVED


def run(millrace, rows, folder, flags, films, text=None, parallelism=2):
    """The job's lists, in order of events, and the CPU seconds of its workers."""
    log, out, job = folder / "log.tsv", folder / "out", SOURCE / "jobs" / "video.yaml"
    if films or text:
        job = folder / "job.yaml"
        job.write_text(text or with_attributes())
    with open(log, "w") as file:
        file.write(HEADER + "\tgenres\tyear\tdecade\n")
        for at, user, item in rows:
            genres, year = films.get(item, ("", ""))
            file.write(f"{user}\t{item}\t5\t{at}\t{genres}\t{year}\t{year[:3]}\n")
    command = [millrace, "run", str(job), "--quiet", "-p", str(parallelism),
               "-D", f"events.path={log}", "-D", f"out.path={out}", "-D", f"bad.path={folder / 'bad'}",
               "-D", f"metrics.path={folder / 'metrics'}", "-D", f"checkpoint.dir={folder / 'checkpoints'}",
               "--summary", str(folder / "summary.json"), *flags]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    made = collections.defaultdict(list)
    for part in out.glob("part-*"):
        for line in open(part):
            row = json.loads(line)
            key = (str(row["user"]), int(row["event_time"]), str(row["item"]))
            made[key].append([str(entry["item"]) for entry in row["items"]])
    summary = json.loads((folder / "summary.json").read_text())
    cpu = sum(process["cpu_s"] for process in summary["processes"] if "worker" in process["role"])
    return made, cpu


def ranks(rows, made, begin, end, wanted):
    """(user, rank from 1, or 0) of the events that count."""
    seen, met, found = set(), collections.Counter(), []
    for place, (at, user, item) in enumerate(rows):
        lists = made.get((user, round(at * 1000), item), [])
        top = lists.pop(0) if lists else []
        if begin <= place < end and wanted(met[user]):
            found.append((user, top.index(item) + 1 if item in seen and item in top else 0))
        seen.add(item)
        met[user] += 1
    return found


def figure(found, gain):
    """Mean gain and its 95 % interval over users."""
    users = collections.defaultdict(lambda: [0.0, 0])
    for user, rank in found:
        users[user][0] += gain(rank)
        users[user][1] += 1
    sums, draw, means = list(users.values()), random.Random(1), []
    for _ in range(200):
        some = draw.choices(sums, k=len(sums))
        means.append(sum(one[0] for one in some) / sum(one[1] for one in some))
    means.sort()
    return sum(one[0] for one in sums) / sum(one[1] for one in sums), means[4], means[195]


def apart(found, other, gain):
    """The difference of the mean gains of the same events, and its 95 % interval over users."""
    pairs = [(user, (rank, rank_other)) for (user, rank), (_, rank_other) in zip(found, other)]
    return figure(pairs, lambda pair: gain(pair[0]) - gain(pair[1]))


def hit(k):
    return lambda rank: 1.0 if 0 < rank <= k else 0.0


def ndcg(k):
    return lambda rank: 1 / math.log2(rank + 1) if 0 < rank <= k else 0.0


def mrr(k):
    return lambda rank: 1 / rank if 0 < rank <= k else 0.0


SEEN_BEFORE = ["-D", "score.repeats=true", "-D", "score.recent=20", "-D", "profile.recent=20", "-D", "score.replays=0",
               "-D", "score.rerank=0", "-D", "profile.pairs=10", "-D", "neighbours.window.tumbling=1m", "-D", "neighbours.keep=50",
               "-D", "score.candidates=300", "-D", "score.trending=30", "-D", "score.samples=20", "-D", "score.top=20"]
WIDE = ["-D", "score.items=65536"]
LARGE = WIDE + ["-D", "score.trails=15"]
LONG = WIDE + ["-D", "score.dims=128", "-D", "score.embeddings=3", "-D", "score.direct=true", "-D", "score.rerank=0",
               "-D", "score.share=10%", "-D", "score.candidates=1000", "-D", "score.recent=60",
               "-D", "profile.recent=60", "-D", "profile.pairs=10", "-D", "neighbours.window.tumbling=6h"]
LASTS = ["-D", "score.request.when=timestamp >= 1000000"]  # only last items ask
ATTRIBUTES = {  # a place in jobs/video.yaml: what is added there
    "      timestamp: {path: \"timestamp:float\", type: f64}\n": "      genres: utf8\n      year: i32\n      decade: i32\n",
    "    kind: learn/ranking\n": "    attributes: {tags: [genres, decade], numbers: [year]}\n",
}
LEARNS = """    kind: learn/ranking
    request: {when: rating < 0}
    publish: {tumbling: PERIOD}
"""
SERVED = """
  - id: served
    kind: score/ranking
    from: profile
    tables: {neighbours: neighbours, items: score.items, model: score.model}
    top: 100
"""
# name: rows (and where the tested part begins), flags, figures (name, gain, bar, aim), what is known of films
RUNS = {
    "ml-100k": (ml100k, [], [("recall@10", hit(10), 0.205, 0.215), ("ndcg@10", ndcg(10), None, None)]),
    "leak": (leak, [], [("recall@10", hit(10), None, None)]),
    "ml-100k+": (ml100k, [], [("recall@10", hit(10), 0.205, 0.215), ("ndcg@10", ndcg(10), None, None)], films100k),
    "latest-4.5": (lambda data: latest(data, 4.5), LARGE, [("recall@10", hit(10), 0.125, 0.14)]),
    "latest-4.5+": (lambda data: latest(data, 4.5), LARGE, [("recall@10", hit(10), 0.125, 0.14)], films_latest),
    "latest-all": (lambda data: latest(data, 0), LARGE, [("recall@10", hit(10), 0.121, 0.14)]),
    "latest-all+": (lambda data: latest(data, 0), LARGE, [("recall@10", hit(10), 0.121, 0.14)], films_latest),
    "yoochoose": (clicks, SEEN_BEFORE, [("hr@20", hit(20), 0.705, None), ("mrr@20", mrr(20), 0.38, None)]),
    "ml-1m-seq": (ml1m, LONG + LASTS, [("ndcg@10", ndcg(10), 0.19, None)]),
}
# name: rows, flags, figure, which events count
VERSIONS = {
    "versions": (ml100k, [], ("recall@10", hit(10)), lambda met: True),
    "versions-clicks": (clicks, SEEN_BEFORE, ("mrr@20", mrr(20)), lambda met: met > 0),
}
SERVES = ["score." + option for option in ("recent", "candidates", "trending", "top")]  # what score/ranking has, too


def popularity(folder):
    for path in folder.glob("metrics/part-*"):
        return json.loads(path.read_text().splitlines()[-1])["popularity_recall@10"]
    return None


def tell_versions(name, options):
    make, flags, (title, gain), wanted = VERSIONS[name]
    rows, live = make(options.data), None
    rows, begin = rows if isinstance(rows, tuple) else (rows, int(len(rows) * 0.3))
    served = [flag.replace("score.", "served.") for flag in flags if flag.split("=")[0] in SERVES]
    more = [flag for value in served + options.define for flag in ("-D", value)]
    for period in ("live", "1s", "1m", "1h"):
        with tempfile.TemporaryDirectory() as work:
            text, began = with_versions(period) if period != "live" else None, time.monotonic()
            made, cpu = run(options.millrace, rows, pathlib.Path(work), flags + (more if text else []), {}, text, options.parallelism)
            took = time.monotonic() - began
        found = ranks(rows, made, begin, len(rows), wanted)
        live = live or found
        mean, low, high = figure(found, gain)
        less, least, most = apart(found, live, gain)
        print(f"{name} {period:<5} {title} {mean:.4f} [{low:.4f}, {high:.4f}], to live {less:+.4f} [{least:+.4f}, {most:+.4f}], "
              f"{cpu / len(rows) * 1e6:.0f} CPU us an event, {took:.1f} s", flush=True)


def tell(name, options):
    if name in VERSIONS:
        return tell_versions(name, options)
    make, flags, figures, films = (*RUNS[name], None)[:4]
    rows = make(options.data)
    rows, begin = rows if isinstance(rows, tuple) else (rows, int(len(rows) * 0.3))
    end = len(rows)
    if options.part:
        first, last = (int(value) / 100 for value in options.part.split("-"))
        rows = rows[:int(len(rows) * last)]
        begin, end = int(end * first), len(rows)
    with tempfile.TemporaryDirectory() as work:
        folder = pathlib.Path(work)
        made, cpu = run(options.millrace, rows, folder, flags + [word for value in options.define for word in ("-D", value)],
                        films(options.data) if films else {}, parallelism=options.parallelism)
        found = ranks(rows, made, begin, end, lambda met: name != "yoochoose" or met > 0)
        for title, gain, bar, aim in figures:
            mean, low, high = figure(found, gain)
            bars = "".join(f", {word} {value}" for word, value in (("bar", bar), ("aim", aim)) if value)
            print(f"{name:<11} {title:<9} {mean:.4f} [{low:.4f}, {high:.4f}]{bars}")
        if figures[0][0] == "recall@10" and not options.part:
            print(f"{name:<11} popularity {popularity(folder):.4f}")
        print(f"{name:<11} {len(rows)} events, {len(found)} counted, {cpu / len(rows) * 1e6:.0f} CPU us an event", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("millrace")
    parser.add_argument("--only", default=",".join([*RUNS, *VERSIONS]))
    parser.add_argument("--data", type=pathlib.Path, default=SOURCE.parent / "shared" / "data")
    parser.add_argument("--part")
    parser.add_argument("-p", dest="parallelism", type=int, default=2)
    parser.add_argument("-D", dest="define", action="append", default=[])
    options = parser.parse_args()
    options.millrace = str(pathlib.Path(options.millrace).resolve())
    for name in options.only.split(","):
        try:
            tell(name, options)
        except FileNotFoundError as err:
            print(f"{name}: skipped, no {err.filename}", file=sys.stderr)


if __name__ == "__main__":
    main()

"""Runs of jobs/ in generated worlds, for world.py: a job with operators left out or added and fields
overridden, run once for each name, and the rows that it put out."""
import csv
import io
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
JOBS = {"shop": "ecommerce", "video": "video-world", "news": "news"}
LARGE = ["out", "impressions"]  # lists and the whole log
DELIVERY = ["delivery", "marked", "fetched"]  # variants, and what is fetched before
COMPARED = ["ranks", "truth", "offline", "clicks", "out-truth", "out-offline", "out-clicks"]

# What factors have learnt beside what is true, in lists drawn at random: sums of both, of their squares
# and products, by 30 days and the class of the item. A form has its network, a category all else.
TERMS = {"time": "reasons.time", "season": "reasons.season", "holiday": "reasons.holiday",
         "location": "reasons.location", "place": "reasons.place", "network": "reasons.network",
         "habit": "reasons.habit", "decoy": "shadow.battery"}

CALIBRATED = """
  - {id: calibrated, kind: evaluate/clicks, from: labelled, predicted: p_served, by: [place, net]}
  - {id: out-calibrated, kind: sink/file, from: calibrated, path: results/calibrated}
"""


def learnt(terms=TERMS, when="explore"):
    """Operators to add to a job for slopes(); each sums up some of the terms."""
    derived, parts = {}, ""
    for number, (name, x) in enumerate(terms.items()):
        products, sums = {f"{name}_xx": f"{x} * {x}"}, {}
        if name != "decoy":
            y = f"theta.{name}"
            products |= {f"{name}_xy": f"{x} * {y}", f"{name}_yy": f"{y} * {y}"}
            sums = {f"{name}_x": x, f"{name}_y": y}
        derived |= products
        if number % 4 == 0:
            parts += f"""
  - id: learnt-{number}
    kind: window-aggregate
    from: products
    key: [category, form]
    window: {{tumbling: 30d}}
    aggregate:
      rows: count()
"""
        parts += "".join(f"      {name}: sum({value})\n" for name, value in (sums | {p: p for p in products}).items())
    sinks = "".join(f"  - {{id: out-{name}, kind: sink/file, from: {name}, path: results/{name}}}\n"
                    for name in re.findall(r"id: (learnt-\d+)", parts))
    derived = ", ".join(f'{name}: "{value}"' for name, value in derived.items())
    return f"""
  - {{id: drawn, kind: clean, from: labelled, filter: "{when}"}}
  - {{id: beside, kind: join/interval, inputs: {{left: drawn, right: world.truth}}, key: [rec_id, item_id], lower: -1h, upper: 0s, prefix: truth_}}
  - {{id: products, kind: clean, from: beside, derive: {{{derived}}}}}
{parts}{sinks}"""


def learnt_rows(out):
    """What they put out, side by side."""
    merged = {}
    for folder in sorted((out / "results").glob("learnt-*")):
        for row in rows(out, folder.name):
            merged.setdefault((row["window_end"], row["category"], row["form"]), {}).update(row)
    return list(merged.values())


def slopes(sums, terms=TERMS, months=1, since_ms=None):
    """{factor: (rms learnt, rms true, slope of learnt on true within classes)} of the last months of 30
    days, or of the first that begins at `since_ms` or later; None where there is none."""
    ends = sorted({row["window_end"] for row in sums if row["window_start"] >= (since_ms or 0)})
    ends = ends[:1] if since_ms else ends[-months:]
    if not ends:
        return None
    told = {}
    for name in terms:
        count = xx = yy = within = along = 0
        for row in (row for row in sums if row["window_end"] in ends):
            n, (x, y, square, xy, true) = row["rows"], (row.get(f"{name}_{sum}", 0) for sum in
                                                        ("x", "y", "xx", "xy", "yy"))
            count, xx, yy = count + n, xx + square, yy + true
            within, along = within + true - y * y / n, along + xy - x * y / n
        told[name] = ((xx / count) ** .5, (yy / count) ** .5, along / within if within > 0 else 0)
    return told


def only_arms(block, names):
    """The operator with these rankers, and those that they name."""
    arm = re.compile(r" {6}([\w-]+): (.*)")
    arms = {match.group(1): match.group(2) for line in block.splitlines() if (match := arm.match(line))}
    kept, more = set(), set(names) & set(arms)
    while more:
        kept |= more
        more = {word for name in more for word in re.findall(r"[\w-]+", arms[name])} & set(arms) - kept
    return "".join(line for line in block.splitlines(True)
                   if not (match := arm.match(line)) or match.group(1) in kept)


class Runs:
    def __init__(self, build, folder, days):
        self.millrace, self.folder, self.days = build / "millrace", folder, days

    def job(self, site, without=(), arms=None, between=None, adds=""):
        """The site's job without its page, its largest outputs and `without`; who read from an operator
        that is left out reads from what it read. Of the rankers that are compared only `arms`. `between`:
        (operator, id, kind and options) of one that is put behind another."""
        text = (ROOT / "jobs" / f"{JOBS[site]}.yaml").read_text()
        head, *blocks = re.split(r"^(?=  - )", text, flags=re.M)
        blocks = {re.match(r"  - \{?id: ([\w-]+)", block).group(1): block for block in blocks}
        for name in list(blocks):
            if "sink/report" not in blocks[name] and name not in [*LARGE, *without]:
                continue
            before = re.search(r"from: ([\w.-]+)", blocks.pop(name)).group(1)
            for other in blocks:
                blocks[other] = re.sub(rf"(\bfrom: ){name}(?=[,\n])", rf"\g<1>{before}", blocks[other])
        if between:
            before, name, kind = between
            for other in blocks:
                blocks[other] = re.sub(rf"(\bfrom: ){before}(?=[,\n])", rf"\g<1>{name}", blocks[other])
            blocks[name] = f"  - {{id: {name}, kind: {kind}, from: {before}}}\n"
        if arms and "ranks" in blocks:
            blocks["ranks"] = only_arms(blocks["ranks"], arms)
        return head + "".join(blocks.values()) + adds

    def as_it_is(self, site, seed):
        return self.run(site, seed, "as-it-is", adds=CALIBRATED)

    def run(self, site, seed, name, overrides=(), **changes):
        """The output folder of a run; one that is there already is not run again."""
        out = self.folder / f"{site}-{seed}-{name}"
        if (out / "summary.json").exists():
            return out
        out.mkdir(parents=True, exist_ok=True)
        (out / "job.yaml").write_text(self.job(site, **changes))
        flags = {"events.seed": seed, "events.days": self.days, "checkpoint.dir": "checkpoints",
                 "checkpoint.interval": "60s", **dict(overrides)}
        command = [str(self.millrace), "run", "job.yaml", "-p", "1", "--quiet", "--summary", "running.json"]
        for key, value in flags.items():
            command += ["-D", f"{key}={value}"]
        done = subprocess.run(command, cwd=out, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}\n{done.stderr[-2000:]}")
        (out / "running.json").rename(out / "summary.json")
        return out


def rows(out, sink):
    """What a sink put out, JSON or CSV; numbers of CSV stay texts."""
    for path in sorted((out / "results" / sink).iterdir()):
        if path.name[0] in "._":
            continue
        if path.suffix == ".csv":
            yield from csv.DictReader(io.StringIO(path.read_text()))
        else:
            yield from map(json.loads, path.read_text().splitlines())

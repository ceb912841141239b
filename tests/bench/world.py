#!/usr/bin/env python3
"""What the factors earn in the generated world, by its truth: a table of bars, each met or MISSED, with
95 % intervals over users. Each seed and site is run as it is, and in worlds where effects are off, twice
as strong or turned round, and where only the base and feedback are served.

  truth     clicks of the lists that each ranker would have served on the same requests, against the
            ranker with feedback alone (teacher-forced)
  loop      expected clicks of what was served, when everything is served against feedback alone; the
            same policy twice with other random lists (A/A) beside it
  popular   all that is served against what is best liked by all

usage: world.py BUILD_DIR [--site shop,video,news] [--seeds 1,2,3] [--days 730]
                [--only truth,off,double,flip,loop,popular] [--keep DIR]

--keep: runs that are there already are not run again.
Two years take some minutes a run; the suite has 60 days of the shop.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

JOBS = {"shop": "ecommerce", "video": "video-world", "news": "news"}
ENVIRONMENT = ["time", "season", "holiday", "location", "place", "network", "budget"]
OPERATORS = ["time", "season", "holiday", "location", "place", "network", "interest"]
FACTORS = ["time", "season", "holiday", "location", "place", "network"]
BARS = {  # least uplift of a ranker over feedback alone, in percent
    "shop": {"environment": 7, "time": 2, "location": 1.5, "network": .5, "season": -.2, "holiday": -.2},
    "video": {"environment": 6, "time": 3},
    "news": {"environment": 4},
}
LOOP = {"shop": 6, "video": 3, "news": 2}


class Bench:
    def __init__(self, args, folder):
        self.args, self.folder = args, folder
        self.met = self.missed = 0
        self.root = pathlib.Path(__file__).resolve().parents[2]

    def job(self, site):
        """The site's job without its largest outputs: lists, impressions and the page."""
        text = (self.root / "jobs" / f"{JOBS[site]}.yaml").read_text()
        head, *blocks = re.split(r"^(?=  - )", text, flags=re.M)
        kept = [block for block in blocks if "sink/report" not in block and
                not re.match(r"  - \{id: (out|impressions),", block)]
        path = self.folder / f"{site}.yaml"
        path.write_text(head + "".join(kept))
        return path

    def run(self, site, seed, name, overrides=()):
        """The output folder of a run."""
        out = self.folder / f"{site}-{seed}-{name}"
        if (out / "summary.json").exists():
            return out
        out.mkdir(parents=True, exist_ok=True)
        flags = {"events.seed": seed, "events.days": self.args.days, "checkpoint.dir": "checkpoints",
                 "checkpoint.interval": "60s", **dict(overrides)}
        command = [str(self.args.build / "millrace"), "run", str(self.job(site)), "-p", "1", "--quiet",
                   "--summary", "running.json"]
        for key, value in flags.items():
            command += ["-D", f"{key}={value}"]
        done = subprocess.run(command, cwd=out, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}\n{done.stderr[-2000:]}")
        (out / "running.json").rename(out / "summary.json")
        return out

    def truth(self, out, sink="truth"):
        """Rows of all requests by arm."""
        rows = {}
        for path in sorted((out / "results" / sink).iterdir()):
            if path.name[0] not in "._":
                for line in path.read_text().splitlines():
                    row = json.loads(line)
                    rows.setdefault(row["by"], {}).setdefault(row["arm"], []).append(row)
        return rows

    def bar(self, name, what, row, good, figure="clicks"):
        """Prints an uplift with its interval; good(mean, low, high) in percent."""
        mean, low, high = (100 * (row[f"{figure}_uplift{end}"] or 0) for end in ("", "_low", "_high"))
        self.line(name, what, f"{mean:+.2f} % [{low:+.2f}, {high:+.2f}]", good(mean, low, high))

    def line(self, name, what, value, good):
        self.met, self.missed = self.met + bool(good), self.missed + (not good)
        print(f"{name:<28} {what:<44} {value:<32} {'met' if good else 'MISSED'}", flush=True)

    # ---- bars ----
    def rows(self, site, seed, name, overrides=()):
        return {arm: rows[-1] for arm, rows in
                self.truth(self.run(site, seed, name, overrides))["all"].items()}

    def alone(self, site, seed):
        rows = self.rows(site, seed, "as-it-is")
        for arm, least in BARS[site].items():
            if least >= 0:
                self.bar(f"{site} {seed} {arm}", f">= {least:+g} %, above 0", rows[arm],
                         lambda mean, low, _: mean >= least and low > 0)
            else:
                self.bar(f"{site} {seed} {arm}", f"lower end >= {least:+g} %", rows[arm],
                         lambda _, low, __: low >= least)
        self.bar(f"{site} {seed} decoy", "within 0.05 %", rows["decoy"], lambda mean, *_: abs(mean) <= .05)

    def off(self, site, seed):
        rows = self.rows(site, seed, "off", {f"events.effect.{name}": 0 for name in ENVIRONMENT}.items())
        self.bar(f"{site} {seed} off: environment", "loses at most 0.1 %", rows["environment"],
                 lambda mean, *_: mean >= -.1)
        for arm in FACTORS:
            self.bar(f"{site} {seed} off: {arm}", "loses at most 0.05 %", rows[arm], lambda mean, *_: mean >= -.05)

    def double(self, site, seed):
        once = self.rows(site, seed, "as-it-is")["environment"]["clicks_uplift"]
        rows = self.rows(site, seed, "double", {f"events.effect.{name}": 2 for name in ENVIRONMENT}.items())
        self.bar(f"{site} {seed} double: environment", f">= 1.5 x {100 * once:+.2f} %", rows["environment"],
                 lambda mean, *_: mean >= 150 * once)
        self.bar(f"{site} {seed} double: decoy", "within 0.05 %", rows["decoy"], lambda mean, *_: abs(mean) <= .05)

    def flip(self, site, seed):
        once = 100 * self.rows(site, seed, "as-it-is")["environment"]["clicks_uplift"]
        rows = self.rows(site, seed, "flip", {f"events.effect.{name}": -1 for name in ENVIRONMENT}.items())
        self.bar(f"{site} {seed} flip: environment", f"within a third of {once:+.2f} %", rows["environment"],
                 lambda mean, *_: abs(mean - once) <= once / 3)

    def served(self, site, seed, name, overrides=()):
        rows = self.truth(self.run(site, seed, name, overrides), "served")["policy"]["position"]
        return next(row["clicks"] for row in rows if row["level"] == "greedy")

    def loop(self, site, seeds):
        only = {f"{op}.strength": 0 for op in OPERATORS}
        uplifts = []
        for seed in seeds:
            served = self.served(site, seed, "as-it-is")
            feedback = self.served(site, seed, "feedback", only.items())
            again = self.served(site, seed, "again", {**only, "job.name": "again"}.items())
            uplifts.append((served / feedback - 1, again / feedback - 1))
        mean, same = (100 * sum(column) / len(uplifts) for column in zip(*uplifts))
        spread = 100 * (max(u for u, _ in uplifts) - min(u for u, _ in uplifts))
        self.line(f"{site} loop, {len(seeds)} seeds", f">= {LOOP[site]:+g} %; A/A within 1 %",
                  f"{mean:+.2f} % (spread {spread:.2f}); A/A {same:+.2f} %",
                  mean >= LOOP[site] and abs(same) <= 1)

    def popular(self, site, seeds):
        least = {"shop": 30, "video": 20, "news": 25}[site]
        none = {f"{op}.strength": 0 for op in OPERATORS + ["feedback"]}
        none["base.personal"] = "false"
        uplifts = [self.served(site, seed, "as-it-is") / self.served(site, seed, "popular", none.items()) - 1
                   for seed in seeds]
        mean = 100 * sum(uplifts) / len(uplifts)
        self.line(f"{site} against popularity", f"clicks >= {least:+g} %", f"{mean:+.2f} %", mean >= least)

    def all(self):
        seeds = [int(seed) for seed in self.args.seeds.split(",")]
        only = self.args.only.split(",")
        for site in self.args.site.split(","):
            for seed in seeds:
                for name, part in (("truth", self.alone), ("off", self.off), ("double", self.double),
                                   ("flip", self.flip)):
                    if name in only:
                        part(site, seed)
            for name, part in (("loop", self.loop), ("popular", self.popular)):
                if name in only:
                    part(site, seeds)
        print(f"{self.met} met, {self.missed} missed")
        return 1 if self.missed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("--site", default="shop,video,news")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--days", type=int, default=730)
    parser.add_argument("--only", default="truth,off,double,flip,loop,popular")
    parser.add_argument("--keep", type=pathlib.Path)
    args = parser.parse_args()
    if args.keep:
        args.keep.mkdir(parents=True, exist_ok=True)
        sys.exit(Bench(args, args.keep.resolve()).all())
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(Bench(args, pathlib.Path(folder)).all())


main()

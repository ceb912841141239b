#!/usr/bin/env python3
"""What the factors earn and tell in the generated world, by its truth: a table of bars, each met or MISSED,
with 95 % intervals over users. Each seed and site is run as it is, and in worlds where effects are off,
twice as strong or turned round, and where only the base and feedback are served.

  truth        clicks of the lists that each ranker would have served on the same requests, against the
               ranker with feedback alone (teacher-forced)
  off double flip   the same in worlds without effects, with effects twice as strong, turned round
  switch       each effect alone off or turned round: its uplift and what is learnt of it
  frozen       effects turn round on the way: under tables that stay, and under tables that learn
  estimator    what is learnt from 15 million impressions drawn at random, against the true terms
  loop         expected clicks of what was served, when everything is served against feedback alone; the
               same policy twice with other random lists (A/A) beside it
  popular      all that is served against what is best liked by all, and which step brings what
  offline      uplifts estimated from the lists drawn at random, against the truth
  calibration  predicted over observed clicks
  network      starts, seconds and bytes with chosen variants against fixed ones (video)
  load         shorter lists of candidates when demand is above capacity (shop)

usage: world.py BUILD_DIR [--site shop,video,news] [--seeds 1,2,3] [--days 730] [--only PART,...] [--keep DIR]

--keep: runs that are there already are not run again.
Two years take some minutes a run; the suite has 60 days of the shop.
"""
import argparse
import pathlib
import sys
import tempfile

from world_effects import Effects
from world_log import Log
from world_runs import Runs

ONCE = {"truth": "alone", "off": "off", "double": "double", "flip": "flip", "switch": "switch",
        "frozen": "frozen", "estimator": "estimator", "offline": "offline", "calibration": "calibration",
        "network": "network", "load": "load"}  # for each seed
SEEDS = ["loop", "popular"]
SITES = {"network": ["video"], "load": ["shop"]}  # others have all


class Bench(Effects, Log):
    def __init__(self, args, folder):
        self.args, self.runs = args, Runs(args.build, folder, args.days)
        self.met = self.missed = 0

    def bar(self, name, what, row, good, figure="clicks"):
        """Prints an uplift with its interval; good(mean, low, high) in percent."""
        mean, low, high = (100 * (row[f"{figure}_uplift{end}"] or 0) for end in ("", "_low", "_high"))
        self.line(name, what, f"{mean:+.2f} % [{low:+.2f}, {high:+.2f}]", good(mean, low, high))

    def line(self, name, what, value, good):
        self.met, self.missed = self.met + bool(good), self.missed + (not good)
        print(f"{name:<34} {what:<40} {value:<32} {'met' if good else 'MISSED'}", flush=True)

    def all(self):
        seeds = [int(seed) for seed in self.args.seeds.split(",")]
        for site in self.args.site.split(","):
            for part in self.args.only.split(","):
                if site not in SITES.get(part, [site]):
                    continue
                if part in SEEDS:
                    getattr(self, part)(site, seeds)
                else:
                    for seed in seeds:
                        getattr(self, ONCE[part])(site, seed)
        print(f"{self.met} met, {self.missed} missed")
        return 1 if self.missed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("--site", default="shop,video,news")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--days", type=int, default=730)
    parser.add_argument("--only", default=",".join([*ONCE, *SEEDS]))
    parser.add_argument("--keep", type=pathlib.Path)
    args = parser.parse_args()
    if unknown := set(args.only.split(",")) - {*ONCE, *SEEDS}:
        parser.error(f"--only: no part {', '.join(sorted(unknown))}; there are {', '.join([*ONCE, *SEEDS])}")
    if args.keep:
        args.keep.mkdir(parents=True, exist_ok=True)
        sys.exit(Bench(args, args.keep.resolve()).all())
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(Bench(args, pathlib.Path(folder)).all())


main()

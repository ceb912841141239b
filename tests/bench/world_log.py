"""Bars of world.py on what the log of a run tells: offline values, calibration, content on poor links,
load."""
import math
import random

from world_runs import COMPARED, DELIVERY, rows

PLAYS = """
  - {id: out-plays, kind: sink/file, from: world.plays, path: results/plays, format: csv}
  - {id: out-dwell, kind: sink/file, from: world.dwell, path: results/dwell, format: csv}
  - {id: taken, kind: clean, from: labelled, filter: clicked}
  - {id: out-taken, kind: sink/file, from: taken, path: results/taken, format: csv}
"""
POOR_MBIT = 1.5  # about a fifteenth of the plays had less in their last minute
LOADED = """
  - {id: heads, kind: clean, from: labelled, filter: position = 1}
  - id: hours
    kind: window-aggregate
    from: heads
    key: site
    window: {tumbling: 1h}
    aggregate: {requests: count(), load: mean(load), kept: mean(candidates)}
  - {id: out-hours, kind: sink/file, from: hours, path: results/hours}
"""
DEADLINE = 20  # times what a whole list takes
BASE = .2  # of that is spent before the list is cut: score/clicks


class Log:
    """Mixed into Bench."""

    def offline(self, site, seed):
        """Uplifts over feedback alone from lists drawn at random, against the truth of all requests."""
        out = self.runs.as_it_is(site, seed)
        true = {row["arm"]: row["clicks_uplift"] for row in rows(out, "truth") if row["by"] == "all"}
        near, told = 0, []
        for row in rows(out, "offline"):
            if row["by"] != "all" or row["pbm_snips_uplift"] is None:
                continue
            error = (row["pbm_snips_uplift_high"] - row["pbm_snips_uplift_low"]) / 3.92
            off = (row["pbm_snips_uplift"] - true[row["arm"]]) / error if error > 0 else 0
            near, told = near + (abs(off) <= 2.6), [*told, off]
            if row["arm"] == "environment":
                self.bar(f"{site} {seed} offline: environment", f"truth {100 * true[row['arm']]:+.2f} %", row,
                         lambda *_: True, "pbm_snips")
        self.line(f"{site} {seed} offline, {len(told)} rankers", "within 2.6 errors: 9 of 10",
                  f"{near}; {min(told):+.1f} to {max(told):+.1f} errors", near >= .9 * len(told))

    def calibration(self, site, seed):
        out = self.runs.as_it_is(site, seed)
        for row in rows(out, "calibrated"):
            low, high = (.98, 1.02) if row["by"] == "all" else (.95, 1.05)
            self.line(f"{site} {seed} predicted/observed", f"{row['level'] or 'all'}: {low} to {high}",
                      "{calibration:.3f} [{calibration_low:.3f}, {calibration_high:.3f}]".format(**row),
                      low <= row["calibration"] <= high)

    # ---- content on links ----
    def plays(self, site, seed, name, overrides=(), without=()):
        """Plays with seconds watched, the link and the probability to start where one was told."""
        out = self.runs.run(site, seed, name, dict(overrides).items(), without=[*COMPARED, *without], adds=PLAYS)
        told = {(row["rec_id"], row["item_id"]): row for row in rows(out, "plays")}
        for sink, columns in (("dwell", ["seconds"]), ("taken", ["thr_q20", "p_start"])):
            for row in rows(out, sink):
                if play := told.get((row["rec_id"], row["item_id"])):
                    play |= {column: float(row[column]) for column in columns if column in row}
        return list(told.values())

    def network(self, site, seed):
        """Variants chosen by adjust/delivery, and what was fetched before, against fixed variants: native on Wi-Fi and 5G, at most 1.6 Mbit/s
        on 4G, .8 on 3G. A poor link had less than POOR_MBIT in the last minute."""
        fixed = self.plays(site, seed, "fixed", {"chosen.top-budget-low": 10}, DELIVERY)
        chosen = self.plays(site, seed, "chosen")
        poor = [[play for play in plays if play["thr_q20"] < POOR_MBIT] for plays in (fixed, chosen)]
        fails = [sum(play["started"] == "false" for play in plays) / len(plays) for plays in poor]
        watched = [sum(play["seconds"] for play in plays) for plays in poor]
        low = [sum(int(play["bytes"]) for play in plays if play["budget_low"] == "true") for plays in (fixed, chosen)]
        whole = [sum(int(play["bytes"]) for play in plays) for plays in (fixed, chosen)]
        share = f"{100 * len(poor[0]) / len(fixed):.1f} % of the plays"
        for what, bar, (before, after), good in (
                ("starts that fail", "-80 %", fails, lambda gain: gain <= -80),
                (f"seconds, {share}", ">= +60 %", watched, lambda gain: gain >= 60)):
            gain = 100 * (after / before - 1)
            self.line(f"{site} {seed} poor links", f"{what}: {bar}", f"{gain:+.1f} % ({before:.3g} to {after:.3g})",
                      good(gain))
        for what, (before, after), good in (("low budget: -50 %", low, lambda gain: gain <= -50),
                                            ("told only", whole, lambda gain: True)):
            gain = 100 * (after / before - 1)
            self.line(f"{site} {seed} bytes", what, f"{gain:+.1f} %", good(gain))
        self.starts(site, seed, chosen)

    def starts(self, site, seed, plays):
        tenths = {}
        for play in plays:
            if "p_start" in play:
                tenths.setdefault(min(9, int(10 * play["p_start"])), []).append(play)
        told = {tenth: (sum(play["p_start"] for play in of) / len(of),
                        sum(play["started"] == "true" for play in of) / len(of))
                for tenth, of in sorted(tenths.items()) if len(of) >= 1000}
        worst = max(abs(predicted - observed) for predicted, observed in told.values())
        self.line(f"{site} {seed} P(start)", f"within .05 in {len(told)} tenths of >= 1,000",
                  ", ".join(f"{predicted:.2f}: {observed:.2f}" for predicted, observed in told.values()), worst <= .05)

    # ---- load ----
    def load(self, site, seed):
        """At 1.1 times the mean demand, without and with adjust/load. Where demand is more than is served, the
        rest would get a list of what is best liked by all."""
        served = [self.served(site, seed, "served")]
        out = self.runs.run(site, seed, "loaded", without=COMPARED, adds=LOADED,
                            between=("base", "load", f"adjust/load, ahead: {BASE}"))
        served.append(next(row for row in rows(out, "served") if row["level"] == "greedy"))
        hours, draws = list(rows(out, "hours")), random.Random(1)
        full, count = max(hour["kept"] for hour in hours), sum(hour["requests"] for hour in hours)
        for hour in hours:
            hour["share"] = BASE + (1 - BASE) * hour["kept"] / full
        before, after = (100 / count * sum(hour["requests"] * max(0, 1 - 1 / (hour["load"] * share(hour)))
                                           for hour in hours) for share in (lambda _: 1, lambda hour: hour["share"]))
        self.line(f"{site} {seed} load", "no fallback", f"{after:.2f} % of the requests, {before:.1f} % without",
                  after == 0)
        waits = sorted(wait for hour in hours for wait in waiting(hour, draws))
        p99 = waits[len(waits) * 99 // 100]
        self.line(f"{site} {seed} load", f"p99 within {DEADLINE} whole lists' time", f"{p99:.1f}", p99 <= DEADLINE)
        gain = 100 * (served[1]["clicks"] / served[0]["clicks"] - 1)
        self.line(f"{site} {seed} load", "clicks >= -1.5 %", f"{gain:+.2f} %", gain >= -1.5)


def waiting(hour, draws, before=500):
    """Times from request to answer in one queue, of as many requests as came, after `before` others; in units
    of what a whole list takes, when requests come at random at `load` times what it serves of those."""
    free = now = 0.0
    for at in range(before + int(hour["requests"])):
        now -= math.log(1 - draws.random()) / hour["load"]
        free = max(free, now) + hour["share"]
        if at >= before:
            yield free - now

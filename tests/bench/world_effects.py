"""Bars of world.py on what factors bring and learn, by the truth of the world."""
from world_runs import COMPARED, DELIVERY, TERMS, learnt, learnt_rows, rows, slopes

ENVIRONMENT = ["time", "season", "holiday", "location", "place", "network", "budget"]
OPERATORS = ["time", "season", "holiday", "location", "place", "network", "sensitivity", "habit",
             "interest"]
FACTORS = ["time", "season", "holiday", "location", "place", "network", "habit"]
EFFECTS = [*ENVIRONMENT, "habit"]
DAY0_MS, DAY_MS = 1735689600000, 86400000
HALF_LIVES = {"time": 90, "location": 180, "place": 180, "network": 180}  # days
UPLIFTS = {  # least uplift of a ranker over feedback alone, in percent
    "shop": {"environment": 7, "time": 2, "daytime": 2, "location": 1.5, "network": .5, "season": -.2, "holiday": -.2},
    "video": {"environment": 6, "time": 3, "daytime": 3},
    "news": {"environment": 4},
}
LOOP = {"shop": 6, "video": 3, "news": 2}
POPULAR = {  # least gain over what is best liked by all, in percent
    "shop": {"clicks": 30, "conversions a click": 20},
    "video": {"seconds": 20},
    "news": {"seconds": 25},
}


def effects(value, names=EFFECTS):
    return {f"events.effect.{name}": value for name in names}


class Effects:
    """Mixed into Bench."""

    def truth(self, site, seed, name=None, overrides=(), **changes):
        """The rankers' rows of all requests; without a name of the world as it is."""
        out = (self.runs.run(site, seed, name, dict(overrides).items(), **changes) if name else
               self.runs.as_it_is(site, seed))
        return {row["arm"]: row for row in rows(out, "truth") if row["by"] == "all"}

    def alone(self, site, seed):
        told = self.truth(site, seed)
        for arm, least in UPLIFTS[site].items():
            if least >= 0:
                self.bar(f"{site} {seed} {arm}", f">= {least:+g} %, above 0", told[arm],
                         lambda mean, low, _: mean >= least and low > 0)
            else:
                self.bar(f"{site} {seed} {arm}", f"lower end >= {least:+g} %", told[arm],
                         lambda _, low, __: low >= least)
        self.bar(f"{site} {seed} decoy", "within 0.05 %", told["decoy"], lambda mean, *_: abs(mean) <= .05)

    def off(self, site, seed):
        told = self.truth(site, seed, "off", effects(0))
        self.bar(f"{site} {seed} off: environment", "loses at most 0.1 %", told["environment"],
                 lambda mean, *_: mean >= -.1)
        for arm in FACTORS:
            self.bar(f"{site} {seed} off: {arm}", "loses at most 0.05 %", told[arm],
                     lambda mean, *_: mean >= -.05)

    def double(self, site, seed):
        once = self.truth(site, seed)["environment"]["clicks_uplift"]
        told = self.truth(site, seed, "double", effects(2))
        self.bar(f"{site} {seed} double: environment", f">= 1.5 x {100 * once:+.2f} %", told["environment"],
                 lambda mean, *_: mean >= 150 * once)
        self.bar(f"{site} {seed} double: decoy", "within 0.05 %", told["decoy"], lambda mean, *_: abs(mean) <= .05)

    def flip(self, site, seed):
        once = 100 * self.truth(site, seed)["environment"]["clicks_uplift"]
        told = self.truth(site, seed, "flip", effects(-1))
        self.bar(f"{site} {seed} flip: environment", f"within a third of {once:+.2f} %", told["environment"],
                 lambda mean, *_: abs(mean - once) <= once / 3)

    def switch(self, site, seed):
        """Each effect alone off, and turned round."""
        for factor in FACTORS:
            for value, name in ((1, "one"), (0, "off"), (-1, "flip")):
                names = [factor, "budget"] if factor == "network" else [factor]
                if value == 0 and factor == "location":  # it would stand in for the season of the south
                    names += ["season", "holiday"]
                folder = "one" if value == 1 else f"{name}-{factor}"
                run = self.runs.run(site, seed, folder, effects(value, names).items(), adds=learnt(),
                                    arms=["feedback", "decoy", *FACTORS])
                months = 12 if factor in ("season", "holiday") else 1
                learned, _, slope = slopes(learnt_rows(run), months=months)[factor]
                if value == 1:
                    usual = learned
                elif value == 0:
                    uplift = self.truth(site, seed, folder)[factor]
                    self.bar(f"{site} {seed} {factor} off", "loses at most 0.05 %", uplift,
                             lambda mean, *_: mean >= -.05)
                    self.line(f"{site} {seed} {factor} off", "rms of its terms <= .02 or a quarter",
                              f"{learned:.3f} of {usual:.3f}", learned <= max(.02, usual / 4))
                else:
                    self.line(f"{site} {seed} {factor} turned round", "its terms too: slope on the truth > 0",
                              f"{slope:+.2f}", slope > 0)

    def frozen(self, site, seed):
        """Effects turn round after a quarter of the days."""
        day = self.runs.days // 4
        flip = {**effects(-1), **{f"events.effect.from-day.{name}": day for name in EFFECTS}}
        until = f"event_time < timestamp '2025-01-01T00:00:00Z' + {day * DAY_MS}"
        still = {f"{name}-lifts.when": until for name in ENVIRONMENT}
        out = self.runs.run(site, seed, "frozen", {**flip, **still, "events.days": day + 61}.items(),
                            arms=["feedback", "environment"])
        last = [row for row in rows(out, "truth") if row["by"] == "period" and row["arm"] == "environment"][-2]
        self.bar(f"{site} {seed} turned round, frozen", "below 0", last, lambda _, __, high: high < 0)
        out = self.runs.run(site, seed, "relearnt", flip.items(), without=COMPARED, adds=learnt())
        for factor, half_life in HALF_LIVES.items():
            after = int(1.5 * half_life)
            if told := slopes(learnt_rows(out), since_ms=DAY0_MS + (day + after) * DAY_MS):
                self.line(f"{site} {seed} turned round: {factor}", f"slope on the new truth > 0 after {after} d",
                          f"{told[factor][2]:+.2f}", told[factor][2] > 0)

    def estimator(self, site, seed):
        """15 million impressions, all drawn at random; then the factor without effect is learnt alone."""
        days = self.runs.days
        flags = {"chosen.share": 1, "events.candidates": 10, "events.users": 854000 // days}
        late = f"event_time >= timestamp '2025-01-01T00:00:00Z' + {(days - 10) * DAY_MS}"
        out = self.runs.run(site, seed, "uniform", flags.items(), without=COMPARED, adds=learnt(when=late))
        told = slopes(learnt_rows(out), months=2)
        for factor in ("time", "location", "network"):
            learned, true, slope = told[factor]
            self.line(f"{site} {seed} uniform: {factor}", "slope on the truth .9 to 1.1",
                      f"{slope:.3f} (rms {learned:.3f} of {true:.3f})", .9 <= slope <= 1.1)
        self.line(f"{site} {seed} uniform: decoy", "rms <= .02", f"{told['decoy'][0]:.4f}", told["decoy"][0] <= .02)
        decoy = {"decoy": TERMS["decoy"]}
        out = self.runs.run(site, seed, "marginal", {**flags, "model.circumstances": "[]"}.items(),
                            without=[*COMPARED, *OPERATORS], adds=learnt(decoy, late))
        rms = slopes(learnt_rows(out), decoy, months=2)["decoy"][0]
        self.line(f"{site} {seed} uniform: decoy alone", "rms >= .05: the bar can fail", f"{rms:.4f}", rms >= .05)

    # ---- in closed loop ----
    def served(self, site, seed, name, overrides=(), without=COMPARED):
        out = self.runs.run(site, seed, name, dict(overrides).items(), without=without)
        return next(row for row in rows(out, "served") if row["by"] == "policy" and row["level"] == "greedy")

    def loop(self, site, seeds):
        only = {f"{name}.strength": 0 for name in OPERATORS}
        uplifts = []
        for seed in seeds:
            served, feedback, again = (self.served(site, seed, name, flags)["clicks"] for name, flags in (
                ("served", {}), ("feedback", only), ("again", {**only, "job.name": "again"})))
            uplifts.append((served / feedback - 1, again / feedback - 1))
        mean, same = (100 * sum(column) / len(uplifts) for column in zip(*uplifts))
        spread = 100 * (max(u for u, _ in uplifts) - min(u for u, _ in uplifts))
        self.line(f"{site} loop, {len(seeds)} seeds", f">= {LOOP[site]:+g} %; A/A within 1 %",
                  f"{mean:+.2f} % (spread {spread:.2f}); A/A {same:+.2f} %",
                  mean >= LOOP[site] and abs(same) <= 1)

    def popular(self, site, seeds):
        """What is best liked by all, and what each step from there to all that is served brings."""
        none = {f"{name}.strength": 0 for name in OPERATORS}
        bare = [*COMPARED, *DELIVERY]
        steps = [("popular", {**none, "feedback.strength": 0, "base.personal": "false"}, bare),
                 ("personalisation", {**none, "feedback.strength": 0}, bare), ("feedback alone", none, bare),
                 ("environment", {}, bare), ("served", {}, COMPARED)]
        sums = {name: dict.fromkeys(("clicks", "conversions", "dwell"), 0) for name, *_ in steps}
        for name, flags, without in steps:
            for seed in seeds:
                row = self.served(site, seed, name, flags, without)
                for figure in sums[name]:
                    sums[name][figure] += row[figure]
        figures = {name: {"clicks": row["clicks"], "conversions a click": row["conversions"] / row["clicks"],
                          "seconds": row["dwell"]} for name, row in sums.items()}
        for figure in figures["served"]:
            gains = [100 * (figures[after[0]][figure] / figures[before[0]][figure] - 1)
                     for before, after in zip(steps, steps[1:])]
            whole = 100 * (figures["served"][figure] / figures["popular"][figure] - 1)
            least = POPULAR[site].get(figure)
            split = "personal {:+.1f}, feedback {:+.1f}, environment {:+.1f}, delivery {:+.1f}".format(*gains)
            self.line(f"{site} over popularity, {len(seeds)} seeds", f"{figure} >= {least:+g} %" if least else figure,
                      f"{whole:+.1f} % ({split})", least is None or whole >= least)

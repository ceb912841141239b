#!/usr/bin/env python3
"""A checkpoint meets a changed job: what of its state is still wanted is told."""
import json
import shutil
import signal
import unittest

import harness
from records_test import event

JOB = """
job: {name: changed}
checkpoint: {dir: ./checkpoints, interval: 50ms}
operators:
  - {id: events, kind: source/file, path: in.jsonl, format: json,
     schema: {user: i64, item: utf8, rating: f64, ts: timestamp},
     time: {field: ts, unit: ms, out-of-orderness: 5s}}
  - {id: clean, kind: clean, from: events, filter: "rating >= 1"%s}
  - {id: out, kind: sink/file, from: clean, path: out}
"""
RANKING = """
job: {name: ranked}
checkpoint: {dir: ./checkpoints}
operators:
  - {id: events, kind: source/file, path: "in-*.jsonl", format: json,
     schema: {user: i64, item: utf8, kind: utf8, year: i64, ts: timestamp}, time: {field: ts, unit: ms}}
  - {id: profile, kind: feature/profile, from: events, key: user}
  - {id: neighbours, kind: feature/covisitation, from: profile.pairs, window: {tumbling: 1m}}
  - id: ranking
    kind: learn/ranking
    from: profile
    tables: {neighbours: neighbours}
    remember: 64
    items: 20
    top: 3
    attributes: {tags: [kind], numbers: [year]}
  - {id: out, kind: sink/file, from: ranking, path: out}
"""
PUBLISHED = (RANKING.replace("    top: 3\n", "    top: 3\n    publish: {tumbling: 1m}\n")
             + "  - {id: told, kind: sink/file, from: ranking.model, path: told}\n")
CLICKS = """
job: {name: ranked}
checkpoint: {dir: ./checkpoints}
operators:
  - {id: events, kind: source/file, path: "in-*.jsonl", format: json,
     schema: {user_id: i64, item_id: i64, category: i64, position: i32, clicked: bool, p_served: f64, ts: timestamp},
     time: {field: ts, unit: ms}}
  - {id: learnt, kind: learn/clicks, from: events, window: {tumbling: 1m}}
  - {id: told, kind: sink/file, from: learnt.model, path: told}
"""
WORLD = """
job: {name: world}
checkpoint: {dir: ./checkpoints}
operators:
  - {id: world, kind: source/generator, site: news, users: 20, items: 24, candidates: 3, length: 2, days: %d}
  - {id: out, kind: sink/file, from: world, path: out}
"""
# What is open at a checkpoint: rows that wait for their matches, and sessions.
OPEN = """
job: {name: changed}
checkpoint: {dir: ./checkpoints, interval: 50ms}
operators:
  - {id: events, kind: source/file, path: in.jsonl, format: json,
     schema: {user: i64, item: utf8, rating: f64, ts: timestamp},
     time: {field: ts, unit: ms, out-of-orderness: 5s}}
  - {id: joined, kind: join/interval, inputs: {left: events, right: events}, key: user, upper: 30d}
  - {id: sessions, kind: window-aggregate, from: events, key: user, window: {session: 30d},
     aggregate: {n: count()}}
  - {id: out, kind: sink/file, from: joined, path: out}
  - {id: others, kind: sink/file, from: sessions, path: others}
"""
FEATURES = "the restored weights are of other features; leave `attributes` and `direct` as they were"
DEDUP = ", dedup: {by: [user, item, ts], within: 1s}"


class Changed(harness.Case):
    def one_line(self, run):
        """What is told beside that the job had ended."""
        lines = [line for line in run.stderr_text.splitlines() if "the job had ended there" not in line]
        self.assertEqual(len(lines), 1, run.stderr_text)
        return lines[0]

    def test_dropped_state_needs_the_flag(self):
        place = self.place()
        (place / "in.jsonl").write_text("\n".join(event(number) for number in range(20000)) + "\n")
        (place / "job.yaml").write_text(JOB % DEDUP)
        run = self.start("-p", 2, "-D", "debug.hold-after-rows=8000", job="job.yaml", place=place)
        self.assertTrue(run.wait_checkpoints(1))
        run.process.send_signal(signal.SIGINT)
        run.finish()
        (place / "job.yaml").write_text(JOB % "")
        resume = ["-p", 3, "-s", "checkpoints/changed"]
        refused = self.run_job(*resume, job="job.yaml", place=place, status=2)
        self.assertIn("has not: operator `clean`, state `seen`; ", refused.stderr_text)
        self.assertEqual(len(refused.stderr_text.splitlines()), 1)
        taken = self.run_job(*resume, "-n", job="job.yaml", place=place)
        self.assertIn("operator `clean`, state `seen`", taken.stderr_text)
        self.assertEqual(len(self.lines(taken)), sum(number % 6 >= 1 for number in range(20000)))

    def test_ranking_options_of_the_state(self):
        """What learn/ranking has laid its arrays out for is not changed under them."""
        place = self.place()
        rows = [json.dumps({"user": number % 9, "item": f"i{number * 7 % 13}", "kind": "ab"[number % 2],
                            "year": 1990 + number % 20, "ts": 1000000000000 + number * 1000})
                for number in range(600)]
        (place / "in-1.jsonl").write_text("\n".join(rows[:300]) + "\n")
        (place / "job.yaml").write_text(RANKING)
        self.run_job(job="job.yaml", place=place)
        (place / "in-2.jsonl").write_text("\n".join(rows[300:]) + "\n")
        for changes, option, told in (
                ("dims=64", "dims", "the restored vectors are of another length; leave `dims` as it was"),
                ("embeddings=3", "embeddings",
                 "so many are not in the restored state; leave `embeddings` as it was"),
                ("attributes.numbers=[]", "attributes", FEATURES),
                ("direct=true", "attributes", FEATURES),
                # as many features, other ones
                ("attributes.numbers=[] direct=true", "attributes", FEATURES),
                ("remember=128", "remember",
                 "the restored ring has another length; leave `remember` as it was"),
                ("items=8", "items", "more items are restored than there is room for; raise `items`")):
            with self.subTest(changes):
                flags = [word for change in changes.split() for word in ("-D", f"ranking.{change}")]
                refused = self.run_job("-s", "checkpoints/ranked", *flags, job="job.yaml", place=place, status=2)
                self.assertIn(f"operator ranking.{option}: {told}", self.one_line(refused))
        (place / "job.yaml").write_text(RANKING.replace("attributes", "# attributes"))
        refused = self.run_job("-s", "checkpoints/ranked", job="job.yaml", place=place, status=2)
        self.assertIn(": ranking.attributes: the checkpoint's state does not fit", self.one_line(refused))
        (place / "job.yaml").write_text(RANKING)
        taken = self.run_job("-s", "checkpoints/ranked", job="job.yaml", place=place)
        self.assertIn("the job had ended there, with its windows closed operator=neighbours", taken.stderr_text)
        self.assertEqual(len(self.lines(taken)), len(rows))

    def halfway(self, place):
        """The job up to its first checkpoint, with rows still to be read."""
        self.run_job(*"-D restart.strategy=none -D checkpoint.interval=300ms -D debug.hold-after-rows=8000 "
                     "-D debug.crash-after-checkpoint=1".split(), job="job.yaml", place=place, status=1)

    def test_closed_windows_stay_closed(self):
        """What learns goes on after the end of its job; its tables, whose windows are closed, do not."""
        shown = {"user_id": 1, "item_id": 2, "category": 3, "position": 0, "clicked": True, "p_served": 0.5}
        for job, row in ((PUBLISHED, {"user": 1, "item": "i1", "kind": "a", "year": 1990}), (CLICKS, shown)):
            place = self.place()
            rows = [json.dumps({**row, "ts": 1000000000000 + number * 50000}) + "\n" for number in range(8)]
            (place / "job.yaml").write_text(job)
            (place / "in-1.jsonl").write_text("".join(rows[:4]))
            before = self.lines(self.run_job(job="job.yaml", place=place), "told")
            (place / "in-2.jsonl").write_text("".join(rows[4:]))
            after = self.run_job("-s", "checkpoints/ranked", job="job.yaml", place=place)
            self.assertIn("the job had ended there, with its windows closed", after.stderr_text)
            self.assertGreater(len(before), 1)
            self.assertEqual(self.lines(after, "told"), before)

    def refused(self, place, job, *flags, checkpoint="changed"):
        (place / "job.yaml").write_text(job)
        run = self.run_job("-s", f"checkpoints/{checkpoint}", *flags, job="job.yaml", place=place, status=2)
        return self.one_line(run)

    def test_another_world(self):
        """What a generated world is made of is not changed under those who watch it; it may go on for longer."""
        place, other = self.place(), self.place()
        (place / "job.yaml").write_text(WORLD % 3)
        self.run_job(job="job.yaml", place=place)
        for changes, told in (("seed=7", "world.seed was 1, is 7"), ("site=shop", 'world.site was news, is shop'),
                              ("seed=7 site=video", "world.site was news, is video; world.seed was 1, is 7")):
            with self.subTest(changes):
                flags = [word for change in changes.split() for word in ("-D", f"world.{change}")]
                self.assertIn("millrace: checkpoints/world: this checkpoint is of another job: " + told +
                              "; leave them as they were, or begin without the checkpoint",
                              self.refused(place, WORLD % 5, *flags, checkpoint="world"))
        longer = self.run_job("-s", "checkpoints/world", "-D", "world.days=5", job="job.yaml", place=place)
        self.assertEqual(longer.stderr_text, "")
        (other / "job.yaml").write_text(WORLD % 5)
        self.assertEqual([line.replace("days=3", "days=5") for line in self.lines(longer)],
                         self.lines(self.run_job(job="job.yaml", place=other)))
        changed = self.run_job("-s", "checkpoints/world", "-D", "world.days=6", "-D", "world.effect.time=0",
                               "-D", "world.effect.from-day.time=5", job="job.yaml", place=place)
        self.assertRegex(self.one_line(changed), "the job is not as it was at the checkpoint .*what=.world.effect.time "
                         "was 1, is 0; world.effect.from-day.time was 0, is 5. effect=.from here on.")

    def test_other_files(self):
        """A position is a place in a list of files that are read in one way."""
        place = self.place()
        job = JOB.replace("in.jsonl", "'in-*.jsonl'") % DEDUP
        rows = [event(number) + "\n" for number in range(20000)]
        (place / "job.yaml").write_text(job)
        (place / "in-2.jsonl").write_text("".join(rows[:10000]))
        (place / "in-3.jsonl").write_text("".join(rows[10000:]))
        self.halfway(place)
        self.assertIn("events.format was json, is csv", self.refused(place, job.replace("format: json", "format: csv")))
        self.assertIn("events.order-by was file, is time",
                      self.refused(place, job.replace("format: json", "order-by: time")))
        second = "operators:\n  - {id: more, kind: source/file, path: more.jsonl, schema: {ts: timestamp}, " \
                 "time: {field: ts}}\n"
        (place / "more.jsonl").write_text("")
        self.assertIn("events: split 0 was in-2.jsonl from byte 0, is of source `more`",
                      self.refused(place, job.replace("operators:\n", second)))
        (place / "in-1.jsonl").write_text("".join(rows[:10]))
        self.assertIn("events: split 0 was in-2.jsonl from byte 0, is in-1.jsonl from byte 0", self.refused(place, job))
        (place / "in-1.jsonl").unlink()
        self.assertIn("events: split 1 was in-3.jsonl from byte 0, is in-2.jsonl from byte ",
                      self.refused(place, job, "-D", "events.split-size=20kb"))
        (place / "in-3.jsonl").rename(place / "moved")
        self.assertIn("events: split 1 was in-3.jsonl from byte 0, is gone", self.refused(place, job))
        (place / "moved").rename(place / "in-3.jsonl")
        (place / "logs").mkdir()
        for number in (2, 3):
            (place / f"in-{number}.jsonl").rename(place / "logs" / f"in-{number}.jsonl")
        job = job.replace("in-*", "logs/in-*")
        (place / "job.yaml").write_text(job.replace("by: [user, item, ts]", "by: [item, user, ts]"))
        taken = self.run_job("-s", "checkpoints/changed", job="job.yaml", place=place)
        self.assertIn("events: split 0 was in-2.jsonl from byte 0, is logs/in-2.jsonl from byte 0; clean.key was "
                      "user, item, ts, is item, user, ts", self.one_line(taken))
        self.assertEqual(len(self.lines(taken)), sum(number % 6 >= 1 for number in range(20000)))

    def test_open_rows_and_sessions(self):
        """Rows of other columns, and sessions of other aggregates, are not taken for the job's own."""
        place = self.place()
        (place / "job.yaml").write_text(OPEN)
        (place / "in.jsonl").write_text("".join(event(number) + "\n" for number in range(20000)))
        self.halfway(place)
        self.assertRegex(self.refused(place, OPEN.replace("rating: f64, ", "")),
                         "operator joined, subtask [0-9]+: the checkpoint holds rows whose columns are not those of "
                         "left and right; start without this checkpoint, or with the columns of then$")
        self.assertRegex(self.refused(place, OPEN.replace("count()", "sum(rating)")),
                         "operator sessions, subtask [0-9]+: the checkpoint holds sessions of other aggregates; "
                         "start without this checkpoint, or with the aggregates of then$")

    def test_other_folders(self):
        place = self.place()
        (place / "in.jsonl").write_text("".join(event(number) + "\n" for number in range(100)))
        (place / "job.yaml").write_text(JOB % "")
        self.run_job(job="job.yaml", place=place)
        shutil.copytree(place / "checkpoints", place / "copy")
        moved = self.run_job("-s", "copy/changed", job="job.yaml", place=place)
        self.assertRegex(self.one_line(moved), "checkpoints go on beside the one that the job began from "
                         f'folder="{place}/copy" checkpoint.dir="./checkpoints" mend="move the job.s folder there first"')
        self.assertGreater(len(list((place / "copy" / "changed").glob("chk-*"))), 1)
        sink = self.run_job("-s", "copy/changed", "-D", "checkpoint.dir=copy", "-D", "out.path=other", job="job.yaml",
                            place=place)
        self.assertIn('what="out.path was out, is other"', self.one_line(sink))

    def test_a_file_has_grown(self):
        place = self.place()
        rows = [event(number) + "\n" for number in range(200)]
        (place / "job.yaml").write_text(JOB % "")
        (place / "in.jsonl").write_text("".join(rows[:100]))
        self.run_job(job="job.yaml", place=place)
        (place / "in.jsonl").write_text("".join(rows))
        run = self.run_job("-s", "checkpoints/changed", job="job.yaml", place=place)
        self.assertEqual(len(self.lines(run)), sum(number % 6 >= 1 for number in range(200)))

    def test_ranking_is_published_whole_at_first(self):
        """Tables that nothing was published to begin with all items, not only with what changes next."""
        place = self.place()
        rows = [{"user": number, "item": f"i{number * 7 % 13}", "ts": 1000000020000 + number * 60000} for number in range(300)]
        (place / "in-1.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
        job = RANKING.replace("    items: 20\n", "    items: 20\n    samples: 2\n    replays: 0\n")
        (place / "job.yaml").write_text(job)
        flags = ["-D", "checkpoint.interval=50ms", "-D", "checkpoint.retain=100", "-D", "debug.hold-after-rows=100"]
        self.run_job(*flags, job="job.yaml", place=place)
        (place / "job.yaml").write_text(job.replace("    top: 3\n", "    top: 3\n    publish: {tumbling: 1m}\n") +
                                        "  - {id: tell, kind: sink/file, from: ranking.items, path: items}\n")
        run = self.run_job("-s", min(place.glob("checkpoints/ranked/chk-*")), job="job.yaml", place=place)
        told = [json.loads(line) for line in self.lines(run, "items")]
        first, second = sorted({row["window_end"] for row in told})[:2]
        known = {row["item"] for row in rows if row["ts"] < first}
        self.assertEqual({row["item"] for row in told if row["window_end"] == first}, known)
        self.assertLess(sum(row["window_end"] == second for row in told), 13)

    def test_more_files_after_the_end(self):
        place = self.place()
        rows = [event(number) + "\n" for number in range(200)]
        (place / "job.yaml").write_text(JOB.replace("in.jsonl", "'in-*.jsonl'") % "")
        (place / "in-1.jsonl").write_text("".join(rows[:100]))
        self.run_job(job="job.yaml", place=place)
        (place / "in-2.jsonl").write_text("".join(rows[100:]))
        run = self.run_job("-s", "checkpoints/changed", job="job.yaml", place=place)
        self.assertEqual(len(self.lines(run)), sum(number % 6 >= 1 for number in range(200)))
        self.assertEqual(run.stderr_text, "")  # it has no windows


if __name__ == "__main__":
    unittest.main()

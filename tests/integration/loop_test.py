#!/usr/bin/env python3
"""A loop of tables over kills, stops and restores at other parallelisms: the job of
tests/bench/loop.yaml against a plain computation of the same recurrence."""
import collections
import os
import pathlib
import random
import signal
import unittest

import harness

harness.MILLRACE = str(pathlib.Path(os.environ.get("MILLRACE_BUILD", harness.SOURCE / "build")) /
                       "tests" / "golden" / "millrace-fed")
JOB = harness.SOURCE / "tests" / "bench" / "loop.yaml"
HOUR_MS = 3_600_000
PRIME = 1_000_000_007
# A barrier waits until the rows before it have been round: with small channels these are few.
FLAGS = ["-D", "checkpoint.interval=30ms", "-D", "network.channel-bytes=16kb", "-D",
         "checkpoint.dir=checkpoints", "-D", "restart.delay=1ms", "-D", "restart.max-attempts=50"]


def made_rows(hours, users=12, seed=3):
    """(ts, user, group, value), in order of time; some hours and users are missing."""
    draw = random.Random(seed)
    rows = []
    for hour in range(440_000, 440_000 + hours):
        for user in range(users):
            if draw.random() < 0.6:
                rows.append((hour * HOUR_MS + draw.choice((0, 1, HOUR_MS // 2, HOUR_MS - 1)), user,
                             user % 5, draw.randrange(100)))
    return sorted(rows)


def recurrence(rows, others=()):
    """What each row becomes: the sums that it sees are of hours before its own. Rows of `others` are in
    the users' sums alone."""
    users, groups = collections.Counter(), collections.Counter()
    lines = []

    def seen(sums, ts, delay_h, key):
        return sums[ts // HOUR_MS - delay_h - 1, key] % PRIME

    for ts, user, group, value in others:
        users[ts // HOUR_MS, user] += value
    for ts, user, group, value in rows:
        value = (value + seen(users, ts, 1, user)) % PRIME
        value = (value + seen(groups, ts, 1, group) + seen(users, ts, 2, group)) % PRIME
        users[ts // HOUR_MS, user] += value
        groups[ts // HOUR_MS, group] += value
        lines.append(f'{{"ts":{ts},"user":{user},"group":{group},"value":{value}}}')
    return sorted(lines)


def write_rows(path, rows):
    path.write_text("".join(f'{{"ts":{ts},"user":{user},"group":{group},"value":{value}}}\n'
                            for ts, user, group, value in rows))


class Loop(harness.Case):
    def setUp(self):
        super().setUp()
        self.rows = made_rows(4000 // harness.SCALE)
        write_rows(self.folder / "events.jsonl", self.rows)
        self.flags = [*FLAGS, "-D", f"events.path={self.folder / 'events.jsonl'}"]
        self.expected = recurrence(self.rows)

    def check(self, run, name):
        lines = self.lines(run)
        wrong = [(got, want) for got, want in zip(lines, self.expected) if got != want]
        self.assertEqual((len(lines), wrong[:3]), (len(self.expected), []), name)

    def test_undisturbed(self):
        for flags in (["-p", 1], ["-p", 4, "--workers", 2, "-D", "debug.chaos=5"]):
            self.check(self.run_job(*self.flags, *flags, job=JOB), flags)

    def test_kills(self):
        draw = random.Random(8)
        for parallelism, chaos in ((2, 0), (3, 9)):
            run = self.start(*self.flags, "-p", parallelism, "--workers", 2, "-D",
                             f"debug.chaos={chaos}", job=JOB)
            for checkpoints in (1, 3, 6):
                if run.wait_checkpoints(checkpoints):
                    os.kill(draw.choice(harness.worker_pids(run.process.pid)), signal.SIGKILL)
            run.finish()
            self.assertGreaterEqual(run.summary()["restarts"], 1)
            self.check(run, f"-p {parallelism}")

    def test_a_source_beside_the_reader(self):
        """Rows are held over barriers, but not over the last one."""
        others = made_rows(3000 // harness.SCALE, users=4, seed=5)
        write_rows(self.folder / "others.jsonl", others)
        job = self.folder / "beside.yaml"
        text = JOB.read_text()
        source = text[text.index("  - id: events"):text.index("  - id: fed")]
        job.write_text(text.replace("from: again, key: user", "from: [again, others], key: user") +
                       source.replace("id: events", "id: others"))
        self.expected = recurrence(self.rows, others)
        for flags in (["-p", 1], ["-p", 3, "--workers", 2, "-D", "debug.chaos=6"]):
            run = self.run_job(*self.flags, "-D", f"others.path={self.folder / 'others.jsonl'}",
                               *flags, job=job)
            self.check(run, flags)

    def test_restore_at_other_parallelisms(self):
        place = self.place()
        more, checkpoints = [], 0
        for parallelism in (2, 3, 1):
            run = self.start(*self.flags, "-p", parallelism, "--workers", 2, "-D",
                             "debug.sink-delay=1ms", *more, job=JOB, place=place)
            self.assertTrue(run.wait_checkpoints(checkpoints + 2), f"-p {parallelism}")
            run.process.send_signal(signal.SIGINT)
            run.finish()
            self.assertEqual(run.summary()["state"], "stopped")
            checkpoints = max(int(path.parent.name.split("-")[1]) for path in run.manifests())
            more = ["-s", "checkpoints/loop"]
        run = self.run_job(*self.flags, "-p", 2, *more, job=JOB, place=place)
        self.check(run, "2, 3, 1, 2")


if __name__ == "__main__":
    unittest.main()

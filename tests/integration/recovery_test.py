#!/usr/bin/env python3
"""Nothing lost, nothing doubled: kills, stops, restores, damaged checkpoints, Ctrl-C."""
import json
import os
import random
import resource
import shutil
import signal
import time
import unittest

import harness

SLOW = ["-D", "checkpoint.interval=200ms", "-D", "debug.sink-delay=10ms", "-D",
        "restart.delay=10ms"]

EVENTS = 20000


def files_of(manifest):
    """Names of the state files of a checkpoint."""
    return {file["name"] for operator in json.loads(manifest.read_text())["operators"]
            for subtask in operator["subtasks"] for file in subtask.get("files", [])}


class Recovery(harness.Case):
    def setUp(self):
        super().setUp()
        self.ratings = harness.make_ratings(self.folder / "in", events=EVENTS)
        self.flags = harness.video_flags(self.ratings)
        undisturbed = self.run_job(*self.flags, "-p", 2, "--workers", 2)
        self.expected = self.checksum(undisturbed)

    def slow_run(self, *flags, part=0.4):
        """A run whose source waits at this part of the log until a checkpoint is complete; it has
        just been completed when this returns, and the rest is still to be done."""
        rows = int(EVENTS * part) // harness.SCALE
        run = self.start(*self.flags, *SLOW, "--workers", 2, "-p", 2, "-D",
                         f"debug.hold-after-rows={rows}", *flags)
        self.assertTrue(run.wait_checkpoints(1))
        return run

    def test_kill_at_several_points(self):
        for part in (0.3, 0.6, 0.9):
            run = self.slow_run(part=part)
            os.kill(harness.worker_pids(run.process.pid)[1], signal.SIGKILL)
            text = run.finish()
            self.assertRegex(text, 'a worker was ended by a signal worker=[01] pid=[0-9]+ signal=9 name="Killed"')
            self.assertEqual(run.summary()["restarts"], 1)
            self.assertEqual(self.checksum(run), self.expected, f"killed at {part}")

    def test_stopped_worker_is_replaced_and_does_no_harm(self):
        run = self.slow_run("-D", "heartbeat.timeout=500ms", "-D", "heartbeat.interval=50ms")
        before = harness.worker_pids(run.process.pid)
        harness.stop_and_continue(
            run, before[0], lambda: len(harness.worker_pids(run.process.pid)) > len(before))
        run.finish()
        self.assertGreaterEqual(run.summary()["restarts"], 1)
        self.assertEqual(self.checksum(run), self.expected)

    def interrupted(self):
        """A run at -p 2 that Ctrl-C ended after a last checkpoint."""
        run = self.slow_run()
        run.process.send_signal(signal.SIGINT)
        text = run.finish()
        self.assertRegex(text, r"resume with: \S+ run \S+ -s \S+/video -D 'events.path=")
        self.assertEqual(run.summary()["state"], "stopped")
        return run

    def test_all_are_told_to_end(self):
        """As a service manager does it: the workers leave it to the coordinator."""
        run = self.slow_run()
        for pid in [*harness.worker_pids(run.process.pid), run.process.pid]:
            os.kill(pid, signal.SIGTERM)
        self.assertIn("resume with: ", run.finish())
        self.assertEqual((run.summary()["state"], run.summary()["restarts"]), ("stopped", 0))

    def test_restore_at_other_parallelism(self):
        for parallelism in (3, 1):
            run = self.interrupted()
            self.run_job(*self.flags, "-p", parallelism, "--workers", 2, "-s",
                         "checkpoints/video", place=run.folder)
            self.assertEqual(self.checksum(run), self.expected, f"-p {parallelism}")

    def test_damaged_newest_checkpoint_is_passed_over(self):
        run = self.interrupted()
        newest = run.manifests()[-1]
        data = bytearray(newest.read_bytes())
        data[len(data) // 2] ^= 1
        newest.write_bytes(bytes(data))
        again = self.run_job(*self.flags, "-p", 2, "--workers", 2, "-s", "checkpoints/video",
                             place=run.folder)
        self.assertIn(newest.parent.name, again.stderr_text)
        self.assertEqual(self.checksum(run), self.expected)

    def test_checkpoints_under_backpressure(self):
        run = self.run_job(*self.flags, "-p", 2, "--workers", 2, "-D", "checkpoint.interval=100ms",
                           "-D", "debug.sink-delay=5ms")
        summary = run.summary()
        # The sink sets the pace, so a barrier takes as long as the rows before it: were more of them
        # under way than a fifth of all, fewer checkpoints would fit. One is the final one.
        least = 5 if harness.SCALE == 1 else 2
        self.assertGreaterEqual(summary["checkpoints"]["completed"], least)
        for process in summary["processes"]:
            for subtask in process.get("subtasks", []):
                self.assertIn("pause_max_ms", subtask)
        self.assertEqual(self.checksum(run), self.expected)


class Damage(harness.Case):
    def flip(self, path):
        data = bytearray(path.read_bytes())
        at = random.Random(str(path.name)).randrange(len(data) * 8)
        data[at // 8] ^= 1 << at % 8
        path.write_bytes(bytes(data))

    def killed(self, flags):
        """A run that died, all of it, when its newest checkpoint had files of its own; with the
        names of the files of each checkpoint."""
        run = self.start(*flags, "-p", 1, "-D", "checkpoint.interval=20ms", "-D",
                         "debug.sink-delay=1ms")
        while True:
            self.assertIsNone(run.process.poll())
            try:
                files = [files_of(manifest) for manifest in run.manifests()]
            except FileNotFoundError:  # retired
                continue
            copies = run.folder / "checkpoints" / "video" / "copies"
            shared = set.intersection(*files) if files else set()
            if (len(files) > 2 and files[-1] - files[-2] and
                    all((copies / name).exists() for name in shared)):
                break
        for pid in [run.process.pid, *harness.worker_pids(run.process.pid)]:
            os.kill(pid, signal.SIGKILL)
        run.finish(-signal.SIGKILL)
        return run, [files_of(manifest) for manifest in run.manifests()]

    def test_damage_in_any_file(self):
        """One bit, in each file of the newest checkpoint in turn: the newest checkpoint that does not
        have the file is used; where all have it, a copy takes its place."""
        events = max(16000, 6000 * harness.SCALE)
        flags = harness.video_flags(harness.make_ratings(self.folder / "in", events=events))
        expected = self.checksum(self.run_job(*flags))
        run, files = self.killed(flags)
        newest = run.manifests()[-1]
        for name in ["manifest.json", *sorted(files[-1])]:
            copy = self.folder / "copy"
            shutil.copytree(run.folder, copy)
            path = copy / "checkpoints" / "video" / "shared" / name
            second = copy / "checkpoints" / "video" / "copies" / name
            shared = all(name in there for there in files)
            self.flip(path if path.exists() else copy / newest.relative_to(run.folder))
            if shared:
                hidden = second.rename(self.folder / "hidden")
                again = self.run_job(*flags, "-s", "checkpoints/video", place=copy, status=2)
                self.assertIn("no checkpoint is whole", again.stderr_text)
                self.assertEqual(self.lines(again), self.lines(run))
                hidden.rename(second)
            again = self.run_job(*flags, "-s", "checkpoints/video", place=copy)
            self.assertEqual("copies took the places" in again.stderr_text, shared)
            if not shared:
                self.assertIn(f"{newest.parent.name}/manifest.json: ", again.stderr_text)
                self.assertIn(f"{name}: damaged", again.stderr_text)
            self.assertEqual(self.checksum(again), expected, name)
            shutil.rmtree(copy)


class Refused(harness.Case):
    def test_checkpoint_of_another_job(self):
        ratings = harness.make_ratings(self.folder / "in", events=500)
        run = self.run_job(*harness.video_flags(ratings))
        again = self.run_job(*harness.video_flags(ratings), "-D", "job.name=other", "-s",
                             "checkpoints/video", place=run.folder, status=2)
        self.assertIn("is of job `video`, not of `other`", again.stderr_text)

    def test_output_is_gone(self):
        flags = harness.video_flags(harness.make_ratings(self.folder / "in", events=500))
        run = self.run_job(*flags)
        shutil.rmtree(run.folder / "out")
        again = self.run_job(*flags, "-s", "checkpoints/video", place=run.folder, status=2)
        self.assertIn("restore the directory", again.stderr_text)
        self.assertNotIn("starts again", again.stderr_text)

    def test_spill_folder_cannot_be_made(self):
        flags = harness.video_flags(harness.make_ratings(self.folder / "in", events=500))
        (self.folder / "file").touch()
        run = self.run_job(*flags, "-D", f"state.spill-dir={self.folder}/file/spill", status=2)
        self.assertIn("name another folder with state.spill-dir", run.stderr_text)

    def test_limit_on_the_size_of_files(self):
        flags = harness.video_flags(harness.make_ratings(self.folder / "in", events=20000))
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (40000, limits[1]))
        try:
            run = self.start(*flags, "-D", "restart.strategy=none")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        self.assertIn("File too large", run.finish(1))

    def test_no_checkpoint_there(self):
        ratings = harness.make_ratings(self.folder / "in", events=500)
        started = time.monotonic()
        run = self.run_job(*harness.video_flags(ratings), "-s", "nowhere", status=2)
        self.assertIn("nowhere", run.stderr_text)
        self.assertLess(time.monotonic() - started, 60)


if __name__ == "__main__":
    unittest.main()

"""The scripts: deploy/ratings reads each form and refuses the others in words; tests/count counts;
shell scripts are clean to shellcheck where it is installed, and short."""
import gzip
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parent.parent
SHELL = ["deploy/install", "deploy/build", "deploy/data", "deploy/quickstart", "tests/run", ".ci/run"]
SHELL_LINES_MAX = 100

# Text, then the overrides that must come: format, delimiter, header, path and type of user, item,
# rating and timestamp, unit.
FORMS = {
    "recbole": ("user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t2\t3\t881250949\n",
                "tsv - true user_id:token:i64 item_id:token:i64 rating:float:f64 "
                "timestamp:float:i64 s"),
    "movielens": ("userId,movieId,rating,timestamp\n1,2,4.5,964982703\n",
                  "csv , true userId:i64 movieId:i64 rating:f64 timestamp:i64 s"),
    "no header": ("1\t2\t3\t881250949\n", "tsv - false 1:i64 2:i64 3:f64 4:i64 s"),
    "other order, texts": ("ts;stars;ASIN;uid\n1997-09-20 03:05:10;4;b;a\n",
                           "csv ; true uid:utf8 ASIN:utf8 stars:f64 ts:utf8 text"),
    "ms": ("user,item,rating,time\n1,2,3,881250949000\n",
           "csv , true user:i64 item:i64 rating:f64 time:i64 ms"),
    "us, fractions": ("user,item,rating,time\n1,2,3,881250949000000.5\n",
                      "csv , true user:i64 item:i64 rating:f64 time:f64 us"),
    "quoted, mark of UTF-8": ('\ufeffuser,item,rating,time\n"a, b",2,3,881250949\n',
                              "csv , true user:utf8 item:i64 rating:f64 time:i64 s"),
}
REFUSED = {
    "empty": ("", "is empty"),
    "three fields": ("a,b,c\n", "fewer than four fields"),
    "no item": ("user,thing,rating,time\n1,2,3,4\n", "no column for item among user, thing,"),
    "no rows": ("user,item,rating,time\n", "no ratings below the header"),
    "rating of words": ("user,item,rating,time\n1,2,good,4\n", "the ratings are not numbers"),
}


def ratings(text, packed=False):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "ratings"
        path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
        return subprocess.run([sys.executable, SOURCE / "deploy/ratings", path], check=False,
                              capture_output=True, text=True)


def summary(lines):
    told = dict(line.split("=", 1) for line in lines)
    schema = json.loads(told["events.schema"])
    columns = [f"{schema[name]['path']}:{schema[name]['type']}"
               for name in ("user", "item", "rating", "timestamp")]
    return " ".join([told["events.format"], told.get("events.delimiter", "-"),
                     told["events.header"], *columns, told["events.time.unit"]])


class Ratings(unittest.TestCase):
    def test_forms(self):
        for name, (text, expected) in FORMS.items():
            for packed in (False, True):
                with self.subTest(name, packed=packed):
                    ran = ratings(text, packed)
                    self.assertEqual(ran.stderr, "")
                    self.assertEqual(summary(ran.stdout.splitlines()), expected)

    def test_refused(self):
        for name, (text, words) in REFUSED.items():
            with self.subTest(name):
                ran = ratings(text)
                self.assertEqual((ran.returncode, ran.stdout), (1, ""))
                self.assertIn(words, ran.stderr)


class Count(unittest.TestCase):
    def count(self, *results):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as log:
            for place, result in enumerate(results):
                log.write(json.dumps({"name": f"t{place}", "result": result, "duration": 1.0,
                                      "command": ["run"], "stdout": f"said by t{place}"}) + "\n")
            log.flush()
            return subprocess.run([sys.executable, SOURCE / "tests/count", log.name], check=False,
                                  capture_output=True, text=True)

    def test_counts(self):
        ran = self.count("OK", "OK", "EXPECTEDFAIL", "SKIP")
        self.assertEqual((ran.returncode, ran.stdout), (0, "3 passed, 0 failed, 1 skipped\n"))
        for result in ("FAIL", "TIMEOUT", "ERROR", "UNEXPECTEDPASS", "INTERRUPT"):
            ran = self.count("OK", result, "SKIP")
            self.assertEqual((ran.returncode, ran.stdout), (1, "1 passed, 1 failed, 1 skipped\n"))
            self.assertIn("said by t1", ran.stderr)
            self.assertNotIn("said by t0", ran.stderr)


class Shell(unittest.TestCase):
    def test_length_and_strictness(self):
        for name in SHELL:
            text = (SOURCE / name).read_text()
            self.assertLess(text.count("\n"), SHELL_LINES_MAX, name)
            self.assertIn("\nset -euo pipefail\n", text, name)

    @unittest.skipUnless(shutil.which("shellcheck"), "shellcheck is not here")
    def test_shellcheck(self):
        ran = subprocess.run(["shellcheck", *SHELL], cwd=SOURCE, check=False, capture_output=True,
                             text=True)
        self.assertEqual(ran.stdout, "")

    def test_help(self):
        for name in ("deploy/quickstart", "deploy/install", "deploy/build", "deploy/data", "tests/run"):
            ran = subprocess.run([SOURCE / name, "--help"], check=False, capture_output=True, text=True)
            self.assertEqual((ran.returncode, ran.stderr), (0, ""), name)
            self.assertGreater(len(ran.stdout), 40, name)


if __name__ == "__main__":
    unittest.main()

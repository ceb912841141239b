"""tidy: a small tree without faults passes; with each fault put in alone, that fault is found."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

TIDY = pathlib.Path(__file__).parent / "tidy"

CLEAN = {
    "ARCHITECTURE.md": "`runtime/base/`, `runtime/base/a.c`, `feature/good`, `tests/unit/NAME_test.c`,\n"
                       "`build/millrace run`, `/dev/null` and `a.port`\n",
    "meson.build": "",
    "runtime/base/meson.build": "files('a.c')",
    "runtime/base/a.c": '/* a: a. */\n#include "runtime/base/a.h"\n\n#include <string.h>\n',
    "runtime/base/a.h": "/* a: a. */\n",
    "runtime/task/meson.build": "files('t.c')",
    "runtime/task/t.c": '/* t: t. */\n#include "runtime/base/a.h"\n#include "runtime/task/t.h"\n',
    "runtime/task/t.h": "/* t: t. */\n",
    "operators/meson.build": "files('feature/good.c')",
    "operators/feature/good.c":
        '/* feature/good: does good. */\n#include "runtime/base/a.h"\n'
        '#include "operators/feature/good.h"\n\n'
        'const struct operator_def feature_good = {\n    .name = "feature/good",\n};\n'
        'OPERATOR_REGISTER(feature_good);\n',
    "operators/feature/good.h": "/* good: parts. */\n",
    "tests/unit/meson.build": "unit_tests = {\n  'a': base_dep,\n}\n",
    "tests/unit/a_test.c": '/* a: tests. */\n#include "runtime/task/t.h"\n',
    "tests/tidy-lengths.txt": "# none\n",
}


def function(lines, name="f"):
    return f"static int {name}(void)\n{{\n" + "    x();\n" * (lines - 3) + "}\n"


# What is put in: name, files that are added or replaced, the finding.
FAULTS = [
    ("include upwards", {"runtime/base/a.c": '/* a: a. */\n#include "runtime/base/a.h"\n'
                                             '#include "runtime/task/t.h"\n'},
     "runtime/base/a.c:3: includes runtime/task/t.h: runtime/task is above runtime/base"),
    ("engine includes operator",
     {"runtime/task/t.c": '/* t: t. */\n#include "operators/feature/good.h"\n'},
     "runtime/task/t.c:2: includes operators/feature/good.h: the engine never"),
    ("operator includes engine", {"operators/feature/good.h": '/* g: g. */\n'
                                                              '#include "runtime/task/t.h"\n'},
     "operators/feature/good.h:2: an operator may not include runtime/task/t.h"),
    ("operator includes threads", {"operators/feature/good.h": "/* g: g. */\n"
                                                               "#include <pthread.h>\n"},
     "operators/feature/good.h:2: an operator may not include <pthread.h>"),
    ("operator includes another family",
     {"operators/sink/parts.h": '/* p: p. */\n#include "operators/feature/good.h"\n',
      "operators/feature/good.h": '/* g: g. */\n#include "operators/sink/parts.h"\n'},
     "operators/sink/parts.h:2: an operator may not include operators/feature/good.h"),
    ("include of nothing", {"runtime/task/t.c": '/* t: t. */\n#include "t.h"\n'},
     "runtime/task/t.c:2: t.h does not exist"),
    ("include of a test", {"runtime/base/a.h": '/* a: a. */\n#include "tests/unit/x.h"\n',
                           "tests/unit/x.h": "/* x: x. */\n"},
     "runtime/base/a.h:2: includes tests/unit/x.h, which is in no layer"),
    ("long function", {"runtime/base/a.h": "/* a: a. */\n\n" + function(71, "endless")},
     "runtime/base/a.h:3: endless has 71 lines, over 70"),
    ("longer than listed", {"runtime/base/a.h": "/* a: a. */\n\n" + function(80),
                            "tests/tidy-lengths.txt": "runtime/base/a.h f 79\n"},
     "runtime/base/a.h:3: f has 80 lines, over 79"),
    ("shorter than listed", {"runtime/base/a.h": "/* a: a. */\n\n" + function(80),
                             "tests/tidy-lengths.txt": "runtime/base/a.h f 81\n"},
     "tests/tidy-lengths.txt:1: runtime/base/a.h f has shrunk: write 80 instead of 81"),
    ("listed without need", {"tests/tidy-lengths.txt": "runtime/base/a.h f 81\n"},
     "tests/tidy-lengths.txt:1: runtime/base/a.h f is within bounds or gone"),
    ("long file", {"runtime/base/a.h": "/* a: a. */\n" * 801},
     "runtime/base/a.h:1: runtime/base/a.h has 801 lines, over 800"),
    ("dead source", {"runtime/base/b.c": "/* b: b. */\n"},
     "runtime/base/b.c:1: is listed in no meson.build"),
    ("dead test", {"tests/unit/b_test.c": "/* b: b. */\n"},
     "tests/unit/b_test.c:1: is listed in no meson.build"),
    ("dead header", {"runtime/base/b.h": "/* b: b. */\n"},
     "runtime/base/b.h:1: is included by nothing"),
    ("map of a path that is gone", {"ARCHITECTURE.md": "\nsee `runtime/base/gone.c`\n"},
     "ARCHITECTURE.md:2: `runtime/base/gone.c` does not exist"),
    ("map of a command that is gone", {"ARCHITECTURE.md": "`tests/gone --all`\n"},
     "ARCHITECTURE.md:1: `tests/gone` does not exist"),
    ("map of a header that is gone", {"ARCHITECTURE.md": "`gone.h`\n"},
     "ARCHITECTURE.md:1: `gone.h` does not exist"),
    ("map of a kind that is gone", {"ARCHITECTURE.md": "`feature/gone`\n"},
     "ARCHITECTURE.md:1: `feature/gone` does not exist"),
    ("unfinished", {"runtime/base/a.h": "/* a: a. */\n/* TO" "DO: more */\n"},
     "runtime/base/a.h:2: TO" "DO: finish it"),
    ("unfinished build", {"meson.build": "# FIX" "ME\n"}, "meson.build:1: FIX" "ME: finish it"),
    ("no header", {"runtime/base/a.h": "int a;\n"}, "runtime/base/a.h:1: does not open with"),
    ("operator of another name",
     {"operators/feature/good.c": '/* feature/bad: b. */\n#include "operators/feature/good.h"\n'
                                  'const struct operator_def bad = {\n    .name = "feature/bad",\n'
                                  '};\nOPERATOR_REGISTER(bad);\n'},
     "operators/feature/good.c:6: is not where its kind feature/bad belongs"),
    ("operator's header without its kind",
     {"operators/feature/good.c": '/* good */\n#include "operators/feature/good.h"\n'
                                  'const struct operator_def g = {\n    .name = "feature/good",\n'
                                  '};\nOPERATOR_REGISTER(g);\n'},
     "operators/feature/good.c:1: does not open with `/* feature/good: `"),
]


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def tidy(root, *flags):
    ran = subprocess.run([sys.executable, TIDY, "--root", root, *flags], capture_output=True,
                         text=True, check=False)
    return ran.returncode, ran.stdout.splitlines(), ran.stderr


class Tidy(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        write(self.root, CLEAN)

    def binary(self, kinds):
        path = self.root / "millrace"
        path.write_text(f"#!/bin/sh\necho '{kinds}'\n")
        path.chmod(0o755)
        return str(path)

    def test_a_clean_tree_passes(self):
        status, lines, errors = tidy(self.root)
        self.assertEqual((status, len(lines), errors), (0, 1, ""), lines)

    def test_at_the_bounds(self):
        write(self.root, {"runtime/base/a.h": "/* a: a. */\n\n" + function(70) +
                                              "/* more */\n" * (800 - 72)})
        self.assertEqual(tidy(self.root)[0], 0, tidy(self.root))

    def test_listed_lengths_pass(self):
        write(self.root, {"runtime/base/a.h": "/* a: a. */\n\n" + function(80),
                          "tests/tidy-lengths.txt": "# why\nruntime/base/a.h f 80\n"})
        self.assertEqual(tidy(self.root)[0], 0, tidy(self.root))

    def test_the_list_may_only_shrink(self):
        def git(*words):
            subprocess.run(["git", "-C", self.root, "-c", "user.name=t", "-c", "user.email=t@t",
                            *words], check=True, capture_output=True)
        git("init", "-q")
        git("add", ".")
        git("commit", "-q", "-m", "t")
        write(self.root, {"runtime/base/a.h": "/* a: a. */\n\n" + function(80),
                          "tests/tidy-lengths.txt": "runtime/base/a.h f 80\n"})
        status, lines, _ = tidy(self.root)
        self.assertEqual(status, 1)
        self.assertIn("runtime/base/a.h f is new or has grown", lines[0])

    def test_each_fault_is_found(self):
        for name, files, finding in FAULTS:
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                root = pathlib.Path(folder)
                write(root, CLEAN | files)
                status, lines, errors = tidy(root)
                self.assertEqual((status, errors), (1, ""))
                self.assertTrue(any(line.startswith(finding) for line in lines), lines)

    def test_operators_are_listed(self):
        self.assertEqual(tidy(self.root, "--binary", self.binary("feature/good  does"))[0], 0)
        status, lines, _ = tidy(self.root, "--binary", self.binary("feature/goods  does"))
        self.assertEqual(status, 1)
        self.assertIn("`millrace info` does not list feature/good", lines[0])
        self.assertEqual(tidy(self.root, "--binary", str(self.root / "absent"))[0], 0)

    def test_format(self):
        write(self.root, {".clang-format": "BasedOnStyle: LLVM\n",
                          "runtime/base/a.h": "/* a: a. */\nint   a;\n"})
        status, lines, _ = tidy(self.root, "--format")
        if status == 77:
            self.skipTest(lines[0])
        self.assertEqual(status, 1)
        self.assertIn("runtime/base/a.h:2: clang-format-14 would change it", lines)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""What the heads of operators' files say, as a C file: the description of `millrace info KIND`.

usage: describe.py OUT.c FILE.c ...
"""
import pathlib
import re
import sys
import textwrap

WIDTH = 84  # as runtime/base/option_manual.c
PARTS = re.compile(r"(?<=[.:;]) (?=(?:Out|In|Table|Tables|Method)\b[^.]{0,60}:)")


def head(source):
    """The kind and its lines, without the comment's frame; None: no operator."""
    match = re.match(r"/\* ([a-z-]+(?:/[a-z-]+)?): (.*?) \*/", source, re.S)
    if not match or "OPERATOR_REGISTER(" not in source:
        return None
    return match[1], [re.sub(r"^ \* ?", "", line) for line in match[2].split("\n")]


def filled(lines):
    """Paragraphs filled anew, one for each part (In, Out, Method); what is indented stays as it is."""
    out, open_lines = [], []

    def close():
        for part in PARTS.split(" ".join(open_lines)) if open_lines else []:
            out.extend(textwrap.wrap(part, WIDTH, initial_indent="  ", subsequent_indent="      " if out else "  ",
                                     break_long_words=False, break_on_hyphens=False))
        open_lines.clear()

    for line in lines:
        if line.startswith("  "):
            close()
            out.append("      " + line.strip() if not line.startswith("    ") else "    " + line)
        elif line:
            open_lines.append(line)
        else:
            close()
    close()
    out[0] = "  " + out[0].strip()[0].upper() + out[0].strip()[1:]
    return out


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '\\n"'


def main():
    out = ['#include "runtime/api/operator.h"', ""]
    for path in sys.argv[2:]:
        found = head(pathlib.Path(path).read_text())
        if found:
            kind, lines = found
            name = re.sub(r"\W", "_", kind)
            out += [f"static const struct operator_text {name} = {{", f'    "{kind}",']
            out += ["    " + quoted(line) for line in filled(lines)]
            out += ["};", f"OPERATOR_TEXT({name});", ""]
    pathlib.Path(sys.argv[1]).write_text("\n".join(out))


if __name__ == "__main__":
    main()

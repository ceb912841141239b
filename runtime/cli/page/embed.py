#!/usr/bin/env python3
"""Texts as a C file of byte arrays: the parts of the page of `millrace run --report`.

usage: embed.py OUT.c NAME=FILE ...
"""
import pathlib
import sys

out = ["#include \"runtime/cli/page.h\"", ""]
for pair in sys.argv[2:]:
    name, path = pair.split("=", 1)
    data = pathlib.Path(path).read_bytes()
    if b"</script" in data.lower():
        sys.exit(f"{path}: would end its script element")
    out.append(f"const size_t {name}_size = {len(data)};")
    out.append(f"const unsigned char {name}[] = {{")
    out += ["    " + ",".join(str(byte) for byte in data[i:i + 32]) + ","
            for i in range(0, len(data), 32)]
    out.append("};")
pathlib.Path(sys.argv[1]).write_text("\n".join(out) + "\n")

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The programs that the documentation shows are those that are tested."""
import os
import sys

SHOWN = {
    "docs/languages.md": ["selftests/languages/device.py", "selftests/languages/library.py"],
    "docs/cages.md": ["selftests/cages/cage.sh"],
}

top = os.environ.get("WEIR_TOP")
if not top:
    print("1..0 # SKIP WEIR_TOP is not set: where the documentation is")
    sys.exit(4)


def content(path):
    with open(os.path.join(top, path), encoding="utf-8") as file:
        return file.read()


pairs = [(page, program) for page, programs in SHOWN.items() for program in programs]
failed = 0
print("1..%d" % len(pairs))
for number, (page, program) in enumerate(pairs, 1):
    shown = "\n" + content(program) + "```\n" in content(page)
    failed += not shown
    print("%s %d - %s shows %s" % ("ok" if shown else "not ok", number, page, program))
sys.exit(failed > 0)

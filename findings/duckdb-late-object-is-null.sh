#!/usr/bin/env bash
# Package: duckdb 2.0.1 (PyPI)
# Seen: a key that is null in the first 20,480 lines of an NDJSON file gets a column of the
#   type "NULL", and each later value reads as null: no error, no warning, and IS NOT NULL
#   finds nothing. With 20,479 such lines, or with sample_size=-1, all is right.
# Why it matters: a log whose optional part is rare (a limit that only some refusals have)
#   is read as if it had none. A query tested on a small file goes wrong on a large one.
#   State the columns, or give sample_size=-1.
# Exit status: 0 as described, 1 changed, 2 not tried.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
untried() { echo "not tried: $*" >&2; exit 2; }
# A program's own error shows in what was seen. From 124 to 127, timeout or setpriv speaks.
ended() { (($1 < 124 || $1 > 127)) || untried "it could not be run, or took too long"; }

# A Python that an ordinary user may start, since one under root's home may not be.
python=/usr/bin/python3
[[ -x $python ]] || python=$(command -v python3) || untried "there is no Python"
"$python" -m venv "$dir/venv" || untried "a virtual environment can't be made"
timeout 300 "$dir/venv/bin/pip" install --quiet --no-cache-dir --disable-pip-version-check --retries 0 \
    "duckdb==2.0.1" || untried "the packages can't be installed"

seen=$(cd "$dir" && timeout 120 venv/bin/python - <<'PY'
import json

import duckdb


def late(nulls, options=""):
    with open("late.ndjson", "w") as file:
        for _ in range(nulls):
            file.write(json.dumps({"limit": None}) + "\n")
        for value in range(10):
            file.write(json.dumps({"limit": {"name": "pids.max", "value": value}}) + "\n")
    return duckdb.sql(f'''SELECT any_value(typeof("limit")), count(*), count("limit")
                          FROM read_ndjson('late.ndjson'{options})''').fetchall()[0]


print(*late(20479)[1:])
print(*late(20480))
print(*late(20480, ", sample_size=-1")[1:])
PY
) || ended $?
echo "$seen"
[[ $seen == '20489 10
"NULL" 20490 0
20490 10' ]]

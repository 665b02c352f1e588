#!/usr/bin/env bash
# Package: pyarrow 26.0.1, datafusion 55.0.0, duckdb 2.0.1, polars 2.1.0 (PyPI)
# Seen: one number over 2^63 - 1 anywhere in an NDJSON file makes pyarrow and datafusion
#   read the whole column as doubles: 9007199254740993 in another line becomes
#   ...992, without a word. duckdb and polars take a 128-bit integer and are exact.
# Why it matters: the kernel's "no limit" is often written as 2^64 - 1 (RLIM_INFINITY). One
#   such line changes identifiers, addresses and nanoseconds of all other lines, depending
#   on which engine reads the file.
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
    "pyarrow==26.0.1" "datafusion==55.0.0" \
    "duckdb==2.0.1" "polars==2.1.0" || untried "the packages can't be installed"

seen=$(cd "$dir" && timeout 120 venv/bin/python - <<'PY'
import datafusion
import duckdb
import polars
import pyarrow.json


def first(reader):
    return int(reader("numbers.json")["v"][0])


def datafusion_reader(name):
    return datafusion.SessionContext().read_json(name).to_pydict()


readers = {
    "pyarrow": lambda name: pyarrow.json.read_json(name).to_pydict(),
    "datafusion": datafusion_reader,
    "duckdb": lambda name: {"v": [row[0] for row in duckdb.sql(f"SELECT v FROM read_ndjson('{name}')").fetchall()]},
    "polars": lambda name: polars.read_ndjson(name).to_dict(as_series=False),
}
for title, second in ("small", 1), ("large", 2**64 - 1):
    with open("numbers.json", "w") as file:
        file.write(f'{{"v":9007199254740993}}\n{{"v":{second}}}\n')
    for name, reader in readers.items():
        print(title, name, first(reader))
PY
) || ended $?
echo "$seen"
[[ $seen == "small pyarrow 9007199254740993
small datafusion 9007199254740993
small duckdb 9007199254740993
small polars 9007199254740993
large pyarrow 9007199254740992
large datafusion 9007199254740992
large duckdb 9007199254740993
large polars 9007199254740993" ]]

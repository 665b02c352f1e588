#!/usr/bin/env bash
# Package: duckdb 2.0.1, pandas 3.1.1, zstandard 0.25.0, polars 2.1.0, pyarrow 26.0.1 (PyPI)
# Seen: of an .ndjson.zst of three frames whose last one is cut in half (a writer that was
#   killed), duckdb and pandas return the lines before the cut as if that were the whole
#   file: no error, no warning. polars and pyarrow raise an error and return nothing.
# Why it matters: after a crash the last minutes are what one looks for. Half of the engines
#   hide that they are missing, the other half hide the good part. Run zstd -t first.
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
    "duckdb==2.0.1" "pandas==3.1.1" "zstandard==0.25.0" \
    "polars==2.1.0" "pyarrow==26.0.1" || untried "the packages can't be installed"

seen=$(cd "$dir" && timeout 120 venv/bin/python - <<'PY'
import duckdb
import pandas
import polars
import pyarrow.json
import zstandard

frames = []
for start in 0, 1000, 2000:
    lines = "".join(f'{{"n":{n},"squared":{n * n}}}\n' for n in range(start, start + 1000))
    frames.append(zstandard.ZstdCompressor().compress(lines.encode()))
with open("torn.ndjson.zst", "wb") as file:
    file.write(frames[0] + frames[1] + frames[2][: len(frames[2]) // 2])

readers = {
    "duckdb": lambda name: duckdb.sql(f"SELECT count(n) FROM '{name}'").fetchall()[0][0],
    "pandas": lambda name: len(pandas.read_json(name, lines=True)),
    "polars": lambda name: len(polars.read_ndjson(name)),
    "pyarrow": lambda name: len(pyarrow.json.read_json(name)),
}
for name, reader in readers.items():
    try:
        print(name, reader("torn.ndjson.zst"))
    except OSError as error:
        print(name, "error:", error)
PY
) || ended $?
echo "$seen"
[[ $seen == "duckdb 2000
pandas 2000
polars error: incomplete frame
pyarrow error: Truncated compressed stream" ]]

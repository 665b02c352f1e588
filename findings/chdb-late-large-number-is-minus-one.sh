#!/usr/bin/env bash
# Package: chdb 4.4.0 (PyPI), which is ClickHouse 26.9 in a process
# Seen: in an NDJSON file whose first 25,000 lines hold small numbers, a later
#   18446744073709551615 is read as -1: the column is Nullable(Int64) and the number wraps
#   round without an error. After 24,999 such lines it is Nullable(UInt64) and right.
# Why it matters: "no limit" (2^64 - 1) sorts below every limit, and sums and averages are
#   wrong, but only in files that are large enough. Give the structure in file().
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
    "chdb==4.4.0" || untried "the packages can't be installed"

seen=$(cd "$dir" && timeout 200 venv/bin/python - <<'PY'
import chdb

for before in 24999, 25000:
    with open("limits.ndjson", "w") as file:
        for value in range(before):
            file.write(f'{{"limit":{value}}}\n')
        file.write('{"limit":18446744073709551615}\n')
    for structure in "", ", 'limit UInt64'":
        print(before, chdb.query(f"""SELECT any(toTypeName(limit)), argMax(toString(limit), _row_number)
            FROM file('limits.ndjson', JSONEachRow{structure})""").bytes().decode().strip())
PY
) || ended $?
echo "$seen"
[[ $seen == '24999 "Nullable(UInt64)","18446744073709551615"
24999 "UInt64","18446744073709551615"
25000 "Nullable(Int64)","-1"
25000 "UInt64","18446744073709551615"' ]]

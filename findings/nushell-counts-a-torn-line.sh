#!/usr/bin/env bash
# Package: nushell 0.115.1 (npm)
# Seen: of an NDJSON file that ends in the middle of a line, "from json --objects | length"
#   counts the torn line as a row and exits 0 without a word. Only where its content is
#   asked for does the error come.
# Why it matters: a log cut by a crash seems whole when it is counted, and has one record too
#   many. Ask for a value of every row before the count is believed.
# Exit status: 0 as described, 1 changed, 2 not tried.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
untried() { echo "not tried: $*" >&2; exit 2; }
# A program's own error shows in what was seen. From 124 to 127, timeout or setpriv speaks.
ended() { (($1 < 124 || $1 > 127)) || untried "it could not be run, or took too long"; }

command -v npm >/dev/null || untried "there is no npm"
timeout 300 npm install --silent --no-fund --no-audit --fetch-retries=0 --cache "$dir/cache" \
    --prefix "$dir" nushell@0.115.1 ||
    untried "the package can't be installed"

printf '{"n":1}\n{"n":2}\n{"n":3,"na' >"$dir/torn.ndjson"
nu() {
    HOME=$dir XDG_CONFIG_HOME=$dir timeout 60 "$dir/node_modules/.bin/nu" --no-config-file --commands \
        "open --raw $dir/torn.ndjson | from json --objects | $1" 2>"$dir/errors" || ended $?
    echo "$1: $(if [[ -s $dir/errors ]]; then echo "an error"; else echo "no error"; fi)"
}
seen=$(nu length; nu 'get n | math sum')
echo "$seen"
[[ $seen == "3
length: no error
get n | math sum: an error" ]]

#!/usr/bin/env bash
# Package: sh 2.4.0 (PyPI), with CPython 3.11.2 (3.12.1 and 3.13.0 alike)
# Seen: sh turns Python's garbage collector off before it forks and on again only after a
#   fork that went well. When the fork is refused (EAGAIN), the collector stays off for the
#   rest of the process, through later commands that succeed, and ten descriptors stay open
#   for each refused command.
# Why it matters: a service that met a process limit once grows without bound from then on.
#   The limit may have been raised within the second; nothing points back to it. Call
#   gc.enable() where the exception is caught.
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
    "sh==2.4.0" || untried "the packages can't be installed"

# RLIMIT_NPROC doesn't bind root: as root, go on as a user that no process has.
user=()
if ((EUID == 0)); then
    uid=$((60600 + RANDOM % 100))
    user=(setpriv "--reuid=$uid" "--regid=$uid" --clear-groups)
    chmod 755 "$dir"
fi

seen=$(timeout 60 "${user[@]}" "$dir/venv/bin/python" - <<'PY'
import gc
import os
import resource

import sh


def processes(soft):
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    resource.setrlimit(resource.RLIMIT_NPROC, (hard if soft is None else soft, hard))


def descriptors():
    return len(os.listdir("/proc/self/fd"))


sh.true()
before = descriptors()
print("before: collector on", gc.isenabled())
processes(1)
refused = 0
for _ in range(5):
    try:
        sh.true()
    except BlockingIOError:
        refused += 1
processes(None)
print("refused:", refused, "descriptors left:", descriptors() - before)
print("afterwards:", sh.echo("a command that succeeds").strip(), "- collector on", gc.isenabled())
PY
) || ended $?
echo "$seen"
[[ $seen == "before: collector on True
refused: 5 descriptors left: 50
afterwards: a command that succeeds - collector on False" ]]

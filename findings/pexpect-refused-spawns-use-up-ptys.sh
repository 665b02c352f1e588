#!/usr/bin/env bash
# Package: pexpect 4.9.0 and ptyprocess 0.7.0 (PyPI) on CPython 3.11.2 (3.12.1 and 3.13.0 alike)
# Seen: each pexpect.spawn whose fork is refused (EAGAIN) leaves a pseudo-terminal and a
#   pipe open, four descriptors, for good. Python's pty.fork takes the refusal of forkpty
#   for a system without forkpty, opens a terminal itself and forks a second time; the
#   second refusal leaves by an exception past all that was opened. With room for 64
#   descriptors the message turns from "Resource temporarily unavailable" to one about
#   descriptors or terminals, and spawn keeps failing after the process limit is raised.
# Why it matters: one retried login or console session at a process limit uses up the
#   host's ptys (kernel.pty.max is shared by all), the last message names the wrong
#   shortage, and one wish is two refusals in the kernel's counts.
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
    "pexpect==4.9.0" "ptyprocess==0.7.0" || untried "the packages can't be installed"

# RLIMIT_NPROC doesn't bind root: as root, go on as a user that no process has.
user=()
if ((EUID == 0)); then
    uid=$((60600 + RANDOM % 100))
    user=(setpriv "--reuid=$uid" "--regid=$uid" --clear-groups)
    chmod 755 "$dir"
fi

seen=$(timeout 60 "${user[@]}" "$dir/venv/bin/python" - <<'PY'
import os
import resource

import pexpect


def soft(which, value):
    hard = resource.getrlimit(which)[1]
    resource.setrlimit(which, (hard if value is None else value, hard))


def terminals():
    links = []
    for number in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:
            pass
    return len(links), sum(link.startswith("/dev/pt") for link in links)


def spawn():
    try:
        child = pexpect.spawn("true")
        child.expect(pexpect.EOF)
        child.close()
        return "succeeded"
    except (OSError, pexpect.ExceptionPexpect) as error:
        return getattr(error, "errno", None) or "another error"


print("room:", spawn())
soft(resource.RLIMIT_NOFILE, 64)
open_before, terminals_before = terminals()
soft(resource.RLIMIT_NPROC, 1)
print("no room:", {spawn() for _ in range(10)})
open_now, terminals_now = terminals()
print("left open:", open_now - open_before, "ends of terminals:", terminals_now - terminals_before)
while (answer := spawn()) == 11:
    pass
print("in the end EAGAIN:", answer == 11)
soft(resource.RLIMIT_NPROC, None)
print("room again, works:", spawn() == "succeeded")
PY
) || ended $?
echo "$seen"
[[ $seen == "room: succeeded
no room: {11}
left open: 40 ends of terminals: 20
in the end EAGAIN: False
room again, works: False" ]]

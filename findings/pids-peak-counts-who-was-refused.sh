#!/usr/bin/env bash
# Package: the Linux kernel, 6.18 (the one that runs is used)
# Seen: a pids cgroup G with pids.max 3 holds M, which holds F. Forks in F are refused at G.
#   pids.peak of G says 3, but pids.peak of M and F says 4: the refused task was charged to
#   them on the way up, before G refused it, and the peak isn't taken back. No moment had
#   four tasks. cgroup v1 (6.18) and v2 agree in it.
# Why it matters: who sizes a limit by pids.peak of a service, or reads it after an incident,
#   sees more tasks than there ever were, and a child with a higher peak than its parent.
# Exit status: 0 as described, 1 changed, 2 not tried.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
untried() { echo "not tried: $*" >&2; exit 2; }
# A program's own error shows in what was seen. From 124 to 127, timeout or setpriv speaks.
ended() { (($1 < 124 || $1 > 127)) || untried "it could not be run, or took too long"; }

((EUID == 0)) || untried "it takes root"
top=$(awk '$3 == "cgroup" && $4 ~ /(^|,)pids(,|$)/ {print $2; exit}' /proc/mounts)
if [[ -z $top ]]; then
    top=$(awk '$3 == "cgroup2" {print $2; exit}' /proc/mounts)
    grep -qsw pids "$top/cgroup.subtree_control" || untried "there is no pids controller"
fi
group=$top/peak-$$
leave() {
    rm -rf "$dir"
    while read -r task; do kill -9 "$task"; done <"$group/m/f/cgroup.procs" && sleep 0.5
    rmdir "$group/m/f" "$group/m" "$group"
}
trap 'leave 2>/dev/null || true' EXIT
mkdir "$group" || untried "no cgroup can be made"
if [[ -e $group/cgroup.subtree_control ]]; then
    { echo +pids >"$group/cgroup.subtree_control" && mkdir "$group/m" &&
        echo +pids >"$group/m/cgroup.subtree_control"; } || untried "the pids controller can't be passed on"
fi
mkdir -p "$group/m/f"
[[ -e $group/m/f/pids.peak ]] || untried "this kernel has no pids.peak"
echo 3 >"$group/pids.max"

seen=$(
    timeout 60 python3 - "$group" <<'PY' || ended $?
import os
import signal
import sys

group = sys.argv[1]
with open(group + "/m/f/cgroup.procs", "w") as file:
    file.write(str(os.getpid()))
children, refused = [], 0
for _ in range(5):
    try:
        child = os.fork()
    except BlockingIOError:
        refused += 1
        continue
    if child == 0:
        signal.pause()
    children.append(child)
print("tasks", 1 + len(children), "refused", refused)
for child in children:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
PY
    for below in "" /m /m/f; do echo "G$below: $(cat "$group$below/pids.peak")"; done
)
echo "$seen"
[[ $seen == "tasks 3 refused 3
G: 3
G/m: 4
G/m/f: 4" ]]

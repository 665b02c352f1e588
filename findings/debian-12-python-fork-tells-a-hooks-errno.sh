#!/usr/bin/env bash
# Package: python3.11-minimal 3.11.2-6+deb12u9 (Debian 12)
# Seen: when os.fork is refused (EAGAIN) and a hook of os.register_at_fork(after_in_parent=)
#   is there, the exception carries the errno of the last call that the hook made: a hook
#   that looks for a file which isn't there turns it into "FileNotFoundError: [Errno 2] No
#   such file or directory". Without the hook it is BlockingIOError 11.
# Why it matters: libraries set such hooks, Python's own logging among them. The reason told
#   for a refused fork can then be anything at all, and code that tries again on
#   BlockingIOError doesn't.
# Exit status: 0 as described, 1 changed, 2 not tried.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
untried() { echo "not tried: $*" >&2; exit 2; }
# A program's own error shows in what was seen. From 124 to 127, timeout or setpriv speaks.
ended() { (($1 < 124 || $1 > 127)) || untried "it could not be run, or took too long"; }

# RLIMIT_NPROC doesn't bind root: as root, go on as a user that no process has.
user=()
if ((EUID == 0)); then
    uid=$((60600 + RANDOM % 100))
    user=(setpriv "--reuid=$uid" "--regid=$uid" --clear-groups)
    chmod 755 "$dir"
fi

[[ $(uname -m) == x86_64 ]] || untried "the build is of x86-64"
cd "$dir"
for package in python3.11-minimal libpython3.11-minimal; do
    timeout 120 apt-get download -q -o APT::Sandbox::User=root "$package=3.11.2-6+deb12u9" >/dev/null ||
        untried "the package can't be fetched"
done
for package in ./*.deb; do dpkg -x "$package" .; done

cat >fork.py <<'PY'
import os
import sys


def hook():
    os.path.exists("/there/is/no/such/file")


if sys.argv[1] == "hook":
    os.register_at_fork(after_in_parent=hook)
try:
    if os.fork() == 0:
        os._exit(0)
    print("not refused")
except OSError as error:
    print(sys.argv[1], type(error).__name__, error.errno)
PY
seen=$(for with in none hook; do
    PYTHONHOME=$dir/usr timeout 60 "${user[@]}" prlimit --nproc=1: usr/bin/python3.11 fork.py "$with" || ended $?
done)
echo "$seen"
[[ $seen == "none BlockingIOError 11
hook FileNotFoundError 2" ]]

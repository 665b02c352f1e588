-- Refused creations in recordings as they are, by DuckDB: after `forktrace schema --format duckdb`.
CREATE OR REPLACE VIEW refused AS
SELECT host, kernel, "time"::TIMESTAMP AS "time", failures, cause, "limit", cgroup, caller, fix
FROM forktrace_refusals('fleet/host=*/date=*/*.ndjson*');

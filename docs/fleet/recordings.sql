-- Refused creations of recordings as they are: after `forktrace schema --format duckdb`.
CREATE OR REPLACE VIEW refusals AS
SELECT host, kernel, "time"::TIMESTAMP AS "time", times AS failures, cause, "limit", cgroup, caller, fix
FROM forktrace_failures('fleet/host=*/date=*/*.ndjson*');

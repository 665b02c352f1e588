-- What the questions are asked of, by DuckDB: after `duckdb-recordings.sql` or `duckdb-tables.sql`.
CREATE OR REPLACE VIEW refusals AS
SELECT host, kernel, "time"::DATE AS "day", datediff('day', DATE '1970-01-01', "time"::DATE) AS day_number,
  strftime("time", '%Y-%m-%d %H:%M') AS "minute", failures, cause,
  "limit".name AS limit_name, "limit".value AS limit_value,
  "limit".scope || coalesce(' in ' || "limit".within, '') AS limit_scope,
  cgroup.unit AS unit, coalesce(cgroup.unit, cgroup.container, cgroup.path, '-') AS whose,
  coalesce(caller.exe, caller.comm) AS program
FROM refused;

-- What was proposed, a change a row.
CREATE OR REPLACE VIEW proposals AS
SELECT host, coalesce(fix.persistent, fix.now) AS change
FROM (SELECT host, unnest(fix) AS fix FROM refused)
WHERE coalesce(fix.persistent, fix.now) IS NOT NULL;

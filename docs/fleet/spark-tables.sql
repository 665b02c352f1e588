-- Refused creations in what `forktrace convert` has made of recordings, by Spark.
SET TIME ZONE 'UTC';

CREATE OR REPLACE TEMPORARY VIEW refused AS
SELECT host, kernel, `time`, failures, cause, `limit`, cgroup, caller, fix
FROM parquet.`fleet/date=*/*.parquet` WHERE cause IS NOT NULL;

CREATE OR REPLACE TEMPORARY VIEW refusals AS
SELECT host, kernel, to_date(`time`) AS day, unix_date(to_date(`time`)) AS day_number,
  date_format(`time`, 'yyyy-MM-dd HH:mm') AS minute, failures, cause,
  `limit`.name AS limit_name, `limit`.value AS limit_value,
  `limit`.scope || coalesce(' in ' || `limit`.within, '') AS limit_scope,
  cgroup.unit AS unit, coalesce(cgroup.unit, cgroup.container, cgroup.path, '-') AS whose,
  coalesce(caller.exe, caller.comm) AS program
FROM refused;

-- What was proposed, a change a row.
CREATE OR REPLACE TEMPORARY VIEW proposals AS
SELECT host, coalesce(fix.persistent, fix.now) AS change
FROM (SELECT host, explode(fix) AS fix FROM refused)
WHERE coalesce(fix.persistent, fix.now) IS NOT NULL;

-- Refused creations in what `forktrace convert` has made of recordings, by ClickHouse. In object storage, they are
-- s3('https://STORE/fleet/date=*/*.parquet', KEY, SECRET, 'Parquet').
CREATE OR REPLACE VIEW refused AS
SELECT host, kernel, toTimeZone(`time`, 'UTC') AS `time`, failures, cause, `limit`, cgroup, caller, fix
FROM file('fleet/date=*/*.parquet', 'Parquet') WHERE cause IS NOT NULL;

CREATE OR REPLACE VIEW refusals AS
SELECT host, kernel, toDate(`time`) AS day, toInt32(toDate(`time`)) AS day_number,
  formatDateTime(`time`, '%Y-%m-%d %H:%i') AS minute, failures, cause,
  `limit`.name AS limit_name, `limit`.value AS limit_value,
  `limit`.scope || coalesce(' in ' || `limit`.within, '') AS limit_scope,
  cgroup.unit AS unit, coalesce(cgroup.unit, cgroup.container, cgroup.path, '-') AS whose,
  coalesce(caller.exe, caller.comm) AS program
FROM refused;

-- What was proposed, a change a row.
CREATE OR REPLACE VIEW proposals AS
SELECT host, arrayJoin(arrayMap(f -> coalesce(f.persistent, f.now), fix)) AS change
FROM refused WHERE change IS NOT NULL;

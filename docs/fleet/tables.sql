-- Refused creations of what `forktrace convert` has made of recordings.
CREATE OR REPLACE VIEW refusals AS
SELECT host, kernel, make_timestamp(epoch_us("time")) AS "time", failures, cause, "limit", cgroup, caller, fix
FROM read_parquet('fleet/date=*/*.parquet') WHERE cause IS NOT NULL;

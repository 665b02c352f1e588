-- Refused creations in what `forktrace convert` has made of recordings, by DuckDB.
CREATE OR REPLACE VIEW refused AS
SELECT host, kernel, make_timestamp(epoch_us("time")) AS "time", failures, cause, "limit", cgroup, caller, fix
FROM read_parquet('fleet/date=*/*.parquet') WHERE cause IS NOT NULL;

-- Which unit is refused on most hosts?
SELECT cgroup.unit AS unit, count(DISTINCT host) AS hosts, sum(failures)::BIGINT AS failures,
  string_agg(DISTINCT cause, ', ' ORDER BY cause) AS causes
FROM refusals WHERE cgroup.unit IS NOT NULL
GROUP BY ALL ORDER BY hosts DESC, failures DESC LIMIT 10;

-- What to change, and on how many hosts it is proposed?
WITH each AS (
  SELECT host, unnest(fix, recursive := true) FROM refusals
)
SELECT coalesce(persistent, now) AS change, count(DISTINCT host) AS hosts
FROM each WHERE coalesce(persistent, now) IS NOT NULL
GROUP BY ALL ORDER BY hosts DESC, change LIMIT 10;

-- Which limit hurts most hosts?
SELECT "limit".name AS name, count(DISTINCT host) AS hosts, sum(failures)::BIGINT AS failures,
  min("limit".value) AS lowest, max("limit".value) AS highest
FROM refusals WHERE "limit" IS NOT NULL
GROUP BY ALL ORDER BY hosts DESC, failures DESC LIMIT 10;

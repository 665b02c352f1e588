-- Which limit hurts most hosts?
SELECT limit_name, count(DISTINCT host) AS hosts, sum(failures) AS total,
  min(limit_value) AS lowest, max(limit_value) AS highest
FROM refusals WHERE limit_name IS NOT NULL
GROUP BY limit_name ORDER BY hosts DESC, total DESC, limit_name LIMIT 10;

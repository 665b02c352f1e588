-- Which hosts have another value of a limit than most have?
WITH counted AS (
  SELECT limit_name, limit_scope, limit_value, count(DISTINCT host) AS hosts, min(host) AS such_as
  FROM refusals WHERE limit_value IS NOT NULL GROUP BY limit_name, limit_scope, limit_value
), ranked AS (
  SELECT limit_name, limit_scope, limit_value, hosts, such_as,
    first_value(limit_value) OVER (PARTITION BY limit_name, limit_scope ORDER BY hosts DESC, limit_value) AS usual,
    sum(hosts) OVER (PARTITION BY limit_name, limit_scope) AS of_hosts
  FROM counted
)
SELECT limit_name, limit_scope, limit_value, usual, hosts, of_hosts, such_as
FROM ranked WHERE limit_value <> usual
ORDER BY hosts DESC, limit_name, limit_scope, limit_value LIMIT 20;

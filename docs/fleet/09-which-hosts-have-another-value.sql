-- Which hosts have another value of a limit than most have?
WITH each AS (
  SELECT "limit".name AS name, "limit".scope AS scope, "limit".value AS value, count(DISTINCT host) AS hosts,
    min(host) AS such_as
  FROM refusals WHERE "limit".value IS NOT NULL GROUP BY ALL
), usual AS (
  SELECT name, scope, arg_max(value, hosts) AS usual, sum(hosts) AS of_hosts FROM each GROUP BY ALL HAVING count(*) > 1
)
SELECT name, scope, value, usual, hosts, of_hosts, such_as
FROM each JOIN usual USING (name, scope) WHERE value <> usual
ORDER BY hosts DESC, name, scope, value LIMIT 20;

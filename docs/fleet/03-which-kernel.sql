-- Which kernel: failures for each that hosts have, and what is refused on one alone?
WITH by_kernel AS (
  SELECT cause, kernel, count(DISTINCT host) AS hosts, sum(failures) AS total FROM refusals GROUP BY cause, kernel
)
SELECT cause, kernel, hosts, total,
  CASE WHEN count(*) OVER (PARTITION BY cause) = 1 THEN 'yes' ELSE 'no' END AS on_this_alone
FROM by_kernel ORDER BY cause, hosts DESC, kernel;

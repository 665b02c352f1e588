-- Which kernel: failures for each that hosts have, and what is refused on one alone?
WITH each AS (
  SELECT cause, kernel, count(DISTINCT host) AS hosts, sum(failures)::BIGINT AS failures FROM refusals GROUP BY ALL
)
SELECT *, count(*) OVER (PARTITION BY cause) = 1 AS there_alone FROM each ORDER BY cause, hosts DESC, kernel;

-- Which deploy: from one day to the next, whose failures have come, or grown tenfold?
WITH days AS (
  SELECT whose, day, day_number, sum(failures) AS total, count(DISTINCT host) AS hosts
  FROM refusals GROUP BY whose, day, day_number
)
SELECT later.day AS day, later.whose AS whose, coalesce(earlier.total, 0) AS the_day_before,
  later.total AS total, later.hosts AS hosts
FROM days AS later LEFT JOIN days AS earlier
  ON earlier.whose = later.whose AND earlier.day_number + 1 = later.day_number
WHERE later.day_number > (SELECT min(day_number) FROM days) AND later.total >= 10 * coalesce(earlier.total, 0)
ORDER BY hosts DESC, day, whose LIMIT 20;

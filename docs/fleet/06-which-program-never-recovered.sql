-- Which program never recovered: refused on every day since it was refused first, up to the last day there is?
WITH days AS (
  SELECT host, program, day, day_number, sum(failures) AS total
  FROM refusals WHERE program IS NOT NULL GROUP BY host, program, day, day_number
), spans AS (
  SELECT host, program, min(day) AS since, min(day_number) AS first_day, max(day_number) AS last_day,
    count(*) AS refused_days, sum(total) AS total_of_host
  FROM days GROUP BY host, program
)
SELECT program, count(*) AS hosts, min(since) AS refused_since, sum(total_of_host) AS total
FROM spans
WHERE last_day = (SELECT max(day_number) FROM days) AND refused_days = last_day - first_day + 1 AND refused_days > 1
GROUP BY program ORDER BY hosts DESC, total DESC, program LIMIT 10;

-- Which unit is refused on most hosts, and why?
SELECT unit, cause, count(DISTINCT host) AS hosts, sum(failures) AS total
FROM refusals WHERE unit IS NOT NULL
GROUP BY unit, cause ORDER BY hosts DESC, total DESC, unit, cause LIMIT 10;

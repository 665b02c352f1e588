-- What to change, and on how many hosts it is proposed?
SELECT change, count(DISTINCT host) AS hosts
FROM proposals GROUP BY change ORDER BY hosts DESC, change LIMIT 10;

/*
**  SPDX-License-Identifier: BSD-2-Clause
**
**  PQLIMIT -- what libpq itself can do: one prepared statement, one key at a time
**
**	pqlimit conninfo statement <keys >values
**
**	An empty statement is not asked: what is left is reading and printing.
*/

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

static void
fail(PGconn *conn)
{
	(void) fprintf(stderr, "pqlimit: %s", PQerrorMessage(conn));
	exit(EXIT_FAILURE);
}

int
main(int argc, char **argv)
{
	PGconn *conn;
	PGresult *res;
	const char *key;
	char line[1024];

	if (argc != 3)
	{
		(void) fprintf(stderr, "usage: pqlimit conninfo statement\n");
		return EXIT_FAILURE;
	}
	conn = PQconnectdb(argv[1]);
	if (PQstatus(conn) != CONNECTION_OK)
		fail(conn);
	res = PQprepare(conn, "ask", argv[2], 1, NULL);
	if (PQresultStatus(res) != PGRES_COMMAND_OK)
		fail(conn);
	PQclear(res);
	while (fgets(line, sizeof line, stdin) != NULL)
	{
		line[strcspn(line, "\n")] = '\0';
		key = line;
		if (*argv[2] == '\0')
		{
			(void) printf("%s returns user000\n", key);
			continue;
		}
		if (PQsendQueryPrepared(conn, "ask", 1, &key, NULL, NULL, 0) == 0)
			fail(conn);
		while ((res = PQgetResult(conn)) != NULL)
		{
			if (PQresultStatus(res) != PGRES_TUPLES_OK)
				fail(conn);
			if (PQntuples(res) == 1)
				(void) printf("%s returns %s\n", key, PQgetvalue(res, 0, 0));
			PQclear(res);
		}
	}
	PQfinish(conn);
	return EXIT_SUCCESS;
}

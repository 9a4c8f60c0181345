/*
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The sqlmail.sendmail project
 */

/*
**  PGSQLMAP-STAT -- print the counters of the map class "pgsql"
**
**	Usage: pgsqlmap-stat [-p] [file]
**
**	-p prints the text format of Prometheus.  The file is what the flag
**	-s of the maps names; default /var/lib/sendmail/pgsqlmap.st.
*/

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pgsqlmap.h"

#define DEFAULT_FILE	"/var/lib/sendmail/pgsqlmap.st"

static const struct
{
	const char	*name;
	const char	*help;
} Counts[PGSQLMAP_COUNTS] =
{
	{ "lookups",	"Questions of sendmail" },
	{ "asked",	"Questions put to the server" },
	{ "found",	"Keys found" },
	{ "missing",	"Keys that do not exist" },
	{ "failed",	"Temporary failures" },
	{ "connects",	"Connections made" },
	{ "usec",	"Microseconds spent" }
};

int
main(int argc, char **argv)
{
	PGSQLMAP_STAT stats[PGSQLMAP_STATS];
	const char *path = DEFAULT_FILE;
	int prometheus = 0;
	FILE *fp;
	size_t i, n;
	int opt, c;

	while ((opt = getopt(argc, argv, "p")) != -1)
	{
		if (opt != 'p')
		{
			(void) fprintf(stderr, "usage: %s [-p] [file]\n",
				       argv[0]);
			return 2;
		}
		prometheus = 1;
	}
	if (optind < argc)
		path = argv[optind];
	if ((fp = fopen(path, "rb")) == NULL)
	{
		(void) fprintf(stderr, "%s: %s: %s\n", argv[0], path,
			       strerror(errno));
		return 1;
	}

	/* an empty file has not counted yet */
	n = fread(stats, sizeof(stats[0]), PGSQLMAP_STATS, fp);
	(void) fclose(fp);

	if (!prometheus)
	{
		(void) printf("%-20s", "map");
		for (c = 0; c < PGSQLMAP_COUNTS; c++)
			(void) printf(" %12s", Counts[c].name);
		(void) putchar('\n');
		for (i = 0; i < n; i++)
		{
			if (stats[i].pgt_hash == 0)
				continue;
			(void) printf("%-20.47s", stats[i].pgt_name);
			for (c = 0; c < PGSQLMAP_COUNTS; c++)
				(void) printf(" %12llu",
					      stats[i].pgt_counts[c]);
			(void) putchar('\n');
		}
		return 0;
	}
	for (c = 0; c < PGSQLMAP_COUNTS; c++)
	{
		(void) printf("# HELP sendmail_pgsqlmap_%s_total %s.\n"
			      "# TYPE sendmail_pgsqlmap_%s_total counter\n",
			      Counts[c].name, Counts[c].help, Counts[c].name);
		for (i = 0; i < n; i++)
		{
			if (stats[i].pgt_hash != 0)
				(void) printf("sendmail_pgsqlmap_%s_total{map=\"%.47s\"} %llu\n",
					      Counts[c].name,
					      stats[i].pgt_name,
					      stats[i].pgt_counts[c]);
		}
	}
	return 0;
}

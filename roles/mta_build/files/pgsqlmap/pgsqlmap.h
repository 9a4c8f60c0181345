/*
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The sqlmail.sendmail project
 */

/*
**  PGSQLMAP.H -- the file of counters of the map class "pgsql"
**
**	All processes add to it through shared memory; pgsqlmap-stat reads
**	it.  An entry is claimed by setting its hash, and never given up.
*/

#ifndef PGSQLMAP_H
# define PGSQLMAP_H	1

# define PGSQLMAP_STATS		64	/* maps at most; others do not count */

/* what is counted */
# define PGSQLMAP_LOOKUPS	0	/* questions of sendmail */
# define PGSQLMAP_ASKED		1	/* of these: put to the server */
# define PGSQLMAP_FOUND		2
# define PGSQLMAP_MISSING	3
# define PGSQLMAP_FAILED	4	/* temporary failures */
# define PGSQLMAP_CONNECTS	5	/* connections made for them */
# define PGSQLMAP_USEC		6	/* microseconds spent, all in all */
# define PGSQLMAP_COUNTS	7

typedef struct pgsqlmap_stat	PGSQLMAP_STAT;

struct pgsqlmap_stat
{
	unsigned long long	pgt_hash;	/* of the name; 0: free */
	char			pgt_name[48];	/* of the map */
	unsigned long long	pgt_counts[PGSQLMAP_COUNTS];
};
#endif /* ! PGSQLMAP_H */

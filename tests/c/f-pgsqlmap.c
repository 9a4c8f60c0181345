/*
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The sqlmail.sendmail project
 */

/*
**  F-PGSQLMAP.C -- fuzzer of what strangers and configurations say
**
**	The first byte of an input chooses: 'S', the flags of a map; 'D',
**	those of PgsqlDefaultSpec; 'K', words separated by NUL that become
**	the key and its arguments, with folding ('k': without).
*/

#define _DEFINE
#include "pgsqlmap.c"
#include <sm/ixlen.h>
#include "stand-ins.h"

#define MUST(cond)							\
	do								\
	{								\
		if (!(cond))						\
			abort();					\
	} while (0)

extern int	LLVMFuzzerTestOneInput __P((const unsigned char *, size_t));

/*
**  FLAGS -- whatever is accepted makes one well-formed statement
*/

static void
flags(text, defaults)
	char *text;
	bool defaults;
{
	static PGSQLMAP_SPEC original;
	static bool saved;
	PGSQLMAP_SPEC *spec;
	MAP map;
	const char *p;
	int quotes = 0;

	if (!saved)
		original = *pgsqlmap_defaults();
	saved = true;
	*pgsqlmap_defaults() = original;
	PgsqlmapSpecs = NULL;
	PgsqlmapWires = NULL;
	SysErrs = 0;
	if (defaults)
	{
		pgsqlmap_set_defaults(text);
		return;
	}
	memset(&map, '\0', sizeof(map));
	map.map_mname = "f";
	if (!pgsqlmap_parseargs(&map, text))
	{
		MUST(SysErrs == 1);
		return;
	}
	MUST(SysErrs == 0);
	spec = (PGSQLMAP_SPEC *) map.map_db1;
	MUST(spec->pgs_wire->pgw_conn == NULL);
	for (p = spec->pgs_ask->pgq_sql; *p != '\0'; p++)
	{
		/* outside of quotes nothing comes from the flags */
		if (*p == '"')
			quotes++;
		else if (quotes % 2 == 0)
			MUST(strchr("SELECT FROMWHRADN*(),.=$0123456789",
				    *p) != NULL);
	}
	MUST(quotes % 2 == 0);
	MUST(strlen(spec->pgs_ask->pgq_name) == 25);
}

/*
**  KEYS -- what is sent is UTF-8, complete, and folded if it shall be
*/

static void
keys(text, size, fold)
	char *text;
	size_t size;
	bool fold;
{
	char *words[PGSQLMAP_MAXPARAMS];
	const char *params[PGSQLMAP_MAXPARAMS];
	char *packed, *p;
	size_t len, used = 0;
	bool utf8 = true;
	MAP map;
	int i, n = 0;

	memset(&map, '\0', sizeof(map));
	if (!fold)
		map.map_mflags = MF_NOFOLDCASE;
	for (p = text; n < PGSQLMAP_MAXPARAMS && p <= text + size;
	     p += strlen(p) + 1)
	{
		utf8 = utf8 && pgsqlmap_utf8(p);
		words[n++] = p;
	}
	packed = pgsqlmap_pack(&map, n, words, params, &len);
	MUST((packed != NULL) == utf8);
	if (packed == NULL)
		return;
	for (i = 0; i < n; i++)
	{
		MUST(params[i] == packed + used);
		MUST(pgsqlmap_utf8(params[i]));
		MUST(fold || strcmp(params[i], words[i]) == 0);
		for (p = (char *) params[i]; fold && *p != '\0'; p++)
			MUST(*p < 'A' || *p > 'Z');
		used += strlen(params[i]) + 1;
	}
	MUST(used == len);
	pgsqlmap_memo_add(&map, packed, len, fold ? text : NULL);
	MUST(pgsqlmap_memo_find(&map, packed, len) == PgsqlmapMemo);
	pgsqlmap_forget();
	MUST(pgsqlmap_memo_find(&map, packed, len) == NULL);
	sm_free(packed);
}

int
LLVMFuzzerTestOneInput(data, size)
	const unsigned char *data;
	size_t size;
{
	char *text;

	if (size == 0)
		return 0;
	text = sm_malloc_x(size);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	switch (data[0])
	{
	  case 'S':
	  case 'D':
		flags(text, data[0] == 'D');
		break;

	  case 'K':
	  case 'k':
		keys(text, size - 1, data[0] == 'K');
		break;
	}
	sm_free(text);
	return 0;
}

/*
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The sqlmail.sendmail project
 */

/*
**  STAND-INS.H -- what the map class calls of sendmail and cannot have here
*/

unsigned char	tTdvect[100];

static int	SysErrs;		/* calls of syserr() */
static char	SysErr[MAXLINE];	/* text of the last one */
static int	Logs;			/* calls of sm_syslog() */
static char	Log[MAXLINE];		/* text of the last one */

static char	*ClientName;		/* macros */
static char	*ClientAddr;

void
syserr(const char *fmt, ...)
{
	SM_VA_LOCAL_DECL

	SM_VA_START(ap, fmt);
	(void) sm_vsnprintf(SysErr, sizeof(SysErr), fmt, ap);
	SM_VA_END(ap);
	SysErrs++;
}

void
sm_syslog(int level, const char *id, const char *fmt, ...)
{
	SM_VA_LOCAL_DECL

	(void) level;
	(void) id;
	SM_VA_START(ap, fmt);
	(void) sm_vsnprintf(Log, sizeof(Log), fmt, ap);
	SM_VA_END(ap);
	Logs++;
}

void
message(const char *fmt, ...)
{
	(void) fmt;
}

char *
macvalue(n, e)
	int n;
	ENVELOPE *e;
{
	(void) e;
	if (n == 1 || n == 2)
		return n == 1 ? ClientName : ClientAddr;
	return n == 'j' ? "mail.sqlmail.test" : NULL;
}

int
macid_parse(p, ep)
	char *p;
	char **ep;
{
	(void) ep;
	return strcmp(p, "{client_name}") == 0 ? 1
		: strcmp(p, "{client_addr}") == 0 ? 2 : *p;
}

char *
newstr(s)
	const char *s;
{
	return sm_strdup_x(s);
}

#include "from-sendmail.c"

/*
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The sqlmail.sendmail project
 *
 * This file is built as part of sendmail; the terms for sendmail itself
 * are in the LICENSE file at the top level of the sendmail distribution.
 */

/*
**  PGSQLMAP.C -- the map class "pgsql": keys looked up in PostgreSQL
**
**	O PgsqlDefaultSpec=-H conninfo [flags]
**	Kname pgsql -F function [flags]
**	Kname pgsql -b relation -k key[,key...] -v value[,value...] [flags]
**
**	The file has four parts.  The wire (pgsqlmap_wire_...) knows libpq
**	and nothing of maps: targets, hosts, connections, deadlines.  The
**	memo (pgsqlmap_memo_...) keeps answers for the length of one SMTP
**	command, the counters (pgsqlmap_stat_...) are for the operator.  The
**	map knows maps, and of libpq only the result.
**
**	Four rules hold everywhere:
**	- The key travels as a bound parameter, never inside SQL text.
**	- Only the server may say that a key does not exist.  Whatever else
**	  happens is temporary, so that mail waits and is not bounced.
**	- A connection belongs to the process that made it.  A child neither
**	  uses nor politely closes what it inherited.
**	- No answer is used again in another SMTP command or delivery, so
**	  that a committed row counts for the next one.
*/

#include <sendmail.h>

#if PGSQLMAP

# include <poll.h>
# include <pthread.h>
# include <time.h>
# include <sys/mman.h>
# include <libpq-fe.h>
# include "pgsqlmap.h"

/* seconds; the flags -c, -l and -i change them */
# define PGSQLMAP_CONNECT_LIMIT	5
# define PGSQLMAP_QUERY_LIMIT	5
# define PGSQLMAP_IDLE_LIMIT	60

/* milliseconds until a target that failed is asked again: first and most */
# define PGSQLMAP_RETRY_FIRST	500
# define PGSQLMAP_RETRY_MOST	8000

/* the memo: entries, and milliseconds that it lives at most */
# define PGSQLMAP_MEMO_MOST	512
# define PGSQLMAP_MEMO_AGE	1000

# define PGSQLMAP_MAXCOLS	16
# define PGSQLMAP_MAXPARAMS	MAX_MAP_ARGS

/* bytes of addresses that are told ahead, and of one of them */
# define PGSQLMAP_UNDERWAY	8192
# define PGSQLMAP_ADDRESS	1024

/* the type of a function that returns nothing, pg_type.dat */
# define PGSQLMAP_VOID		2278

/* what an alias map asks that does not say it */
# define PGSQLMAP_ALIASES	"mail.lookup_aliases"

typedef struct pgsqlmap_host	PGSQLMAP_HOST;
typedef struct pgsqlmap_wire	PGSQLMAP_WIRE;
typedef struct pgsqlmap_query	PGSQLMAP_QUERY;
typedef struct pgsqlmap_spec	PGSQLMAP_SPEC;
typedef struct pgsqlmap_memo	PGSQLMAP_MEMO;

/* one of several hosts of a target */
struct pgsqlmap_host
{
	char		*pgh_name;	/* host; NULL: by address only */
	char		*pgh_addr;	/* hostaddr; NULL: to be resolved */
	char		*pgh_port;
	long		pgh_retry;	/* others first until then (ms) */
};

/*
**  One target: a PostgreSQL server, database and role, and the connection
**  of this process to it.  All maps with the same target share it.
*/

struct pgsqlmap_wire
{
	PGSQLMAP_WIRE	*pgw_next;	/* next target */
	char		*pgw_target;	/* conninfo in libpq's own order */
	char		*pgw_label;	/* what logs may show of it */
	PGSQLMAP_QUERY	*pgw_queries;	/* what is asked there */
	PGSQLMAP_HOST	*pgw_hosts;	/* NULL: one host, or not known yet */
	int		pgw_nhosts;	/* 0: not known yet */
	int		pgw_first;	/* host to begin with */
	bool		pgw_standby;	/* prefer a standby */
	PGconn		*pgw_conn;	/* NULL: not connected */
	unsigned int	pgw_forks;	/* PgsqlmapForks when it connected */
	unsigned int	pgw_serial;	/* number of the connection, from 1 */
	bool		pgw_unnamed;	/* named statements do not work */
	int		pgw_idle;	/* seconds until closed; 0: never */
	long		pgw_retry;	/* leave alone until then (ms) */
	bool		pgw_alone;	/* it was: the last one did not ask */
	int		pgw_failures;	/* in a row, until an answer */
	char		pgw_reason[320];	/* of the last failure */
};

/* one statement; maps that ask the same share it, prepared or not */
struct pgsqlmap_query
{
	PGSQLMAP_QUERY	*pgq_next;	/* next of the target */
	char		*pgq_sql;
	int		pgq_nparams;
	char		pgq_name[32];	/* if it is prepared */
	unsigned int	pgq_serial;	/* connection where it is prepared */
};

/* what the flags of one map say */
struct pgsqlmap_spec
{
	PGSQLMAP_SPEC	*pgs_next;	/* next map of this process */
	MAP		*pgs_map;	/* the map itself */
	char		*pgs_conninfo;	/* -H */
	char		*pgs_function;	/* -F */
	char		*pgs_relation;	/* -b */
	char		*pgs_keycols;	/* -k */
	char		*pgs_valcols;	/* -v */
	char		*pgs_ahead;	/* -p */
	char		*pgs_stats;	/* -s */
	char		pgs_colsep;	/* -V */
	bool		pgs_args;	/* -K */
	bool		pgs_named;	/* -e */
	bool		pgs_forget;	/* -n */
	int		pgs_maxrows;	/* -Z; 0: no limit */
	int		pgs_connect;	/* -c, seconds */
	int		pgs_limit;	/* -l, seconds */
	int		pgs_idle;	/* -i, seconds; 0: never */
	int		pgs_ncols;	/* columns of the value */
	PGSQLMAP_QUERY	*pgs_ask;	/* for one key */
	PGSQLMAP_QUERY	*pgs_askahead;	/* for a key and what follows it */
	PGSQLMAP_WIRE	*pgs_wire;	/* where it is asked */
	PGSQLMAP_STAT	*pgs_stat;	/* its counters; NULL: none */
};

/* one answer of the server; a memo never holds a failure */
struct pgsqlmap_memo
{
	PGSQLMAP_MEMO	*pgm_next;
	MAP		*pgm_map;
	char		*pgm_value;	/* NULL: no such key */
	bool		pgm_phrases;	/* nor any phrase of it, see below */
	size_t		pgm_len;	/* of the key */
	char		pgm_key[1];	/* parameters, NUL after each */
};

static PGSQLMAP_WIRE	*PgsqlmapWires = NULL;
static unsigned int	PgsqlmapForks = 0;	/* how often we were forked */
static PGSQLMAP_SPEC	*PgsqlmapSpecs = NULL;
static char		*PgsqlmapUnderWay = NULL;	/* addresses */
static bool		PgsqlmapToldAll = false;	/* of a delivery */
static PGSQLMAP_MEMO	*PgsqlmapMemo = NULL;
static int		PgsqlmapMemos = 0;	/* entries in it */
static long		PgsqlmapMemoSince = 0;	/* of the first one (ms) */

static void	pgsqlmap_wire_forked __P((void));
static long long	pgsqlmap_wire_usec __P((void));
static long	pgsqlmap_wire_now __P((void));
static long	pgsqlmap_wire_pause __P((int));
static void	pgsqlmap_wire_leave __P((PGSQLMAP_WIRE *));
static char	*pgsqlmap_wire_normal __P((const char *, char **, char **));
static PGSQLMAP_WIRE	*pgsqlmap_wire_find __P((char *, char *));
static void	pgsqlmap_wire_drop __P((PGSQLMAP_WIRE *));
static void	pgsqlmap_wire_fail __P((PGSQLMAP_WIRE *, const char *,
					const char *));
static int	pgsqlmap_wire_wait __P((PGSQLMAP_WIRE *, int, long));
static char	*pgsqlmap_wire_item __P((const char *, int));
static void	pgsqlmap_wire_hosts __P((PGSQLMAP_WIRE *));
static bool	pgsqlmap_wire_passfile __P((PGSQLMAP_WIRE *));
static bool	pgsqlmap_wire_dial __P((PGSQLMAP_WIRE *, PGSQLMAP_HOST *,
					const char *, int));
static bool	pgsqlmap_wire_try __P((PGSQLMAP_WIRE *, int));
static bool	pgsqlmap_wire_connect __P((PGSQLMAP_WIRE *, int));
static PGresult	*pgsqlmap_wire_ask __P((PGSQLMAP_WIRE *, PGSQLMAP_QUERY *,
					const char *const *, bool, int));
static bool	pgsqlmap_wire_late __P((PGSQLMAP_WIRE *, const PGresult *));
static bool	pgsqlmap_wire_lost __P((PGSQLMAP_WIRE *, const PGresult *));
static bool	pgsqlmap_wire_unnamed __P((PGSQLMAP_WIRE *,
					const PGresult *));
static PGresult	*pgsqlmap_wire_query __P((PGSQLMAP_WIRE *, PGSQLMAP_QUERY *,
					const char *const *, bool, int, int));
static void	pgsqlmap_wire_notice __P((void *, const PGresult *));

static bool	pgsqlmap_memo_holds __P((const char *, const char *));
static PGSQLMAP_MEMO	*pgsqlmap_memo_find __P((MAP *, const char *, size_t));
static PGSQLMAP_MEMO	*pgsqlmap_memo_add __P((MAP *, const char *, size_t,
					const char *));

static void	pgsqlmap_stat_open __P((PGSQLMAP_SPEC *, const char *));
static void	pgsqlmap_stat_add __P((const PGSQLMAP_SPEC *, int, bool,
					unsigned int, long));

static void	pgsqlmap_hash __P((const char *, unsigned int *,
					unsigned int *));
static bool	pgsqlmap_utf8 __P((const char *));
static char	*pgsqlmap_quote __P((char *, char *, const char *, int));
static char	*pgsqlmap_word __P((char **));
static bool	pgsqlmap_number __P((MAP *, int, const char *, int, int *));
static bool	pgsqlmap_flags __P((MAP *, PGSQLMAP_SPEC *, char *));
static PGSQLMAP_SPEC	*pgsqlmap_defaults __P((void));
static int	pgsqlmap_count __P((const char *));
static PGSQLMAP_QUERY	*pgsqlmap_query __P((PGSQLMAP_WIRE *,
					const char *, int));
static bool	pgsqlmap_sql __P((MAP *, PGSQLMAP_SPEC *, int));
static int	pgsqlmap_status __P((const PGSQLMAP_SPEC *, int, long));
static void	pgsqlmap_complain __P((MAP *, const PGSQLMAP_SPEC *,
					const PGresult *, const char *));
static char	*pgsqlmap_value __P((MAP *, const PGSQLMAP_SPEC *,
					const PGresult *, int, int, int));
static char	*pgsqlmap_pack __P((MAP *, int, char **, const char **,
					size_t *));
static int	pgsqlmap_ask __P((MAP *, PGSQLMAP_SPEC *, const char *const *,
					char **));
static int	pgsqlmap_askahead __P((MAP *, PGSQLMAP_SPEC *, const char *,
					char **));
static int	pgsqlmap_askclass __P((MAP *, PGSQLMAP_SPEC *, char *));

/* ------------------------------------------------------------------ wire */

/*
**  PGSQLMAP_WIRE_FORKED -- this process is a new one
**
**	Called by fork() in the child; asking for the process id at each
**	lookup would be a system call for nothing nearly always.
**
**	Parameters:
**		none.
**
**	Returns:
**		none.
*/

static void
pgsqlmap_wire_forked()
{
	PgsqlmapForks++;
}

/*
**  PGSQLMAP_WIRE_USEC -- microseconds on a clock that is never set back
**
**	Parameters:
**		none.
**
**	Returns:
**		microseconds since some fixed moment.
*/

static long long
pgsqlmap_wire_usec()
{
	struct timespec ts;

	(void) clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

/*
**  PGSQLMAP_WIRE_NOW -- milliseconds on the same clock
**
**	Parameters:
**		none.
**
**	Returns:
**		milliseconds since some fixed moment.
*/

static long
pgsqlmap_wire_now()
{
	return (long) (pgsqlmap_wire_usec() / 1000);
}

/*
**  PGSQLMAP_WIRE_PAUSE -- how long to leave alone what has failed
**
**	Grows with each failure, and is never the same for two processes,
**	so that those of one host do not all return at one moment.
**
**	Parameters:
**		failures -- failures in a row before this one.
**
**	Returns:
**		milliseconds.
*/

static long
pgsqlmap_wire_pause(failures)
	int failures;
{
	long pause = PGSQLMAP_RETRY_FIRST;

	while (failures-- > 0 && pause < PGSQLMAP_RETRY_MOST)
		pause *= 2;
	return pause + get_random() % (pause / 2);
}

/*
**  PGSQLMAP_WIRE_LEAVE -- leave a target alone for a while that grows
**
**	So an outage, or a lock that somebody holds, costs a session about
**	one wait, not one for each lookup.
**
**	Parameters:
**		w -- the target; it has just cost a wait.
**
**	Returns:
**		none.
*/

static void
pgsqlmap_wire_leave(w)
	PGSQLMAP_WIRE *w;
{
	w->pgw_retry = pgsqlmap_wire_now() +
		pgsqlmap_wire_pause(w->pgw_failures++);
}

/*
**  PGSQLMAP_WIRE_NORMAL -- check a conninfo and bring it into one form
**
**	Strings that mean the same target become the same string, whatever
**	the order of their words and whether they are a URI or not.
**
**	Parameters:
**		conninfo -- libpq connection string or URI.
**		labelp -- set to what logs may show of the target.
**		errp -- set to the reason if conninfo is refused.
**
**	Returns:
**		the normal form, from malloc(); NULL if refused.
*/

static char *
pgsqlmap_wire_normal(conninfo, labelp, errp)
	const char *conninfo;
	char **labelp;
	char **errp;
{
	PQconninfoOption *opts, *o;
	char *perr = NULL;
	char *buf, *label, *q;
	const char *v;
	size_t size = 2 * strlen(conninfo) + 1;

	*errp = NULL;
	*labelp = NULL;
	opts = PQconninfoParse(conninfo, &perr);
	if (opts == NULL)
	{
		/* the reason quotes the string, maybe its password */
		if (strstr(conninfo, "pass") != NULL ||
		    strstr(conninfo, "://") != NULL)
			*errp = newstr("it cannot be parsed; the reason may contain a password and is not shown");
		else
			*errp = newstr(perr == NULL ? "out of memory" : perr);
		if ((q = strchr(*errp, '\n')) != NULL)
			*q = '\0';
		PQfreemem(perr);
		return NULL;
	}
	for (o = opts; o->keyword != NULL; o++)
	{
		if (o->val == NULL)
			continue;
		if (strcmp(o->keyword, "password") == 0 ||
		    strcmp(o->keyword, "sslpassword") == 0)
		{
			PQconninfoFree(opts);
			*errp = newstr("a password may not stand in sendmail.cf, everybody can read it; name a file with passfile=");
			return NULL;
		}
		size += strlen(o->keyword) + 2 * strlen(o->val) + 5;
	}
	buf = sm_malloc_x(size);
	label = sm_malloc_x(size);
	*buf = *label = '\0';
	for (o = opts; o->keyword != NULL; o++)
	{
		if (o->val == NULL)
			continue;
		(void) sm_strlcat(buf, *buf == '\0' ? "" : " ", size);
		(void) sm_strlcat2(buf, o->keyword, "='", size);
		q = buf + strlen(buf);
		for (v = o->val; *v != '\0'; *q++ = *v++)
		{
			if (*v == '\'' || *v == '\\')
				*q++ = '\\';
		}
		*q++ = '\'';
		*q = '\0';
		if (strcmp(o->keyword, "service") == 0 ||
		    strcmp(o->keyword, "host") == 0 ||
		    strcmp(o->keyword, "hostaddr") == 0 ||
		    strcmp(o->keyword, "port") == 0 ||
		    strcmp(o->keyword, "dbname") == 0 ||
		    strcmp(o->keyword, "user") == 0)
		{
			(void) sm_strlcat(label, *label == '\0' ? "" : " ",
					  size);
			(void) sm_strlcat2(label, o->keyword, "=", size);
			(void) sm_strlcat(label, o->val, size);
		}
	}
	PQconninfoFree(opts);
	*labelp = label;
	return buf;
}

/*
**  PGSQLMAP_WIRE_FIND -- find or make the entry of a target
**
**	Parameters:
**		target -- conninfo in normal form; belongs to the entry then.
**		label -- what logs may show; belongs to the entry then.
**
**	Returns:
**		the entry, not connected if it is new.
*/

static PGSQLMAP_WIRE *
pgsqlmap_wire_find(target, label)
	char *target;
	char *label;
{
	PGSQLMAP_WIRE *w;

	for (w = PgsqlmapWires; w != NULL; w = w->pgw_next)
	{
		if (strcmp(w->pgw_target, target) == 0)
		{
			sm_free(target);
			sm_free(label);
			return w;
		}
	}
	if (PgsqlmapWires == NULL)
		(void) pthread_atfork(NULL, NULL, pgsqlmap_wire_forked);
	w = (PGSQLMAP_WIRE *) sm_malloc_x(sizeof(*w));
	memset(w, '\0', sizeof(*w));
	w->pgw_target = target;
	w->pgw_label = label;
	w->pgw_next = PgsqlmapWires;
	PgsqlmapWires = w;
	return w;
}

/*
**  PGSQLMAP_WIRE_DROP -- forget the connection of a target
**
**	PQfinish() tells the server goodbye, and over TLS it tells it in a
**	way that ends the session of whoever shares the socket.  That is
**	right for our own connection and fatal for an inherited one, so a
**	child first puts /dev/null in the place of the socket: the memory is
**	freed, and not a byte reaches the server of its parent.
**
**	Parameters:
**		w -- the target.
**
**	Returns:
**		none.
*/

static void
pgsqlmap_wire_drop(w)
	PGSQLMAP_WIRE *w;
{
	int fd, null;
	int save_errno = errno;

	if (w->pgw_conn == NULL)
		return;
	fd = PQsocket(w->pgw_conn);
	if (w->pgw_forks != PgsqlmapForks && fd >= 0)
	{
		if (tTd(38, 2))
			sm_dprintf("pgsqlmap: inherited connection %d dropped\n",
				fd);
		null = open("/dev/null", O_RDWR|O_CLOEXEC, 0);
		if (null < 0 || dup2(null, fd) < 0)
		{
			/* better to lose some memory than the parent's session */
			(void) close(fd);
			w->pgw_conn = NULL;
		}
		if (null >= 0)
			(void) close(null);
	}
	if (w->pgw_conn != NULL)
		PQfinish(w->pgw_conn);
	w->pgw_conn = NULL;
	errno = save_errno;
}

/*
**  PGSQLMAP_WIRE_FAIL -- note why there is no answer
**
**	Parameters:
**		w -- the target.
**		what -- what was attempted.
**		why -- reason; may end in newlines.
**
**	Returns:
**		none.
*/

static void
pgsqlmap_wire_fail(w, what, why)
	PGSQLMAP_WIRE *w;
	const char *what;
	const char *why;
{
	char *p;

	(void) sm_snprintf(w->pgw_reason, sizeof(w->pgw_reason), "%s: %s",
			   what, why == NULL ? "no reason given" : why);

	/* one line, and nothing that could forge another one in the log */
	for (p = w->pgw_reason; *p != '\0'; p++)
	{
		if ((unsigned char) *p < ' ')
			*p = ' ';
	}
	while (p > w->pgw_reason && p[-1] == ' ')
		*--p = '\0';
}

/*
**  PGSQLMAP_WIRE_NOTICE -- receive what the server remarks by the way
**
**	libpq would write it to stderr, which may be an SMTP client.
**
**	Parameters:
**		arg -- unused.
**		res -- the notice.
**
**	Returns:
**		none.
*/

/* ARGSUSED0 */
static void
pgsqlmap_wire_notice(arg, res)
	void *arg;
	const PGresult *res;
{
	(void) arg;
	if (tTd(38, 9))
		sm_dprintf("pgsqlmap: notice: %s", PQresultErrorMessage(res));
}

/*
**  PGSQLMAP_WIRE_WAIT -- wait until the server or the deadline speaks
**
**	Parameters:
**		w -- the target, with a connection under way.
**		events -- what to wait for, as for poll().
**		deadline -- as of pgsqlmap_wire_now().
**
**	Returns:
**		what happened, as of poll(); 0: deadline is over.
*/

static int
pgsqlmap_wire_wait(w, events, deadline)
	PGSQLMAP_WIRE *w;
	int events;
	long deadline;
{
	struct pollfd pfd;
	long left;
	int r;

	pfd.fd = PQsocket(w->pgw_conn);
	pfd.events = (short) events;
	do
	{
		pfd.revents = 0;
		left = deadline - pgsqlmap_wire_now();
		if (left <= 0)
			return 0;
		r = poll(&pfd, 1, (int) left);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return POLLERR;
	return r == 0 ? 0 : pfd.revents;
}

/*
**  PGSQLMAP_WIRE_ITEM -- take one item out of a list of libpq
**
**	Parameters:
**		list -- items separated by commas; NULL is the empty list.
**		n -- number of the item, from 0.  A list of one item holds
**			for all hosts, as libpq has it for port.
**
**	Returns:
**		the item, from malloc(); NULL if it is empty.
*/

static char *
pgsqlmap_wire_item(list, n)
	const char *list;
	int n;
{
	const char *p = list;
	char *item;
	size_t len;

	if (list == NULL)
		return NULL;
	if (strchr(list, ',') == NULL)
		n = 0;
	for (; n > 0; n--)
	{
		if ((p = strchr(p, ',')) == NULL)
			return NULL;
		p++;
	}
	len = strcspn(p, ",");
	if (len == 0)
		return NULL;
	item = sm_malloc_x(len + 1);
	memcpy(item, p, len);
	item[len] = '\0';
	return item;
}

/*
**  PGSQLMAP_WIRE_HOSTS -- learn which hosts a target has
**
**	The list may stand in the service file, which only libpq reads, so
**	it is taken from a connection that has been started.
**
**	libpq itself would try the hosts within one time limit, of which the
**	first dead one uses up all.
**
**	Parameters:
**		w -- the target, with a connection just started.
**
**	Returns:
**		none.
**
**	Side Effects:
**		w->pgw_nhosts is set, unless the connection knows nothing.
*/

static void
pgsqlmap_wire_hosts(w)
	PGSQLMAP_WIRE *w;
{
	PQconninfoOption *opts, *o;
	const char *names = NULL, *addrs = NULL, *ports = NULL, *p;
	int i, n = 1;

	opts = PQconninfo(w->pgw_conn);
	if (opts == NULL)
		return;
	for (o = opts; o->keyword != NULL; o++)
	{
		if (o->val == NULL || *o->val == '\0')
			continue;
		if (strcmp(o->keyword, "host") == 0)
			names = o->val;
		else if (strcmp(o->keyword, "hostaddr") == 0)
			addrs = o->val;
		else if (strcmp(o->keyword, "port") == 0)
			ports = o->val;
		else if (strcmp(o->keyword, "target_session_attrs") == 0)
			w->pgw_standby = strcmp(o->val, "prefer-standby") == 0;
		else if (strcmp(o->keyword, "load_balance_hosts") == 0 &&
			 strcmp(o->val, "random") == 0)
			w->pgw_first = get_random() % 32;
	}
	p = addrs != NULL ? addrs : names;
	for (; p != NULL && (p = strchr(p, ',')) != NULL; p++)
		n++;
	if (n > 1)
	{
		w->pgw_hosts = (PGSQLMAP_HOST *)
				sm_malloc_x(n * sizeof(*w->pgw_hosts));
		for (i = 0; i < n; i++)
		{
			w->pgw_hosts[i].pgh_name =
				pgsqlmap_wire_item(names, i);
			w->pgw_hosts[i].pgh_addr =
				pgsqlmap_wire_item(addrs, i);
			w->pgw_hosts[i].pgh_port =
				pgsqlmap_wire_item(ports, i);
			w->pgw_hosts[i].pgh_retry = 0;
		}
	}
	if (n > 1 || names != NULL || addrs != NULL)
		w->pgw_nhosts = n;
	PQconninfoFree(opts);
}

/*
**  PGSQLMAP_WIRE_PASSFILE -- may the password file be used?
**
**	libpq ignores a file that others may read and goes on without a
**	password, and it minds neither owner, links nor directories.  Here
**	the rules are those for sendmail's own secrets: owned by root or by
**	the user who runs sendmail, mode 0600, no symbolic link, in
**	directories that nobody else can write to.
**
**	libpq has read the file by now, whose name may stand in the service
**	file, but has sent nothing of it.
**
**	Parameters:
**		w -- the target, with a connection just started.
**
**	Returns:
**		true -- it may, or there is none.
**		false -- not; w->pgw_reason says why.
*/

static bool
pgsqlmap_wire_passfile(w)
	PGSQLMAP_WIRE *w;
{
	PQconninfoOption *opts, *o;
	char *file = NULL;
	char *name;
	char why[256];
	struct stat st;
	int r = 0;

	opts = PQconninfo(w->pgw_conn);
	if (opts == NULL)
	{
		pgsqlmap_wire_fail(w, "connect", "out of memory");
		return false;
	}
	for (o = opts; o->keyword != NULL; o++)
	{
		if (strcmp(o->keyword, "passfile") == 0)
			file = o->val;
	}

	/* the default, ~/.pgpass, needs not exist */
	if (file != NULL && (name = strrchr(file, '/')) != NULL &&
	    strcmp(name, "/.pgpass") == 0 && stat(file, &st) < 0)
		file = NULL;
	if (file != NULL)
		r = safefile(file, RunAsUid, RunAsGid, RunAsUserName,
			     SFF_REGONLY|SFF_NOSLINK|SFF_SAFEDIRPATH|
			     SFF_MUSTOWN|SFF_ROOTOK|SFF_NORFILES|
			     SFF_NOGWFILES|SFF_NOWWFILES, S_IRUSR, &st);
	if (r != 0)
	{
		(void) sm_snprintf(why, sizeof(why),
				   "%.100s: %s; it must belong to root or the user who runs sendmail, mode 0600, no link, in directories that others cannot write to",
				   file, sm_errstring(r));
		pgsqlmap_wire_fail(w, "password file", why);
	}
	PQconninfoFree(opts);
	return r == 0;
}

/*
**  PGSQLMAP_WIRE_DIAL -- connect to one host
**
**	Parameters:
**		w -- the target, not connected.
**		h -- its host; NULL: the target names one only.
**		attrs -- target_session_attrs instead of those of the target;
**			NULL: as the target says.
**		limit -- seconds it may take.
**
**	Returns:
**		true -- connected.
**		false -- not; w->pgw_reason says why, and w->pgw_conn is kept
**			for a look at it.
*/

static bool
pgsqlmap_wire_dial(w, h, attrs, limit)
	PGSQLMAP_WIRE *w;
	PGSQLMAP_HOST *h;
	const char *attrs;
	int limit;
{
	const char *keys[16], *vals[16];
	char name[64], msec[16];
	char *j;
	long deadline;
	PostgresPollingStatusType st;
	int n = 0;

	j = macvalue('j', CurEnv);
	(void) sm_snprintf(name, sizeof(name), "sendmail/%.40s/%s/%ld",
			   j == NULL ? "" : j,
			   OpMode == MD_QUEUERUN ? "queue" :
			   OpMode == MD_TEST ? "test" :
			   OpMode == MD_DELIVER ? "submit" : "smtp",
			   (long) getpid());
	(void) sm_snprintf(msec, sizeof(msec), "%d", limit * 1000);

# define PGSQLMAP_SET(key, val) (keys[n] = (key), vals[n++] = (val))
	PGSQLMAP_SET("gssencmode", "disable");	/* would read files of a user */
	PGSQLMAP_SET("keepalives_idle", "30");
	PGSQLMAP_SET("tcp_user_timeout", msec);
	PGSQLMAP_SET("fallback_application_name", name);

	/* overrides what stands before it, and is overridden by the rest */
	PGSQLMAP_SET("dbname", w->pgw_target);
	PGSQLMAP_SET("client_encoding", "UTF8");
	if (h != NULL)
	{
		PGSQLMAP_SET("host", h->pgh_name);
		PGSQLMAP_SET("hostaddr", h->pgh_addr);
		PGSQLMAP_SET("port", h->pgh_port);
	}
	if (attrs != NULL)
		PGSQLMAP_SET("target_session_attrs", attrs);
	PGSQLMAP_SET(NULL, NULL);
# undef PGSQLMAP_SET

	/*
	**  Defaults that a service or the connection string override: who
	**  answers over TCP proves who it is, and no password goes to a
	**  server that wants it in the clear or as MD5 (libpq 16).
	*/

	(void) setenv("PGSSLMODE", "verify-full", 1);
	(void) setenv("PGREQUIREAUTH", "!password,!md5", 1);
	deadline = pgsqlmap_wire_now() + limit * 1000L;
	w->pgw_forks = PgsqlmapForks;
	w->pgw_conn = PQconnectStartParams(keys, vals, 1);
	if (w->pgw_conn == NULL)
	{
		pgsqlmap_wire_fail(w, "connect", "out of memory");
		return false;
	}
	(void) PQsetNoticeReceiver(w->pgw_conn, pgsqlmap_wire_notice, NULL);

	/* a context may quote the key */
	(void) PQsetErrorVerbosity(w->pgw_conn, PQERRORS_TERSE);
	if (w->pgw_nhosts == 0)
	{
		pgsqlmap_wire_hosts(w);
		if (w->pgw_nhosts > 1)
			return false;	/* one after the other, please */
	}
	if (!pgsqlmap_wire_passfile(w))
		return false;
	st = PQstatus(w->pgw_conn) == CONNECTION_BAD
		? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
	while (st != PGRES_POLLING_OK && st != PGRES_POLLING_FAILED)
	{
		if (pgsqlmap_wire_wait(w, st == PGRES_POLLING_READING
				       ? POLLIN : POLLOUT, deadline) == 0)
			break;
		st = PQconnectPoll(w->pgw_conn);
	}
	if (st != PGRES_POLLING_OK || PQsetnonblocking(w->pgw_conn, 1) != 0)
	{
		pgsqlmap_wire_fail(w, "connect", st == PGRES_POLLING_FAILED
				   ? PQerrorMessage(w->pgw_conn)
				   : "no answer within the time limit");
		return false;
	}
	if (tTd(38, 2))
		sm_dprintf("pgsqlmap: %s: connected, backend %d\n",
			w->pgw_label, PQbackendPID(w->pgw_conn));
	return true;
}

/*
**  PGSQLMAP_WIRE_TRY -- connect to one of several hosts
**
**	Hosts that failed lately are tried after the others.  Each one has
**	the whole time limit.
**
**	Parameters:
**		w -- the target, not connected.
**		limit -- seconds that one host may take.
**
**	Returns:
**		true -- connected.
**		false -- not; w->pgw_reason tells of the last host.
*/

static bool
pgsqlmap_wire_try(w, limit)
	PGSQLMAP_WIRE *w;
	int limit;
{
	static const char *const preferred[] = { "standby", "any" };
	PGSQLMAP_HOST *h;
	int pass, passes, round, i;
	bool late, *tried;

	/* libpq would need all hosts at once for prefer-standby */
	passes = w->pgw_standby ? 2 : 1;
	tried = (bool *) sm_malloc_x(w->pgw_nhosts * sizeof(*tried));
	for (pass = 0; pass < passes; pass++)
	{
		memset(tried, '\0', w->pgw_nhosts * sizeof(*tried));
		for (round = 0; round < 2; round++)
		for (i = 0; i < w->pgw_nhosts; i++)
		{
			h = &w->pgw_hosts[(w->pgw_first + i) % w->pgw_nhosts];
			late = h->pgh_retry > pgsqlmap_wire_now();
			if (tried[i] || (late && round == 0))
				continue;
			tried[i] = true;
			if (pgsqlmap_wire_dial(w, h, passes == 1 ? NULL
					       : preferred[pass], limit))
			{
				h->pgh_retry = 0;
				sm_free(tried);
				return true;
			}

			/* who tells its version lives, but is not wanted */
			if (w->pgw_conn == NULL ||
			    PQserverVersion(w->pgw_conn) == 0)
				h->pgh_retry = pgsqlmap_wire_now() +
					pgsqlmap_wire_pause(4);
			pgsqlmap_wire_drop(w);
		}
	}
	sm_free(tried);
	return false;
}

/*
**  PGSQLMAP_WIRE_CONNECT -- make sure that this process has a connection
**
**	Parameters:
**		w -- the target.
**		limit -- seconds that one host may take.
**
**	Returns:
**		true -- connected.
**		false -- not; w->pgw_reason says why, and w->pgw_alone if
**			it was not tried.
*/

static bool
pgsqlmap_wire_connect(w, limit)
	PGSQLMAP_WIRE *w;
	int limit;
{
	bool done = false;

	if (w->pgw_conn != NULL && w->pgw_forks != PgsqlmapForks)
		pgsqlmap_wire_drop(w);
	w->pgw_alone = w->pgw_retry != 0 &&
		       w->pgw_retry > pgsqlmap_wire_now();
	if (w->pgw_alone)
	{
		if (tTd(38, 9))
			sm_dprintf("pgsqlmap: %s: not asked again yet\n",
				w->pgw_label);
		return false;
	}
	if (w->pgw_conn != NULL)
		return true;

	if (w->pgw_nhosts <= 1)
	{
		done = pgsqlmap_wire_dial(w, (PGSQLMAP_HOST *) NULL, NULL,
					  limit);
		if (!done)
			pgsqlmap_wire_drop(w);
	}
	if (!done && w->pgw_nhosts > 1)
		done = pgsqlmap_wire_try(w, limit);
	if (done)
	{
		w->pgw_serial++;
		return true;
	}
	pgsqlmap_wire_leave(w);
	return false;
}

/*
**  PGSQLMAP_WIRE_ASK -- send one query and wait for its result
**
**	Parameters:
**		w -- the target, connected.
**		query -- the query.
**		params -- its parameters.
**		named -- the query may be prepared and asked by its name;
**			what has not been prepared yet is prepared and asked
**			in one round trip.
**		limit -- seconds it may take.
**
**	Returns:
**		result of the query; NULL if there was none.
*/

static PGresult *
pgsqlmap_wire_ask(w, query, params, named, limit)
	PGSQLMAP_WIRE *w;
	PGSQLMAP_QUERY *query;
	const char *const *params;
	bool named;
	int limit;
{
	PGconn *conn = w->pgw_conn;
	PGresult *res = NULL;
	PGresult *next;
	long deadline = pgsqlmap_wire_now() + limit * 1000L;
	int sent, flush, ev;
	bool prepare = named && query->pgq_serial != w->pgw_serial;

	if (prepare)
		sent = PQenterPipelineMode(conn) != 0 &&
			PQsendPrepare(conn, query->pgq_name, query->pgq_sql,
				      0, NULL) != 0 &&
			PQsendQueryPrepared(conn, query->pgq_name,
					    query->pgq_nparams, params, NULL,
					    NULL, 0) != 0 &&
			PQpipelineSync(conn) != 0;
	else if (named)
		sent = PQsendQueryPrepared(conn, query->pgq_name,
					   query->pgq_nparams, params, NULL,
					   NULL, 0);
	else
		sent = PQsendQueryParams(conn, query->pgq_sql,
					 query->pgq_nparams, NULL, params,
					 NULL, NULL, 0);
	if (sent == 0)
		goto broken;
	while ((flush = PQflush(conn)) > 0)
	{
		ev = pgsqlmap_wire_wait(w, POLLIN|POLLOUT, deadline);
		if (ev == 0)
			goto late;
		if (bitset(POLLIN, ev) && PQconsumeInput(conn) == 0)
			goto broken;
	}
	if (flush < 0)
		goto broken;
	for (;;)
	{
		while (PQisBusy(conn))
		{
			if (pgsqlmap_wire_wait(w, POLLIN, deadline) == 0)
				goto late;
			if (PQconsumeInput(conn) == 0)
				goto broken;
		}
		next = PQgetResult(conn);
		if (next == NULL)
		{
			if (!prepare)
				return res;
			if (PQstatus(conn) == CONNECTION_BAD)
				goto broken;
			continue;	/* one half of the pipeline */
		}
		switch (PQresultStatus(next))
		{
		  case PGRES_PIPELINE_SYNC:
			PQclear(next);
			(void) PQexitPipelineMode(conn);
			return res;

		  case PGRES_COMMAND_OK:
			if (!prepare || res != NULL)
				break;
			query->pgq_serial = w->pgw_serial;
			PQclear(next);
			continue;

		  case PGRES_PIPELINE_ABORTED:
			PQclear(next);	/* its cause is the result */
			continue;

		  default:
			break;
		}
		PQclear(res);
		res = next;
	}

  late:
	PQclear(res);
	pgsqlmap_wire_fail(w, "query", "no answer within the time limit");

	/* an answer that comes later must not meet the next question */
	pgsqlmap_wire_drop(w);
	return NULL;

  broken:
	PQclear(res);
	pgsqlmap_wire_fail(w, "query", PQerrorMessage(conn));
	return NULL;
}

/*
**  PGSQLMAP_WIRE_LATE -- did a query use up its time?
**
**	Parameters:
**		w -- the target that was asked.
**		res -- the result; NULL if there was none.
**
**	Returns:
**		true iff it met our time limit or one of the server.
*/

static bool
pgsqlmap_wire_late(w, res)
	PGSQLMAP_WIRE *w;
	const PGresult *res;
{
	const char *state;

	if (w->pgw_conn == NULL)
		return true;

	/* statement_timeout and lock_timeout */
	state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	return state != NULL && (strcmp(state, "57014") == 0 ||
				 strcmp(state, "55P03") == 0);
}

/*
**  PGSQLMAP_WIRE_LOST -- was it the connection that failed, or the query?
**
**	Parameters:
**		w -- the target that was asked.
**		res -- the result; NULL if there was none.
**
**	Returns:
**		true iff a new connection may do better.
*/

static bool
pgsqlmap_wire_lost(w, res)
	PGSQLMAP_WIRE *w;
	const PGresult *res;
{
	const char *state;

	if (PQstatus(w->pgw_conn) == CONNECTION_BAD)
		return true;
	if (res == NULL)
		return true;
	state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	/*
	**  08: connection exception.  57P01-57P05: shut down, crashed,
	**  cannot connect now, database dropped, idle session ended.
	*/

	return state != NULL &&
	       (strncmp(state, "08", 2) == 0 ||
		(strncmp(state, "57P0", 4) == 0 &&
		 state[4] >= '1' && state[4] <= '5'));
}

/*
**  PGSQLMAP_WIRE_UNNAMED -- did a query fail only because it has a name?
**
**	A pooler that hands each transaction to another session must know
**	of prepared statements; an old one does not.  And a statement whose
**	table was changed under it must be prepared again.
**
**	Parameters:
**		w -- the target that was asked.
**		res -- the result; NULL if there was none.
**
**	Returns:
**		true iff the query shall be asked again without its name.
**
**	Side Effects:
**		This process asks the target without names from then on.
*/

static bool
pgsqlmap_wire_unnamed(w, res)
	PGSQLMAP_WIRE *w;
	const PGresult *res;
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	/* no such statement, statement exists, its columns changed */
	if (state == NULL || w->pgw_unnamed ||
	    (strcmp(state, "26000") != 0 && strcmp(state, "42P05") != 0 &&
	     strcmp(state, "0A000") != 0))
		return false;
	w->pgw_unnamed = true;
	if (LogLevel > 8)
		sm_syslog(LOG_NOTICE, CurEnv == NULL ? NOQID : CurEnv->e_id,
			  "pgsqlmap: %.100s: sqlstate=%s, going on without prepared statements",
			  w->pgw_label, state);
	return true;
}

/*
**  PGSQLMAP_WIRE_QUERY -- ask a target, connecting if necessary
**
**	A connection that has been lost since it was last used is replaced
**	once; a query is never repeated on a connection made for it.  What
**	has used up its time is not asked again, and the target is left
**	alone, by all maps.
**
**	Parameters:
**		w -- the target.
**		query -- the query.
**		params -- its parameters.
**		named -- prepare it.
**		climit -- seconds that connecting may take.
**		qlimit -- seconds that the query may take.
**
**	Returns:
**		result, whatever it says; NULL if there was none, and
**		w->pgw_reason says why.
*/

static PGresult *
pgsqlmap_wire_query(w, query, params, named, climit, qlimit)
	PGSQLMAP_WIRE *w;
	PGSQLMAP_QUERY *query;
	const char *const *params;
	bool named;
	int climit;
	int qlimit;
{
	PGresult *res;
	bool fresh;

	for (;;)
	{
		fresh = w->pgw_conn == NULL || w->pgw_forks != PgsqlmapForks;
		if (!pgsqlmap_wire_connect(w, climit))
			return NULL;
		if (w->pgw_unnamed)
			named = false;
		res = pgsqlmap_wire_ask(w, query, params, named, qlimit);
		if (pgsqlmap_wire_late(w, res))
		{
			pgsqlmap_wire_leave(w);
			return res;
		}
		if (!pgsqlmap_wire_lost(w, res))
		{
			w->pgw_failures = 0;
			w->pgw_retry = 0;
			if (!named || !pgsqlmap_wire_unnamed(w, res))
				return res;
			PQclear(res);
			continue;
		}
		if (tTd(38, 2))
			sm_dprintf("pgsqlmap: %s: connection lost\n",
				w->pgw_label);
		pgsqlmap_wire_drop(w);
		if (fresh)
			return res;
		PQclear(res);
	}
}

/* ------------------------------------------------------------------ memo */

/*
**  PGSQLMAP_MEMO_HOLDS -- is this one of the phrases of a text?
**
**	A phrase begins with the text or behind one of .:@[ and ends with
**	it or before one of .:@] or behind a [
**
**	Parameters:
**		text -- the text.
**		phrase -- the phrase, not empty.
**
**	Returns:
**		true iff it is.
*/

static bool
pgsqlmap_memo_holds(text, phrase)
	const char *text;
	const char *phrase;
{
	const char *p, *end;
	size_t len = strlen(phrase);

	for (p = text; (p = strstr(p, phrase)) != NULL; p++)
	{
		end = p + len;
		if ((p == text || strchr(".:@[", p[-1]) != NULL) &&
		    (*end == '\0' || strchr(".:@]", *end) != NULL ||
		     end[-1] == '['))
			return true;
	}
	return false;
}

/*
**  PGSQLMAP_MEMO_FIND -- what the server has answered a moment ago
**
**	Parameters:
**		map -- the map.
**		key -- its parameters, a NUL after each.
**		len -- length of all that.
**
**	Returns:
**		the answer; NULL if the server must be asked.
*/

static PGSQLMAP_MEMO *
pgsqlmap_memo_find(map, key, len)
	MAP *map;
	const char *key;
	size_t len;
{
	PGSQLMAP_MEMO *m, *phrases = NULL;

	if (PgsqlmapMemo == NULL)
		return NULL;
	if (pgsqlmap_wire_now() - PgsqlmapMemoSince > PGSQLMAP_MEMO_AGE)
	{
		pgsqlmap_forget();
		return NULL;
	}
	for (m = PgsqlmapMemo; m != NULL; m = m->pgm_next)
	{
		if (m->pgm_map != map)
			continue;
		if (m->pgm_phrases)
		{
			/* a member among them has its own entry */
			if (phrases == NULL &&
			    pgsqlmap_memo_holds(m->pgm_key, key))
				phrases = m;
		}
		else if (m->pgm_len == len && memcmp(m->pgm_key, key, len) == 0)
			return m;
	}
	return phrases;
}

/*
**  PGSQLMAP_MEMO_ADD -- remember an answer of the server
**
**	Parameters:
**		map -- the map.
**		key -- its parameters, a NUL after each.
**		len -- length of all that.
**		value -- the answer; NULL: no such key.
**
**	Returns:
**		the new entry.
*/

static PGSQLMAP_MEMO *
pgsqlmap_memo_add(map, key, len, value)
	MAP *map;
	const char *key;
	size_t len;
	const char *value;
{
	PGSQLMAP_MEMO *m;
	size_t size = value == NULL ? 0 : strlen(value) + 1;

	if (PgsqlmapMemos >= PGSQLMAP_MEMO_MOST)
		pgsqlmap_forget();
	if (PgsqlmapMemo == NULL)
		PgsqlmapMemoSince = pgsqlmap_wire_now();
	m = (PGSQLMAP_MEMO *) sm_malloc_x(sizeof(*m) + len + size);
	m->pgm_map = map;
	m->pgm_phrases = false;
	m->pgm_len = len;
	memcpy(m->pgm_key, key, len);
	m->pgm_value = NULL;
	if (value != NULL)
	{
		m->pgm_value = m->pgm_key + len;
		memcpy(m->pgm_value, value, size);
	}
	m->pgm_next = PgsqlmapMemo;
	PgsqlmapMemo = m;
	PgsqlmapMemos++;
	return m;
}

/*
**  PGSQLMAP_FORGET -- nothing that was asked until now counts any more
**
**	sendmail calls this where a row that was committed meanwhile must
**	count: at the begin of a job of the queue and of a line of address
**	test mode, and by the two functions below.
**
**	Parameters:
**		none.
**
**	Returns:
**		none.
*/

void
pgsqlmap_forget()
{
	PGSQLMAP_MEMO *m;

	while ((m = PgsqlmapMemo) != NULL)
	{
		PgsqlmapMemo = m->pgm_next;
		sm_free(m);
	}
	PgsqlmapMemos = 0;
	PgsqlmapToldAll = false;
	SM_FREE(PgsqlmapUnderWay);
}

/*
**  PGSQLMAP_UNDER_WAY -- an address that will be asked about
**
**	It is told with the next question, so that the answer can have all
**	that sendmail will ask about it.  It is only a hint: what does not
**	look like an address is left out.
**
**	Parameters:
**		kind -- "From" or "To" for a command of SMTP, "sender" or
**			"recipient" for a delivery.
**		address -- the address, and something behind it, if it is
**			in angle brackets.
**
**	Returns:
**		none.
*/

void
pgsqlmap_under_way(kind, address)
	const char *kind;
	const char *address;
{
	const char *p;
	char *all;
	size_t len, used, size;

	if (PgsqlmapToldAll)
		return;
	if (*address == '<')
		address++;
	for (p = address; *p > ' ' && *p != '>' && *p != '"'; p++)
	{
		/* a route before the address (RFC 5321, appendix C) */
		if (*p == ':' && *address == '@')
			address = p + 1;
	}
	len = p - address;
	used = PgsqlmapUnderWay == NULL ? 0 : strlen(PgsqlmapUnderWay);
	size = used + strlen(kind) + len + 3;
	if (len == 0 || len > PGSQLMAP_ADDRESS || size > PGSQLMAP_UNDERWAY ||
	    (*p != '\0' && *p != '>'))
		return;
	all = sm_malloc_x(size);
	(void) sm_snprintf(all, size, "%s%s%s:%.*s",
			   used == 0 ? "" : PgsqlmapUnderWay,
			   used == 0 ? "" : "\n", kind, (int) len, address);
	SM_FREE(PgsqlmapUnderWay);
	PgsqlmapUnderWay = all;
}

/*
**  PGSQLMAP_COMMAND -- a command of SMTP begins
**
**	Parameters:
**		line -- the command as the client has sent it.
**
**	Returns:
**		none.
*/

void
pgsqlmap_command(line)
	const char *line;
{
	const char *p = strchr(line, '<');

	pgsqlmap_forget();
	if (p == NULL)
		return;
	if (sm_strncasecmp(line, "mail", 4) == 0)
		pgsqlmap_under_way("From", p);
	else if (sm_strncasecmp(line, "rcpt", 4) == 0)
		pgsqlmap_under_way("To", p);
}

/*
**  PGSQLMAP_DELIVERY -- a process will be forked to deliver messages
**
**	What it will ask is asked here, where there is a connection already,
**	so that the new process needs none of its own if that was all.  The
**	answers are part of the delivery that begins now.
**
**	Parameters:
**		e -- the messages, a list of siblings.
**
**	Returns:
**		none.
*/

void
pgsqlmap_delivery(e)
	ENVELOPE *e;
{
	PGSQLMAP_SPEC *spec;
	ADDRESS *a;
	char *value;

	pgsqlmap_forget();
	for (; e != NULL; e = e->e_sibling)
	{
		if (e->e_from.q_paddr != NULL)
			pgsqlmap_under_way("sender", e->e_from.q_paddr);
		for (a = e->e_sendqueue; a != NULL; a = a->q_next)
		{
			if (!QS_IS_DEAD(a->q_state) && a->q_alias == NULL)
				pgsqlmap_under_way("recipient", a->q_paddr);
		}
	}
	for (spec = PgsqlmapSpecs; spec != NULL; spec = spec->pgs_next)
	{
		if (spec->pgs_ahead != NULL &&
		    spec->pgs_wire->pgw_conn != NULL &&
		    spec->pgs_wire->pgw_forks == PgsqlmapForks)
			break;
	}
	if (spec == NULL || PgsqlmapUnderWay == NULL)
		return;
	PgsqlmapToldAll = pgsqlmap_askahead(spec->pgs_map, spec, "", &value) !=
			  EX_TEMPFAIL;
	SM_FREE(value);
}

/*
**  PGSQLMAP_IDLE -- wait for the next command of an SMTP client
**
**	A client that says nothing for a while shall not occupy a session of
**	the server, of which there are few.
**
**	Parameters:
**		fp -- where the command will come from.
**
**	Returns:
**		none; the command may have come or not.
*/

void
pgsqlmap_idle(fp)
	SM_FILE_T *fp;
{
	PGSQLMAP_WIRE *w;
	struct pollfd pfd;
	long began = pgsqlmap_wire_now();
	long left;
	int next, r;

	pfd.fd = sm_io_getinfo(fp, SM_IO_WHAT_FD, NULL);
	pfd.events = POLLIN;
	if (pfd.fd < 0)
		return;
	for (;;)
	{
		next = 0;
		for (w = PgsqlmapWires; w != NULL; w = w->pgw_next)
		{
			if (w->pgw_conn == NULL || w->pgw_idle == 0 ||
			    w->pgw_forks != PgsqlmapForks)
				continue;
			if (next == 0 || w->pgw_idle < next)
				next = w->pgw_idle;
		}

		/* nothing to close, or something to read already */
		if (next == 0 || sm_io_getinfo(fp, SM_IO_IS_READABLE, NULL) > 0)
			return;

		/* what the client waits for waits for the next read */
		(void) sm_io_flush(OutChannel, SM_TIME_DEFAULT);
		left = began + next * 1000L - pgsqlmap_wire_now();
		r = left <= 0 ? 0 : poll(&pfd, 1, (int) left);
		if (r != 0)
			return;
		for (w = PgsqlmapWires; w != NULL; w = w->pgw_next)
		{
			if (w->pgw_conn != NULL && w->pgw_idle == next &&
			    w->pgw_forks == PgsqlmapForks)
			{
				if (tTd(38, 2))
					sm_dprintf("pgsqlmap: %s: closed after %d idle seconds\n",
						w->pgw_label, next);
				pgsqlmap_wire_drop(w);
			}
		}
	}
}

/*
**  PGSQLMAP_FINISH -- say goodbye to the servers
**
**	sendmail calls this where a process ends, but not in the handler of
**	a signal, which may have interrupted libpq.
**
**	Parameters:
**		none.
**
**	Returns:
**		none.
*/

void
pgsqlmap_finish()
{
	PGSQLMAP_WIRE *w;

	for (w = PgsqlmapWires; w != NULL; w = w->pgw_next)
	{
		if (w->pgw_forks == PgsqlmapForks)
			pgsqlmap_wire_drop(w);
	}
}

/* -------------------------------------------------------------- counters */

/*
**  PGSQLMAP_STAT_OPEN -- find the counters of a map
**
**	The file must exist, as that of StatusFile; it is given its length
**	here.  Counting never gets in the way of mail: without the file
**	nothing is counted.
**
**	Parameters:
**		spec -- the map; its pgs_stat is set.
**		name -- its name.
**
**	Returns:
**		none.
*/

static void
pgsqlmap_stat_open(spec, name)
	PGSQLMAP_SPEC *spec;
	const char *name;
{
	static PGSQLMAP_STAT *stats = NULL;
	size_t size = PGSQLMAP_STATS * sizeof(*stats);
	unsigned long long hash, found;
	unsigned int a, b;
	struct stat st;
	int fd, i;

	if (stats == NULL)
	{
		fd = open(spec->pgs_stats, O_RDWR|O_CLOEXEC|O_NOFOLLOW, 0);
		if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
		    (st.st_size < (off_t) size && ftruncate(fd, size) < 0))
		{
			if (tTd(38, 2))
				sm_dprintf("pgsqlmap: %s: cannot count there: %s\n",
					spec->pgs_stats, sm_errstring(errno));
		}
		else
		{
			stats = (PGSQLMAP_STAT *) mmap(NULL, size,
						PROT_READ|PROT_WRITE,
						MAP_SHARED, fd, 0);
			if (stats == (PGSQLMAP_STAT *) MAP_FAILED)
				stats = NULL;
		}
		if (fd >= 0)
			(void) close(fd);
	}
	spec->pgs_stats = NULL;		/* once is enough */
	if (stats == NULL)
		return;
	pgsqlmap_hash(name, &a, &b);
	hash = ((unsigned long long) a << 32 | b) | 1;
	for (i = 0; i < PGSQLMAP_STATS; i++)
	{
		found = 0;
		if (__atomic_compare_exchange_n(&stats[i].pgt_hash, &found,
						hash, 0, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			(void) sm_strlcpy(stats[i].pgt_name, name,
					  sizeof(stats[i].pgt_name));
		else if (found != hash)
			continue;
		spec->pgs_stat = &stats[i];
		return;
	}
}

/*
**  PGSQLMAP_STAT_ADD -- count one lookup
**
**	Parameters:
**		spec -- the map.
**		status -- what came out.
**		asked -- the server was asked.
**		connects -- connections made.
**		usec -- microseconds that it took.
**
**	Returns:
**		none.
*/

static void
pgsqlmap_stat_add(spec, status, asked, connects, usec)
	const PGSQLMAP_SPEC *spec;
	int status;
	bool asked;
	unsigned int connects;
	long usec;
{
	unsigned long long add[PGSQLMAP_COUNTS];
	int i;

	memset(add, '\0', sizeof(add));
	add[PGSQLMAP_LOOKUPS] = 1;
	add[PGSQLMAP_ASKED] = asked;
	add[PGSQLMAP_FOUND] = status == EX_OK;
	add[PGSQLMAP_MISSING] = status == EX_NOTFOUND;
	add[PGSQLMAP_FAILED] = status == EX_TEMPFAIL;
	add[PGSQLMAP_CONNECTS] = connects;
	add[PGSQLMAP_USEC] = (unsigned long long) usec;
	for (i = 0; i < PGSQLMAP_COUNTS; i++)
	{
		if (add[i] > 0)
			(void) __atomic_fetch_add(&spec->pgs_stat->pgt_counts[i],
						  add[i], __ATOMIC_RELAXED);
	}
}

/* ------------------------------------------------------------------- map */

/*
**  PGSQLMAP_HASH -- 64 bits for a handful of texts
**
**	Parameters:
**		text -- the text.
**		ap -- set to one half, FNV-1a.
**		bp -- set to the other half, Bernstein's.
**
**	Returns:
**		none.
*/

static void
pgsqlmap_hash(text, ap, bp)
	const char *text;
	unsigned int *ap;
	unsigned int *bp;
{
	const unsigned char *p;

	*ap = 2166136261U;
	*bp = 5381U;
	for (p = (const unsigned char *) text; *p != '\0'; p++)
	{
		*ap = ((*ap ^ *p) * 16777619U) & 0xffffffffU;
		*bp = (*bp * 33U + *p) & 0xffffffffU;
	}
}

/*
**  PGSQLMAP_UTF8 -- is this a string that PostgreSQL can have stored?
**
**	Everything else is not in any table, and asking for it would be an
**	error of the server; a stranger must not be able to cause that.
**	(utf8_valid() of libsm takes any ASCII byte as a continuation.)
**
**	Parameters:
**		s -- the string.
**
**	Returns:
**		true iff s is valid UTF-8 (RFC 3629).
*/

static bool
pgsqlmap_utf8(s)
	const char *s;
{
	const unsigned char *p = (const unsigned char *) s;
	int more;

	while (*p != '\0')
	{
		if (*p < 0x80)
		{
			p++;
			continue;
		}
		if (*p >= 0xC2 && *p <= 0xDF)
			more = 1;
		else if (*p >= 0xE0 && *p <= 0xEF)
			more = 2;
		else if (*p >= 0xF0 && *p <= 0xF4)
			more = 3;
		else
			return false;

		/* overlong forms, surrogates, beyond U+10FFFF */
		if ((*p == 0xE0 && p[1] < 0xA0) ||
		    (*p == 0xED && p[1] > 0x9F) ||
		    (*p == 0xF0 && p[1] < 0x90) ||
		    (*p == 0xF4 && p[1] > 0x8F))
			return false;
		for (p++; more > 0; more--, p++)
		{
			if ((*p & 0xC0) != 0x80)
				return false;
		}
	}
	return true;
}

/*
**  PGSQLMAP_QUOTE -- append a list of identifiers, quoted for SQL
**
**	Parameters:
**		q -- where to write.
**		end -- end of the space there.
**		names -- identifiers separated by sep.
**		sep -- separator; it is kept.
**
**	Returns:
**		new end of what is written, NUL terminated;
**		NULL if it does not fit or a name is empty.
*/

static char *
pgsqlmap_quote(q, end, names, sep)
	char *q;
	char *end;
	const char *names;
	int sep;
{
	const char *p = names;
	const char *start;

	for (;;)
	{
		if (end - q < 4)
			return NULL;
		*q++ = '"';
		for (start = p; *p != '\0' && *p != sep; *q++ = *p++)
		{
			if (end - q < 5)
				return NULL;
			if (*p == '"')
				*q++ = '"';
		}
		if (p == start)
			return NULL;
		*q++ = '"';
		*q = '\0';
		if (*p == '\0')
			return q;
		*q++ = *p++;
	}
}

/*
**  PGSQLMAP_WORD -- take the argument of a flag
**
**	It may stand right behind the letter or after blanks, and in double
**	quotes if there are blanks in it.
**
**	Parameters:
**		pp -- points to the text behind the letter; moved on.
**
**	Returns:
**		the argument, NUL terminated in place;
**		NULL if there is none or a quote is not closed.
*/

static char *
pgsqlmap_word(pp)
	char **pp;
{
	char *p = *pp;
	char *word;

	while (SM_ISSPACE(*p))
		p++;
	if (*p == '"')
	{
		word = ++p;
		while (*p != '"' && *p != '\0')
			p++;
		if (*p == '\0')
			return NULL;
	}
	else
	{
		word = p;
		while (*p != '\0' && !(SM_ISSPACE(*p)))
			p++;
	}
	if (p == word)
		return NULL;
	if (*p != '\0')
		*p++ = '\0';
	*pp = p;
	return word;
}

/*
**  PGSQLMAP_NUMBER -- read the number behind a flag
**
**	Parameters:
**		map -- the map, for the complaint.
**		flag -- the letter.
**		word -- the text; NULL is refused too.
**		least -- the smallest number allowed.
**		np -- set to the number.
**
**	Returns:
**		true iff it is a number from least to 86400.
*/

static bool
pgsqlmap_number(map, flag, word, least, np)
	MAP *map;
	int flag;
	const char *word;
	int least;
	int *np;
{
	char *end = NULL;
	long n = word == NULL ? -1 : strtol(word, &end, 10);

	if (n < least || n > 86400 || *end != '\0')
	{
		syserr("pgsql map \"%s\": -%c needs a number from %d to 86400",
			map->map_mname, flag, least);
		return false;
	}
	*np = (int) n;
	return true;
}

/*
**  PGSQLMAP_COUNT -- how many columns does a list name?
**
**	Parameters:
**		names -- names separated by commas; NULL: one, unnamed.
**
**	Returns:
**		their number.
*/

static int
pgsqlmap_count(names)
	const char *names;
{
	int n = 1;

	for (; names != NULL && *names != '\0'; names++)
	{
		if (*names == ',')
			n++;
	}
	return n;
}

/*
**  PGSQLMAP_QUERY -- find or make a query of a target
**
**	The name under which it may be prepared follows from the text, so
**	that processes which share a session through a pooler can never mean
**	different queries by one name.
**
**	Parameters:
**		w -- the target.
**		sql -- text of the query.
**		nparams -- how many parameters stand in it.
**
**	Returns:
**		the query.
*/

static PGSQLMAP_QUERY *
pgsqlmap_query(w, sql, nparams)
	PGSQLMAP_WIRE *w;
	const char *sql;
	int nparams;
{
	PGSQLMAP_QUERY *query;
	unsigned int a, b;

	for (query = w->pgw_queries; query != NULL; query = query->pgq_next)
	{
		if (strcmp(query->pgq_sql, sql) == 0)
			return query;
	}
	query = (PGSQLMAP_QUERY *) sm_malloc_x(sizeof(*query));
	pgsqlmap_hash(sql, &a, &b);
	query->pgq_sql = newstr(sql);
	query->pgq_nparams = nparams;
	query->pgq_serial = 0;
	(void) sm_snprintf(query->pgq_name, sizeof(query->pgq_name),
			   "pgsqlmap_%08x%08x", a, b);
	query->pgq_next = w->pgw_queries;
	w->pgw_queries = query;
	return query;
}

/*
**  PGSQLMAP_SQL -- make the queries of a map from its names
**
**	Parameters:
**		map -- the map, for the complaint.
**		spec -- its flags and target; pgs_ask and pgs_askahead are
**			set.
**		nparams -- how many parameters a function is given.
**
**	Returns:
**		true -- there is a query.
**		false -- the names do not make one; this was said.
*/

static bool
pgsqlmap_sql(map, spec, nparams)
	MAP *map;
	PGSQLMAP_SPEC *spec;
	int nparams;
{
	char buf[MAXLINE];
	char *end = buf + sizeof(buf) - 64;
	char *q;
	const char *p;
	char name[MAXLINE];
	size_t len;
	int i;

	q = buf + sm_strlcpy(buf, "SELECT ", sizeof(buf));
	if (spec->pgs_valcols == NULL)
		*q++ = '*';
	else
		q = pgsqlmap_quote(q, end, spec->pgs_valcols, ',');
	if (q != NULL)
	{
		q += sm_strlcpy(q, " FROM ", 7);
		q = pgsqlmap_quote(q, end, spec->pgs_function != NULL
				   ? spec->pgs_function : spec->pgs_relation,
				   '.');
	}
	if (q != NULL && spec->pgs_function != NULL)
	{
		for (i = 1; i <= nparams; i++)
		{
			*q++ = i == 1 ? '(' : ',';
			q += sm_snprintf(q, 4, "$%d", i);
		}
		(void) sm_strlcpy(q, ")", 2);
	}
	else if (q != NULL)
	{
		p = spec->pgs_keycols;
		for (i = 1; q != NULL && i <= nparams; i++)
		{
			if (end - q < 8)
				q = NULL;
			else
			{
				q += sm_strlcpy(q, i == 1 ? " WHERE " : " AND ",
						8);
				len = SM_MIN(strcspn(p, ","),
					     sizeof(name) - 1);
				memcpy(name, p, len);
				name[len] = '\0';
				p += len;
				if (*p == ',')
					p++;
				q = pgsqlmap_quote(q, end, name, '\0');
			}
			if (q != NULL)
				q += sm_snprintf(q, 8, " = $%d", i);
		}
	}
	if (q == NULL)
	{
		syserr("pgsql map \"%s\": a name is empty, or names are too long",
			map->map_mname);
		return false;
	}
	spec->pgs_ask = pgsqlmap_query(spec->pgs_wire, buf, nparams);

	if (spec->pgs_ahead == NULL)
		return true;
	q = buf + sm_strlcpy(buf, "SELECT * FROM ", sizeof(buf));
	q = pgsqlmap_quote(q, end, spec->pgs_ahead, '.');
	if (q == NULL)
	{
		syserr("pgsql map \"%s\": the name behind -p is empty or too long",
			map->map_mname);
		return false;
	}
	(void) sm_strlcpy(q, "($1,$2,$3,$4,$5)", 17);
	spec->pgs_askahead = pgsqlmap_query(spec->pgs_wire, buf, 5);
	return true;
}

/*
**  PGSQLMAP_FLAGS -- read the flags of a map or of PgsqlDefaultSpec
**
**	Parameters:
**		map -- the map being made.
**		spec -- what its flags say; has the defaults.
**		args -- the flags.
**
**	Returns:
**		true -- all understood.
**		false -- not; the reason was said.
*/

static bool
pgsqlmap_flags(map, spec, args)
	MAP *map;
	PGSQLMAP_SPEC *spec;
	char *args;
{
	char *p, *word, **name;
	int flag, *number;

	p = newstr(args);	/* the specification points into it */
	for (;;)
	{
		while (SM_ISSPACE(*p))
			p++;
		if (*p == '\0')
			return true;
		if (*p != '-' || p[1] == '\0')
		{
			/* if -H lacks its quotes, a password may follow a '=' */
			syserr("pgsql map \"%s\": cannot understand \"%.*s\", expected a flag",
				map->map_mname,
				(int) SM_MIN(strcspn(p, "="), 100), p);
			return false;
		}
		flag = *++p;
		p++;
		name = NULL;
		number = NULL;
		switch (flag)
		{
			/* flags that all classes know */
		  case 'D':
			map->map_mflags |= MF_DEFER;
			continue;

		  case 'f':
			map->map_mflags |= MF_NOFOLDCASE;
			continue;

		  case 'm':
			map->map_mflags |= MF_MATCHONLY;
			continue;

		  case 'O':
			continue;	/* keys never end in a NUL byte here */

		  case 'o':
			map->map_mflags |= MF_OPTIONAL;
			continue;

		  case 'q':
			map->map_mflags |= MF_KEEPQUOTES;
			continue;

		  case '1':
			map->map_mflags |= MF_SINGLEMATCH;
			continue;

		  case 'a':
		  case 'T':
			/* behind a blank comes the next flag, as in all classes */
			word = SM_ISSPACE(*p) ? NULL : pgsqlmap_word(&p);
			if (word == NULL)
				word = "";
			if (flag == 'a')
				map->map_app = word;
			else
				map->map_tapp = word;
			continue;

		  case 'S':
		  case 'V':
		  case 'z':
			if (*p == '\\' && p[1] == 't')
			{
				p++;
				*p = '\t';
			}
			else if (*p == '\\' && p[1] == 'n')
			{
				p++;
				*p = '\n';
			}
			if (*p == '\0')
				break;
			if (flag == 'S')
				map->map_spacesub = *p++;
			else if (flag == 'V')
				spec->pgs_colsep = *p++;
			else
				map->map_coldelim = *p++;
			continue;

			/* flags of this class */
		  case 'e':
			spec->pgs_named = true;
			continue;

		  case 'K':
			spec->pgs_args = true;
			continue;

		  case 'n':
			spec->pgs_forget = true;
			continue;

		  case 'b':
			name = &spec->pgs_relation;
			break;

		  case 'F':
			name = &spec->pgs_function;
			break;

		  case 'H':
			name = &spec->pgs_conninfo;
			break;

		  case 'k':
			name = &spec->pgs_keycols;
			break;

		  case 'p':
			name = &spec->pgs_ahead;
			break;

		  case 's':
			name = &spec->pgs_stats;
			break;

		  case 'v':
			name = &spec->pgs_valcols;
			break;

		  case 'c':
			number = &spec->pgs_connect;
			break;

		  case 'i':
			number = &spec->pgs_idle;
			break;

		  case 'l':
			number = &spec->pgs_limit;
			break;

		  case 'Z':
			number = &spec->pgs_maxrows;
			break;

			/* flags of other classes that would harm or mislead */
		  case 'A':
			syserr("pgsql map \"%s\": -A is refused, sendmail does not write this map; several rows are joined by -z",
				map->map_mname);
			return false;

		  case 'N':
			syserr("pgsql map \"%s\": -N is refused, PostgreSQL cannot store a key that ends in a NUL byte",
				map->map_mname);
			return false;

		  case 't':
			syserr("pgsql map \"%s\": -t is refused, it would bounce mail whenever the database is away",
				map->map_mname);
			return false;

		  default:
			syserr("pgsql map \"%s\": unknown flag -%c",
				map->map_mname, flag);
			return false;
		}

		if (number != NULL)
		{
			word = pgsqlmap_word(&p);
			if (!pgsqlmap_number(map, flag, word, flag != 'i',
					     number))
				return false;
			continue;
		}
		if (name != NULL && (*name = pgsqlmap_word(&p)) != NULL)
			continue;
		syserr("pgsql map \"%s\": -%c needs an argument, or its quote is not closed",
			map->map_mname, flag);
		return false;
	}
}

/*
**  PGSQLMAP_DEFAULTS -- what a map has that sets no flag
**
**	Parameters:
**		none.
**
**	Returns:
**		the defaults; PgsqlDefaultSpec changes them.
*/

static PGSQLMAP_SPEC *
pgsqlmap_defaults()
{
	static PGSQLMAP_SPEC spec;

	if (spec.pgs_connect == 0)
	{
		spec.pgs_colsep = ' ';
		spec.pgs_connect = PGSQLMAP_CONNECT_LIMIT;
		spec.pgs_limit = PGSQLMAP_QUERY_LIMIT;
		spec.pgs_idle = PGSQLMAP_IDLE_LIMIT;
	}
	return &spec;
}

/*
**  PGSQLMAP_SET_DEFAULTS -- read the option PgsqlDefaultSpec
**
**	Parameters:
**		args -- flags that all maps after it inherit; those that say
**			what is asked, and how a value is used, belong to
**			the map itself.
**
**	Returns:
**		none.
*/

void
pgsqlmap_set_defaults(args)
	char *args;
{
	PGSQLMAP_SPEC spec;
	MAP map;

	memset(&map, '\0', sizeof(map));
	map.map_mname = "O PgsqlDefaultSpec";
	spec = *pgsqlmap_defaults();
	if (!pgsqlmap_flags(&map, &spec, args))
		return;
	if (map.map_mflags != 0 || map.map_app != NULL ||
	    map.map_tapp != NULL || map.map_spacesub != '\0' ||
	    map.map_coldelim != '\0' || spec.pgs_function != NULL ||
	    spec.pgs_relation != NULL || spec.pgs_keycols != NULL ||
	    spec.pgs_valcols != NULL || spec.pgs_args || spec.pgs_forget)
	{
		syserr("pgsql map \"%s\": only -H, -c, -e, -i, -l, -p, -s, -V and -Z can be set for all maps",
			map.map_mname);
		return;
	}
	*pgsqlmap_defaults() = spec;
}

/*
**  PGSQLMAP_PARSEARGS -- parse the flags of a pgsql map
**
**	Parameters:
**		map -- the map being made.
**		args -- the text behind the class name.
**
**	Returns:
**		true -- the map can be used.
**		false -- it cannot; the reason was said.
**
**	Side Effects:
**		map->map_db1 points to the parsed specification.
*/

bool
pgsqlmap_parseargs(map, args)
	MAP *map;
	char *args;
{
	PGSQLMAP_SPEC *spec;
	PGSQLMAP_WIRE *w;
	char *target, *label, *err;

	spec = (PGSQLMAP_SPEC *) sm_malloc_x(sizeof(*spec));
	*spec = *pgsqlmap_defaults();
	spec->pgs_map = map;

	map->map_spacesub = SpaceSub;	/* default value */
	if (bitset(MF_ALIAS, map->map_mflags))
		map->map_coldelim = ',';
	else if (bitset(MF_FILECLASS, map->map_mflags))
		map->map_coldelim = ' ';
	if (!pgsqlmap_flags(map, spec, args))
		return false;
	if (bitset(MF_ALIAS, map->map_mflags) && spec->pgs_relation == NULL &&
	    spec->pgs_function == NULL)
	{
		/* ALIAS_FILE by one word; the function folds the key itself */
		spec->pgs_function = PGSQLMAP_ALIASES;
		map->map_mflags |= MF_NOFOLDCASE;
	}

	if (bitset(MF_DYNCLASS, map->map_mflags) && spec->pgs_args)
	{
		syserr("pgsql map \"%s\": -K is refused, a class has no arguments",
			map->map_mname);
		return false;
	}

	/* what one process asks once cannot be followed by anything */
	if (bitset(MF_FILECLASS, map->map_mflags) ||
	    spec->pgs_relation != NULL || spec->pgs_args || spec->pgs_forget)
		spec->pgs_ahead = NULL;

	if (spec->pgs_conninfo == NULL)
	{
		syserr("pgsql map \"%s\": connection string is missing: -H here or in PgsqlDefaultSpec, for example -H \"service=sendmail\"",
			map->map_mname);
		return false;
	}
	if ((spec->pgs_function == NULL) == (spec->pgs_relation == NULL))
	{
		syserr("pgsql map \"%s\": needs either -F function or -b relation",
			map->map_mname);
		return false;
	}
	if (spec->pgs_relation != NULL &&
	    (spec->pgs_keycols == NULL || spec->pgs_valcols == NULL))
	{
		syserr("pgsql map \"%s\": -b relation needs -k key column and -v value column",
			map->map_mname);
		return false;
	}
	if (spec->pgs_function != NULL && spec->pgs_keycols != NULL)
	{
		syserr("pgsql map \"%s\": -k goes with -b, a function takes the key as its argument",
			map->map_mname);
		return false;
	}
	spec->pgs_ncols = pgsqlmap_count(spec->pgs_valcols);
	if (spec->pgs_ncols > PGSQLMAP_MAXCOLS)
	{
		syserr("pgsql map \"%s\": -v names more than %d columns",
			map->map_mname, PGSQLMAP_MAXCOLS);
		return false;
	}
	if (pgsqlmap_count(spec->pgs_keycols) > (spec->pgs_args
						 ? PGSQLMAP_MAXPARAMS : 1))
	{
		syserr("pgsql map \"%s\": -k names too many columns, or -K is missing",
			map->map_mname);
		return false;
	}
	if (spec->pgs_ncols > 1)
		spec->pgs_ahead = NULL;	/* it returns one column */
	target = pgsqlmap_wire_normal(spec->pgs_conninfo, &label, &err);
	if (target == NULL)
	{
		/* not the string itself: it may hold a password */
		syserr("pgsql map \"%s\": -H connection string refused: %.200s",
			map->map_mname, err);
		return false;
	}
	w = spec->pgs_wire = pgsqlmap_wire_find(target, label);
	if (!pgsqlmap_sql(map, spec, pgsqlmap_count(spec->pgs_keycols)))
		return false;
	if (spec->pgs_idle > 0 &&
	    (w->pgw_idle == 0 || spec->pgs_idle < w->pgw_idle))
		w->pgw_idle = spec->pgs_idle;
	map->map_file = w->pgw_label;
	map->map_db1 = (ARBPTR_T) spec;
	if (!bitset(MF_FILECLASS, map->map_mflags))
	{
		/* the map of a class is gone when the class is loaded */
		spec->pgs_next = PgsqlmapSpecs;
		PgsqlmapSpecs = spec;
	}
	if (tTd(38, 3))
		sm_dprintf("pgsqlmap_parseargs(%s): %s at %s\n",
			map->map_mname, spec->pgs_ask->pgq_sql, map->map_file);
	return true;
}

/*
**  PGSQLMAP_OPEN -- open a pgsql map
**
**	Does not connect: sendmail gives a map up for the life of the
**	process if opening fails, and a daemon that looks nothing up needs
**	no connection.  pgsqlmap_lookup() connects.
**
**	Parameters:
**		map -- the map.
**		mode -- as for open().
**
**	Returns:
**		true, unless asked to write.
*/

bool
pgsqlmap_open(map, mode)
	MAP *map;
	int mode;
{
	if (tTd(38, 2))
		sm_dprintf("pgsqlmap_open(%s, %d)\n", map->map_mname, mode);
	if ((mode & O_ACCMODE) != O_RDONLY)
	{
		errno = ENOSYS;	/* SM_EMAPCANTWRITE of map.c */
		return false;
	}
	return true;
}

/*
**  PGSQLMAP_CLOSE -- close a pgsql map
**
**	Keeps the connection.  sendmail closes all maps before it forks to
**	deliver, and opens them again for the next message of the session;
**	a connection costs as much as two hundred lookups.  Nothing needs a
**	close: a child drops what it inherited, and a process that ends
**	calls pgsqlmap_finish().  Doing nothing is also the only thing that
**	is safe in a signal handler, where finis() may call this.
**
**	Parameters:
**		map -- the map.
**
**	Returns:
**		none.
*/

void
pgsqlmap_close(map)
	MAP *map;
{
	if (tTd(38, 20))
		sm_dprintf("pgsqlmap_close(%s), pid=%ld\n", map->map_mname,
			(long) CurrentPid);
}

/*
**  PGSQLMAP_STATUS -- what does a number of rows mean?
**
**	Parameters:
**		spec -- what was asked.
**		rows -- rows that the server returned.
**		flags -- flags of the map.
**
**	Returns:
**		EX_OK -- the map may use them.
**		EX_NOTFOUND -- there is no such key.
**		EX_TEMPFAIL -- more than -Z allows; never a cut list.
*/

static int
pgsqlmap_status(spec, rows, flags)
	const PGSQLMAP_SPEC *spec;
	int rows;
	long flags;
{
	if (spec->pgs_maxrows > 0 && rows > spec->pgs_maxrows)
		return EX_TEMPFAIL;
	if (rows == 0 || (rows > 1 && bitset(MF_SINGLEMATCH, flags)))
		return EX_NOTFOUND;
	return EX_OK;
}

/*
**  PGSQLMAP_COMPLAIN -- log a lookup that got no answer
**
**	By syslog only: syserr() would put its text before an SMTP client,
**	and for an alias it leaves the address in the queue unexpanded.  The
**	key is not logged, strangers choose it.
**
**	Parameters:
**		map -- the map that failed.
**		spec -- what was asked.
**		res -- the result; NULL if there was none.
**		why -- what is wrong with a result that is no error; else
**			NULL.
**
**	Returns:
**		none.
*/

static void
pgsqlmap_complain(map, spec, res, why)
	MAP *map;
	const PGSQLMAP_SPEC *spec;
	const PGresult *res;
	const char *why;
{
	PGSQLMAP_WIRE *w = spec->pgs_wire;
	const char *state = NULL;

	if (why != NULL)
		pgsqlmap_wire_fail(w, "query", why);
	else if (res != NULL)
	{
		state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

		/* class 22: data exception; its text quotes the data */
		pgsqlmap_wire_fail(w, "query", state != NULL &&
				   strncmp(state, "22", 2) == 0
				   ? "the key does not suit the column or function"
				   : PQresultErrorField(res,
						PG_DIAG_MESSAGE_PRIMARY));
	}
	if (tTd(38, 9))
		sm_dprintf("pgsqlmap_lookup(%s): %s\n", map->map_mname,
			w->pgw_reason);

	/* why a target is left alone has been logged once for all lookups */
	if (res == NULL && w->pgw_alone)
		return;
	sm_syslog(LOG_WARNING, CurEnv == NULL ? NOQID : CurEnv->e_id,
		  "pgsqlmap: %.100s: map=%.50s, sqlstate=%.5s, %s",
		  w->pgw_label, map->map_mname, state == NULL ? "-" : state,
		  w->pgw_reason);
}

/*
**  PGSQLMAP_VALUE -- join what the server returned
**
**	Columns of a row are joined by -V, rows by -z; without -z the first
**	row counts.  NULL is no value.
**
**	Parameters:
**		map -- the map.
**		spec -- what was asked.
**		res -- result.
**		first -- first row.
**		rows -- number of rows, at least one.
**		col -- first column.
**
**	Returns:
**		the value, from malloc(); NULL if all was NULL.
*/

static char *
pgsqlmap_value(map, spec, res, first, rows, col)
	MAP *map;
	const PGSQLMAP_SPEC *spec;
	const PGresult *res;
	int first;
	int rows;
	int col;
{
	int r, c, last, lastcol;
	size_t size = 1;
	bool row, any = false;
	char *value, *q;

	last = first + (map->map_coldelim == '\0' ? 1 : rows);
	lastcol = col + spec->pgs_ncols;
	for (r = first; r < last; r++)
	{
		for (c = col; c < lastcol; c++)
			size += (size_t) PQgetlength(res, r, c) + 1;
	}
	q = value = sm_malloc_x(size);
	for (r = first; r < last; r++)
	{
		row = false;
		for (c = col; c < lastcol; c++)
		{
			if (PQgetisnull(res, r, c))
				continue;
			if (row)
				*q++ = spec->pgs_colsep;
			else if (any)
				*q++ = map->map_coldelim;
			row = any = true;
			memcpy(q, PQgetvalue(res, r, c),
			       (size_t) PQgetlength(res, r, c));
			q += PQgetlength(res, r, c);
		}
	}
	*q = '\0';
	if (!any)
		SM_FREE(value);
	return value;
}

/*
**  PGSQLMAP_PACK -- bring the parameters of a lookup into their form
**
**	Parameters:
**		map -- the map; says whether case is folded.
**		n -- number of parameters.
**		words -- the parameters.
**		params -- set to the parameters to be sent.
**		lenp -- set to the length of what is returned.
**
**	Returns:
**		memory from malloc() in which params stand, a NUL after each;
**		NULL if one is not UTF-8.
*/

static char *
pgsqlmap_pack(map, n, words, params, lenp)
	MAP *map;
	int n;
	char **words;
	const char **params;
	size_t *lenp;
{
	char *copies[PGSQLMAP_MAXPARAMS];
	char *copy, *packed, *q;
	size_t size = 0;
	int i;

	for (i = 0; i < n; i++)
	{
		if (!pgsqlmap_utf8(words[i]))
			return NULL;
	}
	for (i = 0; i < n; i++)
	{
		copy = copies[i] = sm_strdup_x(words[i]);
		if (!bitset(MF_NOFOLDCASE, map->map_mflags))
		{
			/* writes into ASCII and replaces the rest */
			(void) makelower_a(&copies[i], NULL);
			if (copies[i] != copy)
				sm_free(copy);
		}
		size += strlen(copies[i]) + 1;
	}
	q = packed = sm_malloc_x(size);
	for (i = 0; i < n; i++)
	{
		params[i] = q;
		q += sm_strlcpy(q, copies[i], size - (q - packed)) + 1;
		sm_free(copies[i]);
	}
	*lenp = size;
	return packed;
}

/*
**  PGSQLMAP_ASK -- ask the server for one key
**
**	Parameters:
**		map -- the map.
**		spec -- its flags.
**		params -- the key and, with -K, what belongs to it.
**		valuep -- set to the value, from malloc(); to NULL if there
**			is none.
**
**	Returns:
**		EX_OK, EX_NOTFOUND or EX_TEMPFAIL.
*/

static int
pgsqlmap_ask(map, spec, params, valuep)
	MAP *map;
	PGSQLMAP_SPEC *spec;
	const char *const *params;
	char **valuep;
{
	PGresult *res;
	char why[64];
	int rows, status = EX_TEMPFAIL;

	*valuep = NULL;
	res = pgsqlmap_wire_query(spec->pgs_wire, spec->pgs_ask, params,
				  spec->pgs_named, spec->pgs_connect,
				  spec->pgs_limit);
	if (res == NULL || PQresultStatus(res) != PGRES_TUPLES_OK)
		pgsqlmap_complain(map, spec, res, NULL);
	else if (PQnfields(res) != spec->pgs_ncols)
	{
		(void) sm_snprintf(why, sizeof(why),
				   "%d columns, expected %d",
				   PQnfields(res), spec->pgs_ncols);
		pgsqlmap_complain(map, spec, res, why);
	}
	else if (PQftype(res, 0) == PGSQLMAP_VOID)
		pgsqlmap_complain(map, spec, res, "the function returns nothing");
	else
	{
		rows = PQntuples(res);
		status = pgsqlmap_status(spec, rows, map->map_mflags);
		if (status == EX_TEMPFAIL)
		{
			(void) sm_snprintf(why, sizeof(why),
					   "%d rows, the limit is %d",
					   rows, spec->pgs_maxrows);
			pgsqlmap_complain(map, spec, res, why);
		}
		else if (status == EX_OK)
		{
			*valuep = pgsqlmap_value(map, spec, res, 0, rows, 0);
			if (*valuep == NULL)
				status = EX_NOTFOUND;
		}
	}
	PQclear(res);
	return status;
}

/*
**  PGSQLMAP_ASKAHEAD -- ask for a key and for what will be asked next
**
**	The function behind -p gets what is known: the name behind -F, the
**	key, the macros {client_name} and {client_addr}, and the addresses
**	that are under way, a line for each: its kind, a colon, the address.
**	It returns rows (function, key, value), for this key and for as many
**	others, of this map and of others, as it thinks fit; value NULL says
**	that there is no such key.  Rows of one key stand together.  What it
**	does not know it leaves out, and that is asked by itself.
**
**	For a class, value NULL says that neither the key nor any phrase of
**	it is a member, but for those that have rows of their own.
**
**	Parameters:
**		map -- the map.
**		spec -- its flags.
**		key -- the key; empty: only about what is under way.
**		valuep -- set to the value, from malloc(); to NULL if there
**			is none.
**
**	Returns:
**		EX_OK, EX_NOTFOUND or EX_TEMPFAIL; EX_UNAVAILABLE if there is
**		no row for the key itself.
**
**	Side Effects:
**		All answers are in the memo.
*/

static int
pgsqlmap_askahead(map, spec, key, valuep)
	MAP *map;
	PGSQLMAP_SPEC *spec;
	const char *key;
	char **valuep;
{
	static char *const macros[] = { "{client_name}", "{client_addr}" };
	const char *params[5];
	const char *function, *other;
	PGSQLMAP_SPEC *s;
	PGSQLMAP_MEMO *memo;
	PGresult *res;
	char *value;
	bool overflow = false;
	int i, r, n, rows, st, status = EX_UNAVAILABLE;

	*valuep = NULL;
	params[0] = spec->pgs_function;
	params[1] = key;
	for (i = 0; i < 2; i++)
		params[i + 2] = macvalue(macid(macros[i]), CurEnv);
	params[4] = PgsqlmapUnderWay;
	for (i = 2; i < 5; i++)
	{
		if (params[i] != NULL && !pgsqlmap_utf8(params[i]))
			params[i] = NULL;
	}
	res = pgsqlmap_wire_query(spec->pgs_wire, spec->pgs_askahead, params,
				  spec->pgs_named, spec->pgs_connect,
				  spec->pgs_limit);
	if (res == NULL || PQresultStatus(res) != PGRES_TUPLES_OK)
	{
		pgsqlmap_complain(map, spec, res, NULL);
		PQclear(res);
		return EX_TEMPFAIL;
	}
	if (PQnfields(res) != 3)
	{
		pgsqlmap_complain(map, spec, res,
				  "the function behind -p has not three columns");
		PQclear(res);
		return EX_TEMPFAIL;
	}
	SM_FREE(PgsqlmapUnderWay);	/* that is done */
	rows = PQntuples(res);
	for (r = 0; r < rows; r += n)
	{
		function = PQgetvalue(res, r, 0);
		other = PQgetvalue(res, r, 1);
		for (n = 1; r + n < rows; n++)
		{
			if (strcmp(PQgetvalue(res, r + n, 1), other) != 0 ||
			    strcmp(PQgetvalue(res, r + n, 0), function) != 0)
				break;
		}
		for (s = PgsqlmapSpecs; s != NULL; s = s->pgs_next)
		{
			if (s->pgs_ahead == NULL ||
			    s->pgs_wire != spec->pgs_wire ||
			    strcmp(s->pgs_function, function) != 0)
				continue;
			st = pgsqlmap_status(s, n, s->pgs_map->map_mflags);
			value = NULL;
			if (st == EX_OK)
				value = pgsqlmap_value(s->pgs_map, s, res, r,
						       n, 2);
			if (value == NULL && st == EX_OK)
				st = EX_NOTFOUND;
			if (st != EX_TEMPFAIL)
			{
				if (PgsqlmapMemos >= PGSQLMAP_MEMO_MOST)
					overflow = true;
				memo = pgsqlmap_memo_add(s->pgs_map, other,
							 strlen(other) + 1,
							 value);
				memo->pgm_phrases = value == NULL &&
					bitset(MF_DYNCLASS,
					       s->pgs_map->map_mflags);
			}
			if (s == spec && status == EX_UNAVAILABLE &&
			    strcmp(other, key) == 0)
			{
				status = st;
				*valuep = value;
			}
			else
				SM_FREE(value);
		}
	}

	/* members may be forgotten: then it is not known who is none */
	for (memo = overflow ? PgsqlmapMemo : NULL; memo != NULL;
	     memo = memo->pgm_next)
	{
		if (memo->pgm_phrases)
			memo->pgm_map = NULL;
	}
	if (status == EX_TEMPFAIL)
		pgsqlmap_complain(map, spec, res,
				  "more rows than -Z allows");
	PQclear(res);
	return status;
}

/*
**  PGSQLMAP_ASKCLASS -- ask for all phrases of a text at once
**
**	sendmail asks a class for "mail", "mail.example" and so on.
**
**	Parameters:
**		map -- the map of the class.
**		spec -- its flags.
**		text -- the longest phrase that may be asked for.
**
**	Returns:
**		EX_OK -- asked.
**		EX_TEMPFAIL -- there was no answer.
**
**	Side Effects:
**		All answers are in the memo.
*/

static int
pgsqlmap_askclass(map, spec, text)
	MAP *map;
	PGSQLMAP_SPEC *spec;
	char *text;
{
	const char *param;
	char *packed, *value;
	size_t len;
	int status;

	packed = pgsqlmap_pack(map, 1, &text, &param, &len);
	if (packed == NULL)
		return EX_OK;	/* the phrase itself may be UTF-8 */
	status = pgsqlmap_askahead(map, spec, param, &value);
	SM_FREE(value);
	sm_free(packed);
	return status == EX_TEMPFAIL ? EX_TEMPFAIL : EX_OK;
}

/*
**  PGSQLMAP_LOOKUP -- look up a key in a pgsql map
**
**	Parameters:
**		map -- the map.
**		name -- the key.
**		av -- arguments for %1... in the value and, with -K, for the
**			query; for a class, the longest phrase that begins
**			with the key; NULL: none.
**		statp -- set to EX_OK, EX_NOTFOUND or EX_TEMPFAIL.
**
**	Returns:
**		the value, valid until the next lookup; NULL if not EX_OK.
*/

char *
pgsqlmap_lookup(map, name, av, statp)
	MAP *map;
	char *name;
	char **av;
	int *statp;
{
	PGSQLMAP_SPEC *spec = (PGSQLMAP_SPEC *) map->map_db1;
	PGSQLMAP_MEMO *memo = NULL;
	char *words[PGSQLMAP_MAXPARAMS];
	const char *params[PGSQLMAP_MAXPARAMS];
	char *key, *value = NULL;
	char *result = NULL;
	unsigned int serial = spec->pgs_wire->pgw_serial;
	long long began = 0;
	size_t len;
	bool asked, class = bitset(MF_DYNCLASS, map->map_mflags);
	int n = 1, status = EX_OK, save_errno = errno;

	if (tTd(38, 20))
		sm_dprintf("pgsqlmap_lookup(%s, %s)\n", map->map_mname, name);
	if (spec->pgs_stats != NULL)
		pgsqlmap_stat_open(spec, map->map_mname);
	if (spec->pgs_stat != NULL)
		began = pgsqlmap_wire_usec();
	words[0] = name;
	if (spec->pgs_args && av != NULL && av[0] != NULL)
	{
		for (; n < PGSQLMAP_MAXPARAMS && av[n] != NULL; n++)
			words[n] = av[n];
	}
	key = pgsqlmap_pack(map, n, words, params, &len);
	if (key == NULL)
	{
		if (tTd(38, 9))
			sm_dprintf("pgsqlmap_lookup(%s): key is not UTF-8\n",
				map->map_mname);
		*statp = EX_NOTFOUND;
		return NULL;
	}

	if (!spec->pgs_forget)
		memo = pgsqlmap_memo_find(map, key, len);
	asked = memo == NULL;
	if (asked && class && spec->pgs_ahead != NULL)
	{
		status = pgsqlmap_askclass(map, spec,
				av != NULL && av[0] != NULL && av[1] != NULL
				? av[1] : name);
		memo = pgsqlmap_memo_find(map, key, len);
	}
	if (memo != NULL)
	{
		*statp = memo->pgm_value == NULL ? EX_NOTFOUND : EX_OK;
		if (memo->pgm_value != NULL)
			value = sm_strdup_x(memo->pgm_value);
	}
	else if (status == EX_TEMPFAIL)
		*statp = EX_TEMPFAIL;
	else if (spec->pgs_ahead != NULL && !class &&
		 (*statp = pgsqlmap_askahead(map, spec, params[0], &value)) !=
		 EX_UNAVAILABLE)
		/* EMPTY */;
	else if (n != spec->pgs_ask->pgq_nparams &&
		 spec->pgs_function == NULL)
		*statp = EX_NOTFOUND;	/* a column without a value */
	else if (n != spec->pgs_ask->pgq_nparams && !pgsqlmap_sql(map, spec, n))
		*statp = EX_TEMPFAIL;	/* cannot be, it could for one key */
	else
	{
		*statp = pgsqlmap_ask(map, spec, params, &value);
		if (*statp != EX_TEMPFAIL && !spec->pgs_forget)
			(void) pgsqlmap_memo_add(map, key, len, value);
	}
	if (*statp == EX_OK && bitset(MF_MATCHONLY, map->map_mflags))
		result = map_rewrite(map, name, strlen(name), NULL);
	else if (*statp == EX_OK)
		result = map_rewrite(map, value, strlen(value), av);
	if (tTd(38, 20))
		sm_dprintf("pgsqlmap_lookup(%s): status %d%s\n",
			map->map_mname, *statp,
			asked ? "" : ", remembered");
	if (spec->pgs_stat != NULL)
		pgsqlmap_stat_add(spec, *statp, asked,
				  spec->pgs_wire->pgw_serial - serial,
				  (long) (pgsqlmap_wire_usec() - began));

	SM_FREE(value);
	sm_free(key);
	errno = save_errno;
	return result;
}
#endif /* PGSQLMAP */

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
**	Kname pgsql -H conninfo -F function [flags]
**	Kname pgsql -H conninfo -b relation -k key -v value[,value...] [flags]
**
**	The file has two halves.  The wire half (pgsqlmap_wire_...) knows
**	libpq and nothing of maps: targets, connections, deadlines.  The map
**	half knows maps, and of libpq only the result.
**
**	Three rules hold everywhere:
**	- The key travels as a bound parameter, never inside SQL text.
**	- Only the server may say that a key does not exist.  Whatever else
**	  happens is temporary, so that mail waits and is not bounced.
**	- A connection belongs to the process that made it.  A child neither
**	  uses nor politely closes what it inherited.
*/

#include <sendmail.h>

#if PGSQLMAP

# include <poll.h>
# include <time.h>
# include <libpq-fe.h>

/* seconds; the flags -c and -l change them for a map */
# define PGSQLMAP_CONNECT_LIMIT	5
# define PGSQLMAP_QUERY_LIMIT	5

/* milliseconds until a target that failed is asked again: first and most */
# define PGSQLMAP_RETRY_FIRST	500
# define PGSQLMAP_RETRY_MOST	8000

# define PGSQLMAP_MAXCOLS	16

typedef struct pgsqlmap_wire	PGSQLMAP_WIRE;
typedef struct pgsqlmap_spec	PGSQLMAP_SPEC;

/*
**  One target: a PostgreSQL server, database and role, and the connection
**  of this process to it.  All maps with the same target share it.
*/

struct pgsqlmap_wire
{
	PGSQLMAP_WIRE	*pgw_next;	/* next target */
	char		*pgw_target;	/* conninfo in libpq's own order */
	char		*pgw_label;	/* what logs may show of it */
	PGconn		*pgw_conn;	/* NULL: not connected */
	pid_t		pgw_pid;	/* the process that connected */
	long		pgw_retry;	/* do not connect before (ms) */
	int		pgw_failures;	/* failed connects in a row */
	char		pgw_reason[256];	/* of the last failure */
};

/* what the flags of one map say */
struct pgsqlmap_spec
{
	char		*pgs_conninfo;	/* -H */
	char		*pgs_function;	/* -F */
	char		*pgs_relation;	/* -b */
	char		*pgs_keycol;	/* -k */
	char		*pgs_valcols;	/* -v */
	char		pgs_colsep;	/* -V */
	int		pgs_maxrows;	/* -Z; 0: no limit */
	int		pgs_connect;	/* -c, seconds */
	int		pgs_query;	/* -l, seconds */
	int		pgs_ncols;	/* columns of the query */
	char		*pgs_sql;	/* the query, one parameter */
	PGSQLMAP_WIRE	*pgs_wire;	/* where it is asked */
};

static PGSQLMAP_WIRE	*PgsqlmapWires = NULL;

static long	pgsqlmap_wire_now __P((void));
static char	*pgsqlmap_wire_normal __P((const char *, char **, char **));
static PGSQLMAP_WIRE	*pgsqlmap_wire_find __P((char *, char *));
static void	pgsqlmap_wire_drop __P((PGSQLMAP_WIRE *));
static void	pgsqlmap_wire_fail __P((PGSQLMAP_WIRE *, const char *,
					const char *));
static int	pgsqlmap_wire_wait __P((PGSQLMAP_WIRE *, int, long));
static bool	pgsqlmap_wire_connect __P((PGSQLMAP_WIRE *, int));
static PGresult	*pgsqlmap_wire_ask __P((PGSQLMAP_WIRE *, const char *,
					const char *, int));
static bool	pgsqlmap_wire_lost __P((PGSQLMAP_WIRE *, const PGresult *));
static PGresult	*pgsqlmap_wire_query __P((PGSQLMAP_WIRE *, const char *,
					const char *, int, int));
static void	pgsqlmap_wire_notice __P((void *, const PGresult *));

static bool	pgsqlmap_utf8 __P((const char *));
static char	*pgsqlmap_quote __P((char *, char *, const char *, int));
static char	*pgsqlmap_word __P((char **));
static bool	pgsqlmap_seconds __P((MAP *, int, const char *, int *));
static bool	pgsqlmap_sql __P((MAP *, PGSQLMAP_SPEC *));
static int	pgsqlmap_status __P((const PGresult *, const PGSQLMAP_SPEC *,
					long));
static void	pgsqlmap_complain __P((MAP *, const PGSQLMAP_SPEC *,
					const PGresult *));
static char	*pgsqlmap_value __P((MAP *, const PGSQLMAP_SPEC *,
					const PGresult *));

/* ------------------------------------------------------------------ wire */

/*
**  PGSQLMAP_WIRE_NOW -- milliseconds on a clock that is never set back
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
	struct timespec ts;

	(void) clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long) ts.tv_sec * 1000L + ts.tv_nsec / 1000000L;
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
	if (w->pgw_pid != getpid() && fd >= 0)
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
**  PGSQLMAP_WIRE_CONNECT -- make sure that this process has a connection
**
**	Parameters:
**		w -- the target.
**		limit -- seconds it may take.
**
**	Returns:
**		true -- connected.
**		false -- not; w->pgw_reason says why.
**
**	Side Effects:
**		After a failure the target is left alone for a while that
**		grows, so that an outage costs a session one wait, not one
**		per lookup.
*/

static bool
pgsqlmap_wire_connect(w, limit)
	PGSQLMAP_WIRE *w;
	int limit;
{
	static const char *const keys[] = { "gssencmode", "keepalives_idle",
		"tcp_user_timeout", "fallback_application_name", "dbname",
		"client_encoding", NULL };
	const char *vals[7];
	char name[64], msec[16];
	char *j;
	long deadline, pause;
	PostgresPollingStatusType st;

	if (w->pgw_conn != NULL && w->pgw_pid != getpid())
	{
		pgsqlmap_wire_drop(w);
		w->pgw_retry = 0;
		w->pgw_failures = 0;
	}
	if (w->pgw_conn != NULL)
		return true;
	if (w->pgw_retry > pgsqlmap_wire_now())
	{
		if (tTd(38, 9))
			sm_dprintf("pgsqlmap: %s: not asked again yet\n",
				w->pgw_label);
		return false;
	}

	j = macvalue('j', CurEnv);
	(void) sm_snprintf(name, sizeof(name), "sendmail/%.50s",
			   j == NULL ? "" : j);
	(void) sm_snprintf(msec, sizeof(msec), "%d", limit * 1000);
	vals[0] = "disable";	/* GSS would look for files of a user */
	vals[1] = "30";
	vals[2] = msec;
	vals[3] = name;
	vals[4] = w->pgw_target;	/* overrides what stands before it */
	vals[5] = "UTF8";
	vals[6] = NULL;

	deadline = pgsqlmap_wire_now() + limit * 1000L;
	w->pgw_pid = getpid();
	w->pgw_conn = PQconnectStartParams(keys, vals, 1);
	if (w->pgw_conn == NULL)
		pgsqlmap_wire_fail(w, "connect", "out of memory");
	else
	{
		(void) PQsetNoticeReceiver(w->pgw_conn, pgsqlmap_wire_notice,
					   NULL);

		/* a context may quote the key */
		(void) PQsetErrorVerbosity(w->pgw_conn, PQERRORS_TERSE);
		st = PQstatus(w->pgw_conn) == CONNECTION_BAD
			? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
		while (st != PGRES_POLLING_OK && st != PGRES_POLLING_FAILED)
		{
			if (pgsqlmap_wire_wait(w, st == PGRES_POLLING_READING
					       ? POLLIN : POLLOUT,
					       deadline) == 0)
				break;
			st = PQconnectPoll(w->pgw_conn);
		}
		if (st == PGRES_POLLING_OK &&
		    PQsetnonblocking(w->pgw_conn, 1) == 0)
		{
			w->pgw_failures = 0;
			w->pgw_retry = 0;
			if (tTd(38, 2))
				sm_dprintf("pgsqlmap: %s: connected, backend %d\n",
					w->pgw_label,
					PQbackendPID(w->pgw_conn));
			return true;
		}
		pgsqlmap_wire_fail(w, "connect", st == PGRES_POLLING_FAILED
				   ? PQerrorMessage(w->pgw_conn)
				   : "no answer within the time limit");
		pgsqlmap_wire_drop(w);
	}

	pause = PGSQLMAP_RETRY_FIRST;
	if (w->pgw_failures < 5)
		pause <<= w->pgw_failures++;
	else
		pause = PGSQLMAP_RETRY_MOST;

	/* the processes of one host shall not all return at one moment */
	pause += get_random() % (pause / 2);
	w->pgw_retry = pgsqlmap_wire_now() + pause;
	sm_syslog(LOG_WARNING, CurEnv == NULL ? NOQID : CurEnv->e_id,
		  "pgsqlmap: %.100s: %s", w->pgw_label, w->pgw_reason);
	return false;
}

/*
**  PGSQLMAP_WIRE_ASK -- send one query and wait for its result
**
**	Parameters:
**		w -- the target, connected.
**		sql -- query with one parameter.
**		key -- the parameter.
**		limit -- seconds it may take.
**
**	Returns:
**		result of the query; NULL if there was none.
*/

static PGresult *
pgsqlmap_wire_ask(w, sql, key, limit)
	PGSQLMAP_WIRE *w;
	const char *sql;
	const char *key;
	int limit;
{
	const char *params[1];
	PGresult *res = NULL;
	PGresult *next;
	long deadline = pgsqlmap_wire_now() + limit * 1000L;
	int flush, ev;

	params[0] = key;
	if (PQsendQueryParams(w->pgw_conn, sql, 1, NULL, params, NULL, NULL,
			      0) == 0)
		goto broken;
	while ((flush = PQflush(w->pgw_conn)) > 0)
	{
		ev = pgsqlmap_wire_wait(w, POLLIN|POLLOUT, deadline);
		if (ev == 0)
			goto late;
		if (bitset(POLLIN, ev) && PQconsumeInput(w->pgw_conn) == 0)
			goto broken;
	}
	if (flush < 0)
		goto broken;
	for (;;)
	{
		while (PQisBusy(w->pgw_conn))
		{
			if (pgsqlmap_wire_wait(w, POLLIN, deadline) == 0)
				goto late;
			if (PQconsumeInput(w->pgw_conn) == 0)
				goto broken;
		}
		next = PQgetResult(w->pgw_conn);
		if (next == NULL)
			return res;
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
	pgsqlmap_wire_fail(w, "query", PQerrorMessage(w->pgw_conn));
	return NULL;
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

	if (w->pgw_conn == NULL)
		return false;	/* time limit: once is enough */
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
**  PGSQLMAP_WIRE_QUERY -- ask a target, connecting if necessary
**
**	A connection that has been lost since it was last used is replaced
**	once; a query is never repeated on a connection made for it.
**
**	Parameters:
**		w -- the target.
**		sql -- query with one parameter.
**		key -- the parameter.
**		climit -- seconds that connecting may take.
**		qlimit -- seconds that the query may take.
**
**	Returns:
**		result, whatever it says; NULL if there was none, and
**		w->pgw_reason says why.
*/

static PGresult *
pgsqlmap_wire_query(w, sql, key, climit, qlimit)
	PGSQLMAP_WIRE *w;
	const char *sql;
	const char *key;
	int climit;
	int qlimit;
{
	PGresult *res;
	bool fresh;

	do
	{
		fresh = w->pgw_conn == NULL || w->pgw_pid != getpid();
		if (!pgsqlmap_wire_connect(w, climit))
			return NULL;
		res = pgsqlmap_wire_ask(w, sql, key, qlimit);
		if (!pgsqlmap_wire_lost(w, res))
			return res;
		if (tTd(38, 2))
			sm_dprintf("pgsqlmap: %s: connection lost\n",
				w->pgw_label);
		pgsqlmap_wire_drop(w);
		if (!fresh)
			PQclear(res);
	} while (!fresh);
	return res;
}

/* ------------------------------------------------------------------- map */

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
**  PGSQLMAP_SECONDS -- read the number behind -c, -l or -Z
**
**	Parameters:
**		map -- the map, for the complaint.
**		flag -- the letter.
**		word -- the text; NULL is refused too.
**		np -- set to the number.
**
**	Returns:
**		true iff it is a number from 1 to 86400.
*/

static bool
pgsqlmap_seconds(map, flag, word, np)
	MAP *map;
	int flag;
	const char *word;
	int *np;
{
	char *end = NULL;
	long n = word == NULL ? 0 : strtol(word, &end, 10);

	if (n < 1 || n > 86400 || *end != '\0')
	{
		syserr("pgsql map \"%s\": -%c needs a number from 1 to 86400",
			map->map_mname, flag);
		return false;
	}
	*np = (int) n;
	return true;
}

/*
**  PGSQLMAP_SQL -- make the query of a map from its names
**
**	Parameters:
**		map -- the map, for the complaint.
**		spec -- its flags; pgs_sql and pgs_ncols are set.
**
**	Returns:
**		true -- there is a query.
**		false -- the flags do not make one; this was said.
*/

static bool
pgsqlmap_sql(map, spec)
	MAP *map;
	PGSQLMAP_SPEC *spec;
{
	char buf[MAXLINE];
	char *q = buf;
	char *end = buf + sizeof(buf) - sizeof(" WHERE  = $1");
	const char *p;

	if ((spec->pgs_function == NULL) == (spec->pgs_relation == NULL))
	{
		syserr("pgsql map \"%s\": needs either -F function or -b relation",
			map->map_mname);
		return false;
	}
	if (spec->pgs_relation != NULL &&
	    (spec->pgs_keycol == NULL || spec->pgs_valcols == NULL))
	{
		syserr("pgsql map \"%s\": -b relation needs -k key column and -v value column",
			map->map_mname);
		return false;
	}
	if (spec->pgs_function != NULL && spec->pgs_keycol != NULL)
	{
		syserr("pgsql map \"%s\": -k goes with -b, a function takes the key as its argument",
			map->map_mname);
		return false;
	}

	q += sm_strlcpy(q, "SELECT ", sizeof(buf));
	spec->pgs_ncols = 1;
	if (spec->pgs_valcols == NULL)
		*q++ = '*';
	else
	{
		for (p = spec->pgs_valcols; *p != '\0'; p++)
		{
			if (*p == ',')
				spec->pgs_ncols++;
		}
		q = pgsqlmap_quote(q, end, spec->pgs_valcols, ',');
	}
	if (q != NULL && end - q > 8)
	{
		q += sm_strlcpy(q, " FROM ", 7);
		q = pgsqlmap_quote(q, end, spec->pgs_function != NULL
				   ? spec->pgs_function : spec->pgs_relation,
				   '.');
	}
	else
		q = NULL;
	if (q != NULL && spec->pgs_function != NULL)
		q += sm_strlcpy(q, "($1)", 5);
	else if (q != NULL)
	{
		if (end - q > 8)
		{
			q += sm_strlcpy(q, " WHERE ", 8);
			q = pgsqlmap_quote(q, end, spec->pgs_keycol, '\0');
		}
		else
			q = NULL;
		if (q != NULL)
			q += sm_strlcpy(q, " = $1", 6);
	}
	if (q == NULL || spec->pgs_ncols > PGSQLMAP_MAXCOLS)
	{
		syserr("pgsql map \"%s\": a name is empty, or names are too long or too many",
			map->map_mname);
		return false;
	}
	*q = '\0';
	spec->pgs_sql = newstr(buf);
	return true;
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
	char *p, *target, *label, *err, *word;
	int flag;

	spec = (PGSQLMAP_SPEC *) sm_malloc_x(sizeof(*spec));
	memset(spec, '\0', sizeof(*spec));
	spec->pgs_colsep = ' ';
	spec->pgs_connect = PGSQLMAP_CONNECT_LIMIT;
	spec->pgs_query = PGSQLMAP_QUERY_LIMIT;

	map->map_spacesub = SpaceSub;	/* default value */
	if (bitset(MF_ALIAS, map->map_mflags))
		map->map_coldelim = ',';
	else if (bitset(MF_FILECLASS, map->map_mflags))
		map->map_coldelim = ' ';

	p = newstr(args);	/* the specification points into it */
	for (;;)
	{
		while (SM_ISSPACE(*p))
			p++;
		if (*p == '\0')
			break;
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
		  case 'b':
			if ((spec->pgs_relation = pgsqlmap_word(&p)) == NULL)
				break;
			continue;

		  case 'F':
			if ((spec->pgs_function = pgsqlmap_word(&p)) == NULL)
				break;
			continue;

		  case 'H':
			if ((spec->pgs_conninfo = pgsqlmap_word(&p)) == NULL)
				break;
			continue;

		  case 'k':
			if ((spec->pgs_keycol = pgsqlmap_word(&p)) == NULL)
				break;
			continue;

		  case 'v':
			if ((spec->pgs_valcols = pgsqlmap_word(&p)) == NULL)
				break;
			continue;

		  case 'c':
		  case 'l':
		  case 'Z':
			word = pgsqlmap_word(&p);
			if (!pgsqlmap_seconds(map, flag, word,
					      flag == 'c' ? &spec->pgs_connect :
					      flag == 'l' ? &spec->pgs_query :
							&spec->pgs_maxrows))
				return false;
			continue;

			/* flags that would harm */
		  case 't':
			syserr("pgsql map \"%s\": -t is refused, it would bounce mail whenever the database is away",
				map->map_mname);
			return false;

		  default:
			syserr("pgsql map \"%s\": unknown flag -%c",
				map->map_mname, flag);
			return false;
		}

		/* only a flag without its argument comes here */
		syserr("pgsql map \"%s\": -%c needs an argument, or its quote is not closed",
			map->map_mname, flag);
		return false;
	}

	if (spec->pgs_conninfo == NULL)
	{
		syserr("pgsql map \"%s\": -H connection string is missing, for example -H \"service=sendmail\"",
			map->map_mname);
		return false;
	}
	if (!pgsqlmap_sql(map, spec))
		return false;
	target = pgsqlmap_wire_normal(spec->pgs_conninfo, &label, &err);
	if (target == NULL)
	{
		/* not the string itself: it may hold a password */
		syserr("pgsql map \"%s\": -H connection string refused: %.200s",
			map->map_mname, err);
		return false;
	}
	spec->pgs_wire = pgsqlmap_wire_find(target, label);
	map->map_file = spec->pgs_wire->pgw_label;
	map->map_db1 = (ARBPTR_T) spec;
	if (tTd(38, 3))
		sm_dprintf("pgsqlmap_parseargs(%s): %s at %s\n",
			map->map_mname, spec->pgs_sql, map->map_file);
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
**	close: a child drops what it inherited, and the end of a process
**	ends its session.  Doing nothing is also the only thing that is safe
**	in a signal handler, where finis() may call this.
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
**  PGSQLMAP_STATUS -- classify the outcome of a lookup
**
**	Parameters:
**		res -- result of the query; NULL if libpq had none to give.
**		spec -- what was asked.
**		flags -- flags of the map.
**
**	Returns:
**		EX_OK -- the server returned what the map may use.
**		EX_NOTFOUND -- the server answered: no row.
**		EX_TEMPFAIL -- there was no answer, or not to our question.
*/

static int
pgsqlmap_status(res, spec, flags)
	const PGresult *res;
	const PGSQLMAP_SPEC *spec;
	long flags;
{
	int rows;

	if (res == NULL || PQresultStatus(res) != PGRES_TUPLES_OK)
		return EX_TEMPFAIL;
	if (PQnfields(res) != spec->pgs_ncols)
		return EX_TEMPFAIL;
	rows = PQntuples(res);
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
**
**	Returns:
**		none.
*/

static void
pgsqlmap_complain(map, spec, res)
	MAP *map;
	const PGSQLMAP_SPEC *spec;
	const PGresult *res;
{
	const char *state = NULL;
	char why[256];

	if (res == NULL)
		(void) sm_strlcpy(why, spec->pgs_wire->pgw_reason,
				  sizeof(why));
	else if (PQresultStatus(res) != PGRES_TUPLES_OK)
	{
		state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

		/* class 22: data exception; its text quotes the data */
		pgsqlmap_wire_fail(spec->pgs_wire, "query",
				   state != NULL &&
				   strncmp(state, "22", 2) == 0
				   ? "the key does not suit the column or function"
				   : PQresultErrorField(res,
						PG_DIAG_MESSAGE_PRIMARY));
		(void) sm_strlcpy(why, spec->pgs_wire->pgw_reason,
				  sizeof(why));
	}
	else if (PQnfields(res) != spec->pgs_ncols)
		(void) sm_snprintf(why, sizeof(why),
				   "query: %d columns, expected %d",
				   PQnfields(res), spec->pgs_ncols);
	else
		(void) sm_snprintf(why, sizeof(why),
				   "query: %d rows, the limit is %d",
				   PQntuples(res), spec->pgs_maxrows);
	if (tTd(38, 9))
		sm_dprintf("pgsqlmap_lookup(%s): %s\n", map->map_mname, why);

	/* a connect that failed has been logged, once for all lookups */
	if (res == NULL && spec->pgs_wire->pgw_retry != 0)
		return;
	sm_syslog(LOG_WARNING, CurEnv == NULL ? NOQID : CurEnv->e_id,
		  "pgsqlmap: %.100s: map=%.50s, sqlstate=%.5s, %s",
		  spec->pgs_wire->pgw_label, map->map_mname,
		  state == NULL ? "-" : state, why);
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
**		res -- result with at least one row.
**
**	Returns:
**		the value, from malloc(); NULL if all was NULL.
*/

static char *
pgsqlmap_value(map, spec, res)
	MAP *map;
	const PGSQLMAP_SPEC *spec;
	const PGresult *res;
{
	int r, c, rows;
	size_t size = 1;
	bool row, any = false;
	char *value, *q;

	rows = map->map_coldelim == '\0' ? 1 : PQntuples(res);
	for (r = 0; r < rows; r++)
	{
		for (c = 0; c < spec->pgs_ncols; c++)
			size += (size_t) PQgetlength(res, r, c) + 1;
	}
	q = value = sm_malloc_x(size);
	for (r = 0; r < rows; r++)
	{
		row = false;
		for (c = 0; c < spec->pgs_ncols; c++)
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
**  PGSQLMAP_LOOKUP -- look up a key in a pgsql map
**
**	Parameters:
**		map -- the map.
**		name -- the key.
**		av -- arguments for %1... in the value; NULL: none.
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
	PGresult *res;
	char *key = name;
	char *copy = NULL;
	char *value = NULL;
	char *result = NULL;
	int save_errno = errno;

	if (tTd(38, 20))
		sm_dprintf("pgsqlmap_lookup(%s, %s)\n", map->map_mname, name);
	if (!pgsqlmap_utf8(name))
	{
		if (tTd(38, 9))
			sm_dprintf("pgsqlmap_lookup(%s): key is not UTF-8\n",
				map->map_mname);
		*statp = EX_NOTFOUND;
		return NULL;
	}
	if (!bitset(MF_NOFOLDCASE, map->map_mflags))
	{
		/* makelower_a() writes into ASCII and replaces the rest */
		key = copy = sm_strdup_x(name);
		(void) makelower_a(&key, NULL);
	}

	res = pgsqlmap_wire_query(spec->pgs_wire, spec->pgs_sql, key,
				  spec->pgs_connect, spec->pgs_query);
	*statp = pgsqlmap_status(res, spec, map->map_mflags);
	if (*statp == EX_TEMPFAIL)
		pgsqlmap_complain(map, spec, res);
	else if (*statp == EX_OK)
	{
		value = pgsqlmap_value(map, spec, res);
		if (value == NULL)
			*statp = EX_NOTFOUND;
		else if (bitset(MF_MATCHONLY, map->map_mflags))
			result = map_rewrite(map, name, strlen(name), NULL);
		else
			result = map_rewrite(map, value, strlen(value), av);
	}
	if (tTd(38, 20))
		sm_dprintf("pgsqlmap_lookup(%s): status %d\n", map->map_mname,
			*statp);

	SM_FREE(value);
	PQclear(res);
	if (copy != NULL && key != copy)
		sm_free(key);
	SM_FREE(copy);
	errno = save_errno;
	return result;
}
#endif /* PGSQLMAP */

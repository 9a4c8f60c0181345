/*
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The sqlmail.sendmail project
 */

/*
**  T-PGSQLMAP.C -- tests of the map class "pgsql"
**
**	Usage: pg_virtualenv ... t-pgsqlmap [-v]
**
**	The environment names a PostgreSQL server and its superuser, as
**	pg_virtualenv does it, and in T_SCRATCH a directory to write to.
**	The server shall trust local connections and want passwords over
**	TCP; its key and certificate for TLS are in T_SCRATCH, too.
**
**	The map class is included, not linked, so that its parts can be
**	tested, too.  libsm and libpq are real, and so is what the class
**	calls of sendmail, except for what is below "stand-ins".
*/

#define _DEFINE
#include "pgsqlmap.c"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sanitizer/lsan_interface.h>
#include <sm/ixlen.h>
#include <sm/sendmail.h>
#include <sm/test.h>

/* gcc has the function and not its header */
extern size_t	__sanitizer_get_current_allocated_bytes(void);

#define NITEMS(a)	((int) (sizeof(a) / sizeof((a)[0])))

#define SECRET		"geheim"	/* may not appear anywhere */
#define READER		"t_reader"	/* the role that looks up */
#define MAXMAPS		256
#define PATHLEN		512

#include "stand-ins.h"

/* -------------------------------------------------------------- helpers */

static PGconn	*Admin;			/* superuser, beside the map class */
static char	Scratch[PATHLEN];	/* directory for files */
static char	SocketDir[PATHLEN];	/* of the server */
static char	Port[16];		/* of the server */
static char	Socket[PATHLEN];	/* conninfos: Unix domain */
static char	Tcp[PATHLEN];		/* TCP without TLS */
static char	Tls[PATHLEN];		/* TCP with TLS */

static MAP	Maps[MAXMAPS];		/* all maps made */
static int	NMaps;

static bool	Remember;		/* within one SMTP command */
static int	Status;			/* of the last lookup: status */
static char	*Answer;		/* value */
static long	Took;			/* milliseconds */

/* SM_TEST with the name of the case, for tables */
#define CASE(name, cond)						\
	do								\
	{								\
		if (!SM_TEST(cond))					\
			(void) fprintf(stderr, "\tcase: %s\n", name);	\
	} while (0)

/*
**  FATAL -- give up: what is missing is no test that failed
**
**	Parameters:
**		what -- what cannot be done.
**		why -- the reason.
**
**	Returns:
**		never.
*/

static void
fatal(what, why)
	const char *what;
	const char *why;
{
	(void) fprintf(stderr, "t-pgsqlmap: %s: %s\n", what, why);
	exit(2);
}

static bool
same(a, b)
	const char *a;
	const char *b;
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static long
now()
{
	struct timespec ts;

	(void) clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000L + ts.tv_nsec / 1000000L;
}

static void
nap(ms)
	long ms;
{
	struct timespec ts;

	if (ms < 0)
		ms = 0;
	ts.tv_sec = ms / 1000;
	ts.tv_nsec = ms % 1000 * 1000000L;
	(void) nanosleep(&ts, NULL);
}

/*
**  SQL -- run statements as the superuser
**
**	Parameters:
**		fmt -- statements, as for printf().
**
**	Returns:
**		first column of the first row, valid until the next call;
**		"" if there is none.
*/

static char *
sql(const char *fmt, ...)
{
	static char value[MAXLINE];
	char query[8192];
	PGresult *res;
	SM_VA_LOCAL_DECL

	SM_VA_START(ap, fmt);
	(void) sm_vsnprintf(query, sizeof(query), fmt, ap);
	SM_VA_END(ap);
	res = PQexec(Admin, query);
	if (PQresultStatus(res) != PGRES_TUPLES_OK &&
	    PQresultStatus(res) != PGRES_COMMAND_OK)
		fatal(query, PQerrorMessage(Admin));
	(void) sm_strlcpy(value, PQntuples(res) > 0 && PQnfields(res) > 0
			  ? PQgetvalue(res, 0, 0) : "", sizeof(value));
	PQclear(res);
	return value;
}

/*
**  BACKENDS -- count the connections of an application
**
**	Parameters:
**		app -- the application name.
**		wanted -- wait a little for this number.
**
**	Returns:
**		number of connections at the end.
*/

static int
backends(app, wanted)
	const char *app;
	int wanted;
{
	int i, n = -1;

	for (i = 0; i < 100 && n != wanted; i++)
	{
		if (i > 0)
			nap(20L);
		n = atoi(sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = '%s'",
			     app));
	}
	return n;
}

/*
**  NEWMAP -- make a map that must be accepted
**
**	Parameters:
**		flags -- map_mflags to start with.
**		fmt -- text behind the class name, as for printf().
**
**	Returns:
**		the map, open.
*/

static MAP *
newmap(long flags, const char *fmt, ...)
{
	char args[MAXLINE];
	MAP *map;
	SM_VA_LOCAL_DECL

	SM_VA_START(ap, fmt);
	(void) sm_vsnprintf(args, sizeof(args), fmt, ap);
	SM_VA_END(ap);
	if (NMaps >= MAXMAPS)
		fatal(args, "MAXMAPS is too small");
	map = &Maps[NMaps++];
	map->map_mname = "t";
	map->map_mflags = flags;
	if (!pgsqlmap_parseargs(map, args) || !pgsqlmap_open(map, O_RDONLY))
		fatal(args, SysErr);
	return map;
}

static PGSQLMAP_SPEC *
spec(map)
	MAP *map;
{
	return (PGSQLMAP_SPEC *) map->map_db1;
}

static PGSQLMAP_WIRE *
wire(map)
	MAP *map;
{
	return spec(map)->pgs_wire;
}

/*
**  ASK -- look up, and check what must hold for every lookup
**
**	Parameters:
**		map -- the map.
**		key -- the key.
**		av -- arguments for the value.
**
**	Returns:
**		the status.  Sets Status, Answer, Took, Logs.
*/

static int
ask(map, key, av)
	MAP *map;
	const char *key;
	char **av;
{
	char *name = sm_strdup_x(key);
	char *value;
	long begin = now();

	Logs = SysErrs = 0;
	*Log = *SysErr = '\0';
	Status = -1;
	errno = EDOM;
	if (!Remember)
		pgsqlmap_forget();
	value = pgsqlmap_lookup(map, name, av, &Status);
	Took = now() - begin;
	SM_TEST(errno == EDOM);
	SM_TEST(strcmp(name, key) == 0);
	SM_TEST((value != NULL) == (Status == EX_OK));
	SM_TEST(Status == EX_OK || Status == EX_NOTFOUND ||
		Status == EX_TEMPFAIL);
	SM_TEST(SysErrs == 0);
	SM_TEST(Logs == 0 || Status == EX_TEMPFAIL);
	SM_TEST(Logs <= 1);
	SM_TEST(strstr(Log, SECRET) == NULL);
	SM_TEST(strchr(key, '@') == NULL || strstr(Log, key) == NULL);
	if (Answer != NULL)
		sm_free(Answer);
	Answer = value == NULL ? NULL : sm_strdup_x(value);

	/* map_rewrite() marks some bytes, for the rewriting rules */
	if (Answer != NULL)
		(void) dequote_internal_chars(Answer, Answer,
					      (int) strlen(Answer) + 1);
	sm_free(name);
	return Status;
}

/* the same for a map whose answer must be value; NULL: none, tempfail */
static bool
answers(map, key, value)
	MAP *map;
	const char *key;
	const char *value;
{
	(void) ask(map, key, NULL);
	if (value == NULL)
		return Status == EX_TEMPFAIL;
	if (Status != EX_OK && *Log != '\0')
		(void) fprintf(stderr, "\tlog: %s\n", Log);
	return Status == EX_OK && same(Answer, value);
}

/* number that a map returns; 0 if it returns none */
static int
number(map, key)
	MAP *map;
	const char *key;
{
	(void) ask(map, key, NULL);
	if (Status != EX_OK && *Log != '\0')
		(void) fprintf(stderr, "\tlog: %s\n", Log);
	return Status == EX_OK ? atoi(Answer) : 0;
}

static int
fds()
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	if (d == NULL)
		fatal("/proc/self/fd", "cannot be read");
	while (readdir(d) != NULL)
		n++;
	(void) closedir(d);
	return n;
}

static void
write_file(name, fmt, text)
	const char *name;
	const char *fmt;
	const char *text;
{
	char path[2 * PATHLEN];
	FILE *fp;

	(void) sm_snprintf(path, sizeof(path), "%s/%s", Scratch, name);
	(void) umask(077);
	if ((fp = fopen(path, "w")) == NULL ||
	    fprintf(fp, fmt, text) < 0 || fclose(fp) != 0)
		fatal(path, sm_errstring(errno));
	(void) umask(022);
}

/* what a child reports of its life */
struct report
{
	int	r_status;	/* of its lookup */
	int	r_backend;	/* value of its lookup */
	int	r_grandchild;	/* value of the lookup of its child */
	int	r_again;	/* value of its lookup after that */
	int	r_errors;	/* tests that failed */
	int	r_leaks;	/* descriptors more than before */
};

/*
**  CHILD -- fork, and let the child look up in an inherited map
**
**	Parameters:
**		map -- the map.
**		key -- the key.
**		generations -- fork so often, each from the one before.
**		reopen -- close and open the map before, as sendmail does.
**
**	Returns:
**		what the child reports.
*/

static struct report
child(map, key, generations, reopen)
	MAP *map;
	const char *key;
	int generations;
	bool reopen;
{
	struct report r, sub;
	int p[2], st, errors;
	pid_t pid;

	memset(&r, '\0', sizeof(r));
	memset(&sub, '\0', sizeof(sub));
	if (pipe(p) < 0 || (pid = fork()) < 0)
		fatal("fork", sm_errstring(errno));
	if (pid == 0)
	{
		errors = SmTestNumErrors;
		CurrentPid = getpid();
		(void) close(p[0]);
		r.r_leaks = -fds();
		if (reopen)
		{
			pgsqlmap_close(map);
			(void) pgsqlmap_open(map, O_RDONLY);
		}
		r.r_backend = number(map, key);
		r.r_status = Status;
		if (generations > 1)
		{
			sub = child(map, key, generations - 1, reopen);
			r.r_grandchild = sub.r_backend;
			r.r_again = number(map, key);
		}
		r.r_leaks += fds();
		if (r.r_leaks == 0)
			r.r_leaks = sub.r_leaks;
		r.r_errors = SmTestNumErrors - errors + sub.r_errors;
		if (write(p[1], &r, sizeof(r)) != sizeof(r))
			_exit(1);
		_exit(0);
	}
	(void) close(p[1]);
	if (read(p[0], &r, sizeof(r)) != sizeof(r))
		r.r_errors++;
	(void) close(p[0]);
	if (waitpid(pid, &st, 0) != pid || st != 0)
		r.r_errors++;
	SM_TEST(r.r_errors == 0);
	return r;
}

/* ---------------------------------------------------------------- UTF-8 */

static void
test_utf8()
{
	static struct
	{
		const char	*u_text;
		bool		u_good;
	} cases[] =
	{
		{ "",				true },
		{ "ascii \t\r\n\001\177",	true },
		{ "\302\200",			true },	/* U+0080 */
		{ "\337\277",			true },	/* U+07FF */
		{ "\340\240\200",		true },	/* U+0800 */
		{ "\341\200\200",		true },
		{ "\355\237\277",		true },	/* U+D7FF */
		{ "\356\200\200",		true },	/* U+E000 */
		{ "\357\277\277",		true },	/* U+FFFF */
		{ "\360\220\200\200",		true },	/* U+10000 */
		{ "\361\200\200\200",		true },
		{ "\364\217\277\277",		true },	/* U+10FFFF */
		{ "J\303\266rg \342\202\254 \360\237\230\200!",	true },
		{ "\200",			false }, /* nothing to continue */
		{ "a\277b",			false },
		{ "\300\200",			false }, /* overlong */
		{ "\301\277",			false },
		{ "\340\200\200",		false },
		{ "\340\237\277",		false },
		{ "\360\200\200\200",		false },
		{ "\360\217\277\277",		false },
		{ "\355\240\200",		false }, /* surrogates */
		{ "\355\277\277",		false },
		{ "\364\220\200\200",		false }, /* > U+10FFFF */
		{ "\365\200\200\200",		false },
		{ "\370\210\200\200\200",	false },
		{ "\376",			false },
		{ "\377",			false },
		{ "\302",			false }, /* truncated */
		{ "a\342",			false },
		{ "a\342\202",			false },
		{ "\340\240",			false },
		{ "\355\237",			false },
		{ "\360",			false },
		{ "\360\237",			false },
		{ "\360\237\230",		false },
		{ "\364\217",			false },
		{ "\302A",			false }, /* ASCII inside */
		{ "\342A\200",			false },
		{ "\342\202A",			false },
		{ "\360\237\230A",		false },
		{ "\302\302\200",		false }, /* a start inside */
		{ "\342\202\300",		false }
	};
	PGresult *res;
	const char *param[1];
	char *exact, name[16];
	int i;

	for (i = 0; i < NITEMS(cases); i++)
	{
		(void) sm_snprintf(name, sizeof(name), "UTF-8 %d", i);

		/* not a byte longer, so that reading beyond it is seen */
		exact = sm_strdup_x(cases[i].u_text);
		CASE(name, pgsqlmap_utf8(exact) == cases[i].u_good);
		sm_free(exact);

		/* the server must be of the same opinion */
		param[0] = cases[i].u_text;
		res = PQexecParams(Admin, "SELECT $1::text", 1, NULL, param,
				   NULL, NULL, 0);
		CASE(name, (PQresultStatus(res) == PGRES_TUPLES_OK) ==
			   cases[i].u_good);
		PQclear(res);
	}
}

/* -------------------------------------------------------- specification */

#define H	"-H host=h "
#define C16	"a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p"

static void
test_accepted()
{
	static struct
	{
		const char	*a_args;
		const char	*a_sql;
		int		a_cols;
	} cases[] =
	{
		{ H "-F find",
		  "SELECT * FROM \"find\"($1)", 1 },
		{ H "-Ffind",
		  "SELECT * FROM \"find\"($1)", 1 },
		{ H "-F\tfind\t",
		  "SELECT * FROM \"find\"($1)", 1 },
		{ H "-F \"find\"",
		  "SELECT * FROM \"find\"($1)", 1 },
		{ " \t-F find\t-H \"host=h user=u\"-f",
		  "SELECT * FROM \"find\"($1)", 1 },
		{ "-Hservice=sendmail -F mail.lookup_access -f -T<TMPF>",
		  "SELECT * FROM \"mail\".\"lookup_access\"($1)", 1 },
		{ "-H postgresql://u@h/d -F f",
		  "SELECT * FROM \"f\"($1)", 1 },
		{ H "-F f -v a",
		  "SELECT \"a\" FROM \"f\"($1)", 1 },
		{ H "-F f -v a,b",
		  "SELECT \"a\",\"b\" FROM \"f\"($1)", 2 },
		{ H "-b mail.access -k key -v value",
		  "SELECT \"value\" FROM \"mail\".\"access\" WHERE \"key\" = $1", 1 },
		{ H "-v value -k key -b access",
		  "SELECT \"value\" FROM \"access\" WHERE \"key\" = $1", 1 },
		{ H "-b d.s.r -k k -v a,b,c",
		  "SELECT \"a\",\"b\",\"c\" FROM \"d\".\"s\".\"r\" WHERE \"k\" = $1", 3 },
		{ H "-b R -k K -v V",
		  "SELECT \"V\" FROM \"R\" WHERE \"K\" = $1", 1 },
		{ H "-b r -k a.b -v v.w",
		  "SELECT \"v.w\" FROM \"r\" WHERE \"a.b\" = $1", 1 },
		{ H "-K -b r -k a,b,c -v v",
		  "SELECT \"v\" FROM \"r\" WHERE \"a\" = $1 AND \"b\" = $2 AND \"c\" = $3", 1 },
		{ H "-b r,s -k k -v v",
		  "SELECT \"v\" FROM \"r,s\" WHERE \"k\" = $1", 1 },
		{ H "-b \"my rel\" -k \"my key\" -v \"my value,2\"",
		  "SELECT \"my value\",\"2\" FROM \"my rel\" WHERE \"my key\" = $1", 2 },
		{ H "-F s\"x.f\"\"",
		  "SELECT * FROM \"s\"\"x\".\"f\"\"\"\"\"($1)", 1 },
		{ H "-b r\"; -k k\"=\"k -v v\"FROM",
		  "SELECT \"v\"\"FROM\" FROM \"r\"\";\" WHERE \"k\"\"=\"\"k\" = $1", 1 },
		{ H "-b r;DROP -k k'x -v v)--",
		  "SELECT \"v)--\" FROM \"r;DROP\" WHERE \"k'x\" = $1", 1 },
		{ H "-F f\\ -v $1",
		  "SELECT \"$1\" FROM \"f\\\"($1)", 1 },
		{ H "-F f -v " C16,
		  "SELECT \"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\",\"j\",\"k\",\"l\",\"m\",\"n\",\"o\",\"p\" FROM \"f\"($1)",
		  16 },
		{ H "-F one -F two",
		  "SELECT * FROM \"two\"($1)", 1 }
	};
	MAP *map;
	int i;

	for (i = 0; i < NITEMS(cases); i++)
	{
		map = newmap(0L, "%s", cases[i].a_args);
		CASE(cases[i].a_args, same(spec(map)->pgs_ask->pgq_sql, cases[i].a_sql));
		CASE(cases[i].a_args, spec(map)->pgs_ncols == cases[i].a_cols);
		CASE(cases[i].a_args, wire(map)->pgw_conn == NULL);
	}
}

static void
test_refused()
{
	static struct
	{
		const char	*r_args;
		const char	*r_why;
	} cases[] =
	{
		{ "",			"connection string is missing: -H here or in PgsqlDefaultSpec" },
		{ "-F f",		"connection string is missing" },
		{ H,			"needs either -F function or -b relation" },
		{ H "-F f -b r -k k -v v",
					"needs either -F function or -b relation" },
		{ H "-k k -v v",	"needs either -F function or -b relation" },
		{ H "-b r",		"-b relation needs -k key column and -v value column" },
		{ H "-b r -k k",	"-b relation needs -k key column and -v value column" },
		{ H "-b r -v v",	"-b relation needs -k key column and -v value column" },
		{ H "-F f -k k",	"-k goes with -b" },
		{ H "-F f -t",		"-t is refused" },
		{ H "-t -F f",		"-t is refused" },
		{ H "-F f -x",		"unknown flag -x" },
		{ H "-F f -N",		"-N is refused" },
		{ H "-F f -A",		"-A is refused" },
		{ H "-b r -k a,b -v v",	"-k names too many columns, or -K is missing" },
		{ H "-K -b r -k a,b,c,d,e,f,g,h,i,j,k -v v",
					"-k names too many columns" },
		{ H "-K -b r -k a,,b -v v",	"a name is empty" },
		{ H "-F f -p s.",	"the name behind -p is empty" },
		{ H "-F f -p",		"-p needs an argument" },
		{ H "-F f -i -1",	"-i needs a number from 0 to 86400" },
		{ H "-F f --",		"unknown flag --" },
		{ H "-F f -",		"cannot understand \"-\", expected a flag" },
		{ H "-F f extra",	"cannot understand \"extra\", expected a flag" },
		{ H "-F f -fm",		"cannot understand \"m\", expected a flag" },
		{ H "-F my function",	"cannot understand \"function\", expected a flag" },
		{ "-F f -H",		"-H needs an argument, or its quote is not closed" },
		{ "-F f -H \"\"",	"-H needs an argument, or its quote is not closed" },
		{ "-F f -H \"host=h",	"-H needs an argument, or its quote is not closed" },
		{ "-H \"host=h -F f",	"-H needs an argument, or its quote is not closed" },
		{ H "-F",		"-F needs an argument" },
		{ H "-F  \t",		"-F needs an argument" },
		{ H "-F \"f",		"-F needs an argument, or its quote is not closed" },
		{ H "-b",		"-b needs an argument" },
		{ H "-b r -k",		"-k needs an argument" },
		{ H "-b r -k \"k -v v",	"-k needs an argument, or its quote is not closed" },
		{ H "-b r -k k -v",	"-v needs an argument" },
		{ H "-F f -S",		"-S needs an argument" },
		{ H "-F f -V",		"-V needs an argument" },
		{ H "-F f -z",		"-z needs an argument" },
		{ H "-F f -c",		"-c needs a number from 1 to 86400" },
		{ H "-F f -c -f",	"-c needs a number from 1 to 86400" },
		{ H "-F f -c 0",	"-c needs a number from 1 to 86400" },
		{ H "-F f -c -1",	"-c needs a number from 1 to 86400" },
		{ H "-F f -c x",	"-c needs a number from 1 to 86400" },
		{ H "-F f -c 5x",	"-c needs a number from 1 to 86400" },
		{ H "-F f -c 1.5",	"-c needs a number from 1 to 86400" },
		{ H "-F f -c 86401",	"-c needs a number from 1 to 86400" },
		{ H "-F f -c 4294967297", "-c needs a number from 1 to 86400" },
		{ H "-F f -c 99999999999999999999",
					"-c needs a number from 1 to 86400" },
		{ H "-F f -l 0",	"-l needs a number from 1 to 86400" },
		{ H "-F f -l",		"-l needs a number from 1 to 86400" },
		{ H "-F f -Z 0",	"-Z needs a number from 1 to 86400" },
		{ H "-F f -Z all",	"-Z needs a number from 1 to 86400" },
		{ H "-F .f",		"a name is empty" },
		{ H "-F s.",		"a name is empty" },
		{ H "-F s..f",		"a name is empty" },
		{ H "-F .",		"a name is empty" },
		{ H "-F f -v ,",	"a name is empty" },
		{ H "-F f -v a,",	"a name is empty" },
		{ H "-F f -v a,,b",	"a name is empty" },
		{ H "-b .r -k k -v v",	"a name is empty" },
		{ H "-F f -v " C16 ",q",	"-v names more than 16 columns" },
		{ "-F f -H nonsense",	"-H connection string refused: missing \"=\" after \"nonsense\"" },
		{ "-F f -H hots=h",	"-H connection string refused: invalid connection option \"hots\"" },

			/* a password, plain and by mistake */
		{ "-F f -H \"host=h password=" SECRET "\"",
					"refused: a password may not stand in sendmail.cf" },
		{ "-F f -H \"host=h password='" SECRET "'\"",
					"refused: a password may not stand in sendmail.cf" },
		{ "-F f -H password=" SECRET,
					"refused: a password may not stand in sendmail.cf" },
		{ "-F f -H sslpassword=" SECRET,
					"refused: a password may not stand in sendmail.cf" },
		{ "-F f -H postgresql://u:" SECRET "@h/d",
					"refused: a password may not stand in sendmail.cf" },
		{ "-F f -H postgres://h/d?password=" SECRET,
					"refused: a password may not stand in sendmail.cf" },
		{ "-F f -H host=h password=" SECRET,	"cannot understand" },
		{ "-F f -H \"host=h password=my " SECRET "\"",	"refused: it cannot be parsed" },
		{ "-F f -H \"host=h password='" SECRET "\"",	"refused: it cannot be parsed" },
		{ "-F f -H \"host=h pasword=x " SECRET "\"",
					"refused: invalid connection option \"pasword\"" },
		{ "-F f -H postgresql://u:" SECRET "@[h/d",	"refused: it cannot be parsed" },
		{ "-F f -H postgresql://u:" SECRET "%zz@h/d",	"refused: it cannot be parsed" },
		{ "-F f -H postgresql://u:" SECRET "@h/d?x=y",	"refused: it cannot be parsed" },
		{ "-F f -H postgresql://h/d?pasword=" SECRET,	"refused: it cannot be parsed" }
	};
	MAP map;
	char *args;
	int i;

	for (i = 0; i < NITEMS(cases); i++)
	{
		memset(&map, '\0', sizeof(map));
		map.map_mname = "some";
		SysErrs = Logs = 0;
		*SysErr = '\0';
		args = sm_strdup_x(cases[i].r_args);

		/* sendmail ends, or never asks for this map again */
		__lsan_disable();
		CASE(cases[i].r_args, !pgsqlmap_parseargs(&map, args));
		__lsan_enable();
		CASE(cases[i].r_args, SysErrs == 1);
		CASE(cases[i].r_args, Logs == 0);
		CASE(cases[i].r_args, strncmp(SysErr, "pgsql map \"some\": ", 18) == 0);
		CASE(cases[i].r_args, strstr(SysErr, cases[i].r_why) != NULL);
		CASE(cases[i].r_args, strstr(SysErr, SECRET) == NULL);
		CASE(cases[i].r_args, strchr(SysErr, '\n') == NULL);
		CASE(cases[i].r_args, map.map_db1 == NULL);
		if (strstr(SysErr, cases[i].r_why) == NULL)
			(void) fprintf(stderr, "\tsaid: %s\n", SysErr);
		sm_free(args);
	}
}

static void
test_flags()
{
	static struct
	{
		const char	*f_args;
		long		f_before;
		long		f_flags;
		char		f_spacesub;
		char		f_coldelim;
		char		f_colsep;
		const char	*f_app;
		const char	*f_tapp;
	} cases[] =
	{
		{ "",		0L,	0L,	'.', '\0', ' ', NULL, NULL },
		{ "",		MF_ALIAS,	MF_ALIAS,
						'.', ',', ' ', NULL, NULL },
		{ "",		MF_FILECLASS,	MF_FILECLASS,
						'.', ' ', ' ', NULL, NULL },
		{ "-z;",	MF_ALIAS,	MF_ALIAS,
						'.', ';', ' ', NULL, NULL },
		{ "-f",		0L,	MF_NOFOLDCASE,	'.', '\0', ' ', NULL, NULL },
		{ "-m",		0L,	MF_MATCHONLY,	'.', '\0', ' ', NULL, NULL },
		{ "-o",		0L,	MF_OPTIONAL,	'.', '\0', ' ', NULL, NULL },
		{ "-q",		0L,	MF_KEEPQUOTES,	'.', '\0', ' ', NULL, NULL },
		{ "-D",		0L,	MF_DEFER,	'.', '\0', ' ', NULL, NULL },
		{ "-1",		0L,	MF_SINGLEMATCH,	'.', '\0', ' ', NULL, NULL },
		{ "-f -m -o",	0L,	MF_NOFOLDCASE|MF_MATCHONLY|MF_OPTIONAL,
						'.', '\0', ' ', NULL, NULL },
		{ "-S+",	0L,	0L,	'+', '\0', ' ', NULL, NULL },
		{ "-S -f",	0L,	MF_NOFOLDCASE,	' ', '\0', ' ', NULL, NULL },
		{ "-V|",	0L,	0L,	'.', '\0', '|', NULL, NULL },
		{ "-V\\t -z\\n", 0L,	0L,	'.', '\n', '\t', NULL, NULL },
		{ "-z\\",	0L,	0L,	'.', '\\', ' ', NULL, NULL },
		{ "-a<OK>",	0L,	0L,	'.', '\0', ' ', "<OK>", NULL },
		{ "-T<TMPF>",	0L,	0L,	'.', '\0', ' ', NULL, "<TMPF>" },
		{ "-a\" x\" -Ty", 0L,	0L,	'.', '\0', ' ', " x", "y" },
		{ "-a",		0L,	0L,	'.', '\0', ' ', "", NULL },
		{ "-a -f",	0L,	MF_NOFOLDCASE,	'.', '\0', ' ', "", NULL },
		{ "-T -o",	0L,	MF_OPTIONAL,	'.', '\0', ' ', NULL, "" }
	};
	MAP *map;
	int i;

	for (i = 0; i < NITEMS(cases); i++)
	{
		map = newmap(cases[i].f_before, "%s -F f %s", H, cases[i].f_args);
		CASE(cases[i].f_args, map->map_mflags == cases[i].f_flags);
		CASE(cases[i].f_args, map->map_spacesub == cases[i].f_spacesub);
		CASE(cases[i].f_args, map->map_coldelim == cases[i].f_coldelim);
		CASE(cases[i].f_args, spec(map)->pgs_colsep == cases[i].f_colsep);
		CASE(cases[i].f_args, same(map->map_app, cases[i].f_app));
		CASE(cases[i].f_args, same(map->map_tapp, cases[i].f_tapp));
	}

	map = newmap(0L, H "-F f");
	SM_TEST(spec(map)->pgs_connect == 5);
	SM_TEST(spec(map)->pgs_limit == 5);
	SM_TEST(spec(map)->pgs_maxrows == 0);
	map = newmap(0L, H "-F f -c 7 -l86400 -Z \"1\"");
	SM_TEST(spec(map)->pgs_connect == 7);
	SM_TEST(spec(map)->pgs_limit == 86400);
	SM_TEST(spec(map)->pgs_maxrows == 1);

	map = newmap(0L, H "-F f -O -e -n -i 0");
	SM_TEST(spec(map)->pgs_named && spec(map)->pgs_forget);
	SM_TEST(spec(map)->pgs_idle == 0);
	map = newmap(MF_ALIAS, H);
	SM_TEST(same(spec(map)->pgs_function, "mail.lookup_aliases"));
	SM_TEST(bitset(MF_NOFOLDCASE, map->map_mflags));
}

/*
**  TEST_DEFAULTS -- PgsqlDefaultSpec holds for maps that come later
*/

static void
test_defaults()
{
	static const char *const refused[] = { "-F f", "-b r", "-k k", "-v v",
		"-f", "-m", "-o", "-q", "-1", "-D", "-a x", "-T x", "-S x",
		"-z ,", "-K", "-n" };
	PGSQLMAP_SPEC before = *pgsqlmap_defaults();
	char args[MAXLINE];
	MAP *map;
	int i;

	for (i = 0; i < NITEMS(refused); i++)
	{
		SysErrs = 0;
		(void) sm_strlcpyn(args, sizeof(args), 2, "-H host=d ",
				   refused[i]);
		__lsan_disable();	/* once in a life */
		pgsqlmap_set_defaults(args);
		__lsan_enable();
		CASE(refused[i], SysErrs == 1);
		CASE(refused[i], strstr(SysErr, "PgsqlDefaultSpec") != NULL);
		CASE(refused[i], pgsqlmap_defaults()->pgs_conninfo == NULL);
	}

	SysErrs = 0;
	(void) sm_strlcpy(args, "-H host=d -c 3 -l 4 -i 7 -e -p ahead -Z 9 -V;",
			  sizeof(args));
	pgsqlmap_set_defaults(args);
	SM_TEST(SysErrs == 0);
	map = newmap(0L, "-F f");
	SM_TEST(same(wire(map)->pgw_label, "host=d"));
	SM_TEST(wire(map)->pgw_idle == 7);
	SM_TEST(spec(map)->pgs_connect == 3 && spec(map)->pgs_limit == 4);
	SM_TEST(spec(map)->pgs_named && spec(map)->pgs_maxrows == 9);
	SM_TEST(spec(map)->pgs_colsep == ';');
	SM_TEST(same(spec(map)->pgs_askahead->pgq_sql,
		     "SELECT * FROM \"ahead\"($1,$2,$3,$4,$5)"));
	map = newmap(0L, "-H host=e -F f -c 8");
	SM_TEST(same(wire(map)->pgw_label, "host=e"));
	SM_TEST(spec(map)->pgs_connect == 8 && spec(map)->pgs_limit == 4);

	/* what one key cannot foretell is asked by itself */
	map = newmap(0L, "-K -F f");
	SM_TEST(spec(map)->pgs_ahead == NULL);
	map = newmap(0L, "-n -F f");
	SM_TEST(spec(map)->pgs_ahead == NULL);
	map = newmap(0L, "-b r -k k -v v");
	SM_TEST(spec(map)->pgs_ahead == NULL);
	map = newmap(0L, "-F f -v a,b");
	SM_TEST(spec(map)->pgs_ahead == NULL);
	*pgsqlmap_defaults() = before;
}

/*
**  TEST_LENGTHS -- names of every length where the query becomes too long
**
**	What is accepted must be complete, and what is refused be refused
**	because of this; a byte written too far is seen by the sanitizer.
*/

static void
test_lengths()
{
	static const char *const forms[] = { "-F %s", "-F f -v %s",
		"-F s.%s -v a,b", "-b %s -k k -v v", "-b r -k %s -v v",
		"-b r -k k -v %s" };
	static const char fill[] = { 'n', '"' };
	char name[MAXLINE + 200], args[MAXLINE + 300];
	const char *end;
	int i, j, len, accepted, refused, wrong;
	MAP map;

	for (i = 0; i < NITEMS(forms); i++)
	{
		for (j = 0; j < NITEMS(fill); j++)
		{
			accepted = refused = wrong = 0;
			for (len = MAXLINE / 2 - 100; len < MAXLINE + 100; len++)
			{
				memset(name, fill[j], (size_t) len);
				name[0] = name[len - 1] = 'n';
				name[len] = '\0';
				(void) sm_strlcpy(args, H, sizeof(args));
				(void) sm_snprintf(args + strlen(args),
					sizeof(args) - strlen(args), forms[i],
					name);
				memset(&map, '\0', sizeof(map));
				map.map_mname = "t";
				__lsan_disable();
				if (pgsqlmap_parseargs(&map, args))
				{
					accepted++;
					end = spec(&map)->pgs_ask->pgq_sql;
					if (strlen(end) >= MAXLINE)
						wrong++;
					end += strlen(end) - 4;
					if (strcmp(end, "($1)") != 0 &&
					    strcmp(end, "= $1") != 0)
						wrong++;
				}
				else
				{
					refused++;
					if (strstr(SysErr, "too long") == NULL)
						wrong++;
				}
				__lsan_enable();
			}
			CASE(forms[i], wrong == 0);
			CASE(forms[i], refused > 0);
			CASE(forms[i], accepted > 0);
		}
	}
}

/* -------------------------------------------------------------- targets */

static void
test_targets()
{
	static struct
	{
		const char	*t_group;	/* same group, same target */
		const char	*t_conninfo;
		const char	*t_label;
	} cases[] =
	{
		{ "A", "host=h port=5 dbname=d user=u",
			"user=u dbname=d host=h port=5" },
		{ "A", "user=u dbname=d  port=5 host=h", NULL },
		{ "A", " host = 'h' port='5' dbname=d user=u ", NULL },
		{ "A", "host=x host=h port=5 dbname=d user=u", NULL },
		{ "A", "postgresql://u@h:5/d", NULL },
		{ "A", "postgres://h:5/d?user=u", NULL },
		{ "A", "postgresql:///d?port=5&host=%68&user=u", NULL },
		{ "B", "host=h port=6 dbname=d user=u", NULL },
		{ "C", "host=h port=5 dbname=d user=v", NULL },
		{ "D", "host=h port=5 dbname=d", NULL },
		{ "E", "host=h port=5 dbname=d user=u sslmode=require",
			"user=u dbname=d host=h port=5" },
		{ "E", "postgresql://u@h:5/d?sslmode=require", NULL },
		{ "F", "host=h port=5 dbname=d user=u sslmode=disable", NULL },
		{ "G", "service=sendmail",
			"service=sendmail" },
		{ "H", "service=sendmail user=u",
			"service=sendmail user=u" },
		{ "I", "host='a b\\'c\\\\d' passfile=/p",
			"host=a b'c\\d" },
		{ "I", "passfile=/p host=a\\ b\\'c\\\\d", NULL },
		{ "J", "host=h dbname='d user=u'",
			"dbname=d user=u host=h" },
		{ "K", "host=h dbname=d user=u",
			"user=u dbname=d host=h" },
		{ "L", "hostaddr=::1 host=''",
			"host= hostaddr=::1" }
	};
	PGSQLMAP_WIRE *wires[NITEMS(cases)];
	char *target, *label, *err, *again, *dummy;
	int i, j;

	for (i = 0; i < NITEMS(cases); i++)
	{
		target = pgsqlmap_wire_normal(cases[i].t_conninfo, &label, &err);
		CASE(cases[i].t_conninfo, target != NULL);
		if (target == NULL)
		{
			wires[i] = NULL;
			continue;
		}
		CASE(cases[i].t_conninfo, cases[i].t_label == NULL ||
			same(label, cases[i].t_label));

		/* what is normal stays as it is */
		again = pgsqlmap_wire_normal(target, &dummy, &err);
		CASE(cases[i].t_conninfo, same(again, target));
		sm_free(again);
		sm_free(dummy);
		wires[i] = pgsqlmap_wire_find(target, label);
		for (j = 0; j < i; j++)
		{
			CASE(cases[i].t_conninfo, (wires[i] == wires[j]) ==
			     same(cases[i].t_group, cases[j].t_group));
		}
	}

	/* and what it says to libpq is what was meant */
	target = pgsqlmap_wire_normal("host='a b\\'c\\\\d'", &label, &err);
	SM_TEST(same(target, "host='a b\\'c\\\\d'"));
	sm_free(target);
	sm_free(label);
}

/* ----------------------------------------------------- open, close, share */

static void
test_open()
{
	MAP *map = newmap(0L, "-H \"%s\" -F t.backend", Socket);
	int pid;

	errno = 0;
	SM_TEST(!pgsqlmap_open(map, O_RDWR));
	SM_TEST(errno == ENOSYS);
	SM_TEST(!pgsqlmap_open(map, O_WRONLY|O_CREAT));
	SM_TEST(pgsqlmap_open(map, O_RDONLY));

	/* opening does not connect, and closing keeps the connection */
	SM_TEST(wire(map)->pgw_conn == NULL);
	pid = number(map, "");
	SM_TEST(pid > 0);
	pgsqlmap_close(map);
	SM_TEST(pgsqlmap_open(map, O_RDONLY));
	SM_TEST(number(map, "") == pid);

	/* a server that is away does not hinder opening */
	map = newmap(0L, "-H host=/nonexistent -F f");
	SM_TEST(pgsqlmap_open(map, O_RDONLY));
	SM_TEST(wire(map)->pgw_conn == NULL);
}

static void
test_share()
{
	MAP *a, *b, *c, *d;
	char name[64];
	int pid;

	a = newmap(0L, "-H \"%s application_name=share\" -F t.backend", Socket);
	b = newmap(0L, "-H \"application_name=share %s\" -F t.backend -v backend",
		   Socket);
	c = newmap(0L, "-H postgresql:///postgres?application_name=share&host=%s&port=%s&user=%s -b t.backends -k key -v pid",
		   SocketDir, Port, READER);
	d = newmap(0L, "-H \"%s application_name=other\" -F t.backend", Socket);

	pid = number(a, "");
	SM_TEST(pid > 0);
	SM_TEST(number(b, "") == pid);
	SM_TEST(number(c, "pid") == pid);
	SM_TEST(number(d, "") > 0);
	SM_TEST(number(d, "") != pid);
	SM_TEST(backends("share", 1) == 1);
	SM_TEST(backends("other", 1) == 1);

	/* what the other end sees: who asks, and in which encoding */
	a = newmap(0L, "-H \"%s client_encoding=LATIN1\" -b pg_settings -k name -v setting",
		   Socket);
	(void) sm_snprintf(name, sizeof(name),
			   "sendmail/mail.sqlmail.test/smtp/%ld",
			   (long) getpid());
	SM_TEST(answers(a, "application_name", name));
	SM_TEST(answers(a, "client_encoding", "UTF8"));

	/* by the name of a service, as libpq reads it */
	a = newmap(0L, "-H service=t-pgsqlmap -F t.user");
	SM_TEST(answers(a, "", READER));
}

/*
**  TEST_SETTINGS -- what holds for a connection that says nothing else
*/

static void
test_settings()
{
	static struct
	{
		const char	*s_conninfo;
		const char	*s_name;
		const char	*s_value;
	} cases[] =
	{
			/* a peer that is dead is noticed */
		{ "",				"keepalives_idle",	"30" },
		{ "",				"tcp_user_timeout",	"5000" },
		{ "keepalives_idle=7",		"keepalives_idle",	"7" },
		{ "",				"gssencmode",		"disable" },

			/* who answers proves who it is */
		{ "",				"sslmode",	"verify-full" },
		{ "sslmode=disable",		"sslmode",	"disable" },
		{ "service=t-settings",		"sslmode",	"require" },
		{ "",				"require_auth",	"!password,!md5" },
		{ "require_auth=none",		"require_auth",	"none" }
	};
	PQconninfoOption *opts, *o;
	MAP *map;
	int i;

	for (i = 0; i < NITEMS(cases); i++)
	{
		if (strcmp(cases[i].s_name, "require_auth") == 0 &&
		    PQlibVersion() < 160000)
			continue;
		map = newmap(0L, "-H \"%s application_name=settings%d %s\" -F t.user",
			     Socket, i, cases[i].s_conninfo);
		CASE(cases[i].s_name, answers(map, "", READER));
		opts = PQconninfo(wire(map)->pgw_conn);
		for (o = opts; o->keyword != NULL; o++)
		{
			if (strcmp(o->keyword, cases[i].s_name) == 0)
				CASE(cases[i].s_name,
				     same(o->val, cases[i].s_value));
		}
		PQconninfoFree(opts);
		pgsqlmap_wire_drop(wire(map));
	}

	/* over TCP somebody who cannot prove it is refused */
	map = newmap(0L, "-H \"host=localhost port=%s dbname=postgres user=%s passfile=%s/pass\" -F t.user",
		     Port, READER, Scratch);
	SM_TEST(ask(map, "", NULL) == EX_TEMPFAIL);
	SM_TEST(strstr(Log, "root certificate") != NULL);

	/* a session that the server ends after a while is made anew */
	map = newmap(0L, "-H \"%s application_name=ended options='-c idle_session_timeout=100'\" -F t.user",
		     Socket);
	SM_TEST(answers(map, "", READER));
	SM_TEST(backends("ended", 0) == 0);
	SM_TEST(answers(map, "", READER));
}

/* --------------------------------------------------------------- lookups */

static void
test_keys()
{
	static const char *const keys[] = { "plain", "o'brien", "a\\b", "a\\'b",
		"100%", "%s%n", "_", "%", "a;DROP TABLE t.kv;--",
		"a'; DROP TABLE t.kv;--", "a\"b", "$1", "{}", "NULL", "",
		" lead", "trail ", "tab\tkey", "line\nkey", "cr\rkey",
		"\001", "J\303\266rg", "\342\202\254", "\360\237\230\200",
		"e\314\201", "user+detail@example.com" };
	static const char *const absent[] = { "absent", "Plain", "o''brien",
		"a\\\\b", "100", "__", "%%", "plain ", " plain",
		"\303\251", "1' OR '1'='1" };
	const char *param[2];
	char value[32];
	PGresult *res;
	MAP *maps[2];
	int i, m;

	for (i = 0; i < NITEMS(keys); i++)
	{
		(void) sm_snprintf(value, sizeof(value), "value %d", i);
		param[0] = keys[i];
		param[1] = value;
		res = PQexecParams(Admin, "INSERT INTO t.kv VALUES ($1, $2)", 2,
				   NULL, param, NULL, NULL, 0);
		if (PQresultStatus(res) != PGRES_COMMAND_OK)
			fatal(keys[i], PQerrorMessage(Admin));
		PQclear(res);
	}
	maps[0] = newmap(0L, "-H \"%s\" -b t.kv -k key -v value -f", Socket);
	maps[1] = newmap(0L, "-H \"%s\" -F t.find -f", Socket);
	for (m = 0; m < 2; m++)
	{
		for (i = 0; i < NITEMS(keys); i++)
		{
			(void) sm_snprintf(value, sizeof(value), "value %d", i);
			CASE(keys[i], answers(maps[m], keys[i], value));
		}
		for (i = 0; i < NITEMS(absent); i++)
			CASE(absent[i], ask(maps[m], absent[i], NULL) == EX_NOTFOUND);
	}
	SM_TEST(atoi(sql("SELECT count(*) FROM t.kv")) == NITEMS(keys));

	/* names that only quotes make possible */
	maps[0] = newmap(0L, "-H \"%s\" -b \"t.odd 'rel;\" -k k.\"y -v v,al\"ue",
			 Socket);
	SM_TEST(ask(maps[0], "a", NULL) == EX_TEMPFAIL);
	SM_TEST(strstr(Log, "sqlstate=42703") != NULL);
	maps[0] = newmap(0L, "-H \"%s\" -b \"t.odd 'rel;\" -k k.\"y -v al\"ue",
			 Socket);
	SM_TEST(answers(maps[0], "a", "odd"));
}

static void
test_lengthy()
{
	static const size_t sizes[] = { 1024, 8192, 65536, 4000000 };
	MAP *echo, *find, *fold;
	char *key;
	int i;

	echo = newmap(0L, "-H \"%s\" -F t.echo -f", Socket);
	fold = newmap(0L, "-H \"%s\" -F t.echo", Tls);
	find = newmap(0L, "-H \"%s\" -b t.kv -k key -v value -f", Tcp);
	for (i = 0; i < NITEMS(sizes); i++)
	{
		key = sm_malloc_x(sizes[i] + 1);
		memset(key, 'K', sizes[i]);
		key[sizes[i]] = '\0';
		SM_TEST(answers(echo, key, key));
		SM_TEST(ask(find, key, NULL) == EX_NOTFOUND);
		SM_TEST(ask(fold, key, NULL) == EX_OK);
		memset(key, 'k', sizes[i]);
		SM_TEST(same(Answer, key));
		sm_free(key);
	}
}

static void
test_not_utf8()
{
	static const char *const keys[] = { "\377\376bad", "latin1 \351",
		"\300\257", "\355\240\200" };
	MAP *map = newmap(0L, "-H \"%s application_name=bytes\" -F t.echo", Socket);
	char stamp[64];
	int i;

	/* not found, without so much as a connection */
	for (i = 0; i < NITEMS(keys); i++)
		SM_TEST(ask(map, keys[i], NULL) == EX_NOTFOUND);
	SM_TEST(wire(map)->pgw_conn == NULL);
	SM_TEST(backends("bytes", 0) == 0);

	/* nor a query where there is a connection */
	SM_TEST(answers(map, "good", "good"));
	(void) sm_strlcpy(stamp, sql("SELECT query_start FROM pg_stat_activity WHERE application_name = 'bytes'"),
			  sizeof(stamp));
	SM_TEST(*stamp != '\0');
	for (i = 0; i < NITEMS(keys); i++)
		SM_TEST(ask(map, keys[i], NULL) == EX_NOTFOUND);
	SM_TEST(same(sql("SELECT query_start FROM pg_stat_activity WHERE application_name = 'bytes'"),
		     stamp));
	SM_TEST(answers(map, "good", "good"));
	SM_TEST(!same(sql("SELECT query_start FROM pg_stat_activity WHERE application_name = 'bytes'"),
		      stamp));
}

static void
test_values()
{
	static struct
	{
		const char	*v_flags;
		const char	*v_key;
		int		v_status;
		const char	*v_value;
	} cases[] =
	{
			/* one column */
		{ "-v a",		"ab",	EX_OK,		"a" },
		{ "-v a",		"nb",	EX_NOTFOUND,	NULL },
		{ "-v a",		"empty", EX_OK,		"" },
		{ "-v a",		"none",	EX_NOTFOUND,	NULL },
		{ "-v a -a<x>",		"ab",	EX_OK,		"a<x>" },
		{ "-v a -a<x>",		"empty", EX_OK,		"<x>" },

			/* two columns */
		{ "-v a,b",		"ab",	EX_OK,		"a b" },
		{ "-v b,a",		"ab",	EX_OK,		"b a" },
		{ "-v a,b,a",		"ab",	EX_OK,		"a b a" },
		{ "-v a,b -V|",		"ab",	EX_OK,		"a|b" },
		{ "-v a,b -V\\t",	"ab",	EX_OK,		"a\tb" },
		{ "-v a,b -V|",		"nb",	EX_OK,		"b" },
		{ "-v a,b -V|",		"an",	EX_OK,		"a" },
		{ "-v a,b -V|",		"nn",	EX_NOTFOUND,	NULL },
		{ "-v a,b -V|",		"empty", EX_OK,		"|" },
		{ "-v a,b -V|",		"eb",	EX_OK,		"|b" },
		{ "-v a,b -V|",		"ae",	EX_OK,		"a|" },

			/* several rows: the first counts, or all do */
		{ "-v a",		"rows",	EX_OK,		"a1" },
		{ "-v a,b",		"rows",	EX_OK,		"a1 b1" },
		{ "-v a -z,",		"rows",	EX_OK,		"a1,a2,a3" },
		{ "-v a,b -z, -V|",	"rows",	EX_OK,		"a1|b1,a2|b2,a3|b3" },
		{ "-v a,b -z\\n -V\\t",	"rows",	EX_OK,		"a1\tb1\na2\tb2\na3\tb3" },
		{ "-v a -z,",		"ab",	EX_OK,		"a" },
		{ "-v a -z,",		"holes", EX_OK,		"a2,a4" },
		{ "-v a,b -z, -V|",	"holes", EX_OK,		"b1,a2,a4|b4" },
		{ "-v a -z,",		"blanks", EX_OK,	",,a3" },
		{ "-v a -z,",		"nulls", EX_NOTFOUND,	NULL },
		{ "-v a",		"nulls", EX_NOTFOUND,	NULL },

			/* -1: one row, or it does not count */
		{ "-v a -1",		"ab",	EX_OK,		"a" },
		{ "-v a -1",		"rows",	EX_NOTFOUND,	NULL },
		{ "-v a -1 -z,",	"rows",	EX_NOTFOUND,	NULL },
		{ "-v a -1",		"none",	EX_NOTFOUND,	NULL },

			/* -Z: so many rows, or something is wrong */
		{ "-v a -z, -Z 3",	"rows",	EX_OK,		"a1,a2,a3" },
		{ "-v a -z, -Z 2",	"rows",	EX_TEMPFAIL,	NULL },
		{ "-v a -Z 1",		"rows",	EX_TEMPFAIL,	NULL },
		{ "-v a -Z 1 -1",	"rows",	EX_TEMPFAIL,	NULL },
		{ "-v a -Z 1",		"ab",	EX_OK,		"a" },
		{ "-v a -Z 1",		"none",	EX_NOTFOUND,	NULL },

			/* -m: only whether it is there */
		{ "-v a -m",		"ab",	EX_OK,		"ab" },
		{ "-v a -m",		"AB",	EX_OK,		"AB" },
		{ "-v a -m -a.",	"Ab",	EX_OK,		"Ab." },
		{ "-v a -m",		"empty", EX_OK,		"empty" },
		{ "-v a -m",		"nb",	EX_NOTFOUND,	NULL },
		{ "-v a -m",		"none",	EX_NOTFOUND,	NULL },

			/* what %0 and its like do to a value */
		{ "-v a",		"args",	EX_OK,		"<zero one % %x>" }
	};
	char *av[3];
	MAP *map;
	int i;

	av[0] = "zero";
	av[1] = "one";
	av[2] = NULL;
	for (i = 0; i < NITEMS(cases); i++)
	{
		map = newmap(0L, "-H \"%s\" -b t.pairs -k key %s", Socket,
			     cases[i].v_flags);
		(void) ask(map, cases[i].v_key, av);
		CASE(cases[i].v_flags, Status == cases[i].v_status);
		CASE(cases[i].v_flags, same(Answer, cases[i].v_value));
		if (Status != cases[i].v_status || !same(Answer, cases[i].v_value))
			(void) fprintf(stderr, "\tkey %s: %d, %s\n",
				cases[i].v_key, Status,
				Answer == NULL ? "NULL" : Answer);
		if (cases[i].v_status == EX_TEMPFAIL)
			CASE(cases[i].v_flags, strstr(Log, "3 rows, the limit is") != NULL);
	}

	/* without arguments a value is taken as it is */
	map = newmap(0L, "-H \"%s\" -b t.pairs -k key -v a", Socket);
	SM_TEST(answers(map, "args", "<%0 %1 %% %x%2>"));

	/* an alias with several rows is a list */
	map = newmap(MF_ALIAS, "-H \"%s\" -b t.pairs -k key -v a", Socket);
	SM_TEST(answers(map, "rows", "a1,a2,a3"));
}

static void
test_fold()
{
	static struct
	{
		const char	*f_key;
		const char	*f_folded;
	} cases[] =
	{
		{ "MiXeD@Example.COM",	"mixed@example.com" },
		{ "already lower",	"already lower" },
		{ "",			"" },
		{ "To:Joe@X",		"to:joe@x" },
		{ "\303\204RGER@X",	"\303\244rger@x" },
		{ "\303\244rger@x",	"\303\244rger@x" },

			/* lower case may be longer or shorter than upper case */
		{ "\304\260",		"i\314\207" },
		{ "STRA\341\272\236E",	"strasse" },
		{ "\342\204\252",	"k" }
	};
	MAP *fold, *keep;
	int i;

	fold = newmap(0L, "-H \"%s\" -F t.echo", Socket);
	keep = newmap(0L, "-H \"%s\" -F t.echo -f", Socket);
	for (i = 0; i < NITEMS(cases); i++)
	{
		CASE(cases[i].f_key, answers(fold, cases[i].f_key, cases[i].f_folded));
		CASE(cases[i].f_key, answers(keep, cases[i].f_key, cases[i].f_key));
	}
}

/* ---------------------------------------------------------- no answer */

/*
**  TEST_ARGS -- -K: what the rule gives besides the key are parameters
*/

static void
test_args()
{
	char *one[] = { "A'", NULL };
	char *three[] = { "A", "b%1\\", "\303\204", NULL };
	char *some[] = { "a", "b", NULL };
	char *all[] = { "a", "b", "c", NULL };
	char *bad[] = { "a", "b\377", "c", NULL };
	MAP *map;

	map = newmap(0L, "-H \"%s\" -K -F t.args -f", Socket);
	SM_TEST(ask(map, "A'", one) == EX_OK);
	SM_TEST(same(Answer, "A'"));
	SM_TEST(ask(map, "A", three) == EX_OK);
	SM_TEST(same(Answer, "A|bb%1\\\\|\303\204"));
	SM_TEST(ask(map, "A'", one) == EX_OK);
	SM_TEST(ask(map, "A", NULL) == EX_OK);
	SM_TEST(ask(map, "a", bad) == EX_NOTFOUND);

	/* no such function: for two */
	SM_TEST(ask(map, "a", some) == EX_TEMPFAIL);
	SM_TEST(strstr(Log, "sqlstate=42883") != NULL);

	map = newmap(0L, "-H \"%s\" -K -b t.three -k a,b,c -v value", Socket);
	SM_TEST(ask(map, "A", all) == EX_OK);
	SM_TEST(same(Answer, "three"));
	SM_TEST(ask(map, "A", some) == EX_NOTFOUND);
	SM_TEST(ask(map, "A", NULL) == EX_NOTFOUND);

	/* they do not run into each other in the memo */
	Remember = true;
	all[1] = "b\001c";
	all[2] = "";
	SM_TEST(ask(map, "a", all) == EX_NOTFOUND);
	all[1] = "b";
	all[2] = "c";
	SM_TEST(ask(map, "a", all) == EX_OK);
	Remember = false;
}

/*
**  TEST_MEMO -- asked twice in one command, but never in two
*/

static void
test_memo()
{
	MAP *map, *other, *never;
	char first[MAXLINE];

	map = newmap(0L, "-H \"%s\" -F t.tick", Socket);
	other = newmap(0L, "-H \"%s\" -F t.tick -f", Socket);
	never = newmap(0L, "-H \"%s\" -F t.tick -n", Socket);

	pgsqlmap_forget();
	Remember = true;
	SM_TEST(ask(map, "memo", NULL) == EX_OK);
	(void) sm_strlcpy(first, Answer, sizeof(first));
	SM_TEST(answers(map, "memo", first));
	SM_TEST(answers(map, "MEMO", first));	/* folded to the same */
	SM_TEST(!answers(map, "memo2", first));
	SM_TEST(!answers(other, "memo", first));
	SM_TEST(ask(never, "memo", NULL) == EX_OK);
	(void) sm_strlcpy(first, Answer, sizeof(first));
	SM_TEST(!answers(never, "memo", first));

	(void) ask(map, "memo", NULL);
	(void) sm_strlcpy(first, Answer, sizeof(first));
	pgsqlmap_forget();
	SM_TEST(!answers(map, "memo", first));

	/* nobody said that a command began, and yet it is forgotten */
	(void) sm_strlcpy(first, Answer, sizeof(first));
	PgsqlmapMemoSince -= PGSQLMAP_MEMO_AGE + 1;
	SM_TEST(!answers(map, "memo", first));

	/* that there is nothing is remembered, a failure is not */
	map = newmap(0L, "-H \"%s\" -F t.find -f", Socket);
	SM_TEST(ask(map, "late", NULL) == EX_NOTFOUND);
	(void) sql("INSERT INTO t.kv VALUES ('late', 'now')");
	SM_TEST(ask(map, "late", NULL) == EX_NOTFOUND);
	pgsqlmap_forget();
	SM_TEST(answers(map, "late", "now"));
	(void) sql("DELETE FROM t.kv WHERE key = 'late'");
	map = newmap(0L, "-H \"%s\" -F t.comes -o", Socket);
	SM_TEST(ask(map, "a", NULL) == EX_TEMPFAIL);
	(void) sql("CREATE FUNCTION t.comes(text) RETURNS text LANGUAGE sql AS 'SELECT $1'");
	SM_TEST(answers(map, "a", "a"));
	Remember = false;
}

/*
**  TEST_AHEAD -- -p: one question, and the answers to those that follow
*/

static void
test_ahead()
{
	MAP *map, *tock, *plain, *strange;
	ENVELOPE e;
	ADDRESS to[3];
	char first[MAXLINE];

	map = newmap(0L, "-H \"%s\" -F t.tick -p t.ahead -z+", Socket);
	tock = newmap(0L, "-H \"%s\" -F t.tock -p t.ahead", Socket);
	plain = newmap(0L, "-H \"%s\" -F t.tock", Socket);
	strange = newmap(0L, "-H \"%s application_name=elsewhere\" -F t.tock -p t.ahead",
			 Socket);
	ClientName = "client.example";
	ClientAddr = "192.0.2.1";
	pgsqlmap_forget();
	Remember = true;
	SM_TEST(ask(map, "a", NULL) == EX_OK);
	(void) sm_strlcpy(first, Answer, sizeof(first));
	SM_TEST(answers(map, "a", first));
	SM_TEST(answers(map, "a.list", "a+b"));
	SM_TEST(ask(map, "a.none", NULL) == EX_NOTFOUND);
	SM_TEST(answers(tock, "a", "client.example/192.0.2.1"));

	/* a command tells its address, in the form that sendmail asks for */
	pgsqlmap_command("RCPT TO:<@r.example,@s.example:a@b.example> NOTIFY=NEVER");
	SM_TEST(ask(map, "a", NULL) == EX_OK);
	SM_TEST(answers(tock, "a", "client.example/192.0.2.1/To:a@b.example"));
	pgsqlmap_command("mail FROM:<\"a b\"@c.example>");
	SM_TEST(ask(map, "a", NULL) == EX_OK);
	SM_TEST(answers(tock, "a", "client.example/192.0.2.1"));
	pgsqlmap_command("MAIL From:<a@c.example>");
	SM_TEST(ask(map, "a", NULL) == EX_OK);
	SM_TEST(answers(tock, "a", "client.example/192.0.2.1/From:a@c.example"));

	/* it is told once, and only if something is asked */
	SM_TEST(ask(map, "b", NULL) == EX_OK);
	SM_TEST(answers(tock, "b", "client.example/192.0.2.1"));
	pgsqlmap_command("MAIL From:<a@c.example>");
	pgsqlmap_command("HELP");
	SM_TEST(ask(map, "a", NULL) == EX_OK);
	SM_TEST(answers(tock, "a", "client.example/192.0.2.1"));

	/* a delivery is asked for before its process exists */
	memset(&e, '\0', sizeof(e));
	memset(to, '\0', sizeof(to));
	e.e_from.q_paddr = "<a@c.example>";
	e.e_sendqueue = &to[0];
	to[0].q_paddr = "<list@d.example>";
	to[0].q_next = &to[1];
	to[1].q_paddr = "from-the-list";
	to[1].q_alias = &to[0];
	to[1].q_next = &to[2];
	to[2].q_paddr = "joe";
	pgsqlmap_delivery(&e);
	pgsqlmap_under_way("sender", "<from-the-queue-file@c.example>");
	SM_TEST(answers(tock, "", "client.example/192.0.2.1/sender:a@c.example\n\
recipient:list@d.example\nrecipient:joe"));
	SM_TEST(ask(map, "a", NULL) == EX_OK);
	SM_TEST(answers(tock, "a", "client.example/192.0.2.1"));
	pgsqlmap_forget();
	pgsqlmap_under_way("sender", "<a@c.example>");
	SM_TEST(ask(map, "a", NULL) == EX_OK);
	SM_TEST(answers(tock, "a", "client.example/192.0.2.1/sender:a@c.example"));

	/* not for a map that did not ask for it, nor for another server */
	pgsqlmap_forget();
	SM_TEST(ask(map, "a", NULL) == EX_OK);
	(void) sm_strlcpy(first, Answer, sizeof(first));
	SM_TEST(ask(plain, "a", NULL) == EX_NOTFOUND);
	SM_TEST(ask(strange, "a", NULL) == EX_OK);
	SM_TEST(!same(Answer, "client.example/192.0.2.1"));

	/* a key that was not foretold is asked, and all is forgotten */
	SM_TEST(ask(map, "b", NULL) == EX_OK);
	SM_TEST(!same(Answer, first));
	pgsqlmap_forget();
	SM_TEST(!answers(map, "a", first));

	/* macros that cannot be sent are left out */
	ClientName = "client\377";
	ClientAddr = NULL;
	pgsqlmap_forget();
	SM_TEST(ask(map, "a", NULL) == EX_OK);
	SM_TEST(ask(tock, "a", NULL) == EX_OK);
	SM_TEST(same(Answer, ""));
	ClientName = NULL;

	/* the flags of each map hold for what came with another's answer */
	tock = newmap(0L, "-H \"%s\" -F t.tick -p t.ahead -Z 1", Socket);
	pgsqlmap_forget();
	SM_TEST(ask(map, "a", NULL) == EX_OK);
	SM_TEST(ask(tock, "a.list", NULL) == EX_OK);
	SM_TEST(!same(Answer, "a+b"));

	/* what the function does not know is asked by itself */
	map = newmap(0L, "-H \"%s\" -F t.tick -p t.nothead", Socket);
	SM_TEST(ask(map, "key@key", NULL) == EX_OK);
	SM_TEST(strstr(Answer, " key@key") != NULL);
	(void) sm_strlcpy(first, Answer, sizeof(first));
	SM_TEST(answers(map, "key@key", first));
	SM_TEST(answers(map, "key@key.list", "a"));
	map = newmap(0L, "-H \"%s\" -F t.tick -p t.nosuch", Socket);
	SM_TEST(ask(map, "key@key", NULL) == EX_TEMPFAIL);
	SM_TEST(strstr(Log, "sqlstate=42883") != NULL);
	Remember = false;
}

/*
**  TEST_CLASS -- one question for all phrases of a text, and for all classes
*/

static void
test_class()
{
	MAP *map, *other, bad;
	char *av[3], first[MAXLINE], ticks[MAXLINE];
	char args[MAXLINE];

# define TICKS	sql("SELECT last_value FROM t.ticks")
	map = newmap(MF_DYNCLASS, "-H \"%s\" -F t.member -p t.members", Socket);
	other = newmap(MF_DYNCLASS, "-H \"%s\" -F t.elsewhere -p t.members",
		       Socket);
	pgsqlmap_forget();
	Remember = true;
	av[0] = "a";
	av[1] = "A.b.c.[d]:e";
	av[2] = NULL;
	SM_TEST(ask(map, "a", av) == EX_NOTFOUND);
	(void) sm_strlcpy(ticks, TICKS, sizeof(ticks));
	SM_TEST(ask(map, "b.c", av) == EX_OK);
	(void) sm_strlcpy(first, Answer, sizeof(first));
	SM_TEST(answers(map, "B.c", first));	/* a class has no case */
	SM_TEST(ask(map, "b", av) == EX_NOTFOUND);
	SM_TEST(ask(map, "d", av) == EX_NOTFOUND);
	SM_TEST(ask(map, "c.[d]:E", NULL) == EX_NOTFOUND);
	SM_TEST(ask(map, "[", NULL) == EX_NOTFOUND);
	SM_TEST(ask(map, "a.b.c.[d]:e", av) == EX_NOTFOUND);
	SM_TEST(answers(other, "b.c", "x"));
	SM_TEST(ask(other, "a.b", NULL) == EX_NOTFOUND);
	SM_TEST(same(ticks, TICKS));

	/* another text is another question; so is half a word */
	av[1] = "ab.c";
	SM_TEST(ask(map, "ab", av) == EX_NOTFOUND);
	SM_TEST(!same(ticks, TICKS));
	(void) sm_strlcpy(ticks, TICKS, sizeof(ticks));
	SM_TEST(ask(map, "ab.c", av) == EX_NOTFOUND);
	SM_TEST(same(ticks, TICKS));
	SM_TEST(ask(map, "a", NULL) == EX_NOTFOUND);
	SM_TEST(same(ticks, TICKS));
	SM_TEST(ask(map, "b.", NULL) == EX_NOTFOUND);
	SM_TEST(!same(ticks, TICKS));

	/* a committed row counts for the next command */
	pgsqlmap_forget();
	SM_TEST(ask(map, "b.c", NULL) == EX_OK);
	SM_TEST(!same(Answer, first));

	/* what the function does not know is asked by itself */
	SM_TEST(answers(map, "alone", "by itself"));
	SM_TEST(ask(other, "alone", NULL) == EX_TEMPFAIL);

	/* without -p each phrase is a question; a text in no UTF-8, too */
	map = newmap(MF_DYNCLASS, "-H \"%s\" -F t.member", Socket);
	SM_TEST(answers(map, "alone", "by itself"));
	SM_TEST(ask(map, "b.c", NULL) == EX_NOTFOUND);
	map = newmap(MF_DYNCLASS, "-H \"%s\" -F t.member -p t.members", Socket);
	av[1] = "alone\377";
	SM_TEST(ask(map, "alone", av) == EX_OK);

	/* a member that the memo has no room for is one all the same */
	map = newmap(MF_DYNCLASS, "-H \"%s\" -F t.crowd -p t.crowds", Socket);
	av[1] = "a.b.c";
	SM_TEST(ask(map, "a", av) == EX_NOTFOUND);
	SM_TEST(answers(map, "b.c", "by itself"));

	/* no answer is not "no member" */
	map = newmap(MF_DYNCLASS, "-H \"%s\" -F t.member -p t.nosuch", Socket);
	SM_TEST(ask(map, "a", NULL) == EX_TEMPFAIL);
	SM_TEST(strstr(Log, "sqlstate=42883") != NULL);

	memset(&bad, '\0', sizeof(bad));
	bad.map_mname = "t";
	bad.map_mflags = MF_DYNCLASS;
	(void) sm_snprintf(args, sizeof(args), "-H \"%s\" -F t.member -K",
			   Socket);
	__lsan_disable();
	SM_TEST(!pgsqlmap_parseargs(&bad, args));
	__lsan_enable();
	SM_TEST(strstr(SysErr, "-K is refused") != NULL);
	Remember = false;
}

/*
**  TEST_NAMED -- -e: prepared once for each connection
*/

static void
test_named(conninfo)
	const char *conninfo;
{
	MAP *map, *grows;
	PGresult *res;
	int pid;

	map = newmap(0L, "-H \"%s application_name=unnamed\" -F t.prepared",
		     conninfo);
	SM_TEST(answers(map, "", "0"));
	map = newmap(0L, "-H \"%s application_name=named\" -F t.prepared -e",
		     conninfo);
	SM_TEST(answers(map, "", "1"));
	SM_TEST(answers(map, "", "1"));

	/* another map that asks the same has the same statement */
	map = newmap(0L, "-H \"%s application_name=named\" -F t.prepared -e -f",
		     conninfo);
	SM_TEST(answers(map, "", "1"));
	SM_TEST(!wire(map)->pgw_unnamed);
	grows = newmap(0L, "-H \"%s application_name=named\" -b t.grows -k key -v value -e",
		       conninfo);
	SM_TEST(answers(grows, "a", "old"));
	SM_TEST(answers(map, "", "2"));
	SM_TEST(ask(grows, "b", NULL) == EX_NOTFOUND);

	/* an error of the query itself stays one, prepared or not */
	map = newmap(0L, "-H \"%s application_name=named\" -F t.cast -e",
		     conninfo);
	SM_TEST(ask(map, "x", NULL) == EX_TEMPFAIL);
	SM_TEST(strstr(Log, "sqlstate=22P02") != NULL);
	SM_TEST(answers(map, "7", "7"));
	SM_TEST(!wire(map)->pgw_unnamed);

	/* after the connection was lost it is prepared anew */
	pid = PQbackendPID(wire(map)->pgw_conn);
	(void) sql("SELECT pg_terminate_backend(%d)", pid);
	SM_TEST(backends("named", 0) == 0);
	SM_TEST(answers(map, "8", "8"));
	SM_TEST(answers(grows, "a", "old"));
	SM_TEST(!wire(map)->pgw_unnamed);

	/* who forgets our statements gets them without a name */
	res = PQexec(wire(map)->pgw_conn, "DEALLOCATE ALL");
	SM_TEST(PQresultStatus(res) == PGRES_COMMAND_OK);
	PQclear(res);
	LogLevel = 0;
	SM_TEST(answers(map, "9", "9"));
	SM_TEST(wire(map)->pgw_unnamed);

	/* a column that changes its type under a prepared statement */
	wire(map)->pgw_unnamed = false;
	SM_TEST(answers(grows, "a", "old"));
	(void) sql("ALTER TABLE t.grows ALTER COLUMN value TYPE %s",
		   strcmp(conninfo, Tls) == 0 ? "varchar(5)" : "text");
	SM_TEST(answers(grows, "a", "old"));
	SM_TEST(answers(map, "9", "9"));
	pgsqlmap_wire_drop(wire(map));
}

static void
test_errors()
{
	static struct
	{
		const char	*e_flags;
		const char	*e_key;
		const char	*e_log;
	} cases[] =
	{
		{ "-b t.missing -k key -v value", "missing@key",
			"sqlstate=42P01, query: relation \"t.missing\" does not exist" },
		{ "-F t.missing",	"missing@key",
			"sqlstate=42883, query: function t.missing(" },
		{ "-F nowhere.f",	"missing@key",
			"sqlstate=3F000, query: schema \"nowhere\" does not exist" },
		{ "-b t.kv -k nokey -v value", "missing@key",
			"sqlstate=42703, query: column \"nokey\" does not exist" },
		{ "-b t.forbidden -k key -v value", "forbidden@key",
			"sqlstate=42501, query: permission denied for table forbidden" },
		{ "-F t.forbid",	"forbidden@key",
			"sqlstate=42501, query: permission denied for function forbid" },
		{ "-F t.pair",		"columns@key",
			"sqlstate=-, query: 2 columns, expected 1" },
		{ "-F t.nothing",	"columns@key",
			"sqlstate=-, query: 0 columns, expected 1" },
		{ "-F t.procedure",	"columns@key",
			"sqlstate=-, query: the function returns nothing" },
		{ "-F t.fails",		"thekey@key",
			"sqlstate=P0001, query: failed on purpose  in two lines" },
		{ "-b t.numbers -k n -v value", "not@number",
			"sqlstate=22P02, query: the key does not suit" },
		{ "-F t.cast",		"not@number",
			"sqlstate=22P02, query: the key does not suit" }
	};
	MAP *map, *good;
	int i, pid;

	good = newmap(0L, "-H \"%s\" -F t.backend", Socket);
	pid = number(good, "");
	for (i = 0; i < NITEMS(cases); i++)
	{
		map = newmap(0L, "-H \"%s\" %s", Socket, cases[i].e_flags);
		CASE(cases[i].e_flags, ask(map, cases[i].e_key, NULL) == EX_TEMPFAIL);
		CASE(cases[i].e_flags, Logs == 1);
		CASE(cases[i].e_flags, strstr(Log, cases[i].e_log) != NULL);
		CASE(cases[i].e_flags, strstr(Log, "map=t, ") != NULL);
		CASE(cases[i].e_flags, strstr(Log, wire(map)->pgw_label) != NULL);
		CASE(cases[i].e_flags, strchr(Log, '\n') == NULL);
		if (strstr(Log, cases[i].e_log) == NULL)
			(void) fprintf(stderr, "\tlog: %s\n", Log);

		/* an error of a query is not one of the connection */
		CASE(cases[i].e_flags, number(good, "") == pid);

		/* and every lookup that fails is logged */
		CASE(cases[i].e_flags, ask(map, cases[i].e_key, NULL) == EX_TEMPFAIL);
		CASE(cases[i].e_flags, Logs == 1);
	}

	/* -o does not make "could not ask" a "no" */
	map = newmap(0L, "-H \"%s\" -F t.missing -o", Socket);
	SM_TEST(ask(map, "missing@key", NULL) == EX_TEMPFAIL);
	SM_TEST(Logs == 1);
}

/* wait until a target is asked again */
static void
patience(map)
	MAP *map;
{
	nap(wire(map)->pgw_retry - now() + 5L);
}

/*
**  UNSAFE -- a password file that is refused, before anybody is asked
**
**	Parameters:
**		map -- its map.
**		file -- the file.
**		why -- the reason.
**
**	Returns:
**		none.
*/

static void
unsafe(map, file, why)
	MAP *map;
	const char *file;
	const char *why;
{
	patience(map);
	CASE(why, ask(map, "some@key", NULL) == EX_TEMPFAIL);
	CASE(why, Logs == 1);
	CASE(why, strstr(Log, "map=t, sqlstate=-, password file: ") != NULL);
	CASE(why, strstr(Log, file) != NULL);
	CASE(why, strstr(Log, why) != NULL);
	CASE(why, strstr(Log, "it must belong to root or the user who runs sendmail, mode 0600, ") != NULL);
	CASE(why, wire(map)->pgw_conn == NULL);
	if (strstr(Log, why) == NULL)
		(void) fprintf(stderr, "\tlog: %s\n", Log);
}

/*
**  TEST_PASSFILE -- the password file keeps to the rules for secrets
*/

static void
test_passfile()
{
	static struct
	{
		int		p_mode;
		const char	*p_why;
	} cases[] =
	{
		{ 0640,	"Group readable file" },
		{ 0604,	"World readable file" },
		{ 0620,	"Group writable file" },
		{ 0602,	"World writable file" },
		{ 0200,	"Permission denied" }
	};
	char file[2 * PATHLEN], link[2 * PATHLEN], dir[PATHLEN];
	MAP *map, *other;
	char *home = getenv("HOME");
	int i;

	(void) sm_snprintf(dir, sizeof(dir), "%.400s/secrets", Scratch);
	(void) sm_snprintf(file, sizeof(file), "%s/.pgpass", dir);
	(void) sm_snprintf(link, sizeof(link), "%s/link", dir);
	if (mkdir(dir, 0700) < 0)
		fatal(dir, sm_errstring(errno));
	write_file("secrets/.pgpass", "*:*:*:*:%s\n", SECRET);
	map = newmap(0L, "-H \"host=localhost port=%s dbname=postgres user=%s application_name=passfile passfile=%s sslmode=disable\" -F t.user",
		     Port, READER, file);
	SM_TEST(answers(map, "", READER));
	for (i = 0; i < NITEMS(cases); i++)
	{
		/* what is connected stays so; a new one is refused */
		(void) chmod(file, (mode_t) cases[i].p_mode);
		CASE(cases[i].p_why, answers(map, "", READER));
		pgsqlmap_wire_drop(wire(map));
		unsafe(map, file, cases[i].p_why);
		CASE(cases[i].p_why, backends("passfile", 0) == 0);

		/* one line for all lookups, and mending it is enough */
		CASE(cases[i].p_why, ask(map, "", NULL) == EX_TEMPFAIL);
		CASE(cases[i].p_why, Logs == 0);
		(void) chmod(file, 0600);
		patience(map);
		CASE(cases[i].p_why, answers(map, "", READER));
	}

	/* links, other things, and nothing at all */
	if (symlink(file, link) < 0)
		fatal(link, sm_errstring(errno));
	other = newmap(0L, "-H \"host=localhost port=%s dbname=postgres user=%s passfile=%s sslmode=disable\" -F t.user",
		       Port, READER, link);
	unsafe(other, link, "Symbolic links not allowed");
	(void) unlink(link);
	unsafe(other, link, "No such file or directory");
	if (mkdir(link, 0700) < 0)
		fatal(link, sm_errstring(errno));
	unsafe(other, link, "Regular files only");

	/* directories and owners are known only to who is not root */
	pgsqlmap_wire_drop(wire(map));
	if (getuid() == 0)
	{
		(void) chmod(dir, 0770);
		unsafe(map, file, "Group writable directory");
		(void) chmod(dir, 0707);
		unsafe(map, file, "World writable directory");
		(void) chmod(dir, 0755);
		if (chown(file, 65534, 65534) < 0)
			fatal(file, sm_errstring(errno));
		unsafe(map, file, "Permission denied");
		RunAsUid = 65534;
		patience(map);
		SM_TEST(answers(map, "", READER));
		pgsqlmap_wire_drop(wire(map));
		RunAsUid = 65533;
		unsafe(map, file, "Permission denied");
		RunAsUid = 0;
		if (chown(file, 0, 0) < 0)
			fatal(file, sm_errstring(errno));
	}
	patience(map);
	SM_TEST(answers(map, "", READER));
	pgsqlmap_wire_drop(wire(map));

	/* named by the service file; the default, which may be missing */
	map = newmap(0L, "-H \"service=t-passfile user=%s\" -F t.user", READER);
	SM_TEST(answers(map, "", READER));
	pgsqlmap_wire_drop(wire(map));
	(void) chmod(file, 0644);
	unsafe(map, file, "Group readable file");
	map = newmap(0L, "-H \"host=localhost port=%s dbname=postgres user=%s sslmode=disable\" -F t.user",
		     Port, READER);
	(void) setenv("HOME", dir, 1);
	unsafe(map, file, "Group readable file");
	(void) chmod(file, 0600);
	patience(map);
	SM_TEST(answers(map, "", READER));
	pgsqlmap_wire_drop(wire(map));
	(void) unlink(file);
	SM_TEST(ask(map, "", NULL) == EX_TEMPFAIL);
	SM_TEST(strstr(Log, "connect: ") != NULL);
	SM_TEST(strstr(Log, "no password supplied") != NULL);
	if (home == NULL)
		(void) unsetenv("HOME");
	else
		(void) setenv("HOME", home, 1);
}

static void
test_refused_connections()
{
	static struct
	{
		const char	*c_conninfo;	/* behind host and port */
		const char	*c_log;
	} cases[] =
	{
		{ "dbname=missing user=" READER,
			"database \"missing\" does not exist" },
		{ "dbname=postgres user=t_missing",
			"role \"t_missing\" does not exist" },
		{ "dbname=postgres user=t_nologin",
			"role \"t_nologin\" is not permitted to log in" },
		{ "dbname=postgres user=t_full",
			"too many connections for role \"t_full\"" },
		{ "dbname=postgres user=" READER " sslmode=require",
			"connect: " },
		{ "service=missing",
			"definition of service \"missing\" not found" }
	};
	char conninfo[2 * PATHLEN];
	MAP *map;
	int i;

	for (i = 0; i < NITEMS(cases); i++)
	{
		map = newmap(0L, "-H \"host=%s port=%s %s\" -F t.find",
			     i == 4 ? "localhost" : SocketDir, Port,
			     cases[i].c_conninfo);
		CASE(cases[i].c_conninfo, ask(map, "some@key", NULL) == EX_TEMPFAIL);
		CASE(cases[i].c_conninfo, Logs == 1);
		CASE(cases[i].c_conninfo, strstr(Log, cases[i].c_log) != NULL);
		CASE(cases[i].c_conninfo, strncmp(Log, "pgsqlmap: ", 10) == 0);
		CASE(cases[i].c_conninfo, strchr(Log, '\n') == NULL);
		CASE(cases[i].c_conninfo, Took < 1000L);
		CASE(cases[i].c_conninfo, wire(map)->pgw_conn == NULL);
		if (strstr(Log, cases[i].c_log) == NULL)
			(void) fprintf(stderr, "\tlog: %s\n", Log);
	}

	/* a password that is wrong */
	(void) sm_snprintf(conninfo, sizeof(conninfo),
		"host=localhost port=%s dbname=postgres user=" READER " passfile=%s/wrong sslmode=disable",
		Port, Scratch);
	map = newmap(0L, "-H \"%s\" -F t.find", conninfo);
	SM_TEST(ask(map, "some@key", NULL) == EX_TEMPFAIL);
	SM_TEST(Logs == 1);
	SM_TEST(strstr(Log, "password authentication failed") != NULL);
}

/*
**  LEFT_ALONE -- a target that cost a wait is not asked, by no map and child
**
**	Parameters:
**		map -- the map that waited just now.
**		nth -- how often it waited before, in a row.
**
**	Returns:
**		none.
*/

static void
left_alone(map, nth)
	MAP *map;
	int nth;
{
	PGSQLMAP_WIRE *w = wire(map);
	PGconn *conn = w->pgw_conn;
	long pause = w->pgw_retry - now();
	long least = 500L << nth;
	MAP *other, *m;

	SM_TEST(pause > least - 100L && pause <= least * 3 / 2);
	other = newmap(0L, "-H \"%s\" -F t.echo", w->pgw_target);
	SM_TEST(wire(other) == w);
	for (m = map; m != NULL; m = m == map ? other : NULL)
	{
		SM_TEST(ask(m, "alone@key", NULL) == EX_TEMPFAIL);
		SM_TEST(Took < 100L);
		SM_TEST(Logs == 0);
	}
	SM_TEST(w->pgw_conn == conn);
	SM_TEST(child(other, "alone", 2, true).r_status == EX_TEMPFAIL);
	SM_TEST(w->pgw_retry > now());
}

/* a locked table, by the server's limit and by our own */
static void
test_locked()
{
	MAP *map;
	int pid, i;

	map = newmap(0L, "-H \"%s application_name=lock options='-c statement_timeout=300'\" -b t.locked -k key -v value",
		     Socket);
	SM_TEST(answers(map, "locked@key", "value"));
	pid = PQbackendPID(wire(map)->pgw_conn);
	(void) sql("BEGIN; LOCK TABLE t.locked IN ACCESS EXCLUSIVE MODE");
	SM_TEST(ask(map, "locked@key", NULL) == EX_TEMPFAIL);
	SM_TEST(Took >= 250L && Took <= 1300L);
	SM_TEST(Logs == 1);
	SM_TEST(strstr(Log, "sqlstate=57014, query: canceling statement due to statement timeout") != NULL);
	left_alone(map, 0);
	(void) sql("ROLLBACK");
	SM_TEST(ask(map, "locked@key", NULL) == EX_TEMPFAIL && Logs == 0);
	patience(map);
	SM_TEST(answers(map, "locked@key", "value"));
	SM_TEST(PQbackendPID(wire(map)->pgw_conn) == pid);
	SM_TEST(wire(map)->pgw_retry == 0 && wire(map)->pgw_failures == 0);

	map = newmap(0L, "-H \"%s application_name=lock1 options='-c lock_timeout=100'\" -b t.locked -k key -v value -e",
		     Socket);
	(void) sql("BEGIN; LOCK TABLE t.locked IN ACCESS EXCLUSIVE MODE");
	SM_TEST(ask(map, "locked@key", NULL) == EX_TEMPFAIL);
	SM_TEST(Logs == 1 && strstr(Log, "sqlstate=55P03") != NULL);
	left_alone(map, 0);
	(void) sql("ROLLBACK");
	patience(map);
	SM_TEST(answers(map, "locked@key", "value"));

	map = newmap(0L, "-H \"%s application_name=lock2\" -b t.locked -k key -v value -l 1",
		     Socket);
	(void) sql("BEGIN; LOCK TABLE t.locked IN ACCESS EXCLUSIVE MODE");
	for (i = 0; i < 2; i++)
	{
		/* it connects in between, which is no answer */
		patience(map);
		SM_TEST(ask(map, "locked@key", NULL) == EX_TEMPFAIL);
		SM_TEST(Took >= 900L && Took <= 2000L);
		SM_TEST(Logs == 1);
		SM_TEST(strstr(Log, "map=t, sqlstate=-, query: no answer within the time limit") != NULL);
		left_alone(map, i);
	}
	(void) sql("ROLLBACK");
	patience(map);
	SM_TEST(answers(map, "locked@key", "value"));
	SM_TEST(wire(map)->pgw_retry == 0 && wire(map)->pgw_failures == 0);
}

/* answers that come too late, or would */
static void
test_late()
{
	MAP *map, *echo;
	int pid;

	map = newmap(0L, "-H \"%s application_name=late\" -F t.sleep -l 1", Tls);
	echo = newmap(0L, "-H \"%s application_name=late\" -F t.echo -l 1", Tls);
	SM_TEST(answers(map, "0", "slept 0"));
	pid = PQbackendPID(wire(map)->pgw_conn);
	SM_TEST(ask(map, "1.2", NULL) == EX_TEMPFAIL);
	SM_TEST(Took >= 900L && Took <= 2000L);
	SM_TEST(Logs == 1);
	SM_TEST(strstr(Log, "query: no answer within the time limit") != NULL);

	/* the next question gets its own answer, also after the late one */
	left_alone(map, 0);
	patience(map);
	SM_TEST(answers(echo, "mine", "mine"));
	SM_TEST(PQbackendPID(wire(map)->pgw_conn) != pid);
	nap(300L);
	SM_TEST(answers(echo, "mine, too", "mine, too"));

	/* a backend that is stopped, as one on a machine that hangs */
	pid = PQbackendPID(wire(map)->pgw_conn);
	if (pid <= 1 || kill((pid_t) pid, SIGSTOP) < 0)
		fatal("SIGSTOP", sm_errstring(errno));
	SM_TEST(ask(echo, "hangs@key", NULL) == EX_TEMPFAIL);
	SM_TEST(Took >= 900L && Took <= 2000L);
	SM_TEST(Logs == 1);
	patience(map);
	SM_TEST(answers(echo, "does not", "does not"));
	SM_TEST(PQbackendPID(wire(map)->pgw_conn) != pid);
	(void) kill((pid_t) pid, SIGCONT);
	SM_TEST(backends("late", 1) == 1);
}

/* a listener on the loopback interface; backlog 0: it does not listen */
static int
listener(backlog, portp)
	int backlog;
	int *portp;
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, 0);

	memset(&sin, '\0', sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *) &sin, len) < 0 ||
	    getsockname(fd, (struct sockaddr *) &sin, &len) < 0 ||
	    (backlog > 0 && listen(fd, backlog) < 0))
		fatal("listener", sm_errstring(errno));
	*portp = ntohs(sin.sin_port);
	return fd;
}

/* nobody listens: no waiting, and no asking again for a while */
static void
test_refusing()
{
	static const long pauses[] = { 500, 1000, 2000, 4000, 8000, 8000, 8000 };
	MAP *map, *other;
	PGSQLMAP_WIRE *w;
	long pause;
	int fd, port, i;

	fd = listener(0, &port);
	map = newmap(0L, "-H \"host=127.0.0.1 port=%d user=u\" -F f", port);
	other = newmap(0L, "-H \"port=%d user=u host=127.0.0.1\" -F g", port);
	w = wire(map);
	SM_TEST(w == wire(other));
	SM_TEST(ask(map, "nobody@key", NULL) == EX_TEMPFAIL);
	SM_TEST(Took < 500L);
	SM_TEST(Logs == 1);
	SM_TEST(strstr(Log, "connect: ") != NULL);
	SM_TEST(strstr(Log, "Connection refused") != NULL);

	/* now somebody would listen, but is not asked yet, by no map */
	if (listen(fd, 5) < 0)
		fatal("listen", sm_errstring(errno));
	SM_TEST(ask(map, "nobody@key", NULL) == EX_TEMPFAIL);
	SM_TEST(Took < 100L);
	SM_TEST(Logs == 0);
	SM_TEST(ask(other, "nobody@key", NULL) == EX_TEMPFAIL);
	SM_TEST(Logs == 0);
	SM_TEST(accept(fd, NULL, NULL) < 0 && errno == EAGAIN);
	(void) close(fd);

	/* the pauses grow, up to a limit */
	w->pgw_failures = 0;
	for (i = 0; i < NITEMS(pauses); i++)
	{
		w->pgw_retry = 0;
		SM_TEST(ask(map, "nobody@key", NULL) == EX_TEMPFAIL);
		SM_TEST(Logs == 1);
		pause = w->pgw_retry - now();
		SM_TEST(pause > pauses[i] - 100L && pause <= pauses[i] * 3 / 2);
	}
}

/* somebody listens and says nothing */
static void
test_silent()
{
	MAP *map;
	int fd, port, conn;

	fd = listener(5, &port);
	map = newmap(0L, "-H \"host=127.0.0.1 port=%d user=u\" -F f -c 2 -l 1",
		     port);
	SM_TEST(ask(map, "silence@key", NULL) == EX_TEMPFAIL);
	SM_TEST(Took >= 1000L && Took <= 3000L);
	SM_TEST(Logs == 1);
	SM_TEST(strstr(Log, "connect: no answer within the time limit") != NULL);
	SM_TEST(ask(map, "silence@key", NULL) == EX_TEMPFAIL);
	SM_TEST(Took < 100L);
	SM_TEST(Logs == 0);

	/* it was asked exactly once */
	conn = accept(fd, NULL, NULL);
	SM_TEST(conn >= 0);
	(void) close(conn);
	SM_TEST(accept(fd, NULL, NULL) < 0);
	(void) close(fd);
}

/* a server that is away and comes back: its socket is another name for it */
static void
test_away()
{
	char dir[PATHLEN], path[2 * PATHLEN], real[2 * PATHLEN];
	MAP *map;
	PGSQLMAP_WIRE *w;
	int pid, i;

	(void) sm_snprintf(dir, sizeof(dir), "%.400s/away", Scratch);
	(void) sm_snprintf(path, sizeof(path), "%s/.s.PGSQL.%s", dir, Port);
	(void) sm_snprintf(real, sizeof(real), "%s/.s.PGSQL.%s", SocketDir, Port);
	if (mkdir(dir, 0755) < 0)
		fatal(dir, sm_errstring(errno));
	map = newmap(0L, "-H \"host=%s port=%s user=%s dbname=postgres application_name=away\" -F t.backend",
		     dir, Port, READER);
	w = wire(map);
	SM_TEST(ask(map, "away@key", NULL) == EX_TEMPFAIL);
	SM_TEST(Logs == 1);
	for (i = 0; i < 2; i++)
	{
		/* it is back, but the pause is not over */
		if (symlink(real, path) < 0)
			fatal(path, sm_errstring(errno));
		SM_TEST(ask(map, "away@key", NULL) == EX_TEMPFAIL);
		SM_TEST(Logs == 0);
		SM_TEST(Took < 100L);
		SM_TEST(backends("away", 0) == 0);
		nap(w->pgw_retry - now() + 5L);
		pid = number(map, "");
		SM_TEST(pid > 0);
		SM_TEST(w->pgw_failures == 0);
		SM_TEST(w->pgw_retry == 0);

		/* away again, with the connection that we had */
		(void) unlink(path);
		SM_TEST(number(map, "") == pid);
		(void) sql("SELECT pg_terminate_backend(%d)", pid);
		SM_TEST(backends("away", 0) == 0);
		SM_TEST(ask(map, "away@key", NULL) == EX_TEMPFAIL);
		SM_TEST(Logs == 1);
		SM_TEST(strstr(Log, "connect: ") != NULL);
	}

	/* a child of a process in such a pause keeps to it */
	SM_TEST(child(map, "", 1, false).r_status == EX_TEMPFAIL);
}

/*
**  TEST_HOSTS -- one of several hosts is dead, and costs its limit once
*/

static void
test_hosts()
{
	MAP *map;
	int fd, port;

	fd = listener(5, &port);
	map = newmap(0L, "-H \"host=127.0.0.1,%s port=%d,%s dbname=postgres user=%s application_name=hosts\" -F t.backend -c 1",
		     SocketDir, port, Port, READER);
	SM_TEST(number(map, "") > 0);
	SM_TEST(Took >= 1000L && Took < 2000L);
	SM_TEST(wire(map)->pgw_nhosts == 2);
	SM_TEST(number(map, "") > 0 && Took < 500L);

	/* the one that was dead comes last for a while */
	pgsqlmap_wire_drop(wire(map));
	SM_TEST(number(map, "") > 0 && Took < 500L);
	wire(map)->pgw_hosts[0].pgh_retry = 0;
	pgsqlmap_wire_drop(wire(map));
	SM_TEST(number(map, "") > 0 && Took >= 1000L);
	(void) close(fd);

	/* refused is no time lost; a standby is preferred, not required */
	map = newmap(0L, "-H \"host=127.0.0.1,%s port=%d,%s dbname=postgres user=%s target_session_attrs=prefer-standby\" -F t.backend -c 1",
		     SocketDir, port, Port, READER);
	SM_TEST(number(map, "") > 0 && Took < 1000L);
	map = newmap(0L, "-H \"host=127.0.0.1,%s port=%d,%s dbname=postgres user=%s target_session_attrs=standby\" -F t.backend -c 1",
		     SocketDir, port, Port, READER);
	SM_TEST(ask(map, "", NULL) == EX_TEMPFAIL);
	SM_TEST(Logs == 1);

	/* all are dead: one line, and a pause for all of them */
	map = newmap(0L, "-H \"host=127.0.0.1,127.0.0.1,127.0.0.1 port=%d user=u\" -F f",
		     port);
	SM_TEST(ask(map, "", NULL) == EX_TEMPFAIL);
	SM_TEST(Logs == 1 && wire(map)->pgw_nhosts == 3);
	SM_TEST(wire(map)->pgw_conn == NULL);
	SM_TEST(ask(map, "", NULL) == EX_TEMPFAIL);
	SM_TEST(Logs == 0);
}

/*
**  TEST_IDLE -- a client that says nothing occupies no session
*/

static void
test_idle()
{
	MAP *map, *lasting;
	PGSQLMAP_WIRE *w;
	SM_FILE_T *fp;
	long began;
	int p[2], out[2];
	char said[8];

	map = newmap(0L, "-H \"%s application_name=idle\" -F t.backend -i 1",
		     Socket);
	lasting = newmap(0L, "-H \"%s application_name=lasting\" -F t.backend -i 0",
			 Socket);
	if (pipe(p) < 0 ||
	    (fp = sm_io_open(SmFtStdiofd, SM_TIME_DEFAULT, (void *) &p[0],
			     SM_IO_RDONLY, NULL)) == NULL)
		fatal("pipe", sm_errstring(errno));
	for (w = PgsqlmapWires; w != NULL; w = w->pgw_next)
		pgsqlmap_wire_drop(w);
	SM_TEST(number(map, "") > 0 && number(lasting, "") > 0);

	/* it speaks in time */
	if (write(p[1], "NOOP\nNOOP\n", 10) != 10)
		fatal("write", sm_errstring(errno));
	began = now();
	pgsqlmap_idle(fp);
	SM_TEST(now() - began < 500L);
	SM_TEST(wire(map)->pgw_conn != NULL);

	/* what it said has been read, but not looked at */
	SM_TEST(sm_io_getc(fp, SM_TIME_DEFAULT) == 'N');
	began = now();
	pgsqlmap_idle(fp);
	SM_TEST(now() - began < 500L);
	SM_TEST(wire(map)->pgw_conn != NULL);
	while (sm_io_getinfo(fp, SM_IO_IS_READABLE, NULL) > 0)
		(void) sm_io_getc(fp, SM_TIME_DEFAULT);

	/* it says nothing, but hears what was said to it */
	if (pipe(out) < 0 ||
	    (OutChannel = sm_io_open(SmFtStdiofd, SM_TIME_DEFAULT,
				     (void *) &out[1], SM_IO_WRONLY,
				     NULL)) == NULL)
		fatal("pipe", sm_errstring(errno));
	(void) sm_io_fprintf(OutChannel, SM_TIME_DEFAULT, "250 ok");
	began = now();
	pgsqlmap_idle(fp);
	SM_TEST(now() - began >= 900L && now() - began <= 4000L);
	SM_TEST(wire(map)->pgw_conn == NULL);
	SM_TEST(read(out[0], said, sizeof(said)) == 6);
	SM_TEST(backends("idle", 0) == 0);
	SM_TEST(backends("lasting", 1) == 1);
	SM_TEST(number(map, "") > 0);
	(void) close(p[1]);
	(void) close(out[0]);
	(void) sm_io_close(fp, SM_TIME_DEFAULT);
	(void) sm_io_close(OutChannel, SM_TIME_DEFAULT);
}

/* --------------------------------------------------- lost connections */

static void
test_lost(conninfo)
	const char *conninfo;
{
	MAP *map;
	int pid[3], i;

	map = newmap(0L, "-H \"%s application_name=lost\" -F t.backend", conninfo);
	pid[0] = number(map, "");
	CASE(conninfo, pid[0] > 0);
	for (i = 1; i < 3; i++)
	{
		(void) sql("SELECT pg_terminate_backend(%d)", pid[i - 1]);
		CASE(conninfo, backends("lost", 0) == 0);
		pid[i] = number(map, "");
		CASE(conninfo, pid[i] > 0);
		CASE(conninfo, pid[i] != pid[i - 1]);
		CASE(conninfo, Logs == 0);
		CASE(conninfo, backends("lost", 1) == 1);
		CASE(conninfo, number(map, "") == pid[i]);
	}
	pgsqlmap_wire_drop(wire(map));
	CASE(conninfo, backends("lost", 0) == 0);
}

/* a query that kills its backend is asked again once, and not for ever */
static void
test_killer()
{
	MAP *map, *good;

	map = newmap(0L, "-H \"%s application_name=killer\" -F t.suicide", Socket);
	good = newmap(0L, "-H \"%s application_name=killer\" -F t.echo", Socket);
	(void) sql("SELECT setval('t.attempts', 100)");
	SM_TEST(ask(map, "suicide@key", NULL) == EX_TEMPFAIL);
	SM_TEST(Logs == 1);
	SM_TEST(strstr(Log, "terminating connection due to administrator command") != NULL);
	SM_TEST(strstr(Log, "CONTEXT") == NULL);
	SM_TEST(same(sql("SELECT last_value FROM t.attempts"), "101"));
	SM_TEST(answers(good, "alive", "alive"));
	SM_TEST(ask(map, "suicide@key", NULL) == EX_TEMPFAIL);
	SM_TEST(Logs == 1);
	SM_TEST(same(sql("SELECT last_value FROM t.attempts"), "103"));
	SM_TEST(answers(good, "alive", "alive"));
}

/* --------------------------------------------------------------- fork */

static void
test_fork(conninfo, tls)
	const char *conninfo;
	const char *tls;
{
	struct report r;
	MAP *map, *ssl;
	int pid, i;

	map = newmap(0L, "-H \"%s application_name=fork\" -F t.backend", conninfo);
	ssl = newmap(0L, "-H \"%s application_name=fork\" -F t.tls", conninfo);
	CASE(conninfo, answers(ssl, "", tls));
	pid = number(map, "");
	CASE(conninfo, pid > 0);
	for (i = 0; i < 2; i++)
	{
		r = child(map, "", 3, i == 1);
		CASE(conninfo, r.r_status == EX_OK);
		CASE(conninfo, r.r_backend > 0 && r.r_backend != pid);
		CASE(conninfo, r.r_grandchild > 0 && r.r_grandchild != pid &&
			       r.r_grandchild != r.r_backend);
		CASE(conninfo, r.r_again == r.r_backend);
		CASE(conninfo, r.r_leaks == 0);
		CASE(conninfo, number(map, "") == pid);
		CASE(conninfo, backends("fork", 1) == 1);
		CASE(conninfo, number(map, "") == pid);
	}

	/* a child that never looks up, and one that closes and ends */
	if (fork() == 0)
		_exit(0);
	(void) wait(NULL);
	CASE(conninfo, number(map, "") == pid);
	if (fork() == 0)
	{
		pgsqlmap_close(map);
		_exit(0);
	}
	(void) wait(NULL);
	CASE(conninfo, number(map, "") == pid);

	/* a child that drops what it inherited while its parent asks */
	if (fork() == 0)
	{
		pgsqlmap_wire_drop(wire(map));
		_exit(0);
	}
	CASE(conninfo, number(map, "") == pid);
	(void) wait(NULL);
	CASE(conninfo, number(map, "") == pid);
	pgsqlmap_wire_drop(wire(map));
	CASE(conninfo, backends("fork", 0) == 0);
}

static void
test_forks()
{
	struct report r;
	MAP *map;
	int pid, before, i, bad = 0;

	map = newmap(0L, "-H \"%s application_name=forks\" -F t.backend", Socket);
	pid = number(map, "");
	before = fds();
	for (i = 0; i < 200; i++)
	{
		r = child(map, "", 1, false);
		if (r.r_status != EX_OK || r.r_backend == pid ||
		    r.r_leaks != 0)
			bad++;
	}
	SM_TEST(bad == 0);
	SM_TEST(fds() == before);
	SM_TEST(number(map, "") == pid);

	/* sons of sons: each closes what it inherited */
	r = child(map, "", 15, false);
	SM_TEST(r.r_status == EX_OK);
	SM_TEST(r.r_leaks == 0);
	SM_TEST(number(map, "") == pid);
}

/* -------------------------------------------------------- by the way */

static volatile int	Alarms;

/* ARGSUSED0 */
static void
onalarm(sig)
	int sig;
{
	(void) sig;
	Alarms++;
}

/* signals interrupt the waiting, not the lookup */
static void
test_signals()
{
	struct sigaction sa, old;
	struct itimerval it;
	MAP *map;

	map = newmap(0L, "-H \"%s\" -F t.sleep -l 2", Socket);
	memset(&sa, '\0', sizeof(sa));
	sa.sa_handler = onalarm;
	(void) sigaction(SIGALRM, &sa, &old);
	memset(&it, '\0', sizeof(it));
	it.it_interval.tv_usec = it.it_value.tv_usec = 20000;
	(void) setitimer(ITIMER_REAL, &it, NULL);
	SM_TEST(answers(map, "0.3", "slept 0.3"));
	SM_TEST(ask(map, "9", NULL) == EX_TEMPFAIL);
	SM_TEST(Took >= 1900L && Took <= 3000L);
	memset(&it, '\0', sizeof(it));
	(void) setitimer(ITIMER_REAL, &it, NULL);
	(void) sigaction(SIGALRM, &old, NULL);
	SM_TEST(Alarms >= 20);
}

/*
**  TEST_OUTPUT -- what is written to descriptors that an SMTP client may hold
*/

static void
test_output()
{
	static char text[65536];
	char path[PATHLEN];
	MAP *map;
	int fd, save[2], i;
	ssize_t n;

	map = newmap(0L, "-H \"%s application_name=output\" -F t.remarks", Socket);
	for (i = 0; i < 2; i++)
	{
		(void) sm_snprintf(path, sizeof(path), "%.400s/output", Scratch);
		fd = open(path, O_RDWR|O_CREAT|O_TRUNC, 0600);
		if (fd < 0)
			fatal(path, sm_errstring(errno));
		(void) fflush(stderr);
		save[0] = dup(1);
		save[1] = dup(2);
		(void) dup2(fd, 1);
		(void) dup2(fd, 2);
		tTdvect[38] = i == 0 ? 0 : 99;
		(void) ask(map, "some@key", NULL);
		tTdvect[38] = 0;
		(void) sm_io_flush(smioout, SM_TIME_DEFAULT);
		(void) fflush(stderr);
		(void) dup2(save[0], 1);
		(void) dup2(save[1], 2);
		(void) close(save[0]);
		(void) close(save[1]);
		n = pread(fd, text, sizeof(text) - 1, 0);
		(void) close(fd);
		text[n < 0 ? 0 : n] = '\0';
		SM_TEST(Status == EX_OK);
		SM_TEST(strstr(text, SECRET) == NULL);
		if (i == 0)
		{
			SM_TEST(*text == '\0');
			pgsqlmap_wire_drop(wire(map));
			continue;
		}

		/* with tracing it tells the story */
		SM_TEST(strstr(text, "pgsqlmap_lookup(t, some@key)") != NULL);
		SM_TEST(strstr(text, "connected, backend ") != NULL);
		SM_TEST(strstr(text, "a remark of the server") != NULL);
		SM_TEST(strstr(text, "status 0") != NULL);
	}
}

/* --------------------------------------------------------------- set-up */

static const char Setup[] = "\
SET client_min_messages = warning;\
CREATE ROLE " READER " LOGIN PASSWORD '" SECRET "';\
ALTER ROLE " READER " SET log_parameter_max_length_on_error = -1;\
CREATE ROLE t_nologin;\
CREATE ROLE t_full LOGIN CONNECTION LIMIT 0;\
CREATE SCHEMA t;\
GRANT USAGE ON SCHEMA t TO " READER ";\
CREATE TABLE t.kv (key text, value text);\
CREATE TABLE t.pairs (id serial, key text, a text, b text);\
CREATE TABLE t.locked (key text, value text);\
CREATE TABLE t.numbers (n integer, value text);\
CREATE TABLE t.\"odd 'rel;\" (\"k.\"\"y\" text, \"al\"\"ue\" text);\
INSERT INTO t.locked VALUES ('locked@key', 'value');\
INSERT INTO t.\"odd 'rel;\" VALUES ('a', 'odd');\
INSERT INTO t.pairs (key, a, b) VALUES \
('ab', 'a', 'b'), ('an', 'a', NULL), ('nb', NULL, 'b'), \
('nn', NULL, NULL), ('empty', '', ''), ('eb', '', 'b'), ('ae', 'a', ''), \
('rows', 'a1', 'b1'), ('rows', 'a2', 'b2'), ('rows', 'a3', 'b3'), \
('holes', NULL, 'b1'), ('holes', 'a2', NULL), ('holes', NULL, NULL), \
('holes', 'a4', 'b4'), ('blanks', '', ''), ('blanks', '', ''), \
('blanks', 'a3', ''), ('nulls', NULL, NULL), ('nulls', NULL, NULL), \
('args', '<%0 %1 %% %x%2>', NULL);\
CREATE VIEW t.backends AS SELECT text 'pid' AS key, pg_backend_pid() AS pid;\
CREATE FUNCTION t.find(text) RETURNS SETOF text STABLE LANGUAGE sql AS \
'SELECT value FROM t.kv WHERE key = $1';\
CREATE FUNCTION t.echo(text) RETURNS text LANGUAGE sql AS 'SELECT $1';\
CREATE FUNCTION t.backend(text) RETURNS text LANGUAGE sql AS \
'SELECT pg_backend_pid()::text';\
CREATE FUNCTION t.user(text) RETURNS text LANGUAGE sql AS \
'SELECT session_user::text';\
CREATE FUNCTION t.tls(text) RETURNS text LANGUAGE sql AS \
'SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()';\
CREATE FUNCTION t.sleep(text) RETURNS text LANGUAGE plpgsql AS \
'BEGIN PERFORM pg_sleep($1::float); RETURN ''slept '' || $1; END';\
CREATE FUNCTION t.pair(text, OUT a text, OUT b text) LANGUAGE sql AS \
'SELECT $1, $1';\
CREATE TYPE t.void AS ();\
CREATE FUNCTION t.nothing(text) RETURNS SETOF t.void LANGUAGE sql AS \
'SELECT WHERE false';\
CREATE FUNCTION t.procedure(text) RETURNS void LANGUAGE sql AS 'SELECT';\
CREATE FUNCTION t.cast(text) RETURNS integer LANGUAGE sql AS \
'SELECT $1::integer';\
CREATE FUNCTION t.fails(text) RETURNS text LANGUAGE plpgsql AS \
'BEGIN RAISE E''failed on purpose\\r\\nin two lines''; END';\
CREATE FUNCTION t.remarks(text) RETURNS text LANGUAGE plpgsql AS \
'BEGIN RAISE WARNING ''a remark of the server''; RETURN $1; END';\
CREATE SEQUENCE t.attempts;\
CREATE FUNCTION t.suicide(text) RETURNS text LANGUAGE plpgsql AS \
'BEGIN PERFORM nextval(''t.attempts'');\
 PERFORM pg_terminate_backend(pg_backend_pid());\
 PERFORM pg_sleep(1); RETURN $1; END';\
CREATE SEQUENCE t.ticks;\
CREATE FUNCTION t.tick(text) RETURNS text LANGUAGE sql AS \
'SELECT nextval(''t.ticks'') || '' '' || $1';\
CREATE FUNCTION t.tock(text) RETURNS SETOF text LANGUAGE sql AS \
'SELECT value FROM t.kv WHERE key = ''none of these'' || $1';\
CREATE FUNCTION t.ahead(text, text, text, text, text) \
RETURNS TABLE (map text, key text, value text) LANGUAGE sql AS \
'VALUES ($1, $2, nextval(''t.ticks'') || '' '' || $2), \
($1, $2 || ''.list'', ''a''), ($1, $2 || ''.list'', ''b''), \
(''t.tock'', $2, concat_ws(''/'', $3, $4, $5)), \
($1, $2 || ''.none'', NULL), (''t.strange'', $2, ''x'')';\
CREATE FUNCTION t.nothead(text, text, text, text, text) \
RETURNS TABLE (map text, key text, value text) LANGUAGE sql AS \
'VALUES ($1, $2 || ''.list'', ''a'')';\
CREATE FUNCTION t.member(text) RETURNS SETOF text LANGUAGE sql AS \
'SELECT ''by itself'' WHERE $1 = ''alone''';\
CREATE FUNCTION t.crowd(text) RETURNS SETOF text LANGUAGE sql AS \
'SELECT ''by itself'' WHERE $1 = ''b.c''';\
CREATE FUNCTION t.crowds(text, text, text, text, text) \
RETURNS TABLE (map text, key text, value text) LANGUAGE sql AS \
'SELECT $1, ''b.c'', ''x'' \
UNION ALL SELECT $1, ''m'' || n, ''x'' FROM generate_series(1, 600) AS n \
UNION ALL SELECT $1, $2, NULL';\
CREATE FUNCTION t.members(text, text, text, text, text) \
RETURNS TABLE (map text, key text, value text) LANGUAGE sql AS \
'SELECT * FROM (VALUES (''t.member'', ''b.c'', nextval(''t.ticks'')::text), \
(''t.member'', $2, NULL), (''t.elsewhere'', $2, NULL), \
(''t.elsewhere'', ''b.c'', ''x'')) AS v WHERE $2 <> ''alone''';\
CREATE FUNCTION t.args(text) RETURNS text LANGUAGE sql AS 'SELECT $1';\
CREATE FUNCTION t.args(text, text, text) RETURNS text LANGUAGE sql AS \
'SELECT $1 || ''|'' || $2 || ''|'' || $3';\
CREATE TABLE t.three (a text, b text, c text, value text);\
INSERT INTO t.three VALUES ('a', 'b', 'c', 'three');\
CREATE TABLE t.grows (key text, value varchar(5));\
INSERT INTO t.grows VALUES ('a', 'old');\
CREATE FUNCTION t.prepared(text) RETURNS text LANGUAGE sql AS \
'SELECT count(*)::text FROM pg_prepared_statements';\
GRANT SELECT ON ALL TABLES IN SCHEMA t TO " READER ";\
GRANT USAGE ON SEQUENCE t.ticks TO " READER ";\
GRANT USAGE ON SEQUENCE t.attempts TO " READER ";\
CREATE TABLE t.forbidden (key text, value text);\
CREATE FUNCTION t.forbid(text) RETURNS text LANGUAGE sql AS 'SELECT $1';\
REVOKE ALL ON FUNCTION t.forbid FROM PUBLIC;\
";

static void
setup()
{
	static const char *const names[] = { "PGHOST", "PGHOSTADDR", "PGPORT",
		"PGDATABASE", "PGUSER", "PGPASSWORD", "PGPASSFILE", "PGSERVICE",
		"PGSERVICEFILE", "PGOPTIONS", "PGAPPNAME", "PGSSLMODE" };
	const char *keys[3], *vals[3];
	char service[2 * PATHLEN];
	char *s;
	int i;

	if ((s = getenv("T_SCRATCH")) == NULL || getenv("PGPORT") == NULL)
		fatal("environment", "run this by tests/c/run");
	(void) sm_strlcpy(Scratch, s, sizeof(Scratch));
	(void) sm_strlcpy(Port, getenv("PGPORT"), sizeof(Port));
	keys[0] = "application_name";
	vals[0] = "t-pgsqlmap admin";
	keys[1] = vals[1] = NULL;
	Admin = PQconnectdbParams(keys, vals, 0);
	if (PQstatus(Admin) != CONNECTION_OK)
		fatal("server", PQerrorMessage(Admin));
	(void) sm_strlcpy(SocketDir, sql("SHOW unix_socket_directories"),
			  sizeof(SocketDir));
	if ((s = strchr(SocketDir, ',')) != NULL)
		*s = '\0';
	(void) sql("%s", Setup);

	/* pg_virtualenv cannot be told to do this */
	(void) sql("ALTER SYSTEM SET ssl_cert_file = '%s/server.crt'", Scratch);
	(void) sql("ALTER SYSTEM SET ssl_key_file = '%s/server.key'", Scratch);
	(void) sql("ALTER SYSTEM SET ssl = on");
	(void) sql("SELECT pg_reload_conf()");
	for (i = 0; i < 100 && strcmp(sql("SHOW ssl"), "on") != 0; i++)
		nap(20L);
	nap(100L);

	/* sendmail empties its environment; only names of files remain here */
	for (i = 0; i < NITEMS(names); i++)
		(void) unsetenv(names[i]);
	write_file("pass", "*:*:*:*:%s\n", SECRET);
	write_file("wrong", "*:*:*:*:%s\n", "not-" SECRET "-at-all");
	(void) sm_snprintf(service, sizeof(service),
		"[t-pgsqlmap]\nhost=%.200s\nport=%s\ndbname=postgres\nuser=%s\n[t-passfile]\nhost=localhost\nport=%s\ndbname=postgres\nsslmode=disable\npassfile=%.200s/secrets/.pgpass\n[t-settings]\nsslmode=require\n",
		SocketDir, Port, READER, Port, Scratch);
	write_file("pg_service.conf", "%s", service);
	(void) setenv("PGSYSCONFDIR", Scratch, 1);

	(void) sm_snprintf(Socket, sizeof(Socket),
		"host=%.200s port=%s dbname=postgres user=%s",
		SocketDir, Port, READER);
	(void) sm_snprintf(Tcp, sizeof(Tcp),
		"host=localhost port=%s dbname=postgres user=%s passfile=%.200s/pass sslmode=disable",
		Port, READER, Scratch);
	(void) sm_snprintf(Tls, sizeof(Tls),
		"host=localhost port=%s dbname=postgres user=%s passfile=%.200s/pass sslmode=verify-full sslrootcert=%.200s/server.crt",
		Port, READER, Scratch, Scratch);
	SpaceSub = '.';
	CurrentPid = getpid();

	/* the scratch directory is in one that is everybody's */
	RealUid = RunAsUid = getuid();
	setbitn(DBS_TRUSTSTICKYBIT, DontBlameSendmail);
}

/*
**  TEST_COUNTED -- all processes count in one file
*/

static void
test_counted()
{
	PGSQLMAP_STAT stats[PGSQLMAP_STATS];
	unsigned long long *c = stats[0].pgt_counts;
	char path[PATHLEN];
	MAP *map, *same_name, *other, *away;
	FILE *fp;
	int i;

	(void) sm_snprintf(path, sizeof(path), "%.400s/counters", Scratch);
	map = newmap(0L, "-H \"%s application_name=counted\" -F t.find -f -s %s",
		     Socket, path);
	SM_TEST(answers(map, "plain", "value 0"));
	SM_TEST(spec(map)->pgs_stat == NULL);	/* there is no file */
	write_file("counters", "%s", "");
	same_name = newmap(0L, "-H \"%s application_name=counted\" -F t.find -f -s %s",
			   Socket, path);
	other = newmap(0L, "-H \"%s application_name=counted\" -F t.find -f -s %s",
		       Socket, path);
	other->map_mname = "other";
	away = newmap(0L, "-H \"host=127.0.0.1 port=1 user=u\" -F f -s %s", path);
	away->map_mname = "a name that is longer than the space there is for it in the file";

	SM_TEST(answers(same_name, "plain", "value 0"));
	Remember = true;
	SM_TEST(answers(same_name, "plain", "value 0"));
	Remember = false;
	SM_TEST(ask(same_name, "absent", NULL) == EX_NOTFOUND);
	SM_TEST(child(same_name, "plain", 1, false).r_status == EX_OK);
	SM_TEST(answers(other, "plain", "value 0"));
	SM_TEST(ask(away, "plain", NULL) == EX_TEMPFAIL);

	memset(stats, 'x', sizeof(stats));
	if ((fp = fopen(path, "rb")) == NULL)
		fatal(path, sm_errstring(errno));
	SM_TEST(fread(stats, sizeof(stats[0]), PGSQLMAP_STATS, fp) == PGSQLMAP_STATS);
	SM_TEST(fgetc(fp) == EOF);
	(void) fclose(fp);
	SM_TEST(same(stats[0].pgt_name, "t"));
	SM_TEST(c[PGSQLMAP_LOOKUPS] == 4 && c[PGSQLMAP_ASKED] == 3);
	SM_TEST(c[PGSQLMAP_FOUND] == 3 && c[PGSQLMAP_MISSING] == 1);
	SM_TEST(c[PGSQLMAP_FAILED] == 0 && c[PGSQLMAP_CONNECTS] == 1);
	SM_TEST(c[PGSQLMAP_USEC] > 0);
	SM_TEST(same(stats[1].pgt_name, "other"));
	SM_TEST(stats[1].pgt_counts[PGSQLMAP_FOUND] == 1);
	SM_TEST(strlen(stats[2].pgt_name) == sizeof(stats[2].pgt_name) - 1);
	SM_TEST(stats[2].pgt_counts[PGSQLMAP_FAILED] == 1);
	SM_TEST(stats[2].pgt_counts[PGSQLMAP_CONNECTS] == 0);
	for (i = 3; i < PGSQLMAP_STATS; i++)
		SM_TEST(stats[i].pgt_hash == 0);
}

/*
**  TEST_LASTING -- many lookups and many children leave nothing behind
**
**	T_LOOKUPS and T_FORKS say how many; 1000000 and 10000 take minutes.
*/

static void
test_lasting()
{
	static const char *const keys[] = { "plain", "absent", "J\303\266rg",
		"bad\377", "PLAIN" };
	char *s;
	int lookups = (s = getenv("T_LOOKUPS")) == NULL ? 20000 : atoi(s);
	int forks = (s = getenv("T_FORKS")) == NULL ? 100 : atoi(s);
	MAP *maps[4];
	size_t before;
	int i, n, pid, opened, st;
	pid_t child;

	maps[0] = newmap(0L, "-H \"%s application_name=lasting\" -F t.find",
			 Socket);
	maps[1] = newmap(0L, "-H \"%s application_name=lasting\" -F t.tick -p t.ahead -e",
			 Socket);
	maps[2] = newmap(0L, "-H \"%s application_name=lasting\" -F t.args -K -e",
			 Socket);
	maps[3] = newmap(0L, "-H \"%s application_name=lasting\" -F t.backend",
			 Socket);
	pid = number(maps[3], "");
	before = 0;
	for (i = 0; i < lookups; i++)
	{
		/* what is allocated once has been allocated by then */
		if (i == 100)
			before = __sanitizer_get_current_allocated_bytes();
		(void) pgsqlmap_lookup(maps[i % 3],
				       (char *) keys[i % NITEMS(keys)], NULL,
				       &st);
		if (i % 40 == 0)
			pgsqlmap_forget();
		if (st == EX_TEMPFAIL)
			break;
	}
	SM_TEST(i == lookups);
	pgsqlmap_forget();
	SM_TEST(__sanitizer_get_current_allocated_bytes() < before + 16384);

	opened = fds();
	before = __sanitizer_get_current_allocated_bytes();
	for (n = 0; n < forks; n++)
	{
		if ((child = fork()) < 0)
			fatal("fork", sm_errstring(errno));
		if (child == 0)
		{
			(void) pgsqlmap_lookup(maps[n % 3], (char *) keys[0],
					       NULL, &st);
			_exit(st == EX_OK ? 0 : 1);
		}
		if (waitpid(child, &st, 0) != child || st != 0)
			break;
	}
	SM_TEST(n == forks);
	SM_TEST(fds() == opened);
	SM_TEST(__sanitizer_get_current_allocated_bytes() <= before);
	SM_TEST(number(maps[3], "") == pid);
}

int
main(argc, argv)
	int argc;
	char *argv[];
{
	PGSQLMAP_WIRE *w;

	sm_test_begin(argc, argv, "test the map class pgsql");
	setup();

	test_utf8();
	test_accepted();
	test_refused();
	test_flags();
	test_defaults();
	test_lengths();
	test_targets();

	test_open();
	test_share();
	test_settings();
	test_keys();
	test_lengthy();
	test_not_utf8();
	test_values();
	test_fold();
	test_args();
	test_memo();
	test_ahead();
	test_class();
	test_named(Socket);
	test_named(Tls);
	test_hosts();
	test_idle();

	test_errors();
	test_passfile();
	test_refused_connections();
	test_locked();
	test_late();
	test_refusing();
	test_silent();
	test_away();

	test_lost(Socket);
	test_lost(Tcp);
	test_lost(Tls);
	test_killer();

	test_fork(Socket, "false");
	test_fork(Tcp, "false");
	test_fork(Tls, "true");
	test_forks();

	test_signals();
	test_output();
	test_counted();
	test_lasting();

	pgsqlmap_finish();
	for (w = PgsqlmapWires; w != NULL; w = w->pgw_next)
		SM_TEST(w->pgw_conn == NULL);
	if (Answer != NULL)
		sm_free(Answer);
	PQfinish(Admin);
	return sm_test_end() == 0 ? 0 : 1;
}

/*
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The sqlmail.sendmail project
 */

/*
**  T-PGSQLAUTH.C -- tests of SMTP AUTH against verifiers in PostgreSQL
**
**	Usage: pg_virtualenv ... t-pgsqlauth [-v]
**
**	Real are PostgreSQL, which makes the verifiers itself and holds them
**	where it holds those of its roles, Cyrus SASL on both sides of an
**	authentication, and the map class.  The environment is as for
**	t-pgsqlmap.
*/

#define _DEFINE
#include "pgsqlmap.c"
#include "pgsqlauth.c"

#include <signal.h>
#include <sm/ixlen.h>
#include <sm/sendmail.h>
#include <sm/test.h>

#define NITEMS(a)	((int) (sizeof(a) / sizeof((a)[0])))

#include "stand-ins.h"

static PGconn	*Admin;			/* superuser */
static STAB	TheMap;			/* saslpw */
static bool	HaveMap = true;
static int	Asked;			/* lookups of saslpw */
static char	*Login;			/* of the client */
static char	*Password;
static int	PasswordLen;

STAB *
stab(name, type, op)
	char *name;
	int type;
	int op;
{
	SM_TEST(strcmp(name, "saslpw") == 0 && type == ST_MAP && op == ST_FIND);
	return HaveMap ? &TheMap : NULL;
}

bool
openmap(map)
	MAP *map;
{
	return pgsqlmap_open(map, O_RDONLY);
}

static char *
counted_lookup(map, name, av, statp)
	MAP *map;
	char *name;
	char **av;
	int *statp;
{
	Asked++;
	return pgsqlmap_lookup(map, name, av, statp);
}

static void
fatal(what, why)
	const char *what;
	const char *why;
{
	(void) fprintf(stderr, "t-pgsqlauth: %s: %s\n", what, why);
	exit(2);
}

static void
sql(statements)
	const char *statements;
{
	PGresult *res = PQexec(Admin, statements);

	if (PQresultStatus(res) != PGRES_TUPLES_OK &&
	    PQresultStatus(res) != PGRES_COMMAND_OK)
		fatal(statements, PQerrorMessage(Admin));
	PQclear(res);
}

/* what Sendmail.conf says */
static int
server_getopt(context, plugin, option, result, len)
	void *context;
	const char *plugin;
	const char *option;
	const char **result;
	unsigned *len;
{
	(void) context;
	(void) plugin;
	*result = strcmp(option, "auxprop_plugin") == 0 ? "pgsql"
		: strcmp(option, "pwcheck_method") == 0 ? "auxprop"
		: strcmp(option, "mech_list") == 0 ? "SCRAM-SHA-256 PLAIN LOGIN"
		: NULL;
	if (*result == NULL)
		return SASL_FAIL;
	if (len != NULL)
		*len = strlen(*result);
	return SASL_OK;
}

static int
client_simple(context, id, result, len)
	void *context;
	int id;
	const char **result;
	unsigned *len;
{
	(void) context;
	*result = id == SASL_CB_USER ? "" : Login;
	if (len != NULL)
		*len = strlen(*result);
	return SASL_OK;
}

static int
client_secret(conn, context, id, secret)
	sasl_conn_t *conn;
	void *context;
	int id;
	sasl_secret_t **secret;
{
	static union { sasl_secret_t s; char room[8192]; } u;

	(void) conn;
	(void) context;
	(void) id;
	u.s.len = PasswordLen;
	memcpy(u.s.data, Password, PasswordLen + 1);
	*secret = &u.s;
	return SASL_OK;
}

static int
quiet(context, level, text)
	void *context;
	int level;
	const char *text;
{
	(void) context;
	(void) level;
	SM_TEST(strstr(text, "SCRAM-SHA-256$") == NULL);
	return SASL_OK;
}

static sasl_callback_t	Server[] =
{
	{ SASL_CB_GETOPT,	(sasl_callback_ft) (void *) server_getopt,	NULL },
	{ SASL_CB_LOG,		(sasl_callback_ft) (void *) quiet,		NULL },
	{ SASL_CB_SERVER_USERDB_CHECKPASS,
				(sasl_callback_ft) (void *) pgsqlauth_checkpass,	NULL },
	{ SASL_CB_LIST_END,	NULL,					NULL }
};

static sasl_callback_t	Client[] =
{
	{ SASL_CB_USER,		(sasl_callback_ft) (void *) client_simple,	NULL },
	{ SASL_CB_AUTHNAME,	(sasl_callback_ft) (void *) client_simple,	NULL },
	{ SASL_CB_PASS,		(sasl_callback_ft) (void *) client_secret,	NULL },
	{ SASL_CB_LOG,		(sasl_callback_ft) (void *) quiet,		NULL },
	{ SASL_CB_LIST_END,	NULL,					NULL }
};

/*
**  AUTH -- one authentication, client against server
**
**	Parameters:
**		mech -- the mechanism.
**		login -- what the client calls itself.
**		pass -- its password.
**		len -- length of pass; -1: up to the NUL byte.
**
**	Returns:
**		235, 454 or 535, as sendmail would say it.
*/

static int
auth(mech, login, pass, len)
	const char *mech;
	char *login;
	char *pass;
	int len;
{
	static sasl_security_properties_t props;
	sasl_conn_t *server, *client;
	const char *in = NULL, *out = NULL, *used;
	unsigned inlen = 0, outlen = 0;
	int s, c;

	Login = login;
	Password = pass;
	PasswordLen = len < 0 ? (int) strlen(pass) : len;
	Logs = Asked = 0;
	props.max_ssf = 0;
	props.maxbufsize = 0;
	if (sasl_server_new("smtp", AuthRealm, NULL, NULL, NULL, NULL, 0,
			    &server) != SASL_OK ||
	    sasl_client_new("smtp", AuthRealm, NULL, NULL, Client, 0,
			    &client) != SASL_OK)
		fatal("sasl", "cannot begin");
	(void) sasl_setprop(server, SASL_SEC_PROPS, &props);
	(void) sasl_setprop(client, SASL_SEC_PROPS, &props);
	c = sasl_client_start(client, mech, NULL, &out, &outlen, &used);
	if (c != SASL_OK && c != SASL_CONTINUE)
		fatal(mech, sasl_errdetail(client));
	s = sasl_server_start(server, used, out, outlen, &in, &inlen);
	while (s == SASL_CONTINUE)
	{
		out = NULL;
		outlen = 0;
		c = sasl_client_step(client, in, inlen, NULL, &out, &outlen);
		if (c != SASL_OK && c != SASL_CONTINUE)
			break;
		s = sasl_server_step(server, out, outlen, &in, &inlen);
	}
	sasl_dispose(&server);
	sasl_dispose(&client);
	return s == SASL_OK ? 235 : pgsqlauth_away() ? 454 : 535;
}

static const char *const	Mechs[] = { "SCRAM-SHA-256", "PLAIN", "LOGIN" };

/* CASE with the name of the mechanism */
#define MECH(mech, cond)						\
	do								\
	{								\
		if (!SM_TEST(cond))					\
			(void) fprintf(stderr, "\tmechanism: %s\n", mech); \
	} while (0)

/* ------------------------------------------------------------ verifiers */

#define KEYS	"$1oRQfsihz/UthtRymbBJICqqo1VhhJ0s7XjEg5P3ETo=:RcWcxPfu4lMjVkjCMUSMS/sAoQP+pO+/ukcv+lrh0q0="
#define GOOD	"SCRAM-SHA-256$4096:lYvjP8zhmWMc3o+ncK72pQ==" KEYS

static void
test_parse()
{
	static const char *const refused[] =
	{
		"", "x", "md5d41d8cd98f00b204e9800998ecf8427e", "{PLAIN}x",
		"SCRAM-SHA-1$4096:lYvjP8zhmWMc3o+ncK72pQ==" KEYS,
		"SCRAM-SHA-256$", "SCRAM-SHA-256$4096", "SCRAM-SHA-256$4096:",
		"SCRAM-SHA-256$4096:lYvjP8zhmWMc3o+ncK72pQ==",
		"SCRAM-SHA-256$4096:lYvjP8zhmWMc3o+ncK72pQ==$",
		"SCRAM-SHA-256$4096:lYvjP8zhmWMc3o+ncK72pQ==$AAAA",
		"SCRAM-SHA-256$4096:lYvjP8zhmWMc3o+ncK72pQ==$AAAA:AAAA",
		"SCRAM-SHA-256$4096:" KEYS,
		"SCRAM-SHA-256$4096:!!!!" KEYS,
		"SCRAM-SHA-256$4096:AAA" KEYS,
		"SCRAM-SHA-256$:lYvjP8zhmWMc3o+ncK72pQ==" KEYS,
		"SCRAM-SHA-256$0:lYvjP8zhmWMc3o+ncK72pQ==" KEYS,
		"SCRAM-SHA-256$-1:lYvjP8zhmWMc3o+ncK72pQ==" KEYS,
		"SCRAM-SHA-256$ 1:lYvjP8zhmWMc3o+ncK72pQ==" KEYS,
		"SCRAM-SHA-256$65537:lYvjP8zhmWMc3o+ncK72pQ==" KEYS,
		"SCRAM-SHA-256$99999999999999999999:lYvjP8zhmWMc3o+ncK72pQ==" KEYS,
		GOOD "x", GOOD " ", " " GOOD, GOOD ":" , GOOD "\n"
	};
	PGSQLAUTH_VERIFIER v;
	char longest[1024];
	int i;

	SM_TEST(pgsqlauth_parse(GOOD, &v));
	SM_TEST(v.pgv_iterations == 4096 && v.pgv_saltlen == 16);
	SM_TEST(pgsqlauth_fits(&v, "correct horse", 13));
	SM_TEST(!pgsqlauth_fits(&v, "Correct horse", 13));
	SM_TEST(!pgsqlauth_fits(&v, "correct hors", 12));
	SM_TEST(!pgsqlauth_fits(&v, "correct horse\0", 14));
	SM_TEST(!pgsqlauth_fits(&v, "", 0));
	SM_TEST(!pgsqlauth_fits(&v, GOOD, (int) strlen(GOOD)));
	for (i = 0; i < NITEMS(refused); i++)
	{
		if (!SM_TEST(!pgsqlauth_parse(refused[i], &v)))
			(void) fprintf(stderr, "\tverifier: %s\n", refused[i]);
	}

	/* a salt that is too long, by one and by much */
	for (i = 340; i <= 700; i += 4)
	{
		(void) sm_snprintf(longest, sizeof(longest),
				   "SCRAM-SHA-256$4096:%0*d%s", i, 0, KEYS);
		SM_TEST(pgsqlauth_parse(longest, &v) == (i / 4 * 3 <= 256));
	}
}

static void
test_prepare()
{
	static struct
	{
		const char	*p_in;
		const char	*p_out;
	} cases[] =
	{
		/* RFC 4013, section 3; what is refused stays */
		{ "I\302\255X",		"IX" },
		{ "user",		"user" },
		{ "USER",		"USER" },
		{ "\302\252",		"a" },
		{ "\342\205\250",	"IX" },
		{ "\007",		"\007" },
		{ "\330\2471",		"\330\2471" },
		{ "cafe\314\201",	"caf\303\251" },
		{ "a\302\240b",		"a b" },
		{ "not UTF-8: \377",	"not UTF-8: \377" },
		{ "\302\255",		"\302\255" }
	};
	char buf[2 * PGSQLAUTH_PASSWORD];
	char big[PGSQLAUTH_PASSWORD];
	int i, n;

	for (i = 0; i < NITEMS(cases); i++)
	{
		n = pgsqlauth_prepare(cases[i].p_in,
				      (int) strlen(cases[i].p_in), buf,
				      (int) sizeof(buf));
		if (!SM_TEST(n == (int) strlen(cases[i].p_out) &&
			     memcmp(buf, cases[i].p_out, n) == 0))
			(void) fprintf(stderr, "\tpassword %d\n", i);
	}

	/* one that grows sixfold: U+FDFA is eighteen characters afterwards */
	for (i = 0; i + 3 <= (int) sizeof(big); i += 3)
		memcpy(big + i, "\357\267\272", 3);
	SM_TEST(pgsqlauth_prepare(big, i, buf, (int) sizeof(buf)) == i);
}

/* --------------------------------------------------------- real sessions */

static void
test_auth()
{
	static char hash[1024];
	PGresult *res;
	int i;

	res = PQexec(Admin, "SELECT rolpassword FROM pg_authid WHERE rolname = 'alice'");
	(void) sm_strlcpy(hash, PQgetvalue(res, 0, 0), sizeof(hash));
	PQclear(res);
	for (i = 0; i < NITEMS(Mechs); i++)
	{
		MECH(Mechs[i], auth(Mechs[i], "alice", "geheim", -1) == 235);
		MECH(Mechs[i], Asked == 1 && Logs == 0);
		MECH(Mechs[i], auth(Mechs[i], "alice@mx.test", "geheim", -1) == 235);
		MECH(Mechs[i], auth(Mechs[i], "alice@other.test", "geheim", -1) == 535);
		MECH(Mechs[i], Asked == 1);
		MECH(Mechs[i], auth(Mechs[i], "alice", "falsch", -1) == 535);
		MECH(Mechs[i], auth(Mechs[i], "alice", "geheim ", -1) == 535);
		MECH(Mechs[i], auth(Mechs[i], "ALICE", "geheim", -1) == 535);
		MECH(Mechs[i], auth(Mechs[i], "nobody", "geheim", -1) == 535);
		MECH(Mechs[i], Asked == 1 && Logs == 0);

		/* the verifier is no password */
		MECH(Mechs[i], auth(Mechs[i], "alice", hash, -1) == 535);

		/* the same letter, typed in two ways; the client's SCRAM of
		** Cyrus SASL does not prepare it */
		MECH(Mechs[i], auth(Mechs[i], "bob", "caf\303\251", -1) == 235);
		if (i > 0)
			MECH(Mechs[i], auth(Mechs[i], "bob", "cafe\314\201", -1) == 235);
		MECH(Mechs[i], auth(Mechs[i], "bob", "cafe", -1) == 535);

		/* a name that is not UTF-8 is nobody's */
		MECH(Mechs[i], auth(Mechs[i], "al\377ce", "geheim", -1) == 535);
		MECH(Mechs[i], auth(Mechs[i], "al'; DROP TABLE x --", "geheim", -1) == 535);
	}

	/* Cyrus SASL has no SCRAM client that sends no password */
	for (i = 1; i < NITEMS(Mechs); i++)
	{
		MECH(Mechs[i], auth(Mechs[i], "alice", "", 0) != 235);
		MECH(Mechs[i], auth(Mechs[i], "nopass", "", 0) != 235);
	}
	MECH("LOGIN", auth("LOGIN", "alice", "geheim\0x", 8) != 235);

	/* a row counts at the next login */
	sql("ALTER ROLE alice PASSWORD 'neu'");
	for (i = 0; i < NITEMS(Mechs); i++)
	{
		MECH(Mechs[i], auth(Mechs[i], "alice", "geheim", -1) == 535);
		MECH(Mechs[i], auth(Mechs[i], "alice", "neu", -1) == 235);
	}
	sql("ALTER ROLE alice PASSWORD 'geheim'");
}

static void
test_away()
{
	int i;

	for (i = 0; i < NITEMS(Mechs); i++)
	{
		sql("ALTER FUNCTION verifier(text, text) RENAME TO elsewhere");
		MECH(Mechs[i], auth(Mechs[i], "alice", "geheim", -1) == 454);
		MECH(Mechs[i], Logs == 1 && strstr(Log, "geheim") == NULL);
		MECH(Mechs[i], auth(Mechs[i], "alice", "falsch", -1) == 454);
		MECH(Mechs[i], auth(Mechs[i], "nobody", "geheim", -1) == 454);
		sql("ALTER FUNCTION elsewhere(text, text) RENAME TO verifier");
		MECH(Mechs[i], auth(Mechs[i], "alice", "geheim", -1) == 235);
		MECH(Mechs[i], auth(Mechs[i], "alice", "falsch", -1) == 535);

		/* what is no verifier is nobody's mistake but the operator's */
		sql("UPDATE settings SET broken = true");
		MECH(Mechs[i], auth(Mechs[i], "alice", "geheim", -1) == 454);
		MECH(Mechs[i], Logs == 1 && strstr(Log, "no SCRAM-SHA-256") != NULL);
		sql("UPDATE settings SET broken = false");
		MECH(Mechs[i], auth(Mechs[i], "alice", "geheim", -1) == 235);
	}

	/* what has been told once is not told of the next one */
	sql("ALTER FUNCTION verifier(text, text) RENAME TO elsewhere");
	SM_TEST(auth("PLAIN", "alice", "geheim", -1) == 454);
	SM_TEST(!pgsqlauth_away());
	sql("ALTER FUNCTION elsewhere(text, text) RENAME TO verifier");
}

static void
test_no_map()
{
	int i;

	HaveMap = false;
	for (i = 0; i < NITEMS(Mechs); i++)
	{
		MECH(Mechs[i], auth(Mechs[i], "alice", "geheim", -1) == 535);
		MECH(Mechs[i], Asked == 0 && Logs == 0);
	}
	HaveMap = true;
}

static void
setup()
{
	static MAPCLASS class;
	PGresult *res;
	char args[MAXLINE];

	Admin = PQconnectdb("dbname=postgres");
	if (PQstatus(Admin) != CONNECTION_OK)
		fatal("PostgreSQL", PQerrorMessage(Admin));
	sql("SET client_min_messages = error");
	sql("SET password_encryption = 'scram-sha-256'");
	sql("CREATE ROLE alice PASSWORD 'geheim'");
	sql("CREATE ROLE bob PASSWORD 'cafe\xcc\x81'");
	sql("CREATE ROLE nopass");
	sql("CREATE TABLE settings AS SELECT false AS broken");

	/* what it says of names that it does not know no password fits */
	sql("CREATE FUNCTION verifier(text, text) RETURNS text LANGUAGE sql AS $$"
	    " SELECT CASE WHEN broken THEN 'geheim' ELSE coalesce("
	    " (SELECT rolpassword FROM pg_authid WHERE $2 = 'mx.test'"
	    " AND rolname = regexp_replace($1, '@mx.test$', '')),"
	    " 'SCRAM-SHA-256$4096:lYvjP8zhmWMc3o+ncK72pQ==$'"
	    " || repeat('A', 43) || '=:' || repeat('A', 43) || '=')"
	    " END FROM settings $$");
	res = PQexec(Admin, "SELECT split_part(current_setting('unix_socket_directories'), ',', 1)");
	(void) sm_snprintf(args, sizeof(args),
			   "-H \"host=%s port=%s dbname=postgres user=%s\" -F verifier -K -n -f",
			   PQgetvalue(res, 0, 0), PQport(Admin), PQuser(Admin));
	PQclear(res);
	class.map_lookup = counted_lookup;
	TheMap.s_map.map_mname = "saslpw";
	TheMap.s_map.map_class = &class;
	TheMap.s_map.map_mflags = MF_VALID;
	if (!pgsqlmap_parseargs(&TheMap.s_map, args))
		fatal(args, SysErr);
	AuthRealm = "mx.test";
	if (sasl_server_init(Server, "Sendmail") != SASL_OK ||
	    sasl_client_init(NULL) != SASL_OK)
		fatal("sasl", "cannot begin");
	SM_TEST(pgsqlauth_init() == SASL_OK);
}

int
main(argc, argv)
	int argc;
	char *argv[];
{
	sm_test_begin(argc, argv, "test SMTP AUTH against verifiers");
	setup();
	test_parse();
	test_prepare();
	test_auth();
	test_away();
	test_no_map();
	sasl_client_done();
	sasl_server_done();
	pgsqlmap_finish();
	PQfinish(Admin);
	return sm_test_end() == 0 ? 0 : 1;
}

/*
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Copyright (c) 2026 The sqlmail.sendmail project
 *
 * This file is built as part of sendmail; the terms for sendmail itself
 * are in the LICENSE file at the top level of the sendmail distribution.
 */

/*
**  PGSQLAUTH.C -- SMTP AUTH against verifiers in PostgreSQL
**
**	Ksaslpw pgsql -H conninfo -F function -K -n -f
**
**	The map returns the verifier of a user (RFC 5802, RFC 7677),
**
**		SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey
**
**	and gets two parameters: what the client calls itself, and the realm
**	of a user who names none.  It is asked in two ways.  As auxprop
**	plugin "pgsql" of Cyrus SASL it hands out the verifier as property
**	authPassword, which is what the mechanism SCRAM-SHA-256 wants.  For
**	PLAIN and LOGIN, Cyrus SASL lets sendmail check the password.  So one
**	verifier serves all three.  Without that map nothing is asked.
**
**	Three rules hold everywhere:
**	- The property userPassword is never set.  Cyrus SASL would compare
**	  it with what a client sends, and so make the verifier a password.
**	- No answer is no wrong password: sendmail says 454 then, not 535.
**	- The function returns a verifier for everybody, for users that do
**	  not exist one that nothing fits.  So nothing here takes less time
**	  for them.
*/

#include <sendmail.h>

#if PGSQLMAP && SASL >= 20000

# include <openssl/crypto.h>
# include <openssl/evp.h>
# include <openssl/hmac.h>
# if USE_EAI
#  include <unicode/usprep.h>
#  include <unicode/ustring.h>
# endif

# define PGSQLAUTH_MAP		"saslpw"
# define PGSQLAUTH_PLUGIN	"pgsql"
# define PGSQLAUTH_PROPERTY	"authPassword"
# define PGSQLAUTH_HASH		"SCRAM-SHA-256$"

/* bytes: SHA-256; and what a salt and a password may have at most */
# define PGSQLAUTH_KEY		32
# define PGSQLAUTH_SALT		256
# define PGSQLAUTH_PASSWORD	2048

/* more would let a row keep a process busy; Cyrus SASL takes no more either */
# define PGSQLAUTH_ITERATIONS	65536

typedef struct pgsqlauth_verifier	PGSQLAUTH_VERIFIER;

/* a verifier, taken apart; the ServerKey is for SCRAM only */
struct pgsqlauth_verifier
{
	int		pgv_iterations;
	int		pgv_saltlen;
	unsigned char	pgv_salt[PGSQLAUTH_SALT];
	unsigned char	pgv_stored[PGSQLAUTH_KEY];
};

static bool	PgsqlauthAway = false;	/* the last question got no answer */

static int	pgsqlauth_base64 __P((const char *, int, unsigned char *, int));
static bool	pgsqlauth_parse __P((const char *, PGSQLAUTH_VERIFIER *));
static int	pgsqlauth_prepare __P((const char *, int, char *, int));
static bool	pgsqlauth_fits __P((const PGSQLAUTH_VERIFIER *, const char *,
					int));
static char	*pgsqlauth_ask __P((const char *, PGSQLAUTH_VERIFIER *));
static int	pgsqlauth_lookup __P((void *, sasl_server_params_t *, unsigned,
					const char *, unsigned));
static int	pgsqlauth_plugin __P((const sasl_utils_t *, int, int *,
					sasl_auxprop_plug_t **, const char *));

/*
**  PGSQLAUTH_BASE64 -- decode a piece of base64 (RFC 4648, section 4)
**
**	Parameters:
**		text -- the piece.
**		len -- its length.
**		buf -- where to put the bytes.
**		size -- bytes that fit.
**
**	Returns:
**		number of bytes; -1 if it is no base64, or too long.
*/

static int
pgsqlauth_base64(text, len, buf, size)
	const char *text;
	int len;
	unsigned char *buf;
	int size;
{
	unsigned char raw[PGSQLAUTH_SALT + 3];
	int n, pad = 0;

	if (len <= 0 || len % 4 != 0 || len / 4 * 3 > (int) sizeof(raw))
		return -1;
	while (pad < 2 && text[len - 1 - pad] == '=')
		pad++;
	n = EVP_DecodeBlock(raw, (const unsigned char *) text, len);
	if (n != len / 4 * 3 || n - pad > size)
		return -1;
	memcpy(buf, raw, n - pad);
	return n - pad;
}

/*
**  PGSQLAUTH_PARSE -- take a verifier apart
**
**	Parameters:
**		text -- the verifier.
**		v -- where to put its parts.
**
**	Returns:
**		whether it is one.
*/

static bool
pgsqlauth_parse(text, v)
	const char *text;
	PGSQLAUTH_VERIFIER *v;
{
	unsigned char server[PGSQLAUTH_KEY];
	const char *salt, *stored, *key;
	char *end;
	long n;

	if (strncmp(text, PGSQLAUTH_HASH, sizeof(PGSQLAUTH_HASH) - 1) != 0)
		return false;
	text += sizeof(PGSQLAUTH_HASH) - 1;
	if (!isascii(*text) || !isdigit(*text))
		return false;
	n = strtol(text, &end, 10);
	if (n <= 0 || n > PGSQLAUTH_ITERATIONS || *end != ':')
		return false;
	salt = end + 1;
	stored = strchr(salt, '$');
	key = stored == NULL ? NULL : strchr(++stored, ':');
	if (key++ == NULL)
		return false;
	v->pgv_iterations = (int) n;
	v->pgv_saltlen = pgsqlauth_base64(salt, (int) (stored - salt) - 1,
					  v->pgv_salt, PGSQLAUTH_SALT);
	return v->pgv_saltlen > 0 &&
		pgsqlauth_base64(stored, (int) (key - stored) - 1,
				 v->pgv_stored, PGSQLAUTH_KEY) == PGSQLAUTH_KEY &&
		pgsqlauth_base64(key, (int) strlen(key), server,
				 PGSQLAUTH_KEY) == PGSQLAUTH_KEY;
}

/*
**  PGSQLAUTH_PREPARE -- bring a password into the form that was hashed
**
**	That is SASLprep (RFC 4013); a client does it for SCRAM, but not for
**	PLAIN and LOGIN.  What SASLprep refuses stays as it is, as in
**	PostgreSQL.
**
**	Parameters:
**		pass -- the password.
**		passlen -- its length.
**		buf -- where to put the result.
**		size -- bytes that fit; not less than passlen.
**
**	Returns:
**		length of the result.
*/

static int
pgsqlauth_prepare(pass, passlen, buf, size)
	const char *pass;
	int passlen;
	char *buf;
	int size;
{
# if USE_EAI
	static UStringPrepProfile *profile = NULL;
	UChar in[PGSQLAUTH_PASSWORD], out[PGSQLAUTH_PASSWORD];
	UErrorCode err = U_ZERO_ERROR;
	int32_t n = 0;
# endif
	int i;

	for (i = 0; i < passlen && isascii(pass[i]); i++)
		continue;
# if USE_EAI
	if (i < passlen)
	{
		if (profile == NULL)
			profile = usprep_openByType(USPREP_RFC4013_SASLPREP,
						    &err);
		(void) u_strFromUTF8(in, PGSQLAUTH_PASSWORD, &n, pass, passlen,
				     &err);
		n = usprep_prepare(profile, in, n, out, PGSQLAUTH_PASSWORD,
				   USPREP_ALLOW_UNASSIGNED, NULL, &err);
		(void) u_strToUTF8(buf, size, &n, out, n, &err);
		memset(in, '\0', sizeof(in));
		memset(out, '\0', sizeof(out));
		if (U_SUCCESS(err) && n > 0 && n <= size)
			return n;
	}
# endif
	memcpy(buf, pass, passlen);
	return passlen;
}

/*
**  PGSQLAUTH_FITS -- does a password fit a verifier?
**
**	Takes the same time whether it does or not.
**
**	Parameters:
**		v -- the verifier.
**		pass -- the password.
**		passlen -- its length.
**
**	Returns:
**		whether it does.  An empty password never does, nor one that
**		is too long or has a NUL byte.
*/

static bool
pgsqlauth_fits(v, pass, passlen)
	const PGSQLAUTH_VERIFIER *v;
	const char *pass;
	int passlen;
{
	char plain[2 * PGSQLAUTH_PASSWORD];
	unsigned char salted[PGSQLAUTH_KEY], key[EVP_MAX_MD_SIZE];
	unsigned char stored[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	bool fits;

	fits = passlen > 0 && passlen <= PGSQLAUTH_PASSWORD &&
		memchr(pass, '\0', passlen) == NULL;
	passlen = pgsqlauth_prepare(pass, fits ? passlen : 0, plain,
				    (int) sizeof(plain));
	if (PKCS5_PBKDF2_HMAC(plain, passlen, v->pgv_salt, v->pgv_saltlen,
			      v->pgv_iterations, EVP_sha256(), PGSQLAUTH_KEY,
			      salted) != 1 ||
	    HMAC(EVP_sha256(), salted, PGSQLAUTH_KEY,
		 (const unsigned char *) "Client Key", 10, key, &len) == NULL ||
	    EVP_Digest(key, len, stored, NULL, EVP_sha256(), NULL) != 1)
		fits = false;
	else if (CRYPTO_memcmp(stored, v->pgv_stored, PGSQLAUTH_KEY) != 0)
		fits = false;
	OPENSSL_cleanse(plain, sizeof(plain));
	OPENSSL_cleanse(salted, sizeof(salted));
	OPENSSL_cleanse(key, sizeof(key));
	return fits;
}

/*
**  PGSQLAUTH_ASK -- ask the map for the verifier of a user
**
**	Parameters:
**		user -- what the client calls itself.
**		v -- where to put the parts of the verifier.
**
**	Returns:
**		the verifier, valid until the next lookup; NULL if there is
**		none.
**
**	Side Effects:
**		PgsqlauthAway says whether there was no answer.
*/

static char *
pgsqlauth_ask(user, v)
	const char *user;
	PGSQLAUTH_VERIFIER *v;
{
	STAB *s = stab(PGSQLAUTH_MAP, ST_MAP, ST_FIND);
	MAP *map;
	char *name, *verifier = NULL;
	char *av[3];
	int status = EX_TEMPFAIL;

	PgsqlauthAway = false;
	if (s == NULL)
		return NULL;
	map = &s->s_map;
	name = sm_strdup_x(user);
	av[0] = name;
	av[1] = AuthRealm == NULL ? "" : AuthRealm;
	av[2] = NULL;
	if (openmap(map))
		verifier = (*map->map_class->map_lookup)(map, name, av,
							 &status);
	sm_free(name);
	if (verifier != NULL && !pgsqlauth_parse(verifier, v))
	{
		sm_syslog(LOG_ERR, NOQID,
			  "pgsqlauth: map=%s, the value is no SCRAM-SHA-256 verifier",
			  PGSQLAUTH_MAP);
		verifier = NULL;
		status = EX_TEMPFAIL;
	}

	/* else the name is not UTF-8, and nobody has such a name */
	PgsqlauthAway = verifier == NULL && status != EX_NOTFOUND;
	return verifier;
}

/*
**  PGSQLAUTH_CHECKPASS -- check the password of PLAIN and LOGIN
**
**	Cyrus SASL calls it before what pwcheck_method names, and asks that
**	if the answer is not SASL_OK (SASL_CB_SERVER_USERDB_CHECKPASS).
**
**	Parameters:
**		conn -- the SASL session.
**		context -- unused.
**		user -- the user, maybe with a realm.
**		pass -- the password.
**		passlen -- its length.
**		propctx -- unused.
**
**	Returns:
**		SASL_OK -- it is his.
**		SASL_BADAUTH -- it is not.
**		SASL_UNAVAIL -- nobody knows.
**		SASL_NOMECH -- there is no map.
*/

int
pgsqlauth_checkpass(conn, context, user, pass, passlen, propctx)
	sasl_conn_t *conn;
	void *context;
	const char *user;
	const char *pass;
	unsigned passlen;
	struct propctx *propctx;
{
	PGSQLAUTH_VERIFIER v;

	(void) conn;
	(void) context;
	(void) propctx;
	if (stab(PGSQLAUTH_MAP, ST_MAP, ST_FIND) == NULL)
		return SASL_NOMECH;
	if (pgsqlauth_ask(user, &v) == NULL)
		return PgsqlauthAway ? SASL_UNAVAIL : SASL_BADAUTH;
	return pgsqlauth_fits(&v, pass, (int) SM_MIN(passlen, INT_MAX))
		? SASL_OK : SASL_BADAUTH;
}

/*
**  PGSQLAUTH_LOOKUP -- hand out the verifier as a property
**
**	Parameters:
**		context -- unused.
**		sparams -- the SASL session, and what it wants to know.
**		flags -- SASL_AUXPROP_...
**		user -- the user, maybe with a realm.
**		ulen -- length of user.
**
**	Returns:
**		SASL_OK -- done, or nothing to do.
**		SASL_BADAUTH -- a password that was checked before was wrong.
**		SASL_NOUSER -- other plugins may know.
*/

static int
pgsqlauth_lookup(context, sparams, flags, user, ulen)
	void *context;
	sasl_server_params_t *sparams;
	unsigned flags;
	const char *user;
	unsigned ulen;
{
	const struct propval *p, *wanted = NULL;
	PGSQLAUTH_VERIFIER v;
	bool asked = false;
	const char *plugins = NULL;
	char *verifier;
	char name[MAXLINE];

	(void) context;

	/* properties of who logs in have a star */
	if (bitset(SASL_AUXPROP_AUTHZID, flags))
		return SASL_OK;
	for (p = sparams->utils->prop_get(sparams->propctx);
	     p != NULL && p->name != NULL; p++)
	{
		if (p->name[0] != '*')
			continue;
		asked = true;
		if (sm_strcasecmp(p->name + 1, PGSQLAUTH_PROPERTY) == 0 &&
		    (p->values == NULL ||
		     bitset(SASL_AUXPROP_OVERRIDE, flags)))
			wanted = p;
	}
	if (wanted == NULL && !asked)
		return SASL_OK;
	if (wanted == NULL)
	{
		/* pgsqlauth_checkpass() said no; this is what is logged of it */
		if (sparams->utils->getopt(sparams->utils->getopt_context, NULL,
					   "auxprop_plugin", &plugins, NULL) ==
		    SASL_OK && plugins != NULL &&
		    strcmp(plugins, PGSQLAUTH_PLUGIN) == 0)
			return SASL_BADAUTH;
		return SASL_NOUSER;
	}
	if (ulen >= sizeof(name))
		return SASL_NOUSER;
	memcpy(name, user, ulen);
	name[ulen] = '\0';
	verifier = pgsqlauth_ask(name, &v);
	if (verifier == NULL)
		return SASL_NOUSER;
	if (wanted->values != NULL)
		sparams->utils->prop_erase(sparams->propctx, wanted->name);
	return sparams->utils->prop_set(sparams->propctx, wanted->name,
					verifier, (int) strlen(verifier));
}

/*
**  PGSQLAUTH_PLUGIN -- introduce the auxprop plugin to Cyrus SASL
**
**	Parameters:
**		utils -- unused.
**		max_version -- version of the interface that Cyrus SASL has.
**		out_version -- set to the version that is used here.
**		plug -- set to the plugin.
**		plugname -- unused.
**
**	Returns:
**		SASL_OK -- done.
**		SASL_BADVERS -- Cyrus SASL is too old, before 2.1.24.
*/

static int
pgsqlauth_plugin(utils, max_version, out_version, plug, plugname)
	const sasl_utils_t *utils;
	int max_version;
	int *out_version;
	sasl_auxprop_plug_t **plug;
	const char *plugname;
{
	static char name[] = PGSQLAUTH_PLUGIN;
	static sasl_auxprop_plug_t plugin =
	{
		0, 0, NULL, NULL, pgsqlauth_lookup, name, NULL
	};

	(void) utils;
	(void) plugname;
	if (max_version < SASL_AUXPROP_PLUG_VERSION)
		return SASL_BADVERS;
	*out_version = SASL_AUXPROP_PLUG_VERSION;
	*plug = &plugin;
	return SASL_OK;
}

/*
**  PGSQLAUTH_INIT -- make the auxprop plugin known
**
**	Parameters:
**		none.
**
**	Returns:
**		SASL_OK, or why not; sasl_server_init() must have been called.
*/

int
pgsqlauth_init()
{
	return sasl_auxprop_add_plugin(PGSQLAUTH_PLUGIN, pgsqlauth_plugin);
}

/*
**  PGSQLAUTH_AWAY -- did an AUTH fail for want of an answer?
**
**	Parameters:
**		none.
**
**	Returns:
**		whether it did.
**
**	Side Effects:
**		The next AUTH begins without a past.
*/

int
pgsqlauth_away()
{
	int away = PgsqlauthAway;

	PgsqlauthAway = false;
	return away;
}
#endif /* PGSQLMAP && SASL >= 20000 */

#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the database of the maps in a throw-away cluster and times the modules there.
#
#   pg_virtualenv -t modules.sh SCHEMA PROGRAM...
set -eu
schema=$1
shift

for role in sqlmail_owner sqlmail_writer sqlmail_reader sqlmail_submitter sqlmail_authenticator
do
	psql -Xqc "CREATE ROLE $role"
done
psql -Xqc "CREATE ROLE mailadmin LOGIN PASSWORD '$PGPASSWORD' IN ROLE sqlmail_writer"
createdb --template template0 --encoding UTF8 --locale C --owner sqlmail_owner sendmail
for step in "$schema"/[0-9]*.sql
do
	PGOPTIONS='-c role=sqlmail_owner' \
		psql -Xq1 -v ON_ERROR_STOP=1 -d sendmail -f "$step"
done
exec "$@"

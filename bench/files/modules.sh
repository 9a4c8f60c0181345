#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the database of the maps in a throw-away cluster and times the modules there.
#
#   pg_virtualenv -t modules.sh DEPLOY PROGRAM...     DEPLOY is tests/sql/deploy
set -eu
deploy=$1
shift

"$deploy" sendmail
psql -Xqc "CREATE ROLE mailadmin LOGIN PASSWORD '$PGPASSWORD' IN ROLE sqlmail_writer"
exec "$@"

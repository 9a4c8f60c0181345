# shellcheck shell=bash
# A database like the collection's, for a peer: the columns that lookups need.
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install --yes --no-install-recommends postgresql ssl-cert >/dev/null
version=$(ls /etc/postgresql)
sed -i '1i local sendmail sendmail trust' "/etc/postgresql/$version/main/pg_hba.conf"
systemctl reload postgresql
runuser -u postgres -- psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 <<SQL
CREATE ROLE sendmail LOGIN;
CREATE DATABASE sendmail TEMPLATE template0 ENCODING UTF8 LC_COLLATE 'C' LC_CTYPE 'C';
\c sendmail
CREATE SCHEMA mail;
GRANT USAGE ON SCHEMA mail TO sendmail;
SQL
for map in access aliases virtualusers mailertable genericstable domaintable; do
    echo "CREATE TABLE mail.$map (lookup_key text PRIMARY KEY, value text NOT NULL);"
    echo "GRANT SELECT ON mail.$map TO sendmail;"
done | runuser -u postgres -- psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 -d sendmail

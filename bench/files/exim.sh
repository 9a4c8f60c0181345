# shellcheck shell=bash
# Exim with PostgreSQL lookups; only `exim -be` is asked, no daemon runs.
export DEBIAN_FRONTEND=noninteractive
apt-get -qq install --yes --no-install-recommends exim4-daemon-heavy >/dev/null
systemctl --quiet disable --now exim4
cat >/etc/exim4/exim4.conf <<CONF
hide pgsql_servers = (/var/run/postgresql/.s.PGSQL.5432)/sendmail/sendmail/
CONF

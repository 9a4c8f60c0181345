# shellcheck shell=bash
# What the deployed host gets for the benchmark: other ways to its database, one
# of them through PgBouncer in transaction mode, with one name for all processes as
# playbooks/site.yml gives it.
export DEBIAN_FRONTEND=noninteractive
apt-get -qq install --yes --no-install-recommends pgbouncer python3-psycopg2 >/dev/null
directory=$(echo /etc/postgresql/*/main)
echo 'sqlmail postgres sendmail' >>"$directory/pg_ident.conf"
systemctl reload postgresql

cat >/etc/pgbouncer/pgbouncer.ini <<CONF
[databases]
sendmail = host=/var/run/postgresql dbname=sendmail user=sendmail min_pool_size=10
tls = host=127.0.0.1 dbname=sendmail user=sendmail min_pool_size=10
[pgbouncer]
unix_socket_dir = /var/run/postgresql
listen_port = 6432
auth_type = trust
auth_file = /etc/pgbouncer/userlist.txt
pool_mode = transaction
default_pool_size = 10
max_client_conn = 1000
max_prepared_statements = 100
server_tls_sslmode = verify-full
server_tls_ca_file = /etc/sqlmail-bench/ca.crt
server_tls_cert_file = /etc/sqlmail-bench/client.crt
server_tls_key_file = /etc/pgbouncer/client.key
log_connections = 0
log_disconnections = 0
CONF
echo '"sendmail" ""' >/etc/pgbouncer/userlist.txt
install -m 600 /etc/sqlmail-bench/client.key /etc/pgbouncer/client.key
chown -R postgres:postgres /etc/pgbouncer
mkdir -p /etc/systemd/system/pgbouncer.service.d
printf '[Service]\nLimitNOFILE=4096\n' >/etc/systemd/system/pgbouncer.service.d/bench.conf
systemctl daemon-reload
systemctl restart pgbouncer

cat >>/etc/postgresql-common/pg_service.conf <<CONF
[bench-direct]
host=/var/run/postgresql
dbname=sendmail
user=sendmail
[bench-pooled]
host=/var/run/postgresql
port=6432
dbname=sendmail
user=sendmail
application_name=sendmail/bench
[bench-pooled-tls]
host=/var/run/postgresql
port=6432
dbname=tls
user=sendmail
application_name=sendmail/bench
[bench-counted]
host=/run/sqlmail-bench
dbname=sendmail
user=sendmail
[bench-tls]
host=localhost
hostaddr=127.0.0.1
sslmode=verify-full
sslrootcert=/etc/sqlmail-bench/ca.crt
sslcert=/etc/sqlmail-bench/client.crt
sslkey=/etc/sqlmail-bench/client.key
dbname=sendmail
user=sendmail
CONF

# shellcheck shell=bash
# PostgreSQL on 127.0.0.1 with TLS, verify-full and a client certificate, as the
# collection has it between two hosts.
umask 077
mkdir -p /etc/sqlmail-bench
chmod 755 /etc/sqlmail-bench
cd /etc/sqlmail-bench || exit
new=(openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 30)
"${new[@]}" -subj /CN=bench-ca -keyout ca.key -out ca.crt
"${new[@]}" -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
    -addext basicConstraints=CA:false -keyout server.key -out server.crt -CA ca.crt -CAkey ca.key
"${new[@]}" -subj /CN=sendmail -addext basicConstraints=CA:false \
    -keyout client.key -out client.crt -CA ca.crt -CAkey ca.key
rm ca.key
chmod 644 ./*.crt
chown postgres server.key
# libpq accepts a key of root that a group may read; Postfix looks up as postfix.
if getent group postfix >/dev/null; then
    chgrp postfix client.key
    chmod 640 client.key
fi

directory=$(echo /etc/postgresql/*/main)
sed -i '1i hostssl sendmail sendmail 127.0.0.1/32 cert' "$directory/pg_hba.conf"
umask 022
cat >"$directory/conf.d/bench.conf" <<CONF
ssl = on
ssl_ca_file = '$PWD/ca.crt'
ssl_cert_file = '$PWD/server.crt'
ssl_key_file = '$PWD/server.key'
CONF
systemctl restart 'postgresql@*.service'

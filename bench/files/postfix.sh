# shellcheck shell=bash
# Postfix with maps in PostgreSQL and in files.
export DEBIAN_FRONTEND=noninteractive
apt-get -qq install --yes --no-install-recommends postfix postfix-pgsql postfix-lmdb >/dev/null
systemctl --quiet stop postfix
# In its chroot a service finds neither the socket nor the certificates.
postconf -F '*/*/chroot=n'

# shellcheck shell=bash
# Sends the mail (smtp-source is in Debian's package postfix) and compiles pqlimit.
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install --yes --no-install-recommends postfix gcc libc6-dev libpq-dev >/dev/null
systemctl --quiet disable --now postfix

#!/bin/sh
# Prints where mail for each address in a file would go, one line for each address:
#     ask_sendmail.sh FILE
# Local delivery is called local, whatever program does it.  No mail is sent.
while IFS= read -r address; do
    answer=$(sendmail -bv -- "$address" </dev/null 2>&1 | sed \
        -e 's/^.*\.\.\. deliverable: //' -e 's/^.*\.\.\. //' \
        -e 's/^mailer \(lmtp\|procmail\), /mailer local, /' | sort -u | paste -sd ';' -)
    printf '%s\t%s\n' "$address" "$answer"
done <"$1"

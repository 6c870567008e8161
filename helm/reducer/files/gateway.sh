#!/bin/sh
# Runs nginx; looks every ten minutes whether the certificate was renewed, and then loads it.
set -eu
conf=/etc/nginx/consilium/nginx.conf
servers=$(awk '/^nameserver/ { print ($2 ~ /:/ ? "[" $2 "]" : $2) }' /etc/resolv.conf | tr '\n' ' ')
echo "resolver ${servers}valid=10s;" > /tmp/resolver.conf
certificate() { cat /etc/nginx/tls/tls.crt 2>/dev/null | md5sum; }
nginx -c "$conf" -g 'daemon off;' &
server=$!
trap 'kill -QUIT "$server"' TERM INT
(
  last=$(certificate)
  while sleep 600; do
    now=$(certificate)
    if [ "$now" != "$last" ] && nginx -c "$conf" -t && nginx -c "$conf" -s reload; then last=$now; fi
  done
) &
status=0
wait "$server" || status=$?
# The signal ends the first wait, not the server.
while kill -0 "$server" 2>/dev/null; do wait "$server" || status=$?; done
[ "$status" -gt 128 ] && status=0
exit "$status"

#!/bin/sh
# Runs nginx; looks every ten minutes whether the certificate was renewed, and then loads it.
set -eu
conf=/etc/nginx/consilium/nginx.conf
servers=$(awk '/^nameserver/ { print ($2 ~ /:/ ? "[" $2 "]" : $2) }' /etc/resolv.conf | tr '\n' ' ')
echo "resolver ${servers}valid=10s;" > /tmp/resolver.conf
certificate() { cat /etc/nginx/tls/tls.crt 2>/dev/null | md5sum; }
# The log is named here too: nginx would open the one of its own build before it reads the configuration.
nginx -e stderr -c "$conf" -g 'daemon off;' &
server=$!
looker=
trap 'kill "$looker"; kill -QUIT "$server"' TERM INT
(
  last=$(certificate)
  while sleep "${GATEWAY_CHECK_SECONDS:-600}"; do
    now=$(certificate)
    [ "$now" != "$last" ] || continue
    # A pair that does not fit (read while it is replaced) is left for the next look.
    if nginx -e stderr -c "$conf" -t && nginx -e stderr -c "$conf" -s reload; then last=$now; fi
  done
) &
looker=$!
status=0
wait "$server" || status=$?
# The signal ends the first wait, not the server.
while kill -0 "$server" 2>/dev/null; do wait "$server" || status=$?; done
kill "$looker" 2>/dev/null || true
[ "$status" -gt 128 ] && status=0
exit "$status"

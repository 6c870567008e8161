#!/usr/bin/env bash
# Fetches or builds every server and tool that the suites compare with, each once, into the user's cache folder.
set -uo pipefail
here=$(dirname "$0")
failed=0
need() { # need <name> <command...>
  local name=$1
  shift
  if path=$("$@"); then echo "$name: $path"; else echo "$name: could not be had"; failed=1; fi
}
# Debian packages, where this is Debian and we may: bubblewrap (sandbox), s3cmd (an independent look at the trail),
# shells (completion), ip (a network in which a client reaches the platform alone).
missing=()
for tool in bwrap:bubblewrap s3cmd:s3cmd openssl:openssl ip:iproute2 zsh:zsh fish:fish; do
  command -v "${tool%%:*}" >/dev/null 2>&1 || missing+=("${tool##*:}")
done
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } >/dev/null 2>&1 ||
      { echo "could not install ${missing[*]}"; failed=1; }
  else
    echo "please install: ${missing[*]}"
    failed=1
  fi
fi
need 'nats-server 2.9' bash "$here/nats.sh" old
need 'nats-server newest' bash "$here/nats.sh" new
need 'versitygw' bash "$here/versitygw.sh"
need 'minio' bash "$here/minio.sh"
need 'the native TensorFlow backend' bash "$here/../native.sh"
need 'python with numpy' bash "$here/../numpy-venv.sh"
exit "$failed"

#!/bin/sh
# Gets a nats-server for the tests into the user's cache and prints its path.
#
#   nats.sh old    Debian's package (2.9 on Debian 12), unpacked, not installed
#   nats.sh new    a pinned recent version, built with Go
#
# Idempotent: what is in the cache is used. No root is needed.
set -eu

NEW_VERSION=2.15.2
CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/consilium/bin"
mkdir -p "$CACHE"

# The working folder is inside the cache, so that the last step is a rename.
WORK=$(mktemp -d "$CACHE/.nats.XXXXXX")
trap 'rm -rf "$WORK"' EXIT

version_of() {
  "$1" --version | sed -n 's/.*v\{0,1\}\([0-9][0-9]*\.[0-9][0-9]*\.[0-9][0-9]*\).*/\1/p'
}

keep() {
  version=$(version_of "$1")
  chmod 755 "$1"
  mv "$1" "$CACHE/nats-server-$version"
  echo "$CACHE/nats-server-$version"
}

case "${1:-}" in
  old)
    for found in "$CACHE"/nats-server-2.9.*; do
      if [ -x "$found" ]; then
        echo "$found"
        exit 0
      fi
    done
    cd "$WORK"
    apt-get download nats-server >&2
    dpkg-deb -x nats-server_*.deb unpacked
    keep unpacked/usr/sbin/nats-server
    ;;
  new)
    if [ -x "$CACHE/nats-server-$NEW_VERSION" ]; then
      echo "$CACHE/nats-server-$NEW_VERSION"
      exit 0
    fi
    GOBIN="$WORK" CGO_ENABLED=0 go install "github.com/nats-io/nats-server/v2@v$NEW_VERSION" >&2
    keep "$WORK/nats-server"
    ;;
  *)
    echo "usage: $0 old|new" >&2
    exit 2
    ;;
esac

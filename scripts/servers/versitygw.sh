#!/bin/sh
# Builds the pinned versitygw into the user's cache, once, and prints the path of the binary on stdout.
# No upstream binary is downloaded: the Go module proxy and its checksum database vouch for the source.
set -eu

version='v1.8.0'
dir="${XDG_CACHE_HOME:-$HOME/.cache}/consilium/bin"
target="$dir/versitygw-$version"

if [ -x "$target" ]; then
  echo "$target"
  exit 0
fi
if ! command -v go >/dev/null 2>&1; then
  echo "versitygw.sh: needs go (https://go.dev/dl/) on the PATH to build versitygw $version." >&2
  echo "versitygw.sh: or install versitygw yourself and point CONSILIUM_VERSITYGW at it." >&2
  exit 1
fi

mkdir -p "$dir"
tmp="$(mktemp -d "$dir/.versitygw.XXXXXX")"
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
echo "versitygw.sh: building versitygw $version with $(go env GOVERSION); this takes minutes the first time" >&2
GOBIN="$tmp" nice -n 15 go install "github.com/versity/versitygw/cmd/versitygw@$version" >&2
# A rename within one folder: a second run at the same time sees the whole file or none.
mv -f "$tmp/versitygw" "$target"
echo "$target"

#!/bin/sh
# Builds the pinned MinIO into the user's cache, once, and prints the path of the binary on stdout.
# No upstream binary is downloaded: the Go module proxy and its checksum database vouch for the source.
set -eu

version='v0.0.0-20260212201848-7aac2a2c5b7c'
dir="${XDG_CACHE_HOME:-$HOME/.cache}/consilium/bin"
target="$dir/minio-$version"

if [ -x "$target" ]; then
  echo "$target"
  exit 0
fi
if ! command -v go >/dev/null 2>&1; then
  echo "minio.sh: needs go (https://go.dev/dl/) on the PATH to build MinIO $version." >&2
  echo "minio.sh: or install minio yourself and point CONSILIUM_MINIO at it." >&2
  exit 1
fi

mkdir -p "$dir"
tmp="$(mktemp -d "$dir/.minio.XXXXXX")"
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
echo "minio.sh: building MinIO $version with $(go env GOVERSION); this takes minutes the first time" >&2
GOBIN="$tmp" nice -n 15 go install "github.com/minio/minio@$version" >&2
# A rename within one folder: a second run at the same time sees the whole file or none.
mv -f "$tmp/minio" "$target"
echo "$target"

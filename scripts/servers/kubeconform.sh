#!/bin/sh
# Builds the pinned kubeconform into the user's cache, once, and prints the path of the binary on stdout.
# No upstream binary is downloaded: the Go module proxy and its checksum database vouch for the source.
set -eu

version='v0.8.0'
dir="${XDG_CACHE_HOME:-$HOME/.cache}/consilium/bin"
target="$dir/kubeconform-$version"

if [ -x "$target" ]; then
  echo "$target"
  exit 0
fi
if ! command -v go >/dev/null 2>&1; then
  echo "kubeconform.sh: needs go (https://go.dev/dl/) on the PATH to build kubeconform $version." >&2
  echo "kubeconform.sh: or install kubeconform yourself and point CONSILIUM_KUBECONFORM at it." >&2
  exit 1
fi

mkdir -p "$dir"
tmp="$(mktemp -d "$dir/.kubeconform.XXXXXX")"
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
echo "kubeconform.sh: building kubeconform $version with $(go env GOVERSION)" >&2
GOBIN="$tmp" CGO_ENABLED=0 nice -n 15 go install "github.com/yannh/kubeconform/cmd/kubeconform@$version" >&2
# A rename within one folder: a second run at the same time sees the whole file or none.
mv -f "$tmp/kubeconform" "$target"
echo "$target"

#!/bin/sh
# Builds the pinned helm into the user's cache, once, and prints the path of the binary on stdout.
# No upstream binary is downloaded: the Go module proxy and its checksum database vouch for the source.
set -eu

version='v3.22.0'
dir="${XDG_CACHE_HOME:-$HOME/.cache}/consilium/bin"
target="$dir/helm-$version"

if [ -x "$target" ]; then
  echo "$target"
  exit 0
fi
if ! command -v go >/dev/null 2>&1; then
  echo "helm.sh: needs go (https://go.dev/dl/) on the PATH to build helm $version." >&2
  echo "helm.sh: or install helm 3 yourself and point CONSILIUM_HELM at it." >&2
  exit 1
fi

mkdir -p "$dir"
tmp="$(mktemp -d "$dir/.helm.XXXXXX")"
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
echo "helm.sh: building helm $version with $(go env GOVERSION); this takes minutes the first time" >&2
# As helm's own Makefile: without these, helm takes the cluster for Kubernetes 1.20 when there is none to ask.
flags="-X helm.sh/helm/v3/internal/version.version=$version"
for package in pkg/lint/rules pkg/chartutil; do
  flags="$flags -X helm.sh/helm/v3/$package.k8sVersionMajor=1 -X helm.sh/helm/v3/$package.k8sVersionMinor=34"
done
GOBIN="$tmp" CGO_ENABLED=0 nice -n 15 go install -ldflags "$flags" "helm.sh/helm/v3/cmd/helm@$version" >&2
# A rename within one folder: a second run at the same time sees the whole file or none.
mv -f "$tmp/helm" "$target"
echo "$target"

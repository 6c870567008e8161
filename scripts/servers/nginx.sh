#!/bin/sh
# Unpacks Debian's nginx into the user's cache, once, and prints the path of the binary on stdout. Nothing is
# installed; no root is needed.
set -eu

dir="${XDG_CACHE_HOME:-$HOME/.cache}/consilium/bin/nginx-debian"
target="$dir/nginx"

if [ -x "$target" ]; then
  echo "$target"
  exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
  echo "nginx.sh: needs Debian's or Ubuntu's apt-get to get nginx." >&2
  echo "nginx.sh: or install nginx yourself and point CONSILIUM_NGINX at it." >&2
  exit 1
fi

mkdir -p "$(dirname "$dir")"
work=$(mktemp -d "$(dirname "$dir")/.nginx.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cd "$work"
apt-get download nginx >&2
dpkg-deb -x nginx_*.deb unpacked
mkdir -p "$dir"
mv -f unpacked/usr/sbin/nginx "$target"
echo "$target"

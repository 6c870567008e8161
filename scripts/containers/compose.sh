#!/usr/bin/env bash
# Prints the command of Docker Compose: the engine's plugin, docker-compose on the PATH, or one built with Go into the
# user's cache folder. Ends with 3 and a reason where there is none.
set -euo pipefail
version=v2.40.3
docker=$(bash "$(dirname "$0")/engine.sh")
if "$docker" compose version > /dev/null 2>&1; then echo "$docker compose"; exit; fi
if command -v docker-compose > /dev/null && docker-compose version --short 2> /dev/null | grep -q '^v\?2'; then
  echo docker-compose
  exit
fi
binary=${XDG_CACHE_HOME:-$HOME/.cache}/consilium/bin/docker-compose-$version
if [ ! -x "$binary" ]; then
  command -v go > /dev/null || { echo 'compose: neither Docker Compose nor Go to build it is here' >&2; exit 3; }
  echo "compose: building Docker Compose $version" >&2
  work=$(mktemp -d)
  trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
  mkdir -p "$(dirname "$binary")"
  cd "$work"
  # `go install` refuses the module for its exclude lines; as a dependency it builds.
  printf 'module build\n\ngo 1.24\n' > go.mod
  printf '//go:build never\n\npackage build\n\nimport _ "github.com/docker/compose/v2/cmd/compose"\n' > build.go
  { go get "github.com/docker/compose/v2@$version" && go mod tidy &&
    CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X github.com/docker/compose/v2/internal.Version=$version" \
      -o "$binary.$$" github.com/docker/compose/v2/cmd; } > build.log 2>&1 ||
    { tail -5 build.log >&2; exit 3; }
  mv "$binary.$$" "$binary"
fi
echo "$binary"

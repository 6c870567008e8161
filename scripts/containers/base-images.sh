#!/usr/bin/env bash
# Builds the base images of the Dockerfiles and of compose.yaml without a container registry: Debian by debootstrap,
# Node and the servers from this machine. For tests, and for whoever sits behind the same kind of wall.
# With access to a registry none of this is needed: the Dockerfiles' defaults are public images.
#
#   scripts/containers/base-images.sh          prints the names, one NAME=image a line, for `docker build --build-arg`
#
# The images carry this machine's certificate bundle, so that npm, apt and pip work behind a proxy that opens TLS.
# That is for tests alone: images for use are built on public bases.
set -euo pipefail
cd "$(dirname "$0")/../.."

docker=$(bash scripts/containers/engine.sh)
suite=bookworm
node=${CONSILIUM_IMAGE_NODE:-$(bash scripts/node-lts.sh)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say() { printf 'base-images: %s\n' "$*" >&2; }
has() { "$docker" image inspect "$1" > /dev/null 2>&1; }
# Layers come from `docker import`: one layer, no history, nothing pulled.
import() { tar -C "$1" --numeric-owner -cf - . | "$docker" import "${@:3}" - "$2" > /dev/null; }

debian=consilium-test/debian:$suite
if ! has "$debian"; then
  command -v debootstrap > /dev/null || apt-get install -y --no-install-recommends debootstrap > /dev/null
  say "debootstrap $suite"
  mirror=$(sed -nE 's/^URIs: *(\S+).*/\1/p; s/^deb (\[[^]]*\] )?(\S+).*/\2/p' \
    /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2> /dev/null | head -1 || true)
  debootstrap --variant=minbase --include=ca-certificates,libatomic1,libstdc++6 "$suite" "$work/debian" \
    ${mirror:+"$mirror"} > "$work/debootstrap.log" 2>&1 ||
    { tail -5 "$work/debootstrap.log" >&2; exit 1; }
  rm -rf "$work"/debian/var/cache/apt/archives/*.deb "$work"/debian/var/lib/apt/lists/*
  bundle=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
  cp "$bundle" "$work/debian/etc/ssl/certs/ca-certificates.crt"
  import "$work/debian" "$debian" \
    --change 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' \
    --change 'ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt' --change 'CMD ["bash"]'
fi

# A context of its own for each: nothing of the repository gets in.
from_debian() { # name, Dockerfile; its context is $work/$1
  has "consilium-test/$1" && return
  say "$1"
  mkdir -p "$work/$1"
  printf 'FROM %s\n%s\n' "$debian" "$2" > "$work/$1/Dockerfile"
  DOCKER_BUILDKIT=1 "$docker" build -q -t "consilium-test/$1" "$work/$1" > /dev/null
}

version=$("$node" --version)
mkdir -p "$work/node:$version"
npm=$(dirname "$node")/../lib/node_modules/npm
[ -d "$npm" ] || npm=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")
if ! has "consilium-test/node:$version"; then
  cp "$node" "$work/node:$version/node"
  cp -rL "$npm" "$work/node:$version/npm"
  # As in the public image: headers, with which native backends are built.
  cp -rL "$(dirname "$node")/../include" "$work/node:$version/include"
fi
from_debian "node:$version" 'COPY node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
COPY include /usr/local/include
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx && npm --version'

server() { # name, binary
  [ -n "$2" ] || { say "no $1 here: bash scripts/servers/all.sh"; exit 1; }
  mkdir -p "$work/$1:test"
  has "consilium-test/$1:test" || cp "$2" "$work/$1:test/$1"
  # curl for health checks, as the public image has wget.
  from_debian "$1:test" "RUN apt-get update -qq && apt-get install -qqy --no-install-recommends curl && rm -rf /var/lib/apt/lists/*
COPY $1 /usr/local/bin/$1
ENTRYPOINT [\"$1\"]"
}
newest() { ls -v "${XDG_CACHE_HOME:-$HOME/.cache}"/consilium/bin/$1-* 2> /dev/null | tail -1; }
server nats-server "$(newest nats-server)"
server minio "$(newest minio)"
from_debian nginx:test 'RUN apt-get update -qq && apt-get install -qqy --no-install-recommends nginx-light curl && rm -rf /var/lib/apt/lists/*
CMD ["nginx", "-g", "daemon off;"]'

cat << END
NODE_IMAGE=consilium-test/node:$version
BASE_IMAGE=$debian
NATS_IMAGE=consilium-test/nats-server:test
MINIO_IMAGE=consilium-test/minio:test
GATEWAY_IMAGE=consilium-test/nginx:test
END

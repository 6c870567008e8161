#!/usr/bin/env bash
# Makes sure that a container engine answers. Uses the one that is there; as root it starts dockerd where none runs,
# installing Debian's packages if they are missing. Prints the client to use on standard
# output; says on standard error why there is none, and ends with 3 then (a reason to skip, not a failure).
#
#   scripts/containers/engine.sh          start if needed
#   scripts/containers/engine.sh stop     stop the dockerd that this script started
#
# CONSILIUM_NO_ENGINE=1 keeps it from starting or installing anything.
set -euo pipefail

state=${XDG_CACHE_HOME:-$HOME/.cache}/consilium/engine
say() { printf 'engine: %s\n' "$*" >&2; }
skip() { say "no container engine: $*"; exit 3; }

# Debian's client has BuildKit built in; a newer one without buildx refuses what the Dockerfiles use.
client() {
  local candidate
  for candidate in ${DOCKER:-} /usr/bin/docker docker; do
    command -v "$candidate" > /dev/null && { echo "$candidate"; return; }
  done
  return 1
}

answers() { local docker; docker=$(client) && "$docker" version > /dev/null 2>&1; }

stop() {
  [ -f "$state/dockerd.pid" ] || { say 'none was started here'; return; }
  local pid
  pid=$(cat "$state/dockerd.pid")
  if [ "$(cat "/proc/$pid/comm" 2> /dev/null)" = dockerd ]; then
    kill "$pid"
    for _ in $(seq 60); do [ -d "/proc/$pid" ] || break; sleep 0.5; done
  fi
  rm -f "$state/dockerd.pid"
}

install() {
  command -v apt-get > /dev/null || skip 'dockerd is not installed and this is no Debian'
  say "installing docker.io and iptables"
  { apt-get install -y --no-install-recommends docker.io iptables ||
    { apt-get update && apt-get install -y --no-install-recommends docker.io iptables; }; } \
    > "$state/install.log" 2>&1 || skip "docker.io could not be installed, see $state/install.log"
}

start() {
  [ -z "${CONSILIUM_NO_ENGINE:-}" ] || skip 'none runs, and CONSILIUM_NO_ENGINE is set'
  [ "$(uname -s)" = Linux ] || skip 'none runs; start Docker Desktop'
  [ "$(id -u)" = 0 ] || skip 'none runs, and only root may start one'
  mkdir -p "$state"
  command -v dockerd > /dev/null || install
  say 'starting dockerd'
  # Its own session: it outlives this script, and a Ctrl-C in the terminal does not reach it.
  setsid dockerd --host unix:///var/run/docker.sock > "$state/dockerd.log" 2>&1 < /dev/null &
  local pid=$!
  for _ in $(seq 60); do
    answers && break
    [ -d "/proc/$pid" ] || break
    sleep 0.5
  done
  if ! answers; then
    kill "$pid" 2> /dev/null || true
    skip "dockerd did not start: $(grep -E 'level=(error|fatal)|failed' "$state/dockerd.log" | tail -1)"
  fi
  # setsid forks when it leads a group already.
  pgrep -x -n dockerd > "$state/dockerd.pid"
}

if [ "${1:-}" = stop ]; then stop; exit 0; fi
answers || start
client

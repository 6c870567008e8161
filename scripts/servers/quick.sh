#!/usr/bin/env bash
# What can be had within seconds for `make test`: Debian's nats-server (2.9), and NumPy where there is Python. Never
# fails: a suite that lacks its server says so. `make servers` fetches or builds the rest.
set -uo pipefail
here=$(dirname "$0")
bash "$here/nats.sh" old >/dev/null 2>&1 || echo 'nats-server 2.9 could not be had here'
bash "$here/../numpy-venv.sh" >/dev/null 2>&1 || echo 'NumPy could not be had here'

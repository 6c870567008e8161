#!/bin/sh
# Inside a build: Debian or Ubuntu packages, the user and the folders of a client image.
#   prepare-client.sh yes|no [further packages]     yes: with Python
set -eu
python=$1
shift
[ "$python" = no ] || set -- "$@" python3
apt-get update -qq
apt-get install -qqy --no-install-recommends ca-certificates libatomic1 libstdc++6 tini "$@"
rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/apt /var/log/*.log
groupadd --gid 10001 consilium
useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin consilium
# A new volume takes over owner and mode of the folder that it covers. Anybody may write: the user can be any
# (`--user`), and within, the client keeps its key in a folder that only it can read.
mkdir -p /var/lib/consilium
chown 10001:10001 /var/lib/consilium
chmod 1777 /var/lib/consilium
if [ "$python" = yes ]; then ln -s consilium-python3 /usr/local/bin/python3; fi

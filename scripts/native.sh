#!/bin/sh
# Gets the heavier tfjs backends into the user's cache, where the sdk finds them. They are never
# dependencies of the workspace: without them the sdk trains on WASM.
#
#   scripts/native.sh [tensorflow|webgpu|tensorflow-gpu|tensorflow-gpu-published]...     (default: tensorflow)
#
# tensorflow  first the ordinary npm install with its own binary; where that download cannot be had,
#             the addon is built here against the libtensorflow of the tensorflow-cpu wheel.
# tensorflow-gpu            the addon built against the tensorflow wheel: current CUDA, for cards newer than Ampere.
# tensorflow-gpu-published  @tensorflow/tfjs-node-gpu as it is: libtensorflow 2.9.1, CUDA 11, cuDNN 8.
# webgpu      Dawn and the WebGPU backend: any vendor's GPU through Vulkan, Metal or D3D12.
#
# CONSILIUM_NATIVE  folder to put them in (default: <cache>/consilium/native); the sdk reads it too.
# CONSILIUM_NATIVE_FROM=wheel  skips the ordinary install.
set -eu

tfjs_version=4.22.0
tensorflow_version=2.21.0
wheel=tensorflow-cpu
webgpu_version=0.6.2
root=${CONSILIUM_NATIVE:-${XDG_CACHE_HOME:-$HOME/.cache}/consilium/native}
platform=$(node -p 'process.platform + "-" + process.arch')
build=

say() { printf 'native: %s\n' "$*"; }
die() { printf 'native: %s\n' "$*" >&2; exit 1; }
cleanup() { [ -z "$build" ] || rm -rf "$build"; }
trap cleanup EXIT
trap 'exit 130' INT TERM

# A build happens in a folder of its own and is moved into place whole, so that a broken-off build
# is never found by the sdk and two builds at once do no harm.
begin() {
  mkdir -p "$root"
  build=$(mktemp -d "$root/.build-XXXXXX")
  # In an image another user reads it.
  chmod 755 "$build"
  printf '{"private":true}\n' > "$build/package.json"
}
finish() {
  rm -rf "$2"
  mv "$build" "$2"
  build=
  say "$1 is ready in $2"
}

# Trains one step, so that a library that loads but cannot compute is noticed here.
check_tensorflow() {
  (cd "$1" && TF_CPP_MIN_LOG_LEVEL=2 node -e '
    const util = require("node:util");
    util.isNullOrUndefined ??= (v) => v === null || v === undefined;
    util.isArray ??= Array.isArray;
    const tf = require("@tensorflow/tfjs-node");
    const w = tf.variable(tf.scalar(1));
    tf.train.sgd(0.1).minimize(() => w.square());
    if (tf.getBackend() !== "tensorflow") throw new Error("backend is " + tf.getBackend());
    if (Math.abs(w.dataSync()[0] - 0.8) > 1e-6) throw new Error("a gradient step gave " + w.dataSync()[0]);
    console.log("native: backend tensorflow, libtensorflow " + tf.version["tfjs-node"]);
  ')
}

install_upstream() {
  say "installing @tensorflow/tfjs-node@$tfjs_version with its own binary"
  (cd "$build" && npm install --no-fund --no-audit --loglevel=error "@tensorflow/tfjs-node@$tfjs_version") \
    > "$build/install.log" 2>&1 && check_tensorflow "$build" 2> "$build/check.log"
}

python_with_pip() {
  for python in python3 python; do
    if command -v "$python" > /dev/null && "$python" -m pip --version > /dev/null 2>&1; then
      echo "$python"
      return
    fi
  done
  python3 -m venv "$build/venv" > /dev/null 2>&1 || die 'python3 with pip or venv is needed to fetch libtensorflow'
  echo "$build/venv/bin/python"
}

find_node_gyp() {
  for gyp in "$(npm root -g)/npm/node_modules/node-gyp/bin/node-gyp.js" \
    "$(dirname "$(command -v npm)")/../lib/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js" \
    /usr/share/nodejs/node-gyp/bin/node-gyp.js; do
    if [ -f "$gyp" ]; then echo "$gyp"; return; fi
  done
  die 'node-gyp is not to be found beside npm; install it with npm install -g node-gyp'
}

build_from_wheel() {
  for tool in g++ make; do
    command -v "$tool" > /dev/null || die "$tool is needed to build the addon (Debian: apt-get install build-essential)"
  done
  say "building the addon against the $wheel $tensorflow_version wheel (about 300 MB to fetch)"
  rm -rf "$build/node_modules" "$build/package-lock.json"
  (cd "$build" && npm install --no-fund --no-audit --loglevel=error --ignore-scripts "@tensorflow/tfjs-node@$tfjs_version")
  module=$build/node_modules/@tensorflow/tfjs-node

  # The wheel is only unpacked, never installed, so any Python will do to fetch one for 3.12.
  python=$(python_with_pip)
  "$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    --python-version 3.12 -d "$build/wheel" "$wheel==$tensorflow_version"
  "$python" - "$build/wheel" "$build/unpacked" <<'PY'
import glob, sys, zipfile
wheel = zipfile.ZipFile(glob.glob(sys.argv[1] + '/*.whl')[0])
wanted = [n for n in wheel.namelist() if n.startswith('tensorflow/include/') or n.startswith('tensorflow/libtensorflow_')]
wheel.extractall(sys.argv[2], wanted)
PY
  unpacked=$build/unpacked/tensorflow
  mkdir -p "$module/deps/lib"
  mv "$unpacked/libtensorflow_cc.so.2" "$module/deps/lib/libtensorflow.so"
  ln -s libtensorflow.so "$module/deps/lib/libtensorflow_cc.so.2"
  mv "$unpacked/libtensorflow_framework.so.2" "$module/deps/lib/libtensorflow_framework.so.2"
  ln -s libtensorflow_framework.so.2 "$module/deps/lib/libtensorflow_framework.so"
  mv "$unpacked/include" "$module/deps/include"

  # Headers of the running Node when they are installed beside it, otherwise node-gyp fetches them.
  prefix=$(node -p 'require("path").resolve(process.execPath, "../..")')
  headers=
  if [ -f "$prefix/include/node/node_api.h" ]; then headers="--nodedir=$prefix"; fi
  (cd "$module" && node "$(find_node_gyp)" rebuild --loglevel=error $headers --napi_build_version=8 \
    --module_name=tfjs_binding "--module_path=$module/lib/napi-v8") > "$build/install.log" 2>&1 \
    || { tail -30 "$build/install.log" >&2; die 'the addon did not compile'; }
  rm -rf "$build/wheel" "$build/unpacked" "$build/venv" "$module/build" "$module/deps/include"
  check_tensorflow "$build" || die 'the addon was built but does not work'
}

get_tensorflow() {
  target=$root/tfjs-node-$tfjs_version-$platform
  if [ -d "$target" ] && check_tensorflow "$target"; then say "already in $target"; return; fi
  begin
  via=upstream
  if [ "${CONSILIUM_NATIVE_FROM:-}" = wheel ] || ! install_upstream; then
    [ "${CONSILIUM_NATIVE_FROM:-}" = wheel ] || say 'its own binary cannot be had here'
    via="tensorflow-cpu $tensorflow_version wheel"
    build_from_wheel
  fi
  printf '{"module":"@tensorflow/tfjs-node","version":"%s","via":"%s"}\n' "$tfjs_version" "$via" > "$build/native.json"
  finish tfjs-node "$target"
}

# Neither needs a card to be built; both fall back to the processor where there is none.
get_tensorflow_gpu() {
  target=$root/tfjs-node-gpu-$tfjs_version-$platform
  if [ -f "$target/native.json" ]; then say "already in $target"; return; fi
  begin
  if [ "$1" = published ]; then
    module=@tensorflow/tfjs-node-gpu
    via=upstream
    (cd "$build" && npm install --no-fund --no-audit --loglevel=error "$module@$tfjs_version")
  else
    module=@tensorflow/tfjs-node
    wheel=tensorflow
    via="tensorflow $tensorflow_version wheel"
    build_from_wheel
  fi
  printf '{"module":"%s","version":"%s","via":"%s"}\n' "${module##*node_modules/}" "$tfjs_version" "$via" > "$build/native.json"
  finish tfjs-node-gpu "$target"
}

get_webgpu() {
  target=$root/webgpu-$webgpu_version-$platform
  if [ -f "$target/native.json" ]; then say "already in $target"; return; fi
  begin
  (cd "$build" && npm install --no-fund --no-audit --loglevel=error --legacy-peer-deps \
    "webgpu@$webgpu_version" "@tensorflow/tfjs-backend-webgpu@$tfjs_version" "@tensorflow/tfjs-core@$tfjs_version")
  printf '{"module":"webgpu","version":"%s","via":"npm"}\n' "$webgpu_version" > "$build/native.json"
  finish webgpu "$target"
}

[ $# -gt 0 ] || set -- tensorflow
for what in "$@"; do
  case $what in
    tensorflow) get_tensorflow ;;
    tensorflow-gpu) get_tensorflow_gpu wheel ;;
    tensorflow-gpu-published) get_tensorflow_gpu published ;;
    webgpu) get_webgpu ;;
    *) die "unknown backend '$what'; choose tensorflow, webgpu, tensorflow-gpu or tensorflow-gpu-published" ;;
  esac
done

#!/bin/sh
# Inside a build: a virtual environment with the Python dependencies of a package, without pip.
#   python.sh <package folder> <target>
# requirements.txt is used as it is; of FEDn's python_env.yaml the build dependencies first, then the dependencies.
set -eu
package=$1
target=$2
python3 -m venv "$target"
pip="$target/bin/python3 -m pip --disable-pip-version-check"
if [ -f "$package/requirements.txt" ]; then
  $pip install --no-compile -r "$package/requirements.txt"
fi
section() { # name, file: the list items below `name:`
  awk -v name="$1:" '$1 == name { inside = 1; next } inside && /^[^ #-]/ { inside = 0 }
    inside && /^ *- / { sub(/^ *- */, ""); sub(/ +#.*/, ""); gsub(/^["\047]|["\047]$/, ""); print }' "$2"
}
if [ -f "$package/python_env.yaml" ]; then
  for name in build_dependencies dependencies; do
    section "$name" "$package/python_env.yaml" > /tmp/requirements.txt
    [ ! -s /tmp/requirements.txt ] || $pip install --no-compile -r /tmp/requirements.txt
  done
fi
$pip uninstall --yes --quiet pip setuptools 2> /dev/null || true
find "$target" -name __pycache__ -prune -exec rm -rf {} +

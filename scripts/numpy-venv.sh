#!/bin/sh
# Makes the Python environment that the npz tests hold their files against: NumPy and ml_dtypes.
# Run it as often as you like; it prints the path of the interpreter.
set -eu
venv="${XDG_CACHE_HOME:-$HOME/.cache}/consilium/py-numpy"
python="$venv/bin/python"
if ! "$python" -c 'import numpy, ml_dtypes' 2>/dev/null; then
  mkdir -p "$(dirname "$venv")"
  "${PYTHON:-python3}" -m venv --clear "$venv"
  "$python" -m pip install --quiet --disable-pip-version-check 'numpy>=1.26' 'ml_dtypes>=0.4' >&2
fi
"$python" -c 'import numpy, ml_dtypes'
echo "$python"

#!/bin/sh
# Runs the suites of the official OpenAI clients against the real server. What they need is put under the build folder.
# usage: tests/clients/run.sh PATH_TO_SACCADE BUILD_FOLDER
set -eu
source_dir=$(cd "$(dirname "$0")/../.." && pwd)
program=$(realpath "$1")
work=$2
python=${PYTHON:-python3}
mkdir -p "$work/node"
list=$source_dir/tools/packages_clients.txt
if command -v node >/dev/null && command -v npm >/dev/null; then
  grep -vxE 'nodejs|npm' "$list" >"$work/packages.txt"
  list=$work/packages.txt
fi
"$source_dir/tools/install_packages.sh" "$list"

requirements=$source_dir/tests/clients/python/requirements.txt
if ! cmp -s "$requirements" "$work/venv/requirements.txt"; then
  "$python" -m venv --clear "$work/venv"
  "$work/venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
  cp "$requirements" "$work/venv/requirements.txt"
fi
"$work/venv/bin/python" "$source_dir/tests/clients/python/openai_test.py" "$program" "$source_dir"

cp "$source_dir"/tests/clients/node/* "$work/node"
if ! cmp -s "$work/node/package-lock.json" "$work/node/node_modules/installed.json"; then
  (cd "$work/node" && npm ci --no-audit --no-fund --silent)
  cp "$work/node/package-lock.json" "$work/node/node_modules/installed.json"
fi
node "$work/node/openai.test.js" "$program" "$source_dir"

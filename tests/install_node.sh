#!/bin/sh
# Some tests run what is written for JavaScript: `make test` calls this to install packages of npm into a folder, and node
# itself where we may. Usage: install_node.sh FOLDER PACKAGE@VERSION ...
set -eu

folder=$1
shift

fail() {
    echo '**********************************************************************' >&2
    echo "*  $1" >&2
    echo '**********************************************************************' >&2
    exit 1
}

if ! command -v npm >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo 'Installing node for the tests ...'
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -qq -y --no-install-recommends nodejs npm >/dev/null || true
fi
command -v npm >/dev/null || fail 'The tests need node 18 or newer, and npm.'

if [ "$(cat "$folder/installed" 2>/dev/null)" != "$*" ]; then
    echo "Installing $* ..."
    mkdir -p "$folder"
    npm install --prefix "$folder" --no-package-lock --no-audit --no-fund --silent "$@" || fail "npm could not install $*."
    echo "$*" >"$folder/installed"
fi

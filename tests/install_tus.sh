#!/bin/sh
# One test uploads with the public tus client, run by node: `make test` calls this to install both, where we may.
set -eu

client='tus-js-client@4.3.1'
folder='build/tus'

fail() {
    echo '**********************************************************************' >&2
    echo "*  $1" >&2
    echo '**********************************************************************' >&2
    exit 1
}

if ! command -v npm >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo 'Installing node for the test of resumable uploads ...'
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -qq -y --no-install-recommends nodejs npm >/dev/null || true
fi
command -v npm >/dev/null || fail 'The test of resumable uploads needs node 18 or newer, and npm.'

if [ "$(cat "$folder/installed" 2>/dev/null)" != "$client" ]; then
    echo "Installing $client ..."
    mkdir -p "$folder"
    npm install --prefix "$folder" --no-save --no-package-lock --no-audit --no-fund --silent "$client" ||
        fail "npm could not install $client."
    echo "$client" >"$folder/installed"
fi

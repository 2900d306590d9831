#!/bin/sh
# The browser tests need a Chromium: `make test` calls this to find one or, where we may, to install it.
set -eu

for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then exit 0; fi
done

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo 'Installing chromium for the browser tests ...'
    export DEBIAN_FRONTEND=noninteractive
    if apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium >/dev/null; then exit 0; fi
fi

echo '**********************************************************************' >&2
echo '*  No Chromium was found and none could be installed.                *' >&2
echo '*  The browser tests need chromium, chromium-browser or              *' >&2
echo '*  google-chrome on PATH.                                            *' >&2
echo '**********************************************************************' >&2
[ -z "${CI:-}" ]

#!/bin/sh
# The page on nginx is tried with a real one: `make test` calls this to find it or, where we may, to install it.
set -eu

if command -v nginx >/dev/null; then exit 0; fi

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo 'Installing nginx for the tests of the docs ...'
    export DEBIAN_FRONTEND=noninteractive
    if apt-get update -qq && apt-get install -qq -y --no-install-recommends nginx-light >/dev/null; then exit 0; fi
fi

echo '**********************************************************************' >&2
echo '*  No nginx was found and none could be installed. The tests of the  *' >&2
echo '*  docs need it on PATH.                                             *' >&2
echo '**********************************************************************' >&2
[ -z "${CI:-}" ]

#!/bin/sh
# Makes, once, the secrets that compose.yaml reads. Valkey is given a digest of its password only: it reads the file as
# another user, so that one may be read by all.
set -eu
cd "$(dirname "$0")"
umask 077

if [ -e secrets/tidings.env ]; then
    echo 'deploy/secrets is there already; nothing was changed.'
    exit 0
fi
mkdir -p secrets

random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

password=$(random)
digest=$(printf %s "$password" | sha256sum | cut -d ' ' -f 1)
sed "s/>PASSWORD/#$digest/" valkey.acl >secrets/valkey.acl
chmod 644 secrets/valkey.acl
printf 'TIDINGS_REDIS_URL=redis://tidings:%s@valkey:6379\nTIDINGS_SECRET=%s\n' "$password" "$(random)" >secrets/tidings.env
echo 'Made deploy/secrets: keep it, and keep it out of version control.'

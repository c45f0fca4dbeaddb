#!/bin/sh
# Make the secrets of the compose stack, once: fresh random values in a file that only its owner may read.
#
#   docker/make-env.sh [FILE]        docker/.env unless said; a file that is there is left alone
set -eu

file=${1:-$(dirname "$0")/.env}
[ -e "$file" ] && exit 0

random() { head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n'; }

umask 077
{
    echo "POSTGRES_PASSWORD=$(random)"
    echo "REDIS_PASSWORD=$(random)"
    echo "JWT_SECRET=$(random)"
    echo "SESSION_SECRET=$(random)"
    # Airflow encrypts connections with it: 32 bytes in URL-safe base64.
    echo "FERNET_KEY=$(head -c 32 /dev/urandom | base64 | tr '+/' '-_')"
} > "$file.new"
mv "$file.new" "$file"

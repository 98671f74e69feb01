#!/usr/bin/env bash
# Three machines on one: a head and two further hosts as three Compose projects on networks of their own, an operator's
# container beside them, and what goes wrong between them. Prints what it did and how long each took; anything that is not
# as it should be ends it with status 1.
#
#   deploy/compose/test.sh [--keep] [--programs FOLDER]
#
# --keep leaves everything running; --programs takes stripped programs and scripted-hub from there instead of building
# those of the dev profile. SEED (default 7) decides who fails when. What an earlier run left is removed first.
set -euo pipefail
cd "$(dirname "$0")/../.."

keep=() programs=
while [ $# -gt 0 ]; do
    case $1 in
        --keep) keep=(--keep) ;;
        --programs) programs=${2:?}; shift ;;
        *) echo "usage: test.sh [--keep] [--programs FOLDER]" >&2; exit 2 ;;
    esac
    shift
done

if [ -z "$programs" ]; then
    cargo xtask dist --programs-only --dev
elif [ "$(realpath "$programs")" != "$PWD/dist/programs" ]; then
    mkdir -p dist/programs
    cp "$programs"/* dist/programs/
fi
VERSION=test deploy/docker/build.sh --prebuilt catalog provisioner hive cli
exec python3 deploy/compose/test/run.py "${keep[@]}"

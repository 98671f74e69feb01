#!/usr/bin/env bash
# Builds the images, tagged by version: rbee/catalog:0.1.0 and so on.
#
#   deploy/docker/build.sh [--prebuilt] [TARGET…]
#
# Without targets: catalog provisioner hive hive-cuda cli. --prebuilt takes the programs of dist/programs (cargo xtask dist)
# instead of compiling them. Where debian:bookworm-slim is not at hand and cannot be pulled, base.sh makes another base.
#   IMAGES   what stands before the names (default rbee)
#   VERSION  the tag (default: the workspace's version)
set -euo pipefail
cd "$(dirname "$0")/../.."

programs=source targets=()
for argument in "$@"; do
    case $argument in
        --prebuilt) programs=prebuilt ;;
        -*) echo "usage: build.sh [--prebuilt] [TARGET…]" >&2; exit 2 ;;
        *) targets+=("$argument") ;;
    esac
done
[ ${#targets[@]} -gt 0 ] || targets=(catalog provisioner hive hive-cuda cli)
images=${IMAGES:-rbee}
version=${VERSION:-$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)}
revision=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)

# A client without the buildx plugin still has BuildKit if it is old enough; Debian's is.
docker=docker
if ! docker buildx version >/dev/null 2>&1; then
    for candidate in docker /usr/bin/docker; do
        if DOCKER_BUILDKIT=1 "$candidate" build --help 2>&1 | grep -q -- --progress; then docker=$candidate; fi
    done
fi

base=() ; pull() { "$docker" image inspect "$1" >/dev/null 2>&1 || "$docker" pull -q "$1" >/dev/null 2>&1; }
if ! pull debian:bookworm-slim; then
    deploy/docker/base.sh $([ $programs = source ] && echo --build)
    base=(--build-arg BASE=rbee/debian:12)
    if [ $programs = source ]; then
        base+=(--build-arg "BUILD_BASE=rbee/rust:$(rustc --version | cut -d' ' -f2)")
    fi
fi

for target in "${targets[@]}"; do
    DOCKER_BUILDKIT=1 "$docker" build --quiet --file deploy/docker/Dockerfile --target "$target" \
        --build-arg PROGRAMS="$programs" --build-arg VERSION="$version" --build-arg REVISION="$revision" "${base[@]}" \
        --tag "$images/$target:$version" . >/dev/null
    size=$("$docker" image inspect --format '{{.Size}}' "$images/$target:$version")
    echo "$images/$target:$version $((size / 1000000)) MB"
done

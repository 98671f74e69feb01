#!/usr/bin/env bash
# Makes the base images out of Debian's own packages, for where no image registry can be reached:
#
#   deploy/docker/base.sh           rbee/debian:12   what the images stand on (the Dockerfile's BASE)
#   deploy/docker/base.sh --build   rbee/rust:VERSION too: that, a C compiler and this machine's Rust toolchain
#                                   (the Dockerfile's BUILD_BASE)
#
# Needs root, debootstrap and docker. An image that is there already is left alone; --again makes it anew.
#   MIRROR   where Debian's packages are (default http://deb.debian.org/debian)
#   SUITE    which Debian (default bookworm)
set -euo pipefail

mirror=${MIRROR:-http://deb.debian.org/debian}
suite=${SUITE:-bookworm}
build=no again=no
for argument in "$@"; do
    case $argument in
        --build) build=yes ;;
        --again) again=yes ;;
        *) echo "usage: base.sh [--build] [--again]" >&2; exit 2 ;;
    esac
done

has() { [ "$again" = no ] && docker image inspect "$1" >/dev/null 2>&1; }

for program in docker debootstrap; do
    command -v "$program" >/dev/null || { echo "base.sh: $program is missing: apt-get install $program" >&2; exit 1; }
done
[ "$(id -u)" = 0 ] || { echo "base.sh: debootstrap needs root" >&2; exit 1; }

work=$(mktemp -d)
tree=$work/tree
trap 'rm -rf "$work"' EXIT

# Unpacks Debian into $tree: $1 is what to include.
unpack() {
    rm -rf "$tree"
    debootstrap --variant=minbase --include="$1" "$suite" "$tree" "$mirror" >"$work/log" 2>&1 || {
        tail -n 20 "$work/log" >&2
        exit 1
    }
    # Nothing of a container reads these; copyright notices stay.
    find "$tree/usr/share/doc" -type f ! -name copyright -delete
    find "$tree/usr/share/doc" -type d -empty -delete
    rm -rf "$tree"/usr/share/{man,info,locale,lintian,groff,linda}/* \
        "$tree"/var/lib/apt/lists/* "$tree"/var/cache/apt/* "$tree"/var/cache/debconf/*-old \
        "$tree"/var/log/* "$tree"/tmp/* "$tree/etc/resolv.conf" "$tree/etc/hostname"
    # What differs from one run to the next and is made anew where it is missed.
    rm -f "$tree"/etc/machine-id "$tree"/var/cache/ldconfig/aux-cache
}

import() { # import IMAGE [CHANGE]…
    local image=$1 change=()
    shift
    for line in "$@"; do change+=(--change "$line"); done
    tar -C "$tree" --numeric-owner --sort=name -c . | docker import "${change[@]}" - "$image" >/dev/null
    echo "made $image, $(docker image inspect --format '{{.Size}}' "$image" | numfmt --to=si) B"
}

if has rbee/debian:12; then
    echo "rbee/debian:12 is there"
else
    unpack ca-certificates
    import rbee/debian:12 'CMD ["bash"]'
fi

if [ "$build" = yes ]; then
    command -v rustc >/dev/null || { echo "base.sh: --build takes this machine's Rust toolchain, and there is none" >&2; exit 1; }
    version=$(rustc --version | cut -d' ' -f2)
    image=rbee/rust:$version
    if has "$image"; then
        echo "$image is there"
    else
        unpack ca-certificates,build-essential,git
        mkdir -p "$tree/usr/local/rust"
        # Without its documentation, which is two thirds of it.
        tar -C "$(rustc --print sysroot)" --exclude=./share --exclude='*/rustlib/src' -c . | tar -C "$tree/usr/local/rust" -x
        import "$image" \
            'ENV PATH=/usr/local/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
            'ENV CARGO_HOME=/usr/local/cargo' 'CMD ["bash"]'
    fi
fi

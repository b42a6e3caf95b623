# What scripts/lab, scripts/bench and scripts/test need on a bare Debian machine; sourced by them from the top of the repository.
# shellcheck shell=bash

NODE_MAJOR=20

# Installs the Debian packages whose command is missing: pairs of command and package.
install_packages() {
    local missing=()
    while [ $# -gt 0 ]; do
        have "$1" || missing+=("$2")
        shift 2
    done
    if [ ${#missing[@]} -gt 0 ]; then
        have apt-get || die "missing: ${missing[*]}; this machine has no apt-get, so install them by hand."
        echo "installing ${missing[*]}" >&2
        as_root apt-get update -qq
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
    fi
    local version
    version=$(node -p 'process.versions.node')
    [ "${version%%.*}" -ge $NODE_MAJOR ] || die "Node $version found, expected at least $NODE_MAJOR (Debian 13 has it)."
}

# Of the directory given. npm ci writes node_modules/.package-lock.json last: older than the lockfile means another set of packages.
install_node_modules() {
    local directory=$1
    [ "$directory/node_modules/.package-lock.json" -nt "$directory/package-lock.json" ] ||
        (cd "$directory" && npm ci --no-audit --no-fund >&2)
}

have() {
    command -v "$1" > /dev/null || [ -x "/usr/sbin/$1" ]
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

die() {
    echo "$0: $1" >&2
    exit 1
}

# Functions of deploy/start: messages, and packages of Debian and Ubuntu.

apt_wait_s=900

say() { printf '%s\n' "deploy/start: $*" >&2; }

fail() {
    say "$@"
    exit 1
}

# install_package PACKAGE WHAT_FOR: installs it without starting its service (RUNLEVEL).
install_package() {
    if [ "$(id -u)" -eq 0 ]; then
        as_root=
    elif command -v sudo >/dev/null; then
        as_root=sudo
    else
        fail "the package $1 is missing: as root, run: apt-get update && apt-get install $1"
    fi
    say "installing the package $1, $2"
    { run_apt update && run_apt install --yes --no-install-recommends "$1"; } ||
        fail "could not install $1: install it, then try again"
}

# run_apt ARGUMENTS: runs apt-get, and waits while another package manager holds one of the locks it needs. The option
# DPkg::Lock::Timeout of apt-get does not cover the locks of package lists and downloads.
run_apt() {
    apt_log=$(mktemp)
    apt_deadline=$(($(date +%s) + apt_wait_s))
    apt_status=0
    until $as_root env LC_ALL=C DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -qq "$@" >"$apt_log" 2>&1; do
        apt_lock=$(grep -m 1 -i -e 'could not get lock' -e 'lock was locked by another process' "$apt_log") || apt_lock=
        if [ -z "$apt_lock" ] || [ "$(date +%s)" -ge "$apt_deadline" ]; then
            cat "$apt_log" >&2
            apt_status=1
            break
        fi
        [ "$apt_lock" = "${apt_last_lock:-}" ] || say "waiting up to $apt_wait_s s for another package manager: $apt_lock"
        apt_last_lock=$apt_lock
        sleep 2
    done
    rm -f "$apt_log"
    return "$apt_status"
}

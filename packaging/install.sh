#!/bin/sh
# Installs cpufence on this host, or removes it again.
#   install.sh install [BINARY]   default: target/release/cpufence of this tree
#   install.sh uninstall          stops the timer, restores every cpuset, removes the files;
#                                 settings stay, and state too, unless --purge is given
# Installing does not fence anything: enabling the timer does, and is left to you.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=/usr/local/bin/cpufence
doc=/usr/local/share/doc/cpufence
units=/etc/systemd/system

die() { echo "install.sh: $*" >&2; exit 1; }
has_systemd() { [ -d /run/systemd/system ]; }

install_all() {
    binary=${1:-$here/../target/release/cpufence}
    [ -x "$binary" ] || die "no binary at $binary: build it with 'cargo build --release', or name it"
    install -D -m 0755 "$binary" "$bin"
    [ -e /etc/cpufence/config.toml ] || install -D -m 0644 "$here/config.toml" /etc/cpufence/config.toml
    for file in operations.md json.md; do install -D -m 0644 "$here/../docs/$file" "$doc/$file"; done
    echo "installed $bin and /etc/cpufence/config.toml"
    if has_systemd; then
        for unit in cpufence.service cpufence.timer; do install -m 0644 "$here/$unit" "$units/$unit"; done
        systemctl daemon-reload
        echo "look first:  cpufence doctor; cpufence plan"
        echo "then start:  systemctl enable --now cpufence.timer"
    else
        echo "no systemd here: copy packaging/cpufence.cron to /etc/cron.d/cpufence when 'cpufence plan' shows what you want"
    fi
}

uninstall_all() {
    if has_systemd; then systemctl disable --now cpufence.timer 2>/dev/null || true; fi
    rm -f /etc/cron.d/cpufence
    # A round that is under way holds the lock; restore then says so and can be run again.
    if [ -x "$bin" ]; then
        "$bin" restore || die "restore failed, nothing was removed: see its message, then run this again"
    fi
    rm -f "$bin" "$units/cpufence.service" "$units/cpufence.timer"
    rm -rf "$doc"
    if has_systemd; then systemctl daemon-reload; fi
    if [ "${1:-}" = --purge ]; then
        rm -rf /var/lib/cpufence /etc/cpufence
    else
        echo "left in place: /etc/cpufence and /var/lib/cpufence"
    fi
}

[ "$(id -u)" = 0 ] || die "needs root"
case ${1:-} in
    install) shift; install_all "$@" ;;
    uninstall) shift; uninstall_all "$@" ;;
    *) die "usage: install.sh install [BINARY] | uninstall [--purge]" ;;
esac

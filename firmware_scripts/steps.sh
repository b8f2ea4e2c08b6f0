# Sourced by the scripts beside it: how they speak, and steps that change nothing when there is nothing to change.
# shellcheck shell=sh

EXIT_FAILED=1
EXIT_USAGE=2

say() {
    printf '%s: %s\n' "$NAME" "$*"
}

fail() {
    printf '%s: %s\n' "$NAME" "$*" >&2
    exit "$EXIT_FAILED"
}

# The help is the comment at the head of the script itself.
help_and_exit() {
    sed -n '2,/^$/{s/^# \{0,1\}//p}' "$0"
    exit 0
}

misused() {
    printf '%s: %s; see --help\n' "$NAME" "$*" >&2
    exit "$EXIT_USAGE"
}

require_root() {
    [ "$(id -u)" -eq 0 ] || fail "only root may do this; put sudo before it"
}

# place SOURCE TARGET MODE: a whole file or none, and only where it differs. Counts in CHANGES.
CHANGES=0
place() {
    if cmp -s "$1" "$2"; then
        return 0
    fi
    mkdir -p "$(dirname "$2")"
    install -m "$3" "$1" "$2.wayside-new"
    mv -f "$2.wayside-new" "$2"
    CHANGES=$((CHANGES + 1))
    say "wrote $2"
}

# remove PATH …: what is there.
remove() {
    for path in "$@"; do
        if [ -e "$path" ] || [ -L "$path" ]; then
            rm -rf -- "$path"
            CHANGES=$((CHANGES + 1))
            say "removed $path"
        fi
    done
}

# Whether systemd runs this machine, and not only an image that is being made.
is_booted() {
    [ -d /run/systemd/system ]
}

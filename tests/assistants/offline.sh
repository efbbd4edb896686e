#!/bin/sh
# Run a command where only loopback can be reached, if this machine lets us.
# A sandbox puts a /dev of its own over ours, and over what tests had put there.
case ${TMPDIR:-} in /dev/*) unset TMPDIR ;; esac
flags=-rn
[ "$(id -u)" -ne 0 ] || flags=-n
if unshare $flags sh -c 'ip link set lo up' 2>/dev/null; then
    exec unshare $flags sh -c 'ip link set lo up && exec "$@"' sh "$@"
fi
echo "no network namespace of our own here: a dummy key and an address on loopback are all that keeps it local" >&2
exec "$@"

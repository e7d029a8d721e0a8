#!/bin/sh
# Puts jwtkeeperd into a container's root, from its Debian package: build-root.sh jwtkeeperd.deb. Only what is run there:
# no units, no manual pages; the user has a fixed number, so that volumes keep their owner. Containerfile runs this, and
# so may any other tool that makes images.
set -eu
package=$1
umask 022
files=$(mktemp -d)
dpkg-deb --extract "$package" "$files"
install -D -m 0755 "$files/usr/sbin/jwtkeeperd" /usr/sbin/jwtkeeperd
install -D -m 0755 "$files/usr/bin/jwtkeeperctl" /usr/bin/jwtkeeperctl
install -D -m 0644 "$files/etc/jwtkeeper/jwtkeeper.toml" /etc/jwtkeeper/jwtkeeper.toml
install -D -m 0644 "$files/usr/share/doc/jwtkeeperd/copyright" /usr/share/doc/jwtkeeperd/copyright
rm -rf "$files"

grep -q '^jwtkeeper:' /etc/group || echo 'jwtkeeper:x:7519:' >> /etc/group
grep -q '^jwtkeeper:' /etc/passwd ||
    echo 'jwtkeeper:x:7519:7519:jwtkeeperd:/var/lib/jwtkeeper:/usr/sbin/nologin' >> /etc/passwd
install -d -m 0755 -o 7519 -g 7519 /run/jwtkeeper
install -d -m 0700 -o 7519 -g 7519 /var/lib/jwtkeeper

# dpkg-deb: builds a package and unpacks it; tar and compressors are its children.
set -eu
mkdir -p p/DEBIAN p/usr/share/small
printf 'Package: small\nVersion: 1\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: small\n' >p/DEBIAN/control
for i in $(seq 10); do echo "$i" >"p/usr/share/small/$i"; done
export SOURCE_DATE_EPOCH=0
dpkg-deb --root-owner-group -Zgzip -b p small.deb >/dev/null
dpkg-deb -f small.deb Package
dpkg-deb -x small.deb out
ls out/usr/share/small | wc -l
dpkg-deb -c small.deb | wc -l

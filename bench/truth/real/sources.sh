# source_of PACKAGE: unpacks the Debian source package into the current directory, from the archive that apt is set to.
# Uses lists of its own; the machine's apt configuration stays as it is.
apt_lists=
source_of() {
  local options=(-qq -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$PWD/apt/sources.list.d"
    -o "Dir::State::lists=$PWD/apt/lists" -o APT::Sandbox::User=root)
  if [ -z "$apt_lists" ]; then
    mkdir -p apt/sources.list.d apt/lists/partial
    local file
    for file in /etc/apt/sources.list.d/*.sources; do
      [ ! -f "$file" ] || sed -E 's/^Types:.*/Types: deb-src/' "$file" >"apt/sources.list.d/${file##*/}"
    done
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
      [ ! -f "$file" ] || sed -nE 's/^deb(-src)?[[:space:]]/deb-src /p' "$file" | sort -u >"apt/sources.list.d/from-${file##*/}"
    done
    apt-get "${options[@]}" update
    apt_lists=made
  fi
  # A mirror may list a newer version than it has; the release's own is then still there.
  apt-get "${options[@]}" source "$1" >source.log 2>&1 ||
    apt-get "${options[@]}" source "$1/$(. /etc/os-release && echo "$VERSION_CODENAME")" >>source.log 2>&1 ||
    { cat source.log >&2; return 1; }
  ls -d "$1"-*/ >/dev/null
}

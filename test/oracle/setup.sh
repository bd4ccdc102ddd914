#!/usr/bin/env bash
# The oracle: Debian's own criu and crit in a cache folder, as judge of our images. Nothing is
# installed: the packages and all they depend on, libc included, are unpacked into VERSION/root,
# and the wrappers VERSION/criu and VERSION/crit start them through that folder's own dynamic
# loader. Quick when all is there; one line on stderr and exit code 1 when it cannot be had.
#
#   usage: setup.sh          folder: $CKPT_ORACLE_DIR, or .cache/oracle in the checkout
set -euo pipefail
shopt -s nullglob

here=$(dirname "$(readlink -f "$0")")
oracle=$(realpath -m "${CKPT_ORACLE_DIR:-$here/../../.cache/oracle}")

# upstream version, and the Debian suite that has it
versions=(
  '4.2.1 forky'
  '4.1.1 trixie'
)

fail() {
  echo "oracle: $*" >&2
  exit 1
}

# The archives that this machine's own apt takes packages from: the mirror is never ours to choose.
mirrors() {
  apt-get indextargets --no-release-info --format '$(REPO_URI) $(COMPONENT)' 'Created-By: Packages' |
    awk '$2 == "main" { print $1 }' | sort -u
}

# apt-get with sources, state and cache of its own; its empty dpkg status makes every dependency
# count as missing, so that all of them are fetched.
isolated_apt() {
  local dir=$1
  shift
  apt-get -qq -o Dir::Etc::SourceList="$dir/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::Etc::PreferencesParts=/dev/null -o Dir::Etc::Preferences=/dev/null \
    -o Dir::State="$dir/state" -o Dir::State::status="$dir/status" -o Dir::Cache="$dir/cache" \
    -o APT::Install-Recommends=false -o APT::Update::Error-Mode=any \
    -o APT::Sandbox::User=root "$@"
}

# Any mirror that serves the suite, proven by the Debian keys this machine trusts already. A
# suite is signed with the key of the release before it too, so no newer keyring is fetched.
find_suite() {
  local dir=$1 suite=$2 mirror keyring
  keyring=(/usr/share/keyrings/debian-archive-keyring.*)
  echo 'E: it has none' >"$dir/log"
  for mirror in $(mirrors); do
    echo "deb [target=Packages${keyring:+ signed-by=$keyring}] $mirror $suite main" >"$dir/sources.list"
    isolated_apt "$dir" update 2>"$dir/log" && return
  done
  return 1
}

# The first error of apt-get's last run.
reason() {
  grep -m 1 '^E:' "$1/log"
}

# Downloads criu and crit of one version into $dir/cache/archives.
download() {
  local dir=$1 version=$2 suite=$3
  mkdir -p "$dir"/{state/lists/partial,cache/archives/partial}
  touch "$dir/status"
  find_suite "$dir" "$suite" ||
    fail "no apt source of this machine serves Debian $suite (criu $version): $(reason "$dir")"
  isolated_apt "$dir" install --yes --download-only \
    "criu=$version-*" "python3-pycriu=$version-*" \
    >"$dir/log" 2>&1 ||
    fail "criu $version cannot be fetched from Debian $suite: $(reason "$dir")"
}

# A wrapper that starts one program of the unpacked root with that root's loader and libraries.
write_wrapper() {
  local file=$1 program=$2 environment=${3:-}
  cat >"$file" <<EOF
#!/bin/sh
root=\$(dirname "\$(readlink -f "\$0")")/root
$environment
lib=\$root/usr/lib/$(uname -m)-linux-gnu
exec "\$lib"/ld-linux-*.so.* --library-path "\$lib" $program "\$@"
EOF
  chmod 755 "$file"
}

# Builds the version beside its place and moves it in last, so that what is there is whole.
set_up() {
  local version=$1 suite=$2 dir=$oracle/$1.new deb
  command -v apt-get >/dev/null || fail "needs apt-get, to fetch criu $version from Debian"
  rm -rf "$dir" && mkdir -p "$dir/root"
  download "$dir/apt" "$version" "$suite"
  for deb in "$dir"/apt/cache/archives/*.deb; do
    dpkg -x "$deb" "$dir/root"
  done
  rm -rf "$dir/apt" "$dir"/root/usr/share/{doc,man}
  write_wrapper "$dir/criu" '"$root/usr/sbin/criu"'
  write_wrapper "$dir/crit" '"$root"/usr/bin/python3 -m crit' \
    'export PYTHONHOME=$root/usr PYTHONDONTWRITEBYTECODE=1'
  "$dir/criu" --version | grep -qx "Version: $version" || fail "criu $version does not start"
  "$dir/crit" --version >/dev/null || fail "crit $version does not start"
  mv "$dir" "$oracle/$version"
  echo "oracle: criu $version of Debian $suite is in $oracle/$version"
}

mkdir -p "$oracle"
exec 9>"$oracle/.lock"
flock 9
for entry in "${versions[@]}"; do
  read -r version suite <<<"$entry"
  [[ -x $oracle/$version/criu ]] || set_up "$version" "$suite"
done

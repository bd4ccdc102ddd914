#!/usr/bin/env bash
# Sees to it that the named commands are there: those missing are installed with apt-get, for root
# on Debian; otherwise one line says what is missing. Nothing that it installs starts a service.
#
#   usage: needs.sh COMMAND...
set -euo pipefail

# The packages that bring a command; redis-tools holds the server's program, under the name of its
# checker, without the service that the package redis-server would start.
packages_of() {
  case $1 in
  cc) echo gcc libc6-dev ;;
  node) echo nodejs ;;
  ps) echo procps ;;
  ip) echo iproute2 ;;
  unshare) echo util-linux ;;
  redis-check-rdb) echo redis-tools ;;
  *) echo "$1" ;;
  esac
}

missing=()
for command in "$@"; do
  command -v "$command" >/dev/null || missing+=("$command")
done
((${#missing[@]})) || exit 0

if ((EUID)) || ! command -v apt-get >/dev/null; then
  echo "needs: not found: ${missing[*]}; install them, or what needs them is skipped or fails" >&2
  exit 0
fi
packages=()
for command in "${missing[@]}"; do
  read -ra names < <(packages_of "$command")
  packages+=("${names[@]}")
done
echo "needs: installing ${packages[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update </dev/null
apt-get -qq -y --no-install-recommends install "${packages[@]}" </dev/null >/dev/null

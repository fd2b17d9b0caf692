# shellcheck shell=bash
# What the scripts in packaging and tests/run share; sourced, never run.
# git is not asked for anything: a fresh machine need not have it, and it refuses to look at a
# checkout that belongs to another user.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
readonly root

say() {
	printf '==> %s\n' "$*"
}

as_root() {
	if [[ $(id -u) -eq 0 ]]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		say "This needs root or sudo: $*" >&2
		return 1
	fi
}

# packages KIND...: the packages of these kinds, one a line.
packages() {
	local kinds=" $* " of package kind
	while read -r of package _; do
		[[ $of != \#* ]] || continue
		for kind in ${of//,/ }; do
			if [[ $kinds == *" $kind "* ]]; then
				echo "$package"
				break
			fi
		done
	done <"$root/packaging/packages"
}

# install_missing KIND...: the packages of these kinds that are not installed yet.
install_missing() {
	local package
	local missing=()
	for package in $(packages "$@"); do
		# The nodejs of NodeSource brings npm, and conflicts with Debian's.
		[[ $package != npm ]] || ! command -v npm >/dev/null || continue
		[[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
			missing+=("$package")
	done
	((${#missing[@]})) || return 0

	say "Installing what is missing: ${missing[*]}"
	# A source of packages that fails is no reason to stop: the installation tells.
	as_root apt-get update || say "apt-get update failed; trying with the lists that are here"
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
		-o DPkg::Lock::Timeout=600 "${missing[@]}"
}

# build NAME PRESET [cmake options]: configures and builds into build/NAME.
build() {
	local name=$1 preset=$2
	shift 2
	# A cache that was made in another folder, as in a checkout that was copied, is of no use here.
	local cache=$root/build/$name/CMakeCache.txt
	if [[ -f $cache ]] && ! grep -qxF "CMAKE_CACHEFILE_DIR:INTERNAL=$root/build/$name" "$cache"; then
		say "build/$name was configured in another folder: building it afresh"
		rm -rf "${root:?}/build/$name"
	fi
	say "Building build/$name (preset $preset${*:+, $*})"
	(cd "$root" && cmake --preset "$preset" -B "$root/build/$name" "$@" >/dev/null)
	cmake --build "$root/build/$name"
}

#!/bin/bash
# The laboratory of the tutorial: a shell, and beside it two hosts with a network of their own.
#
#	docs/tutorial/setup.sh [command]
#
# client  10.0.2.15 ──── "wire": a cable ──────────── 10.0.2.4  server
#         10.0.3.15 ──── "path": carried by path.py ─ 10.0.3.4
#
# "client COMMAND" and "server COMMAND" run a command on a host; without either it runs in the shell's own
# network, which has nothing but a loopback. No root is needed: as an ordinary user you get a user
# namespace in which you may administer these networks, and keep your own name. When the shell ends,
# everything is gone: the programs started in it are killed.
set -euo pipefail

if [[ ${1:-} != --inside ]]; then
	as=()
	[[ $(id -u) -eq 0 ]] || as=(--user --map-current-user --keep-caps)
	exec unshare "${as[@]}" --net --mount "$0" --inside "$@"
fi
shift

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PATH=$PATH:/usr/sbin:/sbin
mount -t tmpfs lab /run
mkdir -m 1777 /run/lab
ip link set lo up

for host in client server; do
	ip netns add "$host"
	printf '#!/bin/sh\nexec nsenter --net=/run/netns/%s -- "$@"\n' "$host" >"/run/lab/$host"
	chmod +x "/run/lab/$host"
	ip -n "$host" link set lo up
	# Textbook congestion control, and nothing remembered from one connection to the next (tcp(7)).
	"/run/lab/$host" sh -c 'cd /proc/sys/net/ipv4; echo reno >tcp_congestion_control; echo 1 >tcp_no_metrics_save
		echo 1 >../ipv6/conf/default/disable_ipv6'
	ip link add "to-$host" type veth peer name path netns "$host"
	ip link set "to-$host" up
done
ip link add wire netns client type veth peer name wire netns server

address() { # HOST NUMBER
	for device in wire:2 path:3; do
		ip -n "$1" address add "10.0.${device#*:}.$2/24" dev "${device%:*}"
		ip -n "$1" link set "${device%:*}" up
		# The kernel cuts the stream into packets itself, so that a capture shows what a cable carries.
		"/run/lab/$1" ethtool -K "${device%:*}" tx off tso off gso off gro off >/dev/null 2>&1
	done
}
address client 15
address server 4

built=$(cd "$here/../.." && pwd)/build/release
[[ ! -x $built/echod ]] || PATH=$built:$PATH
export PATH=/run/lab:$PATH
(($#)) || set -- bash

end() {
	local process
	for process in /proc/[0-9]*; do # of this laboratory, but for this script
		[[ $process == /proc/$$ || ! $process/ns/mnt -ef /proc/$$/ns/mnt ]] ||
			kill -KILL "${process#/proc/}" 2>/dev/null || true
	done
}
trap end EXIT
"$@"

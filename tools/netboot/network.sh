#!/bin/sh
# Run a command in a network of its own, with a tap for a QEMU machine and a DHCP server: network.sh COMMAND...
# The host is 192.168.77.1, the machine gets an address from .50 on. NO_DHCP=1 leaves the DHCP server out. Needs root.
set -eu
[ "${FLOW_NETBOOT:-}" ] || FLOW_NETBOOT=inside exec unshare --net "$0" "$@"
unset FLOW_NETBOOT
PATH=$PATH:/usr/sbin:/sbin

ip link set lo up
ip tuntap add dev tap0 mode tap
ip address add 192.168.77.1/24 dev tap0
ip link set tap0 up
if [ -z "${NO_DHCP:-}" ]; then
    # It ends with this shell, also when that is killed.
    setpriv --pdeathsig KILL dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --port=0 --quiet-dhcp \
        --interface=tap0 --bind-interfaces --dhcp-range=192.168.77.50,192.168.77.90,5m --dhcp-authoritative \
        --dhcp-leasefile=/dev/null --pid-file= --log-facility=- 2>/dev/null &
    server=$!
    trap 'kill $server' EXIT
fi
status=0
"$@" || status=$?
exit $status

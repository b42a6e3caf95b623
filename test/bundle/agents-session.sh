# The examples of qubes-qos-tc(8), typed into the lab. To record them again:
#   scripts/lab exec dom0 nsenter --target 1 --mount --net bash -c "$(cat test/bundle/agents-session.sh)" \
#     > test/bundle/snapshots/agents/qubes-qos-tc.txt
# shellcheck shell=bash

# type_in PROMPT COMMAND...: what a person in that qube would type and see.
type_in() {
    local prompt=$1 qube=${1#*@} code
    shift
    printf '\n%s %s\n' "$prompt" "$*"
    lab exec "${qube%[#$]}" "$@" 2>&1
    code=$?
    [ "$code" = 0 ] || echo "[exit $code]"
}

settings() {
    printf '%b' "$1" | lab exec sys-net tee /rw/config/qubes-qos/tc.toml > /dev/null
}

echo 'Examples of qubes-qos-tc, recorded in the lab by agents-session.sh'
type_in root@sys-net# qubes-qos-tc status
type_in user@dom0$ qvm-qos uplink sys-net --up 10mbit
type_in user@dom0$ qvm-qos set work ef
sleep 3
lab exec work ping -q -c 20 -i 0.2 203.0.113.10 > /dev/null
type_in root@sys-net# qubes-qos-tc check
type_in root@sys-net# qubes-qos-tc status
type_in root@sys-net# qubes-qos-tc status --json
type_in root@sys-net# qubes-qos-tc apply
type_in root@sys-net# qubes-qos-tc print
lab exec sys-net mkdir -p /rw/config/qubes-qos
settings '[line]\nup = "5kbps"\nspeed = 3\n'
type_in root@sys-net# qubes-qos-tc apply
settings '[line]\nuse = 90\n'
type_in root@sys-net# qubes-qos-tc apply
lab exec sys-net tc qdisc replace dev vif2.0 root handle 1: fq_codel
type_in root@sys-net# qubes-qos-tc apply
type_in root@sys-net# qubes-qos-tc status
type_in user@dom0$ qvm-qos uplink sys-net --down 50mbit
sleep 3
type_in root@sys-net# qubes-qos-tc status
type_in root@sys-net# qubes-qos-tc cleanup

# A VPN qube: sys-firewall, with a tunnel as wg-quick makes it.
lab exec sys-firewall ip link add wg0 type wireguard
lab exec sys-firewall ip link set wg0 mtu 1420 up
lab exec sys-firewall ip route add default dev wg0 table 51820
type_in user@dom0$ qvm-qos uplink sys-firewall --up 10mbit
sleep 3
type_in root@sys-firewall# qubes-qos-tc apply
type_in root@sys-firewall# qubes-qos-tc status

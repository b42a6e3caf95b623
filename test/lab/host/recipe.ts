// Owns what the guest's root is made of. Any change here gives the root a new key, so that it is built anew.

/** The Debian release whose kernel, nft, iproute2, systemd and Node the lab runs: the one that Qubes templates have. */
export const SUITE = 'trixie';

/** Packages beside the essential ones. */
export const PACKAGES = [
  'conntrack',
  'ethtool',
  'iproute2',
  'iputils-ping',
  'iw',
  'kmod',
  'linux-image-amd64',
  'netbase',
  'nftables',
  'nodejs',
  'procps',
  'python3-minimal',
  'systemd-sysv',
  'tcpdump',
  'udev',
  'wireguard-tools',
] as const;

/** Kernel modules that the guest can load, by the start of their path below kernel/; those they need come with them. */
const MODULES = [
  // What nf_conntrack asks for by name when it is loaded (a soft dependency of libcrc32c).
  'arch/x86/crypto/crc32c-intel',
  'crypto/crc32c_generic',
  'drivers/net/dummy',
  'drivers/net/ifb',
  'drivers/net/tun',
  'drivers/net/veth',
  'drivers/net/wireguard',
  'drivers/net/wireless/virtual/mac80211_hwsim',
  'net/8021q/8021q',
  'net/ipv4/netfilter',
  'net/ipv6/netfilter',
  'net/netfilter',
  'net/sched',
] as const;

/** Files of the packages that nothing in the guest reads: all that is left is copied at every boot. */
const UNUSED = [
  'boot/System.map-*',
  'boot/config-*',
  'initrd.img*',
  'usr/lib/klibc*',
  'usr/lib/udev/hwdb.*',
  'usr/lib/x86_64-linux-gnu/gconv',
  'usr/lib/x86_64-linux-gnu/libapt-*',
  'usr/share/bash-completion',
  'usr/share/bug',
  'usr/share/doc',
  'usr/share/i18n',
  'usr/share/info',
  'usr/share/initramfs-tools',
  'usr/share/locale',
  'usr/share/man',
  'usr/share/nodejs/corepack',
  'usr/share/zoneinfo',
  'var/cache/*',
  'var/lib/apt/*',
  'var/lib/dpkg/info',
  'var/log/*',
] as const;

/** Where FINISH leaves the two files that QEMU boots, in the root. */
export const RESULTS = ['/lab-vmlinuz', '/lab-root.cpio'] as const;

/**
 * Shell that mmdebstrap runs outside the finished root, whose path is $1: trims it and packs it as one initramfs.
 * Modules are unpacked here, once: the guest's processor would need seconds for it at every boot. modules.dep has lines
 * `kernel/net/x.ko.xz: kernel/net/y.ko.xz kernel/lib/z.ko.xz`. The archive ends at a multiple of 512 bytes, so that
 * another can follow it. -xdev: mmdebstrap has /proc and /sys mounted there.
 */
export const FINISH = `
set -eu
cd "$1"
rm -rf ${UNUSED.join(' ')}
mv boot/vmlinuz-* lab-vmlinuz
cd usr/lib/modules/*
version=\${PWD##*/}
awk -F': *' -v wanted='^kernel/(${MODULES.join('|')})' \
    '$1 ~ wanted { print $1; count = split($2, needs, " "); for (i = 1; i <= count; i++) print needs[i] }' modules.dep |
    sort -u > "$1/lab-keep"
find kernel -type f | sort | comm -23 - "$1/lab-keep" | xargs rm
find kernel -name '*.ko.xz' -exec xz -d {} +
cd "$1"
chroot . depmod "$version"
rm lab-keep
find . -xdev -path ./lab-root.cpio -prune -o -path ./lab-vmlinuz -prune -o -print0 | sort -z |
    cpio --create --null --format=newc --reproducible --quiet > lab-root.cpio
truncate --size=%512 lab-root.cpio
`;

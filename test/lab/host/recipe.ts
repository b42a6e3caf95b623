// Owns what the guest's root is made of. Any change here gives the root a new key, so that it is built anew.

/** The Debian release whose kernel, nft, iproute2, systemd and Node the lab runs: the one that Qubes templates have. */
export const SUITE = 'trixie';

/** Packages beside the essential ones. */
export const PACKAGES = [
  'conntrack',
  'ethtool',
  'iproute2',
  'iputils-ping',
  'kmod',
  'linux-image-amd64',
  'nftables',
  'nodejs',
  'procps',
  'python3-minimal',
  'systemd-sysv',
  'tcpdump',
  'udev',
  'wireguard-tools',
] as const;

/** Kernel modules that the guest can load, by directory or file below kernel/; those they need come with them. */
export const MODULES = [
  // What nf_conntrack asks for by name when it is loaded (a soft dependency of libcrc32c).
  'arch/x86/crypto/crc32c-intel.ko',
  'crypto/crc32c_generic.ko',
  'drivers/net/dummy.ko',
  'drivers/net/ifb.ko',
  'drivers/net/tun.ko',
  'drivers/net/veth.ko',
  'drivers/net/wireguard',
  'net/ipv4/netfilter',
  'net/ipv6/netfilter',
  'net/netfilter',
  'net/sched',
] as const;

/** Files of the packages that nothing in the guest reads. They are two thirds of its size, and all of it is copied at boot. */
export const UNUSED = [
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

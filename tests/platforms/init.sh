#!/bin/busybox sh
# The first program of a virtual machine (kernels.mjs): makes a system of the host's files, which stay as they are, and runs /script there.
/bin/busybox mkdir -p /sbin /usr/bin /usr/sbin /proc /sys /dev /host /top /new /out
/bin/busybox --install -s
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
fail() {
  echo "init: $*"
  poweroff -f
}
for module in virtio_pci 9pnet_virtio 9p overlay; do modprobe "$module"; done
options=trans=virtio,version=9p2000.L,msize=524288
mount -t 9p -o "$options,ro,cache=loose" host /host || fail "no host"
# All modules of this kernel, for those that it loads by itself.
mount -t 9p -o "$options,ro,cache=loose" modules /lib/modules || fail "no modules"
mount -t 9p -o "$options" out /out || fail "no out"
mount -t tmpfs top /top
mkdir /top/upper /top/work
mount -t overlay -o lowerdir=/host,upperdir=/top/upper,workdir=/top/work overlay /new || fail "no overlay"
mkdir -p /new/out
for folder in proc sys dev out; do mount --bind "/$folder" "/new/$folder"; done
mkdir -p /dev/shm
ln -s /proc/self/fd /dev/fd
for folder in tmp run; do mount -t tmpfs "$folder" "/new/$folder"; done
mkdir /new/run/netns
ip link set lo up
. /prepare
chroot /new /bin/sh /out/script
sync
poweroff -f

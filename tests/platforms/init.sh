#!/bin/busybox sh
# The first program of a virtual machine (kernels.mjs): prepares the system in its memory, and runs /script.
/bin/busybox mkdir -p /sbin /usr/bin /usr/sbin /proc /sys /dev /out /tmp /etc
/bin/busybox --install -s
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in virtio_pci 9pnet_virtio 9p; do modprobe "$module"; done
if mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288 out /out; then
  mkdir -p /dev/shm
  ln -s /proc/self/fd /dev/fd
  echo "127.0.0.1 localhost" > /etc/hosts
  ip link set lo up
  . /script
  sync
fi
poweroff -f

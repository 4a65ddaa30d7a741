// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "channel.h"
#include "guest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#define CARRIED_MODULES "/modules"

/* The most that virtio's descriptors carry at once. */
#define NINEP_OPTIONS "trans=virtio,version=9p2000.L,msize=512000"

struct place {
	const char *type, *path, *options;
	bool optional; /* a kernel may be built without it */
};

/* Parents first. */
static const struct place places[] = {
	{ "devtmpfs", "/dev", NULL, false },
	{ "proc", "/proc", NULL, false },
	{ "sysfs", "/sys", NULL, false },
	{ "devpts", "/dev/pts", "mode=0620,ptmxmode=0666,gid=5", true },
	{ "tmpfs", "/dev/shm", "mode=1777", false },
	{ "mqueue", "/dev/mqueue", NULL, true },
	{ "tmpfs", "/run", "mode=0755", false },
	{ "cgroup2", "/sys/fs/cgroup", NULL, true },
	{ "bpf", "/sys/fs/bpf", "mode=0700", true },
	{ "debugfs", "/sys/kernel/debug", NULL, true },
	{ "tracefs", "/sys/kernel/tracing", NULL, true },
};

void guest_fail(const char *what)
{
	dprintf(2, "vm: init: %s: %s\n", what, strerror(errno));
	guest_restart();
}

void guest_restart(void)
{
	/* Restart, not power off: that needs ACPI. QEMU runs with -no-reboot. */
	sync();
	reboot(RB_AUTOBOOT);
	_exit(1);
}

static void make_directories(const char *path)
{
	char *prefix = strdup(path), *slash = prefix;

	while ((slash = strchr(slash + 1, '/'))) {
		*slash = '\0';
		mkdir(prefix, 0755);
		*slash = '/';
	}
	if (mkdir(path, 0755) && errno != EEXIST)
		guest_fail(path);
	free(prefix);
}

static void mount_at(const char *source, const char *path, const char *type,
		     unsigned long flags, const char *options)
{
	make_directories(path);
	if (mount(source, path, type, flags, options))
		guest_fail(path);
}

void guest_mount_devices(void)
{
	mount_at("devtmpfs", "/dev", "devtmpfs", 0, NULL);
}

void guest_load_module(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
		guest_fail(path);
	close(fd);
}

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

void guest_load_carried_modules(void)
{
	struct dirent **names;
	char path[PATH_MAX];
	int i, nr;

	nr = scandir(CARRIED_MODULES, &names, visible, alphasort);
	for (i = 0; i < nr; i++) {
		snprintf(path, sizeof(path), CARRIED_MODULES "/%s", names[i]->d_name);
		guest_load_module(path);
	}
}

void guest_enter_root(void)
{
	size_t i;

	/* Nobody changes the machine's files through the guest: cache all. */
	mount_at("root", "/lower", "9p", MS_RDONLY, NINEP_OPTIONS ",cache=loose");
	mount_at("tmpfs", "/upper", "tmpfs", 0, "mode=0755");
	make_directories("/upper/root");
	make_directories("/upper/work");
	mount_at("overlay", "/root", "overlay", 0,
		 "lowerdir=/lower,upperdir=/upper/root,workdir=/upper/work");
	if (chdir("/root") || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		guest_fail("the machine's root");

	for (i = 0; i < ARRAY_SIZE(places); i++) {
		const struct place *p = &places[i];

		/* Those under /sys are there if the kernel has what they are for. */
		if (mkdir(p->path, 0755) && errno != EEXIST && !p->optional)
			guest_fail(p->path);
		if (mount(p->type, p->path, p->type, 0, p->options) && !p->optional)
			guest_fail(p->path);
	}
	/* udev would make these. */
	symlink("/proc/self/fd", "/dev/fd");
	symlink("/proc/self/fd/0", "/dev/stdin");
	symlink("/proc/self/fd/1", "/dev/stdout");
	symlink("/proc/self/fd/2", "/dev/stderr");
}

void guest_bind_modules(const char *source)
{
	struct utsname uts;
	char path[PATH_MAX];

	uname(&uts);
	snprintf(path, sizeof(path), "/lib/modules/%s", uts.release);
	mount_at(source, path, NULL, MS_BIND, NULL);
}

void guest_mount_share(const char *path)
{
	/* With mmap(). The machine sees what the guest wrote when that is closed, or synced. */
	mount_at("share", path, "9p", 0, NINEP_OPTIONS ",cache=mmap");
}

void guest_start_processors(void)
{
	char path[64];
	int nr, fd;

	/* The first one has no such file. */
	for (nr = 1;; nr++) {
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", nr);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			return;
		if (write(fd, "1", 1) < 0)
			guest_fail(path);
		close(fd);
	}
}

void guest_network_up(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo))
		guest_fail("lo");
	close(fd);
	sethostname("weir", strlen("weir"));
}

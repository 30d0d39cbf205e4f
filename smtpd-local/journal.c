/* SPDX-License-Identifier: ISC */
/* Asks the kernel about a file system's journal: five calls, no fsync. */
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "journal.h"
#include "span.h"

#define XFS_MAGIC 0x58465342
#define EXT4_MAGIC 0xef53 /* that of ext2 and ext3 too */

/* "vda1" for a device number; sysfs writes '!' for a '/' in both places. */
static bool
device_name(dev_t dev, char *name, size_t size)
{
	char path[64], target[PATH_MAX];
	struct span s;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(dev),
	    minor(dev));
	n = readlink(path, target, sizeof(target));
	if (n <= 0 || (size_t)n == sizeof(target))
		return false;
	s = span_of(target, (size_t)n);
	s = span_skip(s, span_rfind(s, '/') + 1);
	if (s.n == 0 || s.n >= size)
		return false;
	memcpy(name, s.p, s.n);
	name[s.n] = '\0';
	return true;
}

/* The file holds the pid of the journal's thread, or "<none>". */
static bool
has_journal(dev_t dev)
{
	char name[128], path[192], first = '\0';
	ssize_t n;
	int fd;

	if (!device_name(dev, name, sizeof(name)))
		return false;
	snprintf(path, sizeof(path), "/sys/fs/ext4/%s/journal_task", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, &first, 1);
	close(fd);
	return n == 1 && ascii_isdigit(first);
}

bool
journal_keeps_order(const char *path, dev_t dev)
{
	struct statfs fs;

	if (statfs(path, &fs) < 0)
		return false;
	if ((unsigned long)fs.f_type == XFS_MAGIC)
		return true;
	return (unsigned long)fs.f_type == EXT4_MAGIC && has_journal(dev);
}

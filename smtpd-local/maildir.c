/* SPDX-License-Identifier: ISC */
/* Writes into a Maildir so that no crash loses a message or shows half of it. */
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <linux/magic.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "maildir.h"
#include "bufio.h"
#include "queuefile.h"

#define HOST_MAX 100 /* octets of it in a file name; flags follow it */
#define PATH_ROOM (CONF_FOLDER_MAX + sizeof("/tmp/") + MAILDIR_NAME_MAX)

static void
maildir_path(char path[PATH_ROOM], const struct maildir *m, const char *dir,
    const char *name)
{
	snprintf(path, PATH_ROOM, "%s%s/%s", m->at, dir, name);
}

static bool
maildir_sync(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	ok = fsync(fd) == 0;
	(void)io_close(fd);
	return ok;
}

/* Makes the directory if it is missing; then *made is set. */
static bool
maildir_make(const char *path, bool *made, dev_t *dev)
{
	struct stat st;
	int r = stat(path, &st);

	if (r < 0 && errno == ENOENT) {
		*made = true;
		/* Another delivery may be making it too. */
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return false;
		r = stat(path, &st);
	}
	if (r < 0)
		return false;
	*dev = st.st_dev;
	errno = ENOTDIR;
	return S_ISDIR(st.st_mode);
}

static bool
maildir_sync_part(const struct maildir *m, const char *dir)
{
	char path[PATH_ROOM];

	maildir_path(path, m, dir, ".");
	return maildir_sync(path);
}

/* "vda1" for a device number; sysfs writes '!' for '/' in both places. */
static bool
journal_device(dev_t dev, char *name, size_t size)
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
journal_exists(dev_t dev)
{
	char name[128], path[192], first = '\0';
	ssize_t n;
	int fd;

	if (!journal_device(dev, name, sizeof(name)))
		return false;
	snprintf(path, sizeof(path), "/sys/fs/ext4/%s/journal_task", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, &first, 1);
	close(fd);
	return n == 1 && ascii_isdigit(first);
}

/*
 * True when, in the file system dev that holds path, a later unlink never
 * survives a power cut that an earlier rename does not: xfs, and ext4 with a
 * journal, which commit changes of names in their order. (statfs cannot tell
 * ext4 without a journal, which keeps no order.) False when it cannot be
 * determined. Five calls, no fsync.
 */
static bool
journal_keeps_order(const char *path, dev_t dev)
{
	struct statfs fs;

	if (statfs(path, &fs) < 0)
		return false;
	if ((unsigned long)fs.f_type == XFS_SUPER_MAGIC)
		return true;
	return (unsigned long)fs.f_type == EXT4_SUPER_MAGIC &&
	    journal_exists(dev);
}

bool
maildir_enter(struct maildir *m, const char *home, const char *name)
{
	bool made = false;
	dev_t other;

	m->at[0] = '\0';
	if (chdir(home) < 0 || !maildir_make(name, &made, &other) ||
	    chdir(name) < 0 || !maildir_make("new", &made, &other) ||
	    !maildir_make("cur", &made, &other) ||
	    !maildir_make("tmp", &made, &m->dev))
		return false;
	if (made && (!maildir_sync(".") || !maildir_sync(home)))
		return false;
	m->ordered = journal_keeps_order("tmp", m->dev);
	return true;
}

/* tmp, new or cur of a folder. */
static bool
maildir_make_part(const struct maildir *m, const char *part, bool *made,
    dev_t *dev)
{
	char path[PATH_ROOM];

	snprintf(path, sizeof(path), "%s%s", m->at, part);
	return maildir_make(path, made, dev);
}

/* The file that marks a folder of a Maildir++. */
static bool
maildir_make_label(const struct maildir *m, bool *made)
{
	char path[PATH_ROOM];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%smaildirfolder", m->at);
	if (lstat(path, &st) == 0)
		return true;
	*made = true;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd >= 0 && close(fd) == 0;
}

bool
maildir_enter_folder(struct maildir *m, const char *name, bool make)
{
	bool made = false;
	struct stat st;
	dev_t other;

	m->at[0] = '\0';
	if (!make && stat(name, &st) < 0)
		return false;
	if (!maildir_make(name, &made, &other))
		return false;
	snprintf(m->at, sizeof(m->at), "%s/", name);
	if (!maildir_make_part(m, "new", &made, &other) ||
	    !maildir_make_part(m, "cur", &made, &other) ||
	    !maildir_make_part(m, "tmp", &made, &m->dev) ||
	    !maildir_make_label(m, &made))
		return false;
	if (made && (!maildir_sync(name) || !maildir_sync(".")))
		return false;
	m->ordered = false; /* rarely used: not worth the look-up */
	return true;
}

void
maildir_name(char name[MAILDIR_NAME_MAX + 1], const char *id, unsigned index,
    const char *hostname)
{
	snprintf(name, MAILDIR_NAME_MAX + 1, "%llu.Q%sR%u.%.*s",
	    (unsigned long long)(queue_id_time(id) / 1000000), id, index,
	    HOST_MAX, hostname);
}

/*
 * A mail reader appends ':' and flags when it moves a message to cur; Dovecot
 * also appends ',' and sizes.
 */
static bool
maildir_is_named(const char *entry, struct span name)
{
	struct span e = span_str(entry);

	return span_starts(e, name) &&
	    (e.n == name.n || e.p[name.n] == ':' || e.p[name.n] == ',');
}

static enum maildir_copy
maildir_find_in_cur(const struct maildir *m, struct span name)
{
	enum maildir_copy found = MAILDIR_NO_COPY;
	char path[PATH_ROOM];
	struct dirent *d;
	DIR *dir;

	maildir_path(path, m, "cur", ".");
	dir = opendir(path);
	if (dir == NULL)
		return MAILDIR_UNSURE;
	while (found == MAILDIR_NO_COPY) {
		errno = 0;
		d = readdir(dir);
		if (d == NULL && errno != 0)
			found = MAILDIR_UNSURE;
		if (d == NULL)
			break;
		if (maildir_is_named(d->d_name, name))
			found = MAILDIR_COPY;
	}
	closedir(dir);
	return found;
}

/*
 * A name is in new or cur only after its octets were synced, so the copy is
 * whole. The name itself may not be durable yet; after this call it is.
 *
 * new comes first: a mail reader moves a message from there to cur, never back.
 */
enum maildir_copy
maildir_find(const struct maildir *m, const char *name)
{
	enum maildir_copy found;
	char path[PATH_ROOM];
	struct stat st;

	maildir_path(path, m, "new", name);
	if (lstat(path, &st) == 0)
		return maildir_sync_part(m, "new") ? MAILDIR_COPY :
						     MAILDIR_UNSURE;
	if (errno != ENOENT)
		return MAILDIR_UNSURE;
	found = maildir_find_in_cur(m, span_str(name));
	if (found == MAILDIR_COPY && !maildir_sync_part(m, "cur"))
		return MAILDIR_UNSURE;
	return found;
}

int
maildir_create(const struct maildir *m, const char *name)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	char path[PATH_ROOM];
	int fd;

	maildir_path(path, m, "tmp", name);
	fd = open(path, flags, 0600);
	/*
	 * The file is of an attempt that was killed: we hold the message's
	 * lock, so no other process still writes to it.
	 */
	if (fd < 0 && errno == EEXIST && unlink(path) == 0)
		fd = open(path, flags, 0600);
	return fd;
}

/*
 * ext4 allocates blocks for a file's octets only when it writes them. Without
 * this, a commit for one file would leave the next one to another commit.
 */
void
maildir_hurry(int fd)
{
	(void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

/*
 * Whenever we are killed or the power fails, the queue file stays until the
 * scheduler has read the verdict. So only one thing can be lost: a name in new/
 * that was not durable when the queue file was unlinked.
 *
 * The second fsync prevents that. It is left out where one journal orders the
 * rename before that unlink: the same file system, of a kind that commits
 * names in order. Then the disk never has the unlink without the rename.
 */
bool
maildir_publish(const struct maildir *m, const char *name, int fd, dev_t queue)
{
	char tmp[PATH_ROOM], new[PATH_ROOM];

	maildir_path(tmp, m, "tmp", name);
	maildir_path(new, m, "new", name);
	/* Killed here: tmp/name means nothing; the next attempt replaces it. */
	if (fsync(fd) < 0)
		return false;
	/* Killed here: the same. */
	if (rename(tmp, new) < 0)
		return false;
	/*
	 * Killed here: a whole message in new/ without a verdict; the next
	 * attempt finds it and gives one.
	 */
	return (m->ordered && queue == m->dev) || maildir_sync_part(m, "new");
}

void
maildir_discard(const struct maildir *m, const char *name)
{
	char path[PATH_ROOM];
	int saved = errno;

	maildir_path(path, m, "tmp", name);
	(void)unlink(path);
	errno = saved;
}

/* SPDX-License-Identifier: ISC */
/* The files that a warm process has read: are they still the same? */
#include "reads.h"

#include <sys/stat.h>

#include <stdlib.h>

#include "clock.h"

#define BROKEN_MS (60 * 1000) /* until a broken file is tried again */
#define COARSE_US 20000       /* how late the time of a file may be */

/* What can be seen of a file without reading it. */
struct look {
	bool there;
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed, written;
};

/*
 * A file as it was when it was read, when a successor was asked for, and when
 * one was that has failed.
 */
struct reading {
	const char *path;
	struct look read, asked, refused;
};

static struct reading *reads;
static size_t nreads;
static uint64_t started;   /* us: nothing was read before */
static bool read_too_late; /* a file may have changed since it was read */
static instant refused_until;

static struct look
look_at(const char *path)
{
	struct stat st;
	struct look l = { .there = stat(path, &st) == 0 };

	if (!l.there)
		return l;
	l.dev = st.st_dev;
	l.ino = st.st_ino;
	l.size = st.st_size;
	l.changed = st.st_ctim;
	l.written = st.st_mtim;
	return l;
}

static bool
is_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool
is_same(const struct look *a, const struct look *b)
{
	if (!a->there || !b->there)
		return a->there == b->there;
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	    is_time(a->changed, b->changed) && is_time(a->written, b->written);
}

void
reads_begin(uint64_t since)
{
	started = since;
}

bool
reads_add(const char *path)
{
	struct look l;
	uint64_t changed;
	struct reading *more = reallocarray(reads, nreads + 1, sizeof(*reads));

	if (more == NULL)
		return false;
	reads = more;
	l = look_at(path);
	changed = (uint64_t)l.changed.tv_sec * 1000000 +
	    (uint64_t)l.changed.tv_nsec / 1000;
	/* A time to come says nothing: the clock was set back. */
	if (l.there && changed + COARSE_US >= started &&
	    changed <= clock_wall_us())
		read_too_late = true;
	reads[nreads++] = (struct reading){ path, l, l, l };
	return true;
}

/* Was no successor refused lately? */
bool
reads_may_try(void)
{
	return refused_until == 0 || clock_left(refused_until) == 0;
}

/*
 * Has a file changed, and is there hope that a successor can read it? When one
 * is being started already, it is not known which of the changes it sees.
 */
bool
reads_changed(bool asked)
{
	bool may = reads_may_try(), changed = false;

	for (size_t i = 0; i < nreads; i++) {
		struct look now = look_at(reads[i].path);

		if ((read_too_late || !is_same(&now, &reads[i].read)) &&
		    (may || !is_same(&now, &reads[i].refused)))
			changed = true;
		if (!asked)
			reads[i].asked = now;
	}
	return changed;
}

/* No successor came of it: what was there is not tried again at once. */
void
reads_refused(void)
{
	refused_until = clock_in(BROKEN_MS);
	for (size_t i = 0; i < nreads; i++)
		reads[i].refused = reads[i].asked;
}

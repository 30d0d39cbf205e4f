/* SPDX-License-Identifier: ISC */
/* A Maildir: the three directories, and a message's way through them. */
#ifndef MAILDIR_H
#define MAILDIR_H

#include <sys/types.h>

#include "conf.h"

#define MAILDIR_NAME_MAX 255

/*
 * All calls work below the current directory, which maildir_enter makes the
 * Maildir. All run with the rights of its owner, so whatever the owner puts
 * there, links included, leads only to files the owner can use.
 */
struct maildir {
	char at[CONF_FOLDER_MAX + 2]; /* "" or "<folder>/" */
	dev_t dev;                    /* the file system of tmp */
	bool ordered; /* it commits changes of names in their order */
};

/*
 * Changes to the directory name below home, and makes it, tmp, new and cur if
 * they are missing (mode 0700, synced). False with errno.
 */
bool maildir_enter(struct maildir *, const char *home,
    const char *name) MUST_CHECK;

/*
 * Call it after maildir_enter: the same for a folder of the Maildir
 * (Maildir++), with the file maildirfolder. Without make, a missing folder is
 * not made: false with ENOENT.
 */
bool maildir_enter_folder(struct maildir *folder, const char *name,
    bool make) MUST_CHECK;

/*
 * The file name of a message for one recipient; every attempt uses the same.
 *	<seconds>.Q<id>R<index>.<hostname>
 */
void maildir_name(char name[MAILDIR_NAME_MAX + 1], const char *id,
    unsigned index, const char *hostname);

enum maildir_copy {
	MAILDIR_NO_COPY,
	MAILDIR_COPY,   /* there is a copy, and it is durable */
	MAILDIR_UNSURE, /* errno says why */
};

/* Did an earlier attempt deliver it, whatever flags it now has in cur? */
enum maildir_copy maildir_find(const struct maildir *,
    const char *name) MUST_CHECK;

/*
 * Makes tmp/name, mode 0600, replacing what an earlier attempt left there.
 * Returns its descriptor, or -1 with errno.
 */
int maildir_create(const struct maildir *, const char *name) MUST_CHECK;

/* Starts writing fd's octets to the disk; a hint that promises nothing. */
void maildir_hurry(int fd);

/*
 * Makes the octets of fd durable and moves the file to new. Then the message
 * may be unlinked in the file system queue. False with errno: it is deferred.
 */
bool maildir_publish(const struct maildir *, const char *name, int fd,
    dev_t queue) MUST_CHECK;

/* Removes tmp/name; keeps errno. */
void maildir_discard(const struct maildir *, const char *name);

#endif

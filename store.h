/* store.h - the folder AUTOHEAL_DATA_DIR: its lock, reading at the start, and writing in a short-lived child, one at a
 * time, so that a slow disk stalls nothing. What is to be written is made in the child, out of the memory that it
 * shares: so it costs the service none. While a child is at work, what is wanted waits, and the next child writes the
 * newest of it all. What the texts mean is not known here. */
#ifndef AUTOHEAL_STORE_H
#define AUTOHEAL_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "buf.h"
#include "loop.h"

#define STORE_GAP_MS \
	1000 /* from one child to the next where nothing presses: an SD card wears out */
#define STORE_SLOW_MS 5000 /* so long a person's call waits for the disk; then it is told */
#define STORE_CHILD_MS \
	60000 /* then the child is ended; of one that reads only what the disk takes counts */
#define STORE_AGAIN_MS 30000 /* after a failure, where nothing presses */
#define STORE_LOCK_MS 3000   /* a child of a killed one may hold the folder so long at a start */
#define STORE_LAST_MS 1500   /* for the disk, when the service ends */
#define STORE_CONFIG_MAX \
	(3 * 1024 * \
	    1024) /* bytes of config.json, and of a piece of another file; more than a body can bring */
#define STORE_PIECE_MAX 8192 /* bytes handed to the disk at once */
#define STORE_EVENTS_MAX \
	1048576 /* bytes of events.jsonl; then it becomes events.1.jsonl, in place of the one before */
#define STORE_READ_MAX (64 * 1024 * 1024) /* bytes of a file; a larger one is not read */
#define STORE_NEW -1
#define STORE_FOREIGN -2
#define STORE_BUSY -2      /* of store_read_apart */
#define STORE_READ_WHOLE 0 /* the last byte of what was read apart, where nothing lacks */

enum store_file {
	STORE_EVENTS_OLD,
	STORE_EVENTS,
	STORE_CONFIG,
	STORE_STATE,
	STORE_INCIDENTS,
	STORE_FILES
};
#define STORE_CLEAR (1u << STORE_FILES) /* with STORE_EVENTS: those of before go */

/* A file that is being written, in the child. */
struct store_sink {
	int fd;
	int error; /* errno of the first write that failed */
	bool slow; /* whoever takes it may be slow, the disk may not */
	struct buf piece;
};

struct store_handler {
	/* Whether a file that begins so is ours; it begins with `head` where it is new. */
	bool (*is_own)(struct span begin);
	const char *events_head;
	/* In the child: writes the file's text with store_flush after each piece into sink->piece. Of the events those that
	 * are new. */
	void (*print)(void *owner, enum store_file file, struct store_sink *sink);
	/* Before a child is begun that writes these files. */
	void (*begins)(void *owner, unsigned files);
	/* It ended, or takes long: all that was wanted up to `ticket` is on disk, or the problem is a sentence. */
	void (*done)(void *owner, uint64_t ticket, const char *problem);
	/* store_read_apart was busy, and is no longer. */
	void (*may_read)(void *owner);
};

struct store {
	struct loop *loop;
	const struct store_handler *handler;
	void *owner;
	const char *path;
	int folder;   /* its descriptor, which has the lock; -1 without storage */
	pid_t child;  /* that writes; -1: it could not be begun, which is told in the next turn */
	pid_t reader; /* until it was reaped */
	int failed;   /* errno of child -1 */
	uint64_t children, begun;  /* how many, and when the last was begun */
	unsigned wanted, writing;  /* bits of enum store_file, STORE_CLEAR */
	bool pressing, slow, told; /* told: that it cannot be written */
	bool reading;              /* what a reader brings is still being taken */
	struct loop_timer timer;
};

/* Opens and locks the folder. 0; -1 where it cannot be used, which was told; -EWOULDBLOCK when another has it. */
int store_open(struct store *s, struct loop *loop, const char *path,
    const struct store_handler *handler, void *owner);
/* Opens a file to be read, and tells its size. A descriptor, STORE_NEW where there is none, STORE_FOREIGN where it is
 * not ours or cannot be read, which was told. */
int store_open_file(const struct store *s, enum store_file file, size_t *size);
/* Has files read in a child, one at a time: what read_all gives to the sink comes out of the descriptor that is
 * returned, the caller's to close, and at last the byte STORE_READ_WHOLE: without it the child was ended amid it.
 * STORE_BUSY while there is another; -1 where that cannot be. */
int store_read_apart(
    struct store *s, void (*read_all)(void *owner, struct store_sink *sink), void *owner);
/* To be called at the end of what it brought, or when nobody wants it any more, once the descriptor is closed. Does not
 * wait: when the child is gone, may_read tells. */
void store_read_ended(struct store *s);
/* A file of ours that is damaged gets another name, and that is told. */
void store_set_aside(const struct store *s, enum store_file file);
/* No storage from here on. */
void store_give_up(struct store *s);
/* Wants these files written; pressing: at once, else after a while. Returns the ticket of done() that will tell, 0
 * where nothing is left to be written. */
uint64_t store_want(struct store *s, unsigned files, bool pressing);
/* In the child: hands the piece on where it is large, or `all`. */
void store_flush(struct store_sink *sink, bool all);
/* A child has ended (SIGCHLD). */
void store_reap(struct store *s);
/* Writes what is wanted and waits for it, STORE_LAST_MS at most; then gives the folder back. */
void store_close(struct store *s);

#endif

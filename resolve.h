/* resolve.h - names to addresses off the loop. The C library's resolver blocks, so a short-lived
 * forked child asks it and writes what it found into a pipe; the loop goes on meanwhile. */
#ifndef AUTOHEAL_RESOLVE_H
#define AUTOHEAL_RESOLVE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "loop.h"
#include "net.h"

#define RESOLVE_ADDRESSES_MAX 8  /* kept of one name; more are left out */
#define RESOLVE_TIMEOUT_MS 10000 /* then the child is killed and the name counts as not found */

/* One look-up, owned by whoever waits for it; zeroed before the first use. */
struct resolve {
	struct loop *loop;
	void (*done)(
	    void *owner); /* called once, from the loop: count addresses (0 = not found) are there */
	void *owner;
	struct loop_timer timeout;
	pid_t child;
	int pipe;
	size_t got; /* bytes of the child's answer */
	size_t count;
	struct net_address addresses[RESOLVE_ADDRESSES_MAX];
};

/* Starts looking `name` up. 0, or -errno when no child could be started (done is not called then). */
int resolve_start(struct resolve *r, struct loop *loop, const char *name, uint16_t port,
    void (*done)(void *), void *owner);
/* Ends a look-up that is under way; done is not called. */
void resolve_cancel(struct resolve *r);

#endif

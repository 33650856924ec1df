/* probe.h - probes of our own, for containers without a HEALTHCHECK: a GET or a connection to the container's own
 * address, or a command through the engine's exec. It counts failures in a row and tells; what they lead to is
 * not its business. At most `most` are under way, the others wait, the one that is due longest first; one timer wakes
 * for the next of all, and none while no container with a probe runs. */
#ifndef AUTOHEAL_PROBE_H
#define AUTOHEAL_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "docker.h"
#include "watch.h"

#define PROBES_MAX 4096     /* containers with one; the next is refused */
#define PROBE_WORDS_MAX 224 /* bytes kept of what was seen, with the output of a command */
#define PROBE_EXIT_MS 100   /* between questions for an exit code that is not known yet */
#define PROBE_EXIT_TRIES 50
#define PROBE_SOON_MS \
	200 /* an engine whose first list is on its way is asked when that is through */

enum probe_result {
	PROBE_PASSED,
	PROBE_FAILED, /* as often in a row as it has retries, or more often */
	PROBE_CANNOT, /* nothing is known: no route, no address, a refusal by the engine */
	PROBE_BESIDE, /* the container has a HEALTHCHECK, so there is nothing to do: drop it */
};

struct probe;

struct probes {
	struct loop *loop;
	/* words: what was seen, foreign text; "" where there is nothing new to say. The output of a command stands behind a
	 * line end. */
	void (*told)(void *owner, struct docker *d, const uint8_t id[32], enum probe_result result,
	    const char *words);
	void *owner;
	struct probe *first;
	size_t count;
	unsigned running, most; /* under way; at most */
	bool several; /* there is more than one engine: an address may be another host's */
	bool at_home; /* in no container of ours: what has the host's network is at 127.0.0.1 */
	struct loop_timer timer;
};

/* Zeroed memory; most and the flags are the caller's to set. */
void probes_init(struct probes *all, struct loop *loop,
    void (*told)(void *owner, struct docker *d, const uint8_t id[32], enum probe_result result,
	const char *words),
    void *owner);
/* A probe of the container, asleep at first; check is copied. Returns NULL, or why it cannot be. */
const char *probes_add(
    struct probes *all, struct docker *d, const uint8_t id[32], const struct watch_check *check);
/* The container runs, or does not: begins an interval after its start, or ends. started: it was started anew, so
 * that nothing of before counts. */
void probes_follow(
    struct probes *all, const struct docker *d, const uint8_t id[32], bool runs, bool started);
void probes_drop(struct probes *all, const struct docker *d, const uint8_t id[32]);
/* Failures in a row; 0 without a probe. */
uint32_t probes_streak(struct probes *all, const struct docker *d, const uint8_t id[32]);
void probes_close(struct probes *all);

#endif

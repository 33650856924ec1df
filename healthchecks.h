/* healthchecks.h - PURE: the probes that people gave through the API: kept by the stable identity of their container,
 * read from JSON and printed. Who does them is no business of this. */
#ifndef AUTOHEAL_HEALTHCHECKS_H
#define AUTOHEAL_HEALTHCHECKS_H

#include <stdbool.h>
#include <stddef.h>

#include "json.h"
#include "watch.h"

#define HEALTHCHECKS_MAX 128 /* at the limit another is refused; config.json must stay readable */
#define HEALTHCHECK_TIME_MAX (24 * 3600) /* seconds */

struct healthcheck {
	struct healthcheck *next;
	struct watch_check check; /* of CHECK_HTTP: what begins with the host, where it is another one */
	char container[WATCH_NAME_MAX]; /* as it was said; of a kept one the stable identity */
};

struct healthchecks {
	struct healthcheck *first;
	size_t count;
};

/* Reads one as POST /api/healthchecks takes it. NULL, or what is wrong with *member (a constant). */
const char *healthcheck_read(
    const struct json *j, int object, struct healthcheck *out, const char **member);
/* Prints it, and leaves its object open. Not plain: what may hold a password, a command and the query of an address, is
 * masked. */
void healthcheck_print(struct json_writer *w, const struct healthcheck *h, bool plain);

struct healthcheck *healthchecks_find(const struct healthchecks *t, const char *container);
/* Where h is masked, the kept one of that container fills in what it is; the rest of the address must be the same, so
 * that nobody has it sent elsewhere. NULL, or what is wrong with *member (a constant). */
const char *healthchecks_unmask(
    const struct healthchecks *t, struct healthcheck *h, const char **member);
/* Keeps a copy, in place of the one of that container. NULL, or why it cannot be. */
const char *healthchecks_put(struct healthchecks *t, const struct healthcheck *h);
/* false where there is none. */
bool healthchecks_drop(struct healthchecks *t, const char *container);
void healthchecks_free(struct healthchecks *t);
/* Whether any is a command, which needs the token. */
bool healthchecks_have_exec(const struct healthchecks *t);

/* The array `custom_health_checks`. */
void healthchecks_print(struct json_writer *w, const struct healthchecks *t, bool plain);
/* Reads that, or an object of such (the Python docker-autoheal's), and adds to t. strict: the first that makes no sense
 * ends it, as healthcheck_read says; else it is left out. kept: of healthchecks_unmask; NULL: nothing is masked. */
const char *healthchecks_read(struct healthchecks *t, const struct json *j, int token, bool strict,
    const struct healthchecks *kept, const char **member);

#endif

/* notify.h - notices on their way: a bounded queue for each target, one request at a time to it, retries with
 * back-off, and the heartbeat. Nothing of a heal waits for any of it: an event is queued, and sent in a later turn of
 * the loop. Without a target nothing is allocated. */
#ifndef AUTOHEAL_NOTIFY_H
#define AUTOHEAL_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit.h"
#include "call.h"
#include "config.h"
#include "loop.h"
#include "notice.h"
#include "tls.h"

#define NOTIFY_TARGETS_MAX \
	16 /* over all variables, beside the heartbeat; a telegram:// URL counts once for each of its chats */
#define NOTIFY_QUEUE 16 /* notices that wait, of each target: the oldest goes, and is counted */
#define NOTIFY_ANSWER_MS 15000    /* from the connection's beginning to the end of the answer */
#define NOTIFY_TRIES 10           /* of one notice, over 14 min */
#define NOTIFY_BACKOFF_MS 2000ull /* before the second try; doubled for each further one, at most */
#define NOTIFY_BACKOFF_MAX_MS (5 * 60 * 1000ull)
#define NOTIFY_RETRY_AFTER_MAX 3600 /* seconds of a Retry-After that are believed */
#define NOTIFY_WORDS_MAX 320

struct notice;
struct notify_delivery;

struct notify_target {
	struct notify *notify;
	struct notice_target to;
	struct loop_timer again; /* the next try, or the next notice */
	struct notify_delivery *under_way;
	struct notice *current; /* being sent, or waiting for its next try */
	struct notice *queue[NOTIFY_QUEUE];
	uint8_t first, waiting, tries;
	bool failing, flooded; /* told already */
	uint64_t sent, failed, dropped;
	struct notify_trial *trial; /* it is there for one test alone */
};

/* One message to one target, for a person who waits for what becomes of it. */
struct notify_trial {
	/* From the loop, once. status: of the answer, 0 without one; kind: what went wrong, in our own words, NULL nothing. */
	void (*done)(void *owner, bool good, int status, const char *kind);
	void *owner;
	int status;
	struct notify_target *target;
};

struct notify {
	struct loop *loop;
	struct call_workspace *workspace;
	const struct settings *settings;
	struct tls_client tls; /* AUTOHEAL_CA_FILE */
	struct notify_target *targets[NOTIFY_TARGETS_MAX + 1];
	size_t count;                    /* of targets and heartbeat, which stands last */
	struct notify_target *heartbeat; /* NULL without one */
	struct notice_known *known;
	uint32_t kinds;
	unsigned under_way, most; /* requests at once over all targets */
	bool read, tls_ready;     /* the settings were; AUTOHEAL_CA_FILE was */
	/* of notify_test and notify_check: called with what became of each; nothing is tried again then */
	void (*report)(void *owner, const char *target, bool good, const char *words);
	void *report_owner;
	bool only_connects;
};

/* Reads the settings; zeroed memory is expected. 0, or -1 with a sentence (without secrets) in error. What
 * willfarrell's variables hold in vain is a warning. */
int notify_init(struct notify *n, struct loop *loop, struct call_workspace *workspace,
    const struct settings *settings, char *error, size_t error_size);
/* Reads the settings anew. Targets that are still there keep what waits for them. 0, or -1 with a sentence; those that
 * could be read hold all the same. Spans into the settings of before are of no more use afterwards. */
int notify_read(struct notify *n, char *error, size_t error_size);
/* Sends a test message to one service. done and owner are set by the caller, whose memory the trial is, until done or
 * notify_cancel. false where it cannot be sent now. */
bool notify_try(struct notify *n, const struct config_service *service, struct notify_trial *trial);
/* Ends it without a word; without effect where it has ended. */
void notify_cancel(struct notify_trial *trial);
/* An audit event was added; ends: its incident is over with it. */
void notify_event(struct notify *n, const struct audit_event *e, bool ends);
/* An audit has succeeded. */
void notify_beat(struct notify *n);
/* Queues one message to each target, and calls report when each has ended. */
void notify_test(struct notify *n,
    void (*report)(void *owner, const char *target, bool good, const char *words), void *owner);
/* Sends nothing: looks each name up, connects and shakes hands, also with the heartbeat's, and calls report when each
 * has ended. Each address of a name has CALL_CONNECT_MS. */
void notify_check(struct notify *n,
    void (*report)(void *owner, const char *target, bool good, const char *words), void *owner);
/* Whether there is something to be sent, or a report to come. A receiver that failed lately, and the heartbeat's, are
 * not counted on. */
bool notify_waits(const struct notify *n);
/* Ends it; what was not sent is told. */
void notify_close(struct notify *n);

#endif

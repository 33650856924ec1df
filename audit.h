/* audit.h - the audit events: what autoheal did and saw, in one ring of bytes. When the ring is
 * full, or holds as many events as are wanted, the oldest go. Nothing allocates. */
#ifndef AUTOHEAL_AUDIT_H
#define AUTOHEAL_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json.h"
#include "text.h"

#define AUDIT_RING_SIZE (128 * 1024) /* bytes; its pages are touched only as far as it is filled */
#define AUDIT_TEXT_MAX 1024          /* bytes of one text of an event; longer ones are cut */

enum audit_kind {
	AUDIT_AUTO_MONITOR,
	AUDIT_SELECTION,
	AUDIT_RESTART,
	AUDIT_RECOVERED,
	AUDIT_NOT_RECOVERED,
	AUDIT_QUARANTINE,
	AUDIT_UNQUARANTINE,
	AUDIT_AUTO_UNQUARANTINE,
	AUDIT_SKIPPED,
	AUDIT_DEPENDENT_RESTART,
	AUDIT_STRANDED,
	AUDIT_STALE_PROBE,
	AUDIT_HEALTH_CHECK_FAILED,
	AUDIT_VERDICT,
	AUDIT_CRASH_LOOP,
	AUDIT_STORM,
	AUDIT_MAINTENANCE,
	AUDIT_ENGINE_LOST,
	AUDIT_ENGINE_CONNECTED,
	AUDIT_CONFIG,
	AUDIT_KINDS,
};

struct audit_event {
	uint64_t seq; /* set by audit_add */
	int64_t wall; /* ms since 1970 */
	enum audit_kind kind;
	const uint8_t *id; /* 32 bytes of the container, NULL where there is none */
	uint32_t restart_count;
	int32_t exit_code;   /* INT32_MIN: none */
	int64_t duration_ms; /* -1: none */
	uint64_t incident;   /* 0: none */
	struct span status, name, message, host, stable_id, reason, action, health_output;
};

struct audit {
	uint64_t next_seq;
	uint32_t limit; /* events kept at most */
	uint32_t count;
	uint32_t head, tail; /* where the next goes, where the oldest stands */
	uint32_t wrap; /* the end of the last record before the ring began anew; 0 = it did not */
	_Alignas(8) char ring[AUDIT_RING_SIZE];
};

/* Zeroed memory is expected. limit: AUTOHEAL_EVENTS. first_seq: the number of the first event, at least 1. */
void audit_init(struct audit *a, uint32_t limit, uint64_t first_seq);
/* Keeps a copy; returns its seq. */
uint64_t audit_add(struct audit *a, const struct audit_event *event);
/* Forgets all events and returns how many there were; numbers go on rising. */
uint32_t audit_clear(struct audit *a);

/* A place in the ring which survives events being added and dropped. */
struct audit_cursor {
	uint64_t seq;    /* of the last event handed out; 0 = before all */
	uint32_t offset; /* of the next one, while it can be trusted */
};
/* The next event behind the cursor; its texts point into the ring until the next audit_add. false at the end. */
bool audit_next(const struct audit *a, struct audit_cursor *cursor, struct audit_event *event);

/* Whether what an event tells as done to a container was done. */
bool audit_succeeded(const struct audit_event *event);
const char *audit_kind_name(enum audit_kind kind);
/* The kind of this name, or -1. */
int audit_kind_of(struct span name);
/* The event as one JSON object (API.md). */
void audit_print(struct json_writer *w, const struct audit_event *event);

#endif

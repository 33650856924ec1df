/* memory.h - PURE: what autoheal remembers over its own end, as the text of its files and back: state.json,
 * config.json, incidents.json, and one line of events.jsonl. Times are kept as ms since 1970 and become the loop's clock again; a wall
 * clock that jumped meanwhile moves them no further than to now, or to ten years ahead. What is read may be anything:
 * what makes no sense is left out. */
#ifndef AUTOHEAL_MEMORY_H
#define AUTOHEAL_MEMORY_H

#include "audit.h"
#include "healthchecks.h"
#include "incidents.h"
#include "policy.h"

#define MEMORY_BEGINS "{\"autoheal\":1" /* how every file of ours begins; what follows is , or } */
/* state.json is this, elements with a comma between them, and MEMORY_STATE_ENDS: the first is the head, the
 * others are identities. */
#define MEMORY_STATE_BEGINS MEMORY_BEGINS ",\"state\":["
#define MEMORY_STATE_ENDS "]}\n"
/* incidents.json: the same, the elements are what incident_print prints. */
#define MEMORY_INCIDENTS_BEGINS MEMORY_BEGINS ",\"incidents\":["
#define MEMORY_EVENTS_BEGINS MEMORY_BEGINS "}\n"
#define MEMORY_HOST_MAX 64

struct memory_clock {
	uint64_t now; /* of the loop */
	int64_t wall;
};

struct memory_head {
	uint64_t seq;      /* of the next audit event */
	uint64_t incident; /* the last one */
	bool maintenance;
	int64_t maintenance_since, maintenance_until;
};

/* Whether a file that begins so is ours. */
bool memory_is_own(struct span begin);

void memory_print_head(struct buf *out, const struct memory_head *head);
/* Whether there is anything to be kept of the identity. */
bool memory_is_worth(const struct identity *identity);
/* host: the name of its engine. */
void memory_print_identity(struct buf *out, const struct policy *p, const struct memory_clock *at,
    const struct identity *identity, const char *host);
/* One element of the state. The head fills *head and returns NULL; an identity is made known to the policy
 * (policy_resume) and returned, with the name of its host. NULL too for what is neither, or without memory. */
struct identity *memory_read(struct policy *p, const struct memory_clock *at, const struct json *j,
    struct memory_head *head, char host[MEMORY_HOST_MAX]);

/* Names of the identities with one of these choices, as bits 1 << enum watch_choice, into an array. */
void memory_print_choices(struct json_writer *w, const struct containers *t, unsigned choices);
/* "containers" and "custom_health_checks" of config.json, into an object that is open: whom people chose, what probes they
 * gave. */
void memory_print_config(
    struct json_writer *w, const struct containers *t, const struct healthchecks *checks);
/* And back; false without memory. */
bool memory_read_config(struct containers *t, struct healthchecks *checks, const struct json *j);

/* One element of incidents.json, kept behind the others; what is none is passed over. host: the name of its engine,
 * which lives as long as the program. Its number, or 0. */
uint64_t memory_read_incident(struct incidents *t, const struct json *j, const char *host);

struct memory_event {
	struct audit_event event; /* points into the others */
	uint8_t id[32];
	char texts[8][AUDIT_TEXT_MAX + 1];
};
/* A line that audit_print has printed. false when it is none. */
bool memory_read_event(const struct json *j, struct memory_event *out);

#endif

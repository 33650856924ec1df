/* monitor.h - the service itself: takes what the engines say to the policy, carries out what the
 * policy decides, and keeps the audit events. */
#ifndef AUTOHEAL_MONITOR_H
#define AUTOHEAL_MONITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit.h"
#include "budget.h"
#include "config_json.h"
#include "dependents.h"
#include "docker.h"
#include "evidence.h"
#include "healthchecks.h"
#include "incidents.h"
#include "loop.h"
#include "metrics.h"
#include "memory.h"
#include "notify.h"
#include "policy.h"
#include "probe.h"
#include "script.h"
#include "store.h"

#define MONITOR_ENGINES_MAX CONTAINERS_ENGINES_MAX
#define MONITOR_RESTARTS_MAX BUDGET_RESTARTS_MAX /* requests under way over all engines */
#define MONITOR_LOOKS_QUEUE \
	1024 /* that wait, of one engine; the next is told to the policy as failed, which asks again later */
#define MONITOR_TAIL_MAX \
	(2 * AUDIT_RING_SIZE) /* bytes of events.jsonl that are read at the start, to fill the ring again */
#define MONITOR_CUT_QUIET_MS \
	(15 * 60 * 1000ull) /* cuts of the stream that heal at once are told once in a row of such */

/* The inspects of one engine: its own, so that an engine that does not answer holds up no other. */
struct monitor_looks {
	uint16_t first, waiting, running;
};

/* What was told of an engine's cuts. */
struct monitor_cuts {
	uint64_t last; /* when a stream was last cut, loop's clock; 0 never */
	bool untold;   /* `engine_lost` waits for whether it comes back at once */
	bool listed;   /* a whole list has come since the stream stands */
	bool listless; /* the last stream stood and no list came: told as lost, untold since */
};

/* What outlives autoheal, where there is a folder for it. */
struct monitor_memory {
	struct store store;
	uint64_t changes, seq; /* of policy and audit, when a write was wanted last */
	uint64_t seq_saving,
	    seq_saved; /* the last event of the write under way, of the last that succeeded */
	uint64_t engines_listed; /* bits: their first whole list has come */
	uint32_t incidents;      /* changes of them, when a write was wanted last */
	bool chosen, cleared,
	    pressing; /* since: a person chose; events were cleared; a request was sent */
	void (*saved)(void *owner, uint64_t ticket, const char *problem); /* as in store.h */
	void (*may_read)(void *owner);
	void *saved_owner; /* of both */
};

struct monitor {
	struct loop *loop;
	struct call_workspace *workspace;
	const struct settings *settings;
	struct config *config;     /* which holds them; NULL where nothing changes them */
	struct notify *notify;     /* NULL: nobody is told */
	struct script *script;     /* NULL: nothing is run after a restart */
	void (*told)(void *owner); /* NULL, or called after each audit event; it may not add one */
	void *told_owner;
	struct policy policy;
	/* What is in use all the time stands together, before the tables: it takes fewer pages so. */
	size_t engines_count;
	size_t restarts_count;
	struct loop_timer due;   /* of the policy */
	struct loop_timer sweep; /* of selections that end */
	struct probes probes;
	struct healthchecks checks; /* given through the API; of containers by their stable identity */
	unsigned looks_most;        /* under way at once of one engine */
	size_t self_count;
	bool listening_told;
	bool blind; /* an engine's socket is dead until our container is started anew */
	struct monitor_memory memory;
	uint64_t started;
	struct dependents dependents[MONITOR_ENGINES_MAX]; /* the first beside what is in use */
	int64_t maintenance_since, maintenance_until;      /* wall ms; 0: off, no end */
	struct monitor_looks looks[MONITOR_ENGINES_MAX];
	uint8_t generation[MONITOR_ENGINES_MAX]; /* of each engine's list */
	uint8_t renamed[MONITOR_ENGINES_MAX]; /* lists of it for which a rename seen lately may count */
	struct monitor_cuts cuts[MONITOR_ENGINES_MAX];
	uint8_t self[MONITOR_ENGINES_MAX][32]; /* autoheal's own container; each engine may show one that is */
	struct metrics metrics;
	struct incidents incidents;
	struct evidence_jobs evidence;
	struct audit audit;
	struct docker engines[MONITOR_ENGINES_MAX];
	struct call *restarts[MONITOR_RESTARTS_MAX];
	uint8_t look_ids[MONITOR_ENGINES_MAX][MONITOR_LOOKS_QUEUE][32]; /* rings; touched where used */
};

/* Zeroed memory is expected (pages are touched where used). seed: random. */
void monitor_init(struct monitor *m, struct loop *loop, struct call_workspace *workspace,
    const struct settings *settings, uint64_t seed);
/* Adds an engine. NULL at MONITOR_ENGINES_MAX. */
struct docker *monitor_add_engine(struct monitor *m, const struct target *target);
/* Tells which container is autoheal's own (64 hex digits). */
void monitor_set_self(struct monitor *m, struct span id);
/* How many restarts and looks may be under way at once; after all engines were added. */
void monitor_set_budget(struct monitor *m, const struct budget *b);
void monitor_start(struct monitor *m);
/* No new action from here on. */
void monitor_stop(struct monitor *m);
/* Requests whose answers are awaited. */
size_t monitor_under_way(const struct monitor *m);
/* Closes everything; what is under way is named in the log. */
void monitor_close(struct monitor *m);

/* ---- for the API ---------------------------------------------------------------------------- */

struct monitor_view {
	struct container *container; /* its record, NULL when it is not watched */
	enum watch_reason reason;
	enum watch_choice choice;
	char stable_id[WATCH_NAME_MAX];
};

/* How a container that the engine shows stands with us. labels: a token of j. */
void monitor_view(struct monitor *m, const struct docker *d, const struct json *j, int labels,
    const struct container_facts *facts, struct monitor_view *out);
/* A person selects (true) or excludes (false) the container that the list shows; returns false without memory. */
bool monitor_choose(struct monitor *m, struct docker *d, const struct json *j,
    const struct container_facts *facts, bool selected);
/* The same by a stable identity alone, for one that is not there now. false when it is unknown. */
bool monitor_choose_identity(struct monitor *m, struct span stable_id, bool selected);
/* How a container is meant by what a person wrote: by a prefix of its id of at least 4 digits, or by its whole id, its
 * name, HOST/NAME or its stable id. */
enum monitor_match { MONITOR_MATCH_NONE, MONITOR_MATCH_PREFIX, MONITOR_MATCH_NAME };
enum monitor_match monitor_match(const char *wanted, const char *host, const char *name,
    const uint8_t id[32], const char *stable_id);
/* Makes of what a person wrote, so meant, the stable identity of the one that is watched, or was. How many are meant; only of 1
 * the name changes. */
size_t monitor_resolve(struct monitor *m, char name[WATCH_NAME_MAX]);
#define MONITOR_RESOLVED_MAX \
	256 /* unknown names of a list that are looked for so: others stay as they are, the loop must not wait */
/* The choices of people are the lists of the draft from here on. Returns how many changed, -1 without memory (then none
 * did). The engines are to be asked anew then. */
int monitor_choose_lists(struct monitor *m, const struct config_draft *d);
/* The host of an audit event that is about no engine in particular. */
const char *monitor_any_host(const struct monitor *m);
/* An audit event that is about no container. */
void monitor_tell(struct monitor *m, enum audit_kind kind, const char *status, const char *host,
    const char *message);
/* Whether the service is well: at least one engine audited within three intervals. reason is a sentence where not. */
bool monitor_is_healthy(const struct monitor *m, char *reason, size_t cap);
size_t monitor_quarantined(const struct monitor *m);

/* ---- what people want; monitor_people.c. Times are wall ms, as people say them and a store keeps them ------------ */

/* Begins maintenance, or gives it another end (0: until it is ended); ends it. Told as audit events. The state is
 * m->policy.maintenance, m->maintenance_since and m->maintenance_until. */
void monitor_begin_maintenance(struct monitor *m, int64_t until);
void monitor_end_maintenance(struct monitor *m);
/* Maintenance that was on when autoheal ended goes on, untold; where its time passed meanwhile, its end is told soon. */
void monitor_resume_maintenance(struct monitor *m, int64_t since, int64_t until);
/* To be called before the policy decides: tells the end of maintenance whose time is over. */
void monitor_maintenance_over(struct monitor *m);
/* Likewise: tells that a storm begins or ends. */
void monitor_storm(struct monitor *m);
/* Nothing is done with the identity until then; 0, or a time that is over, ends it. false without memory. */
bool monitor_snooze(struct monitor *m, struct identity *identity, int64_t until);
/* Until when it is snoozed; 0 where it is not. */
int64_t monitor_snoozed_until(const struct monitor *m, const struct identity *identity);
/* A person ends the quarantine of c; false where it is in none. */
bool monitor_release(struct monitor *m, struct container *c);
/* A person restarts c. NULL and the incident's number, or why it cannot be now. */
const char *monitor_restart(struct monitor *m, struct container *c, uint64_t *incident);

/* ---- the configuration; monitor_config.c ------------------------------------------------------------------------- */

/* checks: the probes there are to be, which become the monitor's; NULL: as they are.
 * Has a draft hold: all parts go by it from this turn on, and people are told. imported: it came as a whole file. false
 * without memory: nothing changed. */
bool monitor_configure(
    struct monitor *m, struct config_draft *draft, struct healthchecks *checks, bool imported);
/* Takes what config.json says, at the start. false without memory. */
bool monitor_restore_config(struct monitor *m, const struct json *j);

/* ---- what outlives autoheal; monitor_memory.c --------------------------------------------------------------------- */

/* Reads AUTOHEAL_DATA_DIR, after all engines were added. -EWOULDBLOCK where another autoheal has it, else 0. */
int monitor_recall(struct monitor *m);
/* Has written what changed since. The ticket of m->memory.saved that will tell, 0 where nothing is to be waited for. */
uint64_t monitor_remember(struct monitor *m, bool pressing);
/* A whole list of the engine has come: what it did not show of what was remembered is gone. */
void monitor_recalled(struct monitor *m, const struct docker *d);
/* Forgets all audit events, those on disk too; returns how many there were in memory. */
uint32_t monitor_clear_events(struct monitor *m);
/* Hands out the events on disk, the oldest first; of each of the two files the last `most` bytes. It waits for the disk:
 * for the start, and for store_read_apart. */
void monitor_stored_events(struct monitor *m, size_t most,
    void (*take)(void *owner, const struct audit_event *e), void *owner);
/* An event of an identity whose container is not there. */
void monitor_tell_identity(struct monitor *m, const struct identity *identity, enum audit_kind kind,
    const char *status, const char *message);

/* ---- own probes and outside monitors; monitor_probe.c --------------------------------------------------------- */

/* An outside monitor's word on c; reason: foreign text, "" for none. What follows is decided by monitor_settle, once
 * all that came together was given. */
void monitor_verdict(struct monitor *m, struct container *c, bool down, const char *reason);
/* Keeps a probe that a person gave, in place of the one before it, and makes it from now on. NULL, or why not. */
const char *monitor_check_put(struct monitor *m, const struct healthcheck *h);
/* Ends it; false where there is none. */
bool monitor_check_drop(struct monitor *m, const char *stable_id);
/* Takes *all in place of those there are, and empties it; what is the same goes on undisturbed. */
void monitor_checks_replace(struct monitor *m, struct healthchecks *all);
/* Why the one of this identity is not made now, in words, or NULL. */
const char *monitor_check_idle(struct monitor *m, const char *stable_id);
/* Failures in a row of its own probe; 0 without one. */
uint32_t monitor_probe_streak(struct monitor *m, const struct container *c);
/* For monitor.c: begins, what its labels ask for; the container was started anew, or runs or does not; ends. */
void monitor_probes_init(struct monitor *m);
void monitor_probe_add(struct monitor *m, struct container *c, const struct watch_check *check);
static inline bool monitor_probe_runs(const struct container *c)
{
	return c->running && !c->paused && !c->restarting;
}
void monitor_probe_follow(struct monitor *m, const struct container *c, bool started);
void monitor_probe_drop(struct monitor *m, struct container *c);

/* What monitor.c does for these: tells the policy an event of c, carries actions out, lets the policy decide. */
void monitor_give(struct monitor *m, struct container *c, const struct policy_event *event);
void monitor_carry_out(struct monitor *m, struct actions *actions);
void monitor_settle(struct monitor *m);

#endif

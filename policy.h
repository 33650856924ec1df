/* policy.h - PURE: what to do next, as a function of state, event and time. No descriptor, no
 * clock, no allocation per event. One table state x event -> function serves the stream, the list,
 * the timers, the answers and the API.
 *
 * The caller applies all events of one read first (policy_on_event), then lets policy_run decide:
 * so a later event cancels what an earlier one would have caused. What policy wants done comes back
 * as actions in the caller's array. */
#ifndef AUTOHEAL_POLICY_H
#define AUTOHEAL_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit.h"
#include "config.h"
#include "containers.h"
#include "log.h"

#define POLICY_ACTIONS_MAX 8         /* more than one event can cause */
#define POLICY_MESSAGE_MAX 320       /* bytes of a sentence */
#define POLICY_OWN_ECHO_MS 2000      /* events of our own restart may trail its answer so long */
#define POLICY_KILL_GRACE_MS 10000   /* the engine's own, after SIGKILL (moby container/kill.go) */
#define POLICY_ANSWER_GRACE_MS 40000 /* stop timeout + 10 s + 30 s */
#define POLICY_ANSWER_UNKNOWN_MS (10 * 60 * 1000ull) /* while the stop timeout is unknown */
#define POLICY_ANSWER_FOREVER_MS (60 * 60 * 1000ull) /* where it is -1 */
#define POLICY_PATIENCE_MAX_MS (30 * 60 * 1000ull)   /* of a recovery, however often doubled */
#define POLICY_LOOK_AGAIN_MS 2000 /* between looks at a container whose restart's answer was lost */
#define POLICY_START_AGAIN_MS \
	1000 /* at least, between tries to start what our restart left down, back-off or not */
#define POLICY_PARENT_MS 1000 /* between looks at whether what it hangs on is healed */
#define POLICY_KIN_MS 2000    /* so long the list may take that shows what hangs on a healed one */
#define POLICY_LOOKS_IN_TURN \
	10 /* inspects an audit of containers that seem well, where the list has no word on health */
#define POLICY_STORM_LEAST 10 /* so many failing at once may be a storm, whatever the share */
#define POLICY_STORM_WITHIN_MS 30000
#define POLICY_STORM_HOLD_MS 15000
#define POLICY_STORM_SLOTS 2      /* of its engine, while it lasts */
#define POLICY_STORM_LOOK_MS 1000 /* between counts of those that fail */
#define POLICY_CRASH_MS 2000      /* from an exit to the look at it: a `stop` may follow */
#define POLICY_UNSEEN_MS 5000     /* so long the event of an exit that the list shows may be late */
#define POLICY_RIVAL_MS 2000      /* a restart so soon after our own detection, and not ours */
#define POLICY_RIVALS 3           /* so many of them are told */
#define POLICY_RESUME_MS \
	(10 * 60 * \
	    1000ull) /* a restart that autoheal's own end cut off is completed so long after its request */
#define POLICY_UNSENT_MAX_MS \
	10000 /* 1, 2, 4, 8, 10 s between tries to reach an engine that is away */

/* ---- what comes in -------------------------------------------------------------------------- */

enum policy_event_kind {
	EVENT_START,
	EVENT_DIE,
	EVENT_STOP,
	EVENT_KILL,
	EVENT_PAUSE,
	EVENT_UNPAUSE,
	EVENT_RESTARTED, /* the engine's event `restart` */
	EVENT_HEALTHY,
	EVENT_UNHEALTHY,
	EVENT_FACTS,       /* an inspect's answer, or one element of the list */
	EVENT_LOOK_FAILED, /* the inspect that was asked for brought nothing */
	EVENT_ANSWER,      /* to our request */
	EVENT_DUE,         /* its time has come */
	EVENT_RELEASE,     /* a person ends the quarantine */
	EVENT_PARENT,      /* what it hangs on was restarted, or is gone */
	EVENT_COUNT,
	/* these two become EVENT_HEALTHY and EVENT_UNHEALTHY before the table is asked, or nothing (policy_probe.c) */
	EVENT_PROBED = EVENT_COUNT, /* its own probe; SAYS_DOWN: as often in a row as it has retries */
	EVENT_VERDICT,              /* an outside monitor's word */
};

enum policy_says { SAYS_UP, SAYS_DOWN, SAYS_NOTHING /* it could not be probed */ };

/* The engine's own: what it does by itself with one that exits. */
enum restart_policy { RESTARTS_NEVER, RESTARTS_ON_FAILURE, RESTARTS_ALWAYS };

/* What the engine says of a container right now. */
struct policy_facts {
	uint64_t asked; /* when the engine was asked, by the loop's clock; 0: just now */
	bool whole;     /* from an inspect: streak, check and stop timeout are known */
	bool running, paused, restarting;
	bool stopping; /* Podman's word for it; not running, and not down yet */
	enum container_health health;
	uint32_t streak;        /* of failed probes */
	uint32_t check_retries; /* 0 = Docker's default, 3 */
	uint32_t check_time;    /* seconds: start period + interval x retries */
	uint32_t stop_timeout;  /* seconds; WATCH_FOREVER */
	int64_t age_ms;         /* since its start, by the engine's own clock; -1 unknown */
	int64_t ended_ms;       /* since its last exit, likewise; of an inspect alone */
	int32_t exit_code;
	/* of an inspect alone */
	uint64_t probe_age; /* ms since the last probe ended, by the engine's own clock, or since its start */
	uint64_t probe_due; /* ms after which one should have ended at the latest; 0: unknown, or none is made */
	bool oom_killed;
	bool auto_remove;  /* --rm */
	bool start_failed; /* the engine tried to start it, and tells an error */
	enum restart_policy restart_policy;
	uint32_t restarts_most; /* MaximumRetryCount of on-failure; 0 = no limit */
	uint32_t restarts_done; /* by that policy */
};

enum policy_answer_kind {
	ANSWER_DONE,    /* the engine did it */
	ANSWER_REFUSED, /* it answered with an error */
	ANSWER_UNSENT,  /* the request never left: no connection */
	ANSWER_LOST,    /* it left, and the connection broke before the answer */
};

struct policy_answer {
	enum policy_answer_kind kind;
	int status;
	struct span message; /* the engine's words */
};

/* EVENT_PARENT: how it hangs on what. */
struct policy_bond {
	enum bond kind;
	uint64_t cascade; /* of the parent's restart */
	uint64_t since; /* when the parent's trouble was seen; BOND_STRANDED: when the engine was asked */
	const char *parent; /* its name; BOND_ORPHAN: its id */
};

struct policy_event {
	enum policy_event_kind kind;
	bool live; /* EVENT_UNHEALTHY: itself the proof */
	uint64_t happened; /* by the loop's clock, at the latest: of an event that is told later; 0: just now */
	bool has_exit_code;
	int32_t exit_code;                  /* EVENT_DIE */
	const struct policy_facts *facts;   /* EVENT_FACTS */
	const struct policy_answer *answer; /* EVENT_ANSWER, EVENT_LOOK_FAILED */
	const struct policy_bond *bond;     /* EVENT_PARENT */
	enum policy_says says;              /* EVENT_PROBED, EVENT_VERDICT */
	const char *words; /* the same: what was seen, foreign text; of a probe its output behind a line end */
};

/* ---- what goes out ----------------------------------------------------------------------- */

enum action_kind {
	ACTION_RESTART, /* POST restart, with t= where stop_timeout is set */
	ACTION_START,   /* POST start */
	ACTION_STOP,    /* POST stop, with t= likewise */
	ACTION_KILL,    /* POST kill: SIGKILL */
	ACTION_INSPECT, /* ask how it is; answered by EVENT_FACTS or EVENT_LOOK_FAILED */
	ACTION_ABANDON, /* close the connection of the request under way: its answer is not awaited any more */
	ACTION_TELL,       /* an audit event and its log line */
	ACTION_LOG,        /* a log line alone */
	ACTION_DEPENDENTS, /* find what hangs on it, and answer with EVENT_PARENT for each */
};

struct action {
	enum action_kind kind;
	struct container *container;
	uint32_t stop_timeout; /* ACTION_RESTART: seconds, WATCH_FOREVER, or WATCH_UNSET for no t= */
	uint8_t bonds;         /* ACTION_DEPENDENTS: bits 1 << enum bond */
	enum audit_kind audit;
	enum log_level level;
	const char *status, *reason, *did; /* constants */
	const char *output;  /* ACTION_TELL: of a probe, or NULL; lives as long as the event */
	int32_t exit_code;   /* INT32_MIN: none */
	int64_t duration_ms; /* -1: none */
	uint64_t incident;
	char message[POLICY_MESSAGE_MAX]; /* of a request: the log's words for it */
};

struct actions {
	struct action *list;
	size_t count, room;
	struct action spare; /* written to and forgotten where there is no room, so that policy needs no checks */
};

/* ---- the policy -------------------------------------------------------------------------- */

/* Many fail at once on one engine: policy_storm.c. */
struct policy_storm {
	bool on;
	uint8_t last_at;                  /* place of the next in `last` */
	uint32_t watched, failing, bound; /* by the last count: so many are a storm */
	uint32_t wishes;                  /* to act, since then */
	uint64_t counted;                 /* when that was */
	uint64_t until;                   /* nothing is sent before */
	uint64_t look_at;                 /* while it is on: counted anew then */
	uint64_t last[POLICY_STORM_LEAST]; /* when the last wishes to act came up, a ring; 0: none yet */
};

struct policy_engine {
	bool asks_first;                /* its events are no proof (Podman) */
	const struct graph *graph;      /* what hangs on what, by its last list; NULL: nothing */
	size_t turn;                    /* where the looks in turn go on */
	uint32_t busy;                  /* slots taken, at most AUTOHEAL_MAX_PARALLEL */
	struct container *first, *last; /* who waits for a slot, in order */
	struct policy_storm storm;
};

struct policy {
	const struct settings *settings;
	struct containers containers;
	struct policy_engine engines[CONTAINERS_ENGINES_MAX];
	uint32_t engines_count; /* slots are kept back for so many */
	uint32_t slots;         /* over all engines */
	uint32_t busy;          /* taken of them */
	uint32_t engines_busy;  /* engines that have one */
	uint32_t turn;          /* the engine that was served last */
	uint64_t now, started;
	uint64_t incidents; /* the number of the last one */
	uint64_t cascades;  /* restarts that others may follow */
	uint64_t changes;   /* rises with whatever is to outlive autoheal, beside what is told */
	bool stopping;      /* no new action */
	bool maintenance;   /* everything is watched, nothing is acted on */
	uint64_t maintenance_until; /* when that ends by itself; 0: when a person says so */
	uint64_t storms;            /* engines that have one, as bits */
	uint64_t stirred;           /* those where one may begin */
	uint8_t rivals;             /* restarts by somebody else right after our own detections */
};

/* How far policy_list_ended came. */
struct policy_round {
	size_t at;        /* the next of all */
	unsigned in_turn; /* how many may still be asked of those that seem well */
};

/* Zeroed memory. first_incident makes numbers of incidents differ over restarts of autoheal (wall clock).
 * Slots are without a bound over all engines until the caller sets slots and engines_count. */
void policy_init(struct policy *p, const struct settings *settings, uint64_t now, uint64_t seed,
    uint64_t first_incident);
void policy_free(struct policy *p);
/* One event of one container. out needs room for POLICY_ACTIONS_MAX more actions, all of which tell,
 * ask or close; requests that change something come from policy_run alone. */
void policy_on_event(struct policy *p, struct container *c, const struct policy_event *event,
    uint64_t now, struct actions *out);
/* Whether the engine was asked before the container's last event: then the answer may speak of the time before it (a
 * list amid a restart shows an exited container). */
bool policy_is_stale(const struct container *c, const struct policy_facts *f);
/* After a whole list of this engine: asks how those are on whose health it had no word and that are not known to be
 * well, and of the others some in turn, as their probes may have ended unseen. *round is {.in_turn = POLICY_LOOKS_IN_TURN} at first. Returns
 * true when out became full and there may be more. */
bool policy_list_ended(struct policy *p, unsigned engine, struct policy_round *round, uint64_t now,
    struct actions *out);
/* To be called before policy_run until it returns -1: the engine whose storm begins or has ended now, which is to be
 * told; engines[].storm.on says which. */
int policy_storm(struct policy *p, uint64_t now);
/* That in words: how many fail, and what is done about it. */
void policy_storm_say(const struct policy_storm *s, char *out, size_t cap);
/* Decides what is due. Returns true when out became full and there is more. */
bool policy_run(struct policy *p, uint64_t now, struct actions *out);
/* When policy_storm or policy_run has something to do next; UINT64_MAX = never. */
uint64_t policy_next(const struct policy *p);
/* The container is not to be watched any more, or the engine lost it (gone). It is freed at once,
 * or when its request has been answered; the caller must not use c afterwards. */
void policy_forget(struct policy *p, struct container *c, bool gone, uint64_t now);
/* Whether c may be used after policy_on_event: false when it was to be forgotten and nothing is
 * under way; it is freed then. To be called once after every EVENT_ANSWER. */
bool policy_keep(struct policy *p, struct container *c, uint64_t now);

/* ---- what people want: policy_people.c ------------------------------------------------------ */

/* Begins maintenance, or gives the one that is on another end; until: loop's clock, 0 = until it is ended. */
/* The settings have changed: what waits is weighed anew. */
void policy_settings_changed(struct policy *p, uint64_t now);
void policy_begin_maintenance(struct policy *p, uint64_t until, uint64_t now);
/* Ends it: what fell sick meanwhile is looked at anew, and healed. */
void policy_end_maintenance(struct policy *p, uint64_t now);
/* Ends it where its time is over; returns whether it did. policy_run does so too. */
bool policy_maintenance_over(struct policy *p, uint64_t now);
/* Nothing is done with this identity until then; a time that is over ends it. false without memory. */
bool policy_snooze(struct policy *p, struct identity *identity, uint64_t until, uint64_t now);
/* Restarts c at a person's wish, whatever its state: verified like every restart, and no count of quarantine's.
 * Returns NULL, or why it cannot be now. out needs room for 2. */
const char *policy_restart_by_person(
    struct policy *p, struct container *c, uint64_t now, struct actions *out);
/* Whether a person wants nothing done with c now: WAIT_MAINTENANCE or WAIT_SNOOZED, else WAIT_NOTHING. *until: the
 * end of it, 0 = open. */
enum wait_reason policy_hold(const struct policy *p, const struct container *c, uint64_t *until);

/* ---- what outlives autoheal: policy_resume.c -------------------------------------------------- */

/* The identity was read back, its trouble with it, before any container is known. */
void policy_resume(struct policy *p, struct identity *identity, uint64_t now);
/* An audit event tells that the unfinished request of h was answered, though its record says otherwise. */
void policy_was_answered(struct heal *h, bool success);
/* Whether a container of this id that is down, or not watched, is to be taken up all the same: a restart of it is
 * unfinished, or it was to be started. *guest: it was not watched. */
bool policy_is_unfinished(const struct identity *identity, const uint8_t id[32], bool *guest);
/* c is known anew, and holds its identity: goes on where autoheal ended. out needs room for 4. */
void policy_adopt(struct policy *p, struct container *c, uint64_t now, struct actions *out);
/* No container took it up that the engine's first list shows. Returns why its restart is not completed, or NULL where
 * none was under way. */
const char *policy_abandon(struct policy *p, struct heal *h);

/* ---- why: policy_explain.c ------------------------------------------------------------------ */

/* Says of c, one after another in the order in which they are asked, what may hold an action back or call for one,
 * whether it does, and why. */
void policy_explain(struct policy *p, const struct container *c, uint64_t now,
    void (*say)(void *owner, const char *what, bool holds, const char *because), void *owner);

/* What will be done next with c: the word of the action ("restart", "start", "check", "release") or
 * NULL, when (loop's clock; 0 = nobody knows) and why. */
const char *policy_next_action(
    const struct policy *p, const struct container *c, uint64_t *at, const char **why);
/* Why it is restarted, in words; parent: of struct policy_bond. */
void policy_bond_say(enum bond bond, const char *parent, char *out, size_t cap);
/* Why an exited container is left as it is, in words; NULL where nothing is to be said. */
const char *policy_left_words(const struct container *c);
const char *policy_state_name(enum container_state state);
const char *policy_health_name(enum container_health health);
/* What the incident is about, as its restart's reason: unhealthy, crash, probe, verdict. */
const char *policy_cause_name(const struct heal *h);
/* How c is, whoever says so: an outside monitor, the engine, its own probe. */
enum container_health policy_health(const struct container *c);
/* Whether an outside monitor that says it is down tells anything new: what a person stopped or paused is down. */
bool policy_heeds_verdict(const struct container *c);
/* What its own probe says, in words. */
const char *policy_word_name(const struct container *c);

#endif

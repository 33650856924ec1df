/* containers.h - PURE: the table of watched containers, their stable identities, and the heap of
 * what is due next. One record a container, small enough that ten thousand fit into three MiB; what
 * a sick one needs beyond that (struct heal) is allocated with its first trouble. Nothing here
 * decides. */
#ifndef AUTOHEAL_CONTAINERS_H
#define AUTOHEAL_CONTAINERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "graph.h"
#include "text.h"
#include "watch.h"

#define CONTAINERS_ENGINES_MAX 64
#define CONTAINERS_PAST_MS \
	(10ull * 366 * 24 * 3600 * 1000) /* a start longer ago counts as so long */
#define CONTAINERS_MAX 65536             /* watched at once; the next is refused in the log */
#define CONTAINERS_FORGET_MS (24 * 3600 * 1000ull) /* counts of an identity that is gone */
#define CONTAINERS_SELECTION_MS \
	(60 * 1000ull) /* a label's selection after the container's destruction */

/* The state of one container; the API calls it phase. */
enum container_state {
	STATE_WATCHING,    /* nothing to do */
	STATE_WAITING,     /* sick, and an action is due later or in its turn */
	STATE_RESTARTING,  /* a request of ours is under way */
	STATE_VERIFYING,   /* restarted; whether it helped is not known yet */
	STATE_QUARANTINED, /* given up for now */
	STATE_HANDS_OFF,   /* a person stopped or paused it */
	STATE_COUNT,
};

enum container_health { HEALTH_UNKNOWN, HEALTH_NONE, HEALTH_STARTING, HEALTH_GOOD, HEALTH_BAD };

/* What a probe of its own says of a container. Before it has passed since the last start its failures do not count. */
enum container_word {
	WORD_NONE,     /* it has no such probe */
	WORD_UNTRIED,  /* it has not passed yet, or cannot be made: as if there were none */
	WORD_STARTING, /* it passed before the last start */
	WORD_FAILING,  /* so it did, and it fails since */
	WORD_GOOD,
	WORD_BAD,
};

/* Why an action waits. */
enum wait_reason {
	WAIT_NOTHING,
	WAIT_START_PERIOD,
	WAIT_OWN_START_PERIOD,
	WAIT_UNHEALTHY_FOR,
	WAIT_KILL,
	WAIT_COOLDOWN,
	WAIT_RECOVERY,
	WAIT_BACKOFF,
	WAIT_SLOT,
	WAIT_PROOF,
	WAIT_ENGINE,
	WAIT_PARENT,
	WAIT_MAINTENANCE,
	WAIT_SNOOZED,
	WAIT_STORM,
	WAIT_COUNT,
};

/* What an incident is about. */
enum heal_cause { CAUSE_UNHEALTHY, CAUSE_CRASH, CAUSE_PROBE, CAUSE_VERDICT };

/* Why an exited container is left as it is. */
enum heal_left {
	LEFT_NOTHING,
	LEFT_UNSEEN,
	LEFT_ENDED,
	LEFT_TO_ENGINE,
	LEFT_REMOVED,
	LEFT_PODMAN,
	LEFT_MODE,
	LEFT_LABEL,
};

/* The trouble of one identity: its incident while one is open, and the history that back-off and
 * quarantine count. Times are ms of the loop's clock, 0 = never. */
struct heal {
	uint64_t incident;  /* number of the open or the last one */
	uint64_t detected;  /* when the open incident's trouble was seen */
	uint64_t requested; /* our last request */
	uint64_t answered;  /* the end of the last restart, ours or not: cooldown runs from here */
	uint64_t failed;    /* the last heal that did not end healthy: back-off runs from here */
	uint64_t deadline;  /* of the request under way */
	uint64_t own_until; /* until then kill, die and stop are echoes of our own restart */
	uint64_t look_at;   /* look at it then: what was heard of it is no proof */
	uint64_t killed_at; /* a foreign kill was seen: no action until its outcome is clear */
	uint64_t given_until; /* somebody else restarted it: so long it has to become healthy */
	uint64_t probation_until; /* healthy this long: failures are forgotten; sick before: a relapse */
	uint64_t healthy_since; /* in quarantine */
	uint64_t crashed_at; /* it exited by itself then, and is not known to be another's business */
	uint64_t stays_up;   /* its crash loop is over then */
	uint64_t retry_at;   /* of quarantine */
	uint64_t snoozed_until; /* a person wants nothing done with it before */
	uint32_t failures;      /* in a row that did not end healthy */
	uint32_t patience;      /* doubled by every failure, 1 at rest */
	uint32_t longest;       /* recovery seen of this identity, seconds */
	uint32_t results[3];    /* by enum metrics_result, ever; nobody decides by them */
	uint32_t timed;         /* low bits of the last incident whose first request was timed */
	uint32_t unsent;        /* requests in a row that never left: the engine was away */
	int32_t exit_code;      /* of its last exit that was seen */
	uint16_t told;          /* bits of enum skip already told in this incident */
	uint8_t waiting;        /* enum wait_reason */
	uint8_t restarts_at;    /* place of the next in the ring below */
	uint8_t cause;          /* enum heal_cause, of the incident */
	uint8_t left;           /* enum heal_left, while it is down */
	uint8_t loops_at;       /* place of the next in the ring of the engine's own restarts */
	bool open;              /* an incident is */
	bool acted;             /* a request went out in it */
	bool notified;          /* told in place of an action, as its label wants */
	bool proven;            /* sick beyond doubt, in this very turn */
	bool from_event;        /* detected by an event, else by the audit */
	bool began;             /* the engine was seen at work on our request */
	bool started;           /* its start was seen while our request is under way */
	bool died_again;        /* it was started by our request, and exited before the answer */
	bool healthy_again;     /* and its health after that start */
	bool echo_over;         /* the engine's `restart` event of our request was seen */
	bool late;              /* its deadline passed: it may be carried out yet */
	bool lost;              /* the connection broke before the answer came */
	bool may_be_down;       /* our request failed, and may have stopped it all the same */
	bool down_by_us;        /* our restart stopped it and did not bring it up */
	bool killed_hard;       /* our stop ended in SIGKILL */
	bool relapse_counts;    /* probation follows a heal of ours */
	bool quarantined;
	bool trial;      /* the further try out of quarantine */
	bool start_only; /* the request under way is `start` */
	bool manual;     /* a person asked for the request under way, or for the last one */
	bool by_person;  /* the open incident began with that */
	bool along; /* it began with that or with what it hangs on: no trouble of its own is known */
	bool stop_only;  /* it is `stop` */
	bool kill_first; /* it is `kill`, which a `start` is to follow */
	bool half_done; /* the `kill` is answered: its `start` is due, whatever holds others back */
	bool ended;     /* it exited by itself, and was not started since */
	bool unseen;    /* the engine says that it is down, and no event told so yet */
	bool looping;   /* crash_loop is told */
	uint8_t exits_seen; /* looks in a row that found it exited after a lost answer */
	bool owes_kin;      /* restarted: those that wait for its health are yet to be restarted */
	bool guest;  /* not watched: here for a restart with what it hangs on, and no longer */
	bool orphan; /* what it hangs on is gone: a restart would stop it for good */
	bool stranded_told;
	bool kept; /* read back after a restart of autoheal, and no container has taken it up yet */
	bool resumed;   /* the request under way, or half done, is one of before that */
	uint8_t phase;  /* of the container then; of use with kept */
	uint8_t of[32]; /* its id; likewise */
	bool stale_told;
	uint8_t bond;     /* enum bond: why it is to be restarted, or is being restarted */
	uint64_t cascade; /* the number of the restart that brought its last one with it, or its own */
	uint64_t stale_at; /* its probes were overdue: told if they still are then */
	char parent[64];   /* the name of what it hangs on; of use with bond */
	uint32_t loops[CONFIG_RESTARTS_MAX];    /* the engine's own, in the same way */
	uint32_t restarts[CONFIG_RESTARTS_MAX]; /* seconds since `epoch` + 1, a ring; 0 = empty */
};

struct container;

/* What survives a recreate. */
struct identity {
	struct identity *next; /* in its bucket */
	struct container *holder;
	struct heal *heal;  /* NULL until the first trouble */
	uint64_t forget_at; /* while nobody holds it */
	uint32_t created;   /* of its holder: seconds since 1970, by the engine; 0 unknown */
	uint32_t restarts;  /* of autoheal, ever */
	uint8_t choice;     /* enum watch_choice */
	uint8_t engine;     /* of its last holder */
	bool announced;     /* auto_monitor was told and its selection has not ended */
	char name[];
};

struct container {
	uint8_t id[32];
	struct identity *identity;
	char *name;                     /* the identity's own text where both are the same */
	struct label_settings *own;     /* NULL without such labels */
	struct container *next_waiting; /* for a slot */
	uint64_t due;                   /* when policy looks at it again, while heap_place is set */
	uint32_t due_order;             /* of those due at the same time the first comes first */
	uint32_t heap_place;            /* counted from 1; 0 = nothing is due */
	uint32_t started;               /* seconds since `epoch` + 1; 0 unknown */
	uint32_t stop_timeout; /* seconds of its own configuration; WATCH_UNSET unknown, WATCH_FOREVER */
	uint32_t changed; /* ms of the loop's clock, low bits: its last event; older facts are stale */
	uint32_t check_time; /* seconds: start period + interval x retries of its healthcheck */
	uint8_t engine;
	uint8_t generation; /* of the list that showed it last */
	uint8_t state;      /* enum container_state */
	uint8_t health; /* enum container_health: the engine's word; policy_health has the others', too */
	uint8_t reason; /* enum watch_reason */
	bool running : 1, paused : 1, restarting : 1;
	bool flipped : 1; /* stopped or paused since its last health event: its health may change without one */
	bool looking : 1; /* an inspect is under way or wanted */
	bool queued : 1;  /* stands in its engine's queue for a slot */
	bool has_slot : 1;
	bool announce : 1; /* auto_monitor is to be told when inspect confirmed it */
	bool gone : 1; /* the engine does not know it any more: forget it when nothing is under way */
	bool dropped : 1; /* not to be watched any more: the same */
	bool leads : 1;   /* queued in a storm: others hang on it */
	bool silent : 1;  /* it runs, and the last list had no word on its health */
	bool health_only : 1; /* watched by INCLUDE or `all` alone: its crashes are its own unless the mode is set */
	uint8_t word : 3;     /* enum container_word */
	bool label_check : 1; /* a label of its own asks for its probe */
	bool down : 1;        /* says an outside monitor, since its last start */
	uint8_t heard : 2;    /* room for who gives verdicts: what became of the one being given */
};

struct containers {
	struct container **slots; /* open addressing by id, a power of two */
	size_t slots_count, count;
	struct identity **buckets;
	size_t buckets_count, identities;
	struct container **heap;
	size_t heap_count, heap_room;
	uint32_t orders;
	uint64_t seed; /* of the hashes: names come from outside */
	uint64_t epoch; /* ms of the loop's clock, CONTAINERS_PAST_MS before its start (it may wrap) */
};

/* Zeroed memory; seed should be random. */
void containers_init(struct containers *t, uint64_t seed, uint64_t now);
void containers_free(struct containers *t);

struct container *containers_find(const struct containers *t, unsigned engine, const uint8_t id[32]);
/* A new record for an id that is not there, holding the identity. NULL without memory or at CONTAINERS_MAX. */
struct container *containers_add(struct containers *t, unsigned engine, const uint8_t id[32],
    struct span name, struct identity *identity);
/* Frees the record; its identity stays. */
void containers_remove(struct containers *t, struct container *c, uint64_t now);
bool containers_rename(struct container *c, struct span name);
/* Gives c another identity to hold; the old one is free for somebody else. false without memory. */
bool containers_move(struct container *c, struct identity *to, uint64_t now);
/* Walks all records: *at = 0 first; NULL at the end. Who removes the one just returned takes one
 * back from *at: its place may hold another now. */
struct container *containers_next(const struct containers *t, size_t *at);
/* Gives c label settings of its own, a copy, or takes them away (own == NULL). */
bool containers_set_own(struct container *c, const struct label_settings *own);

/* The identity of this name; made where `make` is set. NULL: not there, or no memory. */
struct identity *containers_identity(struct containers *t, struct span name, bool make);
struct identity *containers_next_identity(
    const struct containers *t, size_t *bucket, struct identity *last);
/* The identity's trouble record, made when it has none. NULL without memory. */
struct heal *containers_heal(struct identity *identity);
/* Forgets what is over: identities whose time is up and that nobody holds or chose. */
void containers_sweep(struct containers *t, uint64_t now);

/* Puts c's next look at `due`, or takes it out of the heap (due == 0). */
bool containers_due(struct containers *t, struct container *c, uint64_t due);
/* The nearest due time, UINT64_MAX when nothing is. */
uint64_t containers_next_due(const struct containers *t);
/* Takes the container that is due at `now` out of the heap; NULL when none is. */
struct container *containers_pop(struct containers *t, uint64_t now);

#endif

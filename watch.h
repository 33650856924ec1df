/* watch.h - PURE: what a container's labels say, who is watched and why, and what name a container
 * keeps when it is made anew (stable identity). No descriptor, no clock, no memory beyond the
 * caller's. */
#ifndef AUTOHEAL_WATCH_H
#define AUTOHEAL_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "json.h"
#include "text.h"

#define WATCH_NAME_MAX \
	256 /* bytes of a container's name or stable identity, with its zero; longer ones are cut */
#define WATCH_PROJECT_MAX 128

/* autoheal.action: what is done with it when it is sick. */
enum watch_action { WATCH_RESTART, WATCH_STOP, WATCH_KILL };

/* What a container's own labels ask for; WATCH_UNSET where a label is absent. Times are ms. */
#define WATCH_UNSET UINT32_MAX
struct label_settings {
	uint32_t stop_timeout; /* seconds; UINT32_MAX - 1 = for ever (-1) */
	uint32_t unhealthy_for, start_period, cooldown;
	uint32_t max_restarts;
	bool no_restart;     /* autoheal.restart.enable=false, autoheal.action=notify: tells only */
	uint8_t action;      /* enum watch_action */
	bool no_notices;     /* autoheal.notify=false */
	const char *monitor; /* autoheal.monitor: the name an outside monitor has for it; NULL none */
};
#define WATCH_FOREVER (UINT32_MAX - 1)

/* autoheal.check.*: a probe of its own, with Docker's meaning and defaults. Times are ms. */
enum watch_check_kind { CHECK_NONE, CHECK_HTTP, CHECK_TCP, CHECK_EXEC };
#define WATCH_CHECK_MAX \
	512 /* bytes of a command or path with its zero; a longer one is unreadable */
#define WATCH_CHECK_INTERVAL 30000 /* where no label says otherwise */
#define WATCH_CHECK_TIMEOUT 30000
#define WATCH_CHECK_RETRIES 3
#define WATCH_CHECK_LEAST 1000 /* an interval: a stranger's image must not keep the engine busy */
struct watch_check {
	uint8_t kind;    /* enum watch_check_kind */
	bool several;    /* more than one label asks for one; the first counts */
	uint16_t port;   /* CHECK_HTTP, CHECK_TCP */
	uint16_t status; /* CHECK_HTTP: the one that passes */
	uint32_t interval, timeout, start_period;
	uint32_t retries;
	/* the path, behind a host where it is not the container's own; the command, or a JSON array of its words */
	char what[WATCH_CHECK_MAX];
};

enum watch_label {
	WATCH_LABEL_ABSENT,
	WATCH_LABEL_YES,   /* exactly the wanted value */
	WATCH_LABEL_FALSE, /* autoheal=false */
	WATCH_LABEL_OTHER, /* there, with another value: near misses are worth a word */
};

#define WATCH_UNREADABLE_MAX 8

struct watch_labels {
	enum watch_label label;
	bool monitor_off; /* autoheal.monitor.enable=false */
	bool one_off;     /* Compose `run` */
	bool swarm_task;
	char project[WATCH_PROJECT_MAX], service[WATCH_PROJECT_MAX];
	uint32_t number; /* of the replica, from 1; 0 unknown */
	char monitoring_id[WATCH_PROJECT_MAX];
	char monitor[WATCH_NAME_MAX]; /* what own.monitor points at */
	struct label_settings own;
	bool has_own; /* any of `own` is set */
	struct watch_check check;
	int unreadable_count; /* labels whose value made no sense; the default holds */
	char unreadable[WATCH_UNREADABLE_MAX][128]; /* LABEL=VALUE */
};

/* Reads ":PORT" or ":PORT/PATH" into port and what. */
bool watch_read_endpoint(struct watch_check *check, struct span value);

/* Reads the labels of interest out of an object of strings: Actor.Attributes, Labels,
 * Config.Labels. A token of -1 reads as no labels. */
void watch_read_labels(
    struct watch_labels *out, const struct settings *s, const struct json *j, int object);

/* The name that lasts: monitoring.id, else PROJECT_SERVICE (PROJECT_SERVICE_N from number 2 on),
 * else the name; prefixed `host/` on a named host (host NULL or "local": none). Returns its length,
 * at most WATCH_NAME_MAX - 1. */
size_t watch_stable_id(char out[WATCH_NAME_MAX], const struct watch_labels *labels,
    struct span name, const char *host);

/* What a person or a label chose for one stable identity. */
enum watch_choice { CHOICE_NONE, CHOICE_LABEL, CHOICE_PERSON, CHOICE_EXCLUDED };

/* The reasons, in the order in which they are tried: the first that fits decides. */
enum watch_reason {
	REASON_SELF,
	REASON_EXCLUDE_SETTING,
	REASON_EXCLUDED,
	REASON_LABEL_FALSE,
	REASON_MONITOR_OFF,
	REASON_ONE_OFF,
	REASON_SWARM_TASK,
	REASON_OTHER_PROJECT,
	REASON_PERSON,
	REASON_INCLUDE,
	REASON_LABEL,
	REASON_ALL,
	REASON_NO_LABEL,
	REASON_COUNT,
};

struct watch_candidate {
	struct span name;
	struct span stable_id;
	const struct watch_labels *labels;
	enum watch_choice choice;
	bool self;
};

enum watch_reason watch_decide(const struct settings *s, const struct watch_candidate *c);
bool watch_is_watched(enum watch_reason reason);
/* Watched because of INCLUDE or `all` alone, without a label or a person who wants it. */
bool watch_is_unasked(enum watch_reason reason, const struct watch_labels *labels);
/* The reason in words, e.g. "it has the label autoheal=true". */
size_t watch_say(enum watch_reason reason, const struct settings *s, char *out, size_t cap);
/* Whether one of a comma list of names and globs matches. */
bool watch_in_list(const char *list, struct span name);

#endif

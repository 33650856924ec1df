/* facts.h - PURE: what the engine's JSON says: an event of the stream, an element of the list, an
 * inspect. Every engine says it a little differently (ENGINE versions 19.03 to 29, Podman); here it
 * becomes one shape. */
#ifndef AUTOHEAL_FACTS_H
#define AUTOHEAL_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "json.h"
#include "policy.h"
#include "watch.h"

enum engine_action {
	ENGINE_OTHER, /* not of interest */
	ENGINE_CREATE,
	ENGINE_START,
	ENGINE_DIE,
	ENGINE_STOP,
	ENGINE_KILL,
	ENGINE_PAUSE,
	ENGINE_UNPAUSE,
	ENGINE_RESTART,
	ENGINE_DESTROY,
	ENGINE_RENAME,
	ENGINE_HEALTHY,
	ENGINE_UNHEALTHY,
};

struct engine_event {
	enum engine_action action;
	uint8_t id[32];
	int64_t time_nano; /* 0 unknown */
	int attributes;    /* token of Actor.Attributes: labels, name, image */
};

/* Reads one value of the event stream. false for what is no container event, or has no readable id. */
bool facts_read_event(const struct json *j, struct engine_event *event);

/* One container as the list or an inspect shows it. */
struct container_facts {
	uint8_t id[32];
	char name[WATCH_NAME_MAX]; /* without the leading slash */
	int labels;                /* token */
	uint32_t created;          /* seconds since 1970; 0 unknown */
	int64_t started; /* ms since 1970, of its last start; from an inspect; 0 unknown */
	struct policy_facts now;
};

/* An element of GET /containers/json. podman: its list has no word on health, so silence there is
 * "unknown", while a Docker engine's silence is "no healthcheck". */
bool facts_read_listed(const struct json *j, bool podman, struct container_facts *out);
/* The answer to GET /containers/ID/json. date: the engine's clock (ms), 0 unknown. */
bool facts_read_inspected(const struct json *j, int64_t date, struct container_facts *out);
/* The events, as bits 1 << enum engine_action, of which one should have told what f shows of c by now; 0 where nothing
 * is owed. podman: its health is not looked at, as events of it may be switched off. */
unsigned facts_untold(const struct container *c, const struct policy_facts *f, bool podman);
/* The engine's name of a state: running, exited, paused, restarting, created, dead. */
const char *facts_status(const struct policy_facts *f);

#endif

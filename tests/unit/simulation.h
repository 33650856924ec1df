/* simulation.h - the policy under a simulated clock, for test_policy.c and test_policy_random.c.
 *
 * A `struct simulation` is the policy, its settings and the time. What the policy wants done is kept
 * as one line of words since the last look at it: "RESTART, INSPECT, restart:success". Requests are
 * in capitals; what is told reads KIND:STATUS. With more than one container its name follows.
 *
 * A `struct world` puts an engine behind it: containers that fall ill, stop slowly, recover or do not,
 * and requests that are answered, refused, lost or forgotten. */
#ifndef SIMULATION_H
#define SIMULATION_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "policy.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define SECOND 1000ull
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define NEVER UINT64_MAX

#define SIM_BEGINS 5000000ull /* the loop's clock when the policy starts: not 0, not round */

struct simulation {
	struct settings settings;
	struct policy policy;
	uint64_t now;
	char happened[8192]; /* since the last expect() */
	size_t length;
	struct action told;            /* the last one that was told */
	char said[POLICY_MESSAGE_MAX]; /* the last log line */
	unsigned kin; /* bonds of which what hangs on one was asked for, since the test cleared them */
	size_t room;     /* for the actions of one policy_run */
	unsigned storms; /* that began */
	/* carries an action out; NULL: the test answers itself */
	void (*carry_out)(struct simulation *s, const struct action *a);
};

/* ---- begin and end --------------------------------------------------------------------------- */

static inline void sim_no_warning(const char *sentence)
{
	fail_msg("%s", sentence);
}

/* The settings of an environment: "AUTOHEAL_COOLDOWN=5", ..., NULL. */
static inline void sim_settings(struct settings *settings, va_list more)
{
	char *environment[16], error[256];
	size_t n = 0;

	do
		environment[n] = va_arg(more, char *);
	while (environment[n++]);
	if (config_read(settings, environment, error, sizeof error, sim_no_warning))
		fail_msg("%s", error);
}

static inline void sim_begin(struct simulation *s, ...)
{
	va_list more;

	memset(s, 0, sizeof *s);
	va_start(more, s);
	sim_settings(&s->settings, more);
	va_end(more);
	s->now = SIM_BEGINS;
	s->room = 32;
	policy_init(&s->policy, &s->settings, s->now, 42, 100);
}

static inline void sim_end(struct simulation *s)
{
	policy_free(&s->policy);
}

/* An id that begins with the number and goes on in a way of its own. */
static inline void sim_id(uint8_t id[32], uint64_t number)
{
	uint64_t x = number;

	for (size_t i = 0; i < 32; i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		id[i] = (uint8_t)(x >> 56);
	}
	memcpy(id, &number, sizeof number);
}

static const struct label_settings sim_no_labels = {.stop_timeout = WATCH_UNSET,
    .unhealthy_for = WATCH_UNSET,
    .start_period = WATCH_UNSET,
    .cooldown = WATCH_UNSET,
    .max_restarts = WATCH_UNSET};

/* A container that the engine showed, and of which nothing is known yet. */
static inline struct container *sim_add(struct simulation *s, unsigned engine, const char *name)
{
	struct identity *identity = containers_identity(&s->policy.containers, span_of(name), true);
	struct container *c;
	uint8_t id[32];

	assert_non_null(identity);
	sim_id(id, text_hash(span_of(name), 7) ^ s->policy.containers.orders);
	c = containers_add(&s->policy.containers, engine, id, span_of(name), identity);
	assert_non_null(c);
	c->running = true;
	if (identity->heal && identity->heal->quarantined)
		c->state = STATE_QUARANTINED; /* as the monitor does */
	return c;
}

/* ---- what the policy wants -------------------------------------------------------------------- */

static inline void sim_note(struct simulation *s, const struct action *a)
{
	static const char *const words[] = {[ACTION_START] = "START",
	    [ACTION_STOP] = "STOP",
	    [ACTION_KILL] = "KILL",
	    [ACTION_INSPECT] = "INSPECT",
	    [ACTION_ABANDON] = "ABANDON"};
	char line[400], t[24] = "";

	if (a->stop_timeout == WATCH_FOREVER)
		snprintf(t, sizeof t, " t=-1");
	else if (a->stop_timeout != WATCH_UNSET)
		snprintf(t, sizeof t, " t=%u", a->stop_timeout);
	if (a->kind == ACTION_TELL)
		snprintf(line, sizeof line, "%s:%s", audit_kind_name(a->audit), a->status);
	else if (a->kind == ACTION_RESTART)
		snprintf(line, sizeof line, "RESTART%s", t);
	else
		snprintf(line, sizeof line, "%s", words[a->kind]);
	if (s->policy.containers.count > 1) {
		size_t n = strlen(line);

		snprintf(line + n, sizeof line - n, " %s", a->container->name);
	}
	s->length += (size_t)snprintf(s->happened + s->length, sizeof s->happened - s->length,
	    "%s%s", s->length ? ", " : "", line);
	assert_true(s->length < sizeof s->happened);
}

/* Takes what the policy wants; requests are carried out before what is told, as the monitor does. */
static inline void sim_take(struct simulation *s, const struct actions *out)
{
	assert_true(out->count <= out->room);
	assert_null(out->spare.status); /* something was told that found no room */
	for (size_t i = 0; i < out->count; i++) {
		const struct action *a = &out->list[i];

		if (a->kind == ACTION_DEPENDENTS) {
			s->kin |= a->bonds;
			continue;
		}
		if (a->kind == ACTION_LOG) {
			snprintf(s->said, sizeof s->said, "%s", a->message);
			continue;
		}
		if (a->kind == ACTION_TELL)
			s->told = *a;
		if (!s->carry_out)
			sim_note(s, a);
	}
	for (size_t i = 0; s->carry_out && i < out->count; i++)
		s->carry_out(s, &out->list[i]);
}

/* ---- driving it -------------------------------------------------------------------------------- */

/* One event of a read. What it causes is told, asked or closed; requests come from a turn alone (policy.h). */
static inline void sim_event(
    struct simulation *s, struct container *c, const struct policy_event *event)
{
	struct action list[POLICY_ACTIONS_MAX];
	struct actions out = {.list = list, .room = POLICY_ACTIONS_MAX};

	policy_on_event(&s->policy, c, event, s->now, &out);
	assert_true(out.count < POLICY_ACTIONS_MAX);
	for (size_t i = 0; i < out.count; i++)
		assert_true(list[i].kind > ACTION_KILL);
	sim_take(s, &out);
}

/* As the monitor does it before every decision. */
static inline void sim_storm(struct simulation *s)
{
	int engine;

	while ((engine = policy_storm(&s->policy, s->now)) >= 0) {
		bool on = s->policy.engines[engine].storm.on;

		assert_true(on == (s->policy.storms >> engine & 1));
		s->storms += on;
		if (s->carry_out)
			continue;
		s->length += (size_t)snprintf(s->happened + s->length, sizeof s->happened - s->length,
		    "%sstorm:%s", s->length ? ", " : "", on ? "started" : "ended");
		assert_true(s->length < sizeof s->happened);
	}
}

/* The end of a read: the policy decides. */
static inline void sim_turn(struct simulation *s)
{
	struct action list[64];
	struct actions out = {.list = list, .room = s->room};
	bool more;

	assert_true(s->room <= COUNT(list));
	do {
		out.count = 0;
		sim_storm(s);
		more = policy_run(&s->policy, s->now, &out);
		assert_true(more == (policy_next(&s->policy) <= s->now));
		sim_take(s, &out);
		/* a request that cannot even be begun hands its slot on at once */
	} while (policy_next(&s->policy) <= s->now);
}

/* Time goes by; the policy is woken when it wants to be. */
static inline void sim_wait(struct simulation *s, uint64_t ms)
{
	uint64_t end = s->now + ms;

	while (policy_next(&s->policy) <= end) {
		s->now = policy_next(&s->policy);
		sim_turn(s);
	}
	s->now = end;
}

#endif

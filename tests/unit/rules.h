/* rules.h - what must hold of the policy whatever happens, for test_policy_random.c: checked from outside, by a shadow of
 * each body that keeps what the policy was told of it, and what it asked for. */
#ifndef RULES_H
#define RULES_H

#include "kin.h"

#define ENGINES 3 /* the second is a Podman */
#define TRACE 40  /* lines of a body's history that are shown when a rule is broken */

static uint64_t seed;

/* ---- what is broken ---------------------------------------------------------------------------- */

enum rule {
	RULE_ONE_AT_A_TIME,
	RULE_MAX_PARALLEL,
	RULE_COOLDOWN,
	RULE_PAUSED,
	RULE_HANDS_OFF,
	RULE_EXITED,
	RULE_PROOF,
	RULE_KILL,
	RULE_START_PERIOD,
	RULE_OWN_START_PERIOD,
	RULE_WINDOW,
	RULE_MODE,
	RULE_HELD,
	RULE_TOLD_ONCE,
	RULE_SLOTS,
	RULE_SLOTS_OVER_ALL,
	RULE_SLOT_KEPT_BACK,
	RULE_SLOT_UNUSED,
	RULE_STORM,
	RULE_STORM_AT_END,
	RULE_BUSY_AT_END,
	RULE_LEFT_SICK,
	RULE_LEFT_QUARANTINED,
	RULE_BUSY_ASKING,
	RULE_STOPPING,
	RULE_EXCLUDED,
	RULE_ONCE,
	RULE_ENGINES_BUSINESS,
	RULE_OPEN_AT_END,
	RULES,
};

static const char *const rules[RULES] = {
    [RULE_ONE_AT_A_TIME] = "one request at a time for one container",
    [RULE_MAX_PARALLEL] = "at most max_parallel requests at once",
    [RULE_COOLDOWN] = "no restart within the cooldown",
    [RULE_PAUSED] = "nothing for a paused one",
    [RULE_HANDS_OFF] = "nothing for one that a person stopped",
    [RULE_EXITED] = "nothing for one that exited, but what our restart left down or a crash",
    [RULE_PROOF] = "no request without a proof of this very turn",
    [RULE_KILL] = "no request while a signal may end it",
    [RULE_START_PERIOD] = "nothing in autoheal's start period",
    [RULE_OWN_START_PERIOD] = "nothing in a container's own start period",
    [RULE_WINDOW] = "not more than max_restarts in the window",
    [RULE_MODE] = "nothing in a dry run, or where the label says so",
    [RULE_HELD] = "nothing in maintenance, and nothing for one that is snoozed",
    [RULE_TOLD_ONCE] = "one restart event for one request",
    [RULE_SLOTS] = "the slots taken are those counted",
    [RULE_SLOTS_OVER_ALL] = "not more requests at once than there are slots over all engines",
    [RULE_SLOT_KEPT_BACK] = "an engine without a request finds a slot",
    [RULE_SLOT_UNUSED] = "nobody waits who could have a slot",
    [RULE_STORM] = "nothing in the first 15 s of a storm, then two requests at once",
    [RULE_STORM_AT_END] = "no storm when all are well",
    [RULE_BUSY_AT_END] = "no slot is taken when nothing is under way",
    [RULE_LEFT_SICK] = "a sick one is acted on, waits, is given up or explained",
    [RULE_LEFT_QUARANTINED] = "a healthy one leaves quarantine",
    [RULE_BUSY_ASKING] = "inspects do not follow one another without a pause",
    [RULE_STOPPING] = "no request while autoheal is stopping",
    [RULE_EXCLUDED] = "nothing for one that is excluded, or not watched but for its restart with another",
    [RULE_ONCE] = "each restarted once with what it hangs on",
    [RULE_ENGINES_BUSINESS] = "no start of a crashed one that the engine starts itself",
    [RULE_OPEN_AT_END] = "the incident of one that is well again has ended",
};

static unsigned broken[RULES];

/* ---- what a body looks like from outside ------------------------------------------------------- */

static struct world *w;
static uint64_t maintenance_until; /* 0: off; NEVER: until it is ended */
static unsigned steps_done, requests_done, by_hand, with_another, stranded, healed_by_us,
    quarantines, releases, storms;

static struct shadow {
	bool running, paused, hands_off, stopped, down_by_us, crashed;
	enum container_health health;
	uint64_t started;                    /* as far as it was told; NEVER */
	uint64_t proof;                      /* when it was proven sick, or down by us */
	uint64_t killed_at;                  /* by somebody else */
	uint64_t answered;                   /* the end of the last restart, ours or not */
	uint64_t ours_until;                 /* events may be echoes of our own request */
	uint64_t requests, told, unclear;    /* unclear: the last request did not succeed */
	uint64_t times[CONFIG_RESTARTS_MAX]; /* of requests, a ring */
	const struct identity *identity;     /* whose they are */
	uint64_t inspects, inspected_since;
	bool explained; /* told in a dry run, or by wish of its label */
	uint64_t snoozed_until;
	uint64_t told_of_parent; /* when it was told that what it hangs on was restarted */
	uint64_t looked;         /* when the engine said how it is */
	uint64_t cascade;        /* of its last restart with another */
	bool dependent, manual;  /* its last request */
	bool wanted_up; /* a person's restart was refused, and it was not seen running since */
	char trace[TRACE][72];
	unsigned traced;
} shadows[WORLD_BODIES], nobody;

static struct shadow *shadow_of(const struct body *b)
{
	return &shadows[body_number(w, b)];
}

__attribute__((format(printf, 2, 3))) static void trace(const struct body *b, const char *format, ...)
{
	struct shadow *h = shadow_of(b);
	char *line = h->trace[h->traced % TRACE];
	va_list args;
	int n = snprintf(
	    line, sizeof h->trace[0], "%10.3f ", (double)(w->sim.now - SIM_BEGINS) / 1000);

	va_start(args, format);
	vsnprintf(line + n, sizeof h->trace[0] - (size_t)n, format, args);
	va_end(args);
	/* what is heard again and again is shown once */
	for (unsigned i = 1; i < 4 && i <= h->traced; i++)
		if (!strcmp(strchr(line + 10, ' '),
			strchr(h->trace[(h->traced - i) % TRACE] + 10, ' ')))
			return;
	h->traced++;
}

static uint64_t or_setting(uint32_t own, uint64_t setting)
{
	return own == WATCH_UNSET ? setting : own;
}

/* In seconds since the history began; 0 for never. */
static double clock_of(uint64_t at)
{
	return at ? (double)(at - SIM_BEGINS) / 1000 : 0;
}

/* A rule is broken: the first time it is shown with the history that led to it. */
static void breaks(enum rule rule, const struct body *b)
{
	const struct shadow *h = b ? shadow_of(b) : NULL;
	const struct container *c;

	if (broken[rule]++)
		return;
	print_error("broken: %s (seed %llu, %.3f s)\n", rules[rule], (unsigned long long)seed,
	    (double)(w->sim.now - SIM_BEGINS) / 1000);
	if (!h)
		return;
	print_error("  %s on engine %u", b->name, b->engine);
	if ((c = container_of(w, b)) && c->identity->heal)
		print_error(", recovery %llu s, due %.3f, looking %d, health %d",
		    (unsigned long long)c->identity->heal->longest, clock_of(c->due), c->looking,
		    c->health),
		    print_error(
			", %s; our echoes until %.3f, answered %.3f, killed %.3f, cooldown %llu s",
			policy_state_name(c->state), clock_of(c->identity->heal->own_until),
			clock_of(c->identity->heal->answered), clock_of(c->identity->heal->killed_at),
			(unsigned long long)or_setting(b->own.cooldown, w->sim.settings.cooldown) /
			    1000);
	print_error("\n");
	for (unsigned i = h->traced > TRACE ? h->traced - TRACE : 0; i < h->traced; i++)
		print_error("  %s\n", h->trace[i % TRACE]);
}

static void holds(bool good, enum rule rule, const struct body *b)
{
	if (!good)
		breaks(rule, b);
}

/* ---- what the policy is told ------------------------------------------------------------------- */

/* A request of ours may be behind what happens now. */
static bool may_be_ours(const struct shadow *h, bool ours)
{
	return ours || h->requests > h->told || w->sim.now < h->ours_until;
}

static bool heals_crashes(const struct body *b)
{
	return w->sim.settings.mode != MODE_HEALTH && !w->sim.policy.engines[b->engine].asks_first;
}

static void saw_an_end(
    struct shadow *h, const struct body *b, const struct policy_event *e, bool ours)
{
	const struct container *c = container_of(w, b);
	uint64_t stop = c->stop_timeout == WATCH_UNSET ? 10 : c->stop_timeout;
	bool first = h->running;
	bool killed = h->killed_at && w->sim.now <= h->killed_at + stop * 1000 + POLICY_KILL_GRACE_MS;

	h->killed_at = 0;
	if (!first && h->down_by_us)
		return; /* the exit that was seen already: whose it is cannot be told apart */
	h->running = false;
	h->started = NEVER;
	h->proof = NEVER;
	h->crashed = false;
	if (may_be_ours(h, ours)) {
		h->down_by_us = true;
		h->paused = h->hands_off = false;
	} else if (e->kind == EVENT_STOP || (first && killed)) {
		h->hands_off = h->stopped = true;
		h->down_by_us = false;
	} else if (first) {
		h->down_by_us = h->wanted_up;
	}
	/* told as an exit of its own: nobody was seen to stop it */
	h->crashed = !killed && !h->stopped && !ours && e->kind == EVENT_DIE && e->exit_code &&
	    heals_crashes(b);
	h->hands_off &= !h->crashed; /* whatever paused it before */
}

static void saw_facts(struct shadow *h, const struct body *b, const struct policy_facts *f)
{
	uint32_t retries = f->check_retries ? f->check_retries : 3;
	bool sick = f->whole && f->running && !f->paused && f->health == HEALTH_BAD &&
	    f->streak >= retries;

	if (f->whole)
		h->looked = w->sim.now;
	h->paused = f->paused;
	if (!f->running && h->running)
		h->down_by_us = h->requests > h->told || h->unclear;
	h->running = f->running;
	h->wanted_up &= !f->running || f->paused;
	h->crashed &= !f->running;
	h->stopped &= !f->running;
	if (!f->running)
		h->killed_at = 0; /* its outcome is known */
	if (!f->running || (f->health == HEALTH_STARTING && h->health != HEALTH_STARTING))
		h->started = NEVER; /* its start was missed */
	if (f->health != HEALTH_UNKNOWN)
		h->health = f->health;
	h->hands_off = (f->paused && !h->wanted_up) || (h->hands_off && !f->running);
	if (f->whole && f->running)
		h->started = w->sim.now - (uint64_t)f->age_ms;
	if (f->whole || f->health != HEALTH_BAD)
		h->proof = sick || (f->whole && !f->running && (h->down_by_us || h->crashed))
		    ? w->sim.now
		    : NEVER;
	trace(b, "%s: %s%s, %s %u", f->whole ? "inspect" : "list",
	    f->paused        ? "paused"
		: f->running ? "running"
			     : "exited",
	    sick ? ", sick" : "", policy_health_name(f->health), f->streak);
}

/* Counts hang on the identity; one that gets another begins anew. */
static void goes_by(struct shadow *h, const struct container *c)
{
	if (h->identity && c->identity != h->identity) {
		memset(h->times, 0, sizeof h->times);
		h->answered = h->snoozed_until = 0;
	}
	h->identity = c->identity;
}

static void on_seen(struct world *world, struct body *b, const struct policy_event *e, bool ours)
{
	static const char *const names[] = {"start", "die", "stop", "kill", "pause", "unpause",
	    "restart", "healthy", "unhealthy", "facts", "look failed", "answer", "due", "release",
	    "parent"};
	struct shadow *h = shadow_of(b);
	uint64_t at;

	(void)world;
	goes_by(h, container_of(w, b));
	if (e->kind == EVENT_FACTS) {
		if (policy_is_stale(container_of(w, b), e->facts))
			return;
		saw_facts(h, b, e->facts);
		return;
	}
	trace(b, "%s%s%s", names[e->kind], ours ? " (ours)" : "", e->live ? "" : ", not live");
	switch (e->kind) {
	case EVENT_START:
		h->running = true;
		h->started = w->sim.now;
		h->health = HEALTH_STARTING;
		h->paused = h->hands_off = h->stopped = h->down_by_us = h->crashed = false;
		h->wanted_up = false;
		h->killed_at = 0;
		h->unclear = 0;
		h->proof = NEVER;
		return;
	case EVENT_DIE:
	case EVENT_STOP:
		saw_an_end(h, b, e, ours);
		return;
	case EVENT_KILL:
		if (!may_be_ours(h, ours))
			h->killed_at = e->happened ? e->happened : w->sim.now;
		h->proof = NEVER;
		return;
	case EVENT_PAUSE:
		h->paused = h->hands_off = true;
		h->proof = NEVER;
		return;
	case EVENT_UNPAUSE:
		h->paused = false;
		h->hands_off &= !h->running;
		return;
	case EVENT_RESTARTED:
		/* a replay tells when it happened: amid our own restart they are one */
		at = e->happened ? e->happened : w->sim.now;
		if (!may_be_ours(h, ours) && at >= h->ours_until && at > h->answered)
			h->answered = at;
		return;
	case EVENT_PARENT:
		h->told_of_parent = w->sim.now;
		return;
	case EVENT_HEALTHY:
		h->health = HEALTH_GOOD;
		h->proof = NEVER;
		return;
	case EVENT_UNHEALTHY:
		h->health = HEALTH_BAD;
		if (e->live && h->running && !h->paused)
			h->proof = w->sim.now;
		return;
	default:
		return;
	}
}

static void on_answer(struct world *world, struct body *b, const struct policy_answer *a)
{
	static const char *const names[] = {"done", "refused", "unsent", "lost"};
	struct shadow *h = shadow_of(b);

	(void)world;
	trace(b, "answer: %s %d", names[a->kind], a->status);
	if (a->kind == ANSWER_UNSENT && !h->manual) {
		h->times[--h->requests % CONFIG_RESTARTS_MAX] = 0;
		h->cascade = 0;
	} else if (a->kind == ANSWER_DONE)
		h->answered = w->sim.now;
	if (a->kind == ANSWER_DONE)
		h->running = true;
	h->unclear = a->kind == ANSWER_REFUSED || a->kind == ANSWER_LOST;
	h->wanted_up = h->manual && h->unclear;
	if (h->wanted_up)
		h->hands_off = h->stopped = false;
	h->down_by_us |= (h->manual || h->dependent) && h->unclear && !h->running;
	h->ours_until = w->sim.now + POLICY_OWN_ECHO_MS;
}

/* ---- what it wants ----------------------------------------------------------------------------- */

/* Own decisions of the last window, the trials out of quarantine left out. */
static unsigned restarts_in_window(const struct shadow *h)
{
	unsigned count = 0;

	for (size_t i = 0; i < CONFIG_RESTARTS_MAX; i++)
		count += h->times[i] &&
		    w->sim.now - h->times[i] < w->sim.settings.restart_window - SECOND;
	return count;
}

static unsigned in_flight(unsigned engine)
{
	unsigned count = 0;

	for (unsigned i = 0; i < w->bodies_count; i++)
		count += w->bodies[i].engine == engine && w->bodies[i].call;
	return count;
}

/* What holds for every request, whoever wants it. */
static void request_holds(const struct body *b, const struct action *a)
{
	const struct settings *s = &w->sim.settings;
	const struct shadow *h = shadow_of(b);
	const struct policy_storm *storm = &w->sim.policy.engines[b->engine].storm;
	unsigned busy = 0;

	for (unsigned i = 0; i < ENGINES; i++)
		busy += in_flight(i);
	holds(!b->call && h->requests == h->told, RULE_ONE_AT_A_TIME, b);
	holds(in_flight(b->engine) < s->max_parallel, RULE_MAX_PARALLEL, b);
	holds(busy < w->sim.policy.slots, RULE_SLOTS_OVER_ALL, b);
	if (storm->on && !h->manual)
		holds(w->sim.now >= storm->until && in_flight(b->engine) < 2, RULE_STORM, b);
	holds(w->sim.now >= maintenance_until, RULE_HELD, b);
	holds(!s->dry_run, RULE_MODE, b);
	holds(!w->sim.policy.stopping, RULE_STOPPING, b);
	holds(!b->excluded &&
		(!b->unlabelled || a->container->identity->heal->bond ||
		    a->container->identity->heal->guest),
	    RULE_EXCLUDED, b);
}

/* What it decides by itself, for the container's own sake or with another. */
static void decision_holds(const struct body *b, const struct action *a)
{
	const struct settings *s = &w->sim.settings;
	const struct container *c = a->container;
	const struct shadow *h = shadow_of(b);
	uint64_t now = w->sim.now, stop = c->stop_timeout == WATCH_UNSET ? 10 : c->stop_timeout;

	holds(!h->paused, RULE_PAUSED, b);
	holds(!h->hands_off, RULE_HANDS_OFF, b);
	holds(!h->killed_at || now >= h->killed_at + stop * 1000 + POLICY_KILL_GRACE_MS, RULE_KILL,
	    b);
	holds(now >= SIM_BEGINS + s->start_period, RULE_START_PERIOD, b);
	holds(!b->own.no_restart, RULE_MODE, b);
	holds(now >= h->snoozed_until, RULE_HELD, b);
}

/* With what it hangs on: it waits for nothing of its own, and may have exited with it. */
static void dependent_holds(const struct body *b, const struct action *a)
{
	struct shadow *h = shadow_of(b);
	uint64_t now = w->sim.now, cascade = a->container->identity->heal->cascade;

	holds(h->told_of_parent == now || h->looked == now, RULE_PROOF, b);
	holds(h->running || h->down_by_us || a->container->identity->heal->bond == BOND_NETWORK,
	    RULE_EXITED, b);
	holds(cascade != h->cascade, RULE_ONCE, b);
	h->cascade = cascade;
}

static void own_holds(const struct body *b, const struct action *a)
{
	const struct settings *s = &w->sim.settings;
	const struct container *c = a->container;
	const struct shadow *h = shadow_of(b);
	uint64_t now = w->sim.now, limit = or_setting(b->own.max_restarts, s->max_restarts);
	bool stranded = c->identity->heal->bond == BOND_STRANDED;

	holds(!h->answered || now >= h->answered + or_setting(b->own.cooldown, s->cooldown) ||
		(a->kind == ACTION_START && h->down_by_us),
	    RULE_COOLDOWN, b);
	holds(a->kind == ACTION_START ? !h->running && (h->down_by_us || h->crashed) : h->running,
	    RULE_EXITED, b);
	holds(stranded ? h->told_of_parent == now || h->looked == now : h->proof == now, RULE_PROOF,
	    b);
	holds(a->kind != ACTION_START || h->down_by_us || b->revived_in == NEVER,
	    RULE_ENGINES_BUSINESS, b);
	if (b->own.start_period != WATCH_UNSET && h->started != NEVER)
		holds(now + SECOND >= h->started + b->own.start_period, RULE_OWN_START_PERIOD, b);
	holds(!limit || c->identity->heal->trial || restarts_in_window(h) < limit, RULE_WINDOW, b);
}

static void on_request(struct world *world, struct body *b, const struct action *a)
{
	const struct heal *heal = a->container->identity->heal;
	struct shadow *h = shadow_of(b);

	(void)world;
	h->manual = heal->manual;
	h->dependent = heal->bond == BOND_NETWORK || heal->bond == BOND_DEPENDS;
	trace(b, "=> %s%s", a->kind == ACTION_START ? "START" : "RESTART",
	    h->manual          ? " by hand"
		: h->dependent ? " with another"
		: heal->bond   ? ", stranded"
			       : "");
	goes_by(h, a->container);
	requests_done++;
	by_hand += h->manual;
	with_another += h->dependent;
	request_holds(b, a);
	if (!h->manual)
		decision_holds(b, a);
	if (h->dependent)
		dependent_holds(b, a);
	else if (!h->manual)
		own_holds(b, a);
	h->killed_at = 0;
	h->times[h->requests++ % CONFIG_RESTARTS_MAX] = h->manual || h->dependent ? 0 : w->sim.now;
}

static void on_told(struct world *world, struct body *b, const struct action *a)
{
	struct shadow *h = shadow_of(b);

	(void)world;
	trace(b, "told %s:%s", audit_kind_name(a->audit), a->status);
	quarantines += a->audit == AUDIT_QUARANTINE;
	releases += a->audit == AUDIT_AUTO_UNQUARANTINE;
	healed_by_us += a->audit == AUDIT_RECOVERED;
	if (a->audit == AUDIT_SKIPPED && !strcmp(a->status, "dry_run"))
		h->explained = true;
	stranded += a->audit == AUDIT_STRANDED;
	if (a->audit != AUDIT_RESTART && a->audit != AUDIT_DEPENDENT_RESTART &&
	    a->audit != AUDIT_STRANDED)
		return;
	if (!a->did || !strcmp(a->did, "notify")) {
		h->explained = true;
		return;
	}
	h->told++;
	holds(h->told == h->requests, RULE_TOLD_ONCE, b);
	/* its echoes go on for a while, also where it is told at the deadline */
	h->ours_until = w->sim.now + POLICY_OWN_ECHO_MS;
	if (strcmp(a->status, "success") && strcmp(a->status, "restarted"))
		h->unclear = 1;
	else
		h->answered = w->sim.now;
}

/* Inspects are counted per 10 s: none follows the other without a pause. */
static void carry_out(struct simulation *s, const struct action *a)
{
	if (a->kind == ACTION_INSPECT) {
		struct body *b = body_of(w, a->container);
		struct shadow *h = b ? shadow_of(b) : &nobody;

		if (s->now >= h->inspected_since + 10 * SECOND) {
			h->inspected_since = s->now;
			h->inspects = 0;
		}
		holds(++h->inspects <= 40, RULE_BUSY_ASKING, b);
	}
	world_carry_out(s, a);
}

#endif

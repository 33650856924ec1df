/* test_policy_random.c - random histories of fifty containers on two engines, one of them a Podman:
 * people, faults, slow stops, refusals, lost answers, streams that lag, stall or lose events. What must
 * hold whatever happens is checked from outside, from what the policy was told and what it asked for.
 *
 * AUTOHEAL_SEED=N repeats a run; without it every run is another. */
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "world.h"

#define BODIES 50
#define HISTORIES 12
#define STEPS 12000 /* of each history */
#define TRACE 40

/* ---- chance ------------------------------------------------------------------------------------ */

static uint64_t seed, chance_state;

static uint64_t chance(void)
{
	uint64_t x = chance_state += 0x9E3779B97F4A7C15u; /* splitmix64 */

	x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
	x = (x ^ x >> 27) * 0x94D049BB133111EBu;
	return x ^ x >> 31;
}

static uint64_t below(uint64_t n)
{
	return chance() % n;
}

static bool one_in(uint64_t n)
{
	return below(n) == 0;
}

#define ONE_OF(list) ((list)[below(COUNT(list))])

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
};

static unsigned broken[RULES];

/* ---- what a body looks like from outside ------------------------------------------------------- */

static struct world *w;
static uint64_t maintenance_until; /* 0: off; NEVER: until it is ended */
static unsigned steps_done, requests_done, healed_by_us, quarantines, releases, storms;

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
		print_error(
		    ", %s; our echoes until %.3f, answered %.3f, killed %.3f, cooldown %llu s",
		    policy_state_name(c->state), clock_of(c->identity->heal->own_until),
		    clock_of(c->identity->heal->answered), clock_of(c->identity->heal->killed_at),
		    (unsigned long long)or_setting(b->own.cooldown, w->sim.settings.cooldown) / 1000);
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
		h->down_by_us = false;
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

	h->paused = f->paused;
	if (!f->running && h->running)
		h->down_by_us = h->requests > h->told || h->unclear;
	h->running = f->running;
	h->crashed &= !f->running;
	h->stopped &= !f->running;
	if (!f->running)
		h->killed_at = 0; /* its outcome is known */
	if (!f->running || (f->health == HEALTH_STARTING && h->health != HEALTH_STARTING))
		h->started = NEVER; /* its start was missed */
	if (f->health != HEALTH_UNKNOWN)
		h->health = f->health;
	h->hands_off = f->paused || (h->hands_off && !f->running);
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
	    "restart", "healthy", "unhealthy", "facts", "look failed"};
	struct shadow *h = shadow_of(b);

	(void)world;
	goes_by(h, container_of(w, b));
	if (e->kind == EVENT_FACTS) {
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
			h->killed_at = w->sim.now;
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
		if (!may_be_ours(h, ours))
			h->answered = w->sim.now;
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
	if (a->kind == ANSWER_UNSENT)
		h->times[--h->requests % CONFIG_RESTARTS_MAX] = 0;
	else if (a->kind == ANSWER_DONE)
		h->answered = w->sim.now;
	if (a->kind == ANSWER_DONE)
		h->running = true;
	h->unclear = a->kind == ANSWER_REFUSED || a->kind == ANSWER_LOST;
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

static void on_request(struct world *world, struct body *b, const struct action *a)
{
	const struct settings *s = &world->sim.settings;
	const struct container *c = a->container;
	struct shadow *h = shadow_of(b);
	uint64_t now = w->sim.now, stop = c->stop_timeout == WATCH_UNSET ? 10 : c->stop_timeout;
	uint64_t limit = or_setting(b->own.max_restarts, s->max_restarts);

	trace(b, a->kind == ACTION_START ? "=> START" : "=> RESTART");
	goes_by(h, c);
	requests_done++;
	holds(!b->call && h->requests == h->told, RULE_ONE_AT_A_TIME, b);
	holds(in_flight(b->engine) < s->max_parallel, RULE_MAX_PARALLEL, b);
	holds(in_flight(0) + in_flight(1) < world->sim.policy.slots, RULE_SLOTS_OVER_ALL, b);
	if (world->sim.policy.storm.on)
		holds(now >= world->sim.policy.storm.until && in_flight(0) + in_flight(1) < 2,
		    RULE_STORM, b);
	holds(!h->answered || now >= h->answered + or_setting(b->own.cooldown, s->cooldown),
	    RULE_COOLDOWN, b);
	holds(!h->paused, RULE_PAUSED, b);
	holds(!h->hands_off, RULE_HANDS_OFF, b);
	holds(a->kind == ACTION_START ? !h->running && (h->down_by_us || h->crashed) : h->running,
	    RULE_EXITED, b);
	holds(h->proof == now, RULE_PROOF, b);
	holds(!h->killed_at || now >= h->killed_at + stop * 1000 + POLICY_KILL_GRACE_MS, RULE_KILL,
	    b);
	holds(now >= SIM_BEGINS + s->start_period, RULE_START_PERIOD, b);
	if (b->own.start_period != WATCH_UNSET && h->started != NEVER)
		holds(now + SECOND >= h->started + b->own.start_period, RULE_OWN_START_PERIOD, b);
	holds(!limit || c->identity->heal->trial || restarts_in_window(h) < limit, RULE_WINDOW, b);
	holds(!s->dry_run && !b->own.no_restart, RULE_MODE, b);
	holds(now >= maintenance_until && now >= h->snoozed_until, RULE_HELD, b);
	h->killed_at = 0;
	h->times[h->requests++ % CONFIG_RESTARTS_MAX] = now;
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
	if (a->audit != AUDIT_RESTART)
		return;
	if (!strcmp(a->did, "notify")) {
		h->explained = true;
		return;
	}
	h->told++;
	holds(h->told == h->requests, RULE_TOLD_ONCE, b);
	/* its echoes go on for a while, also where it is told at the deadline */
	h->ours_until = w->sim.now + POLICY_OWN_ECHO_MS;
	if (strcmp(a->status, "success"))
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

/* ---- a random world ---------------------------------------------------------------------------- */

static bool calm; /* nothing goes wrong any more */

static enum fate choose(struct world *world, struct body *b)
{
	static const enum fate fates[] = {FATE_DONE, FATE_DONE, FATE_DONE, FATE_DONE, FATE_REFUSED,
	    FATE_LEFT_DOWN, FATE_UNSENT, FATE_LOST, FATE_LOST_EARLY, FATE_SILENT};

	(void)world;
	(void)b;
	return calm ? FATE_DONE : ONE_OF(fates);
}

static void random_settings(struct settings *s)
{
	static const uint64_t seconds[] = {0, 0, 5, 60, 300};
	static const char *const storm[] = {"off", "off", "50%", "20%"};

	s->start_period = ONE_OF(seconds) * SECOND;
	s->unhealthy_for = one_in(3) ? 20 * SECOND : 0;
	s->cooldown = ONE_OF(seconds) * SECOND;
	s->stop_timeout = one_in(3) ? below(20) * SECOND : CONFIG_UNSET;
	s->max_restarts = below(5);
	s->restart_window = one_in(2) ? 10 * MINUTE : HOUR;
	s->backoff = !one_in(4);
	s->recovery_timeout = (2 + below(180)) * SECOND;
	s->quarantine_retry = one_in(3) ? 0 : (1 + below(60)) * MINUTE;
	s->max_parallel = 1 + below(8);
	s->dry_run = one_in(12);
	s->mode = one_in(3) ? MODE_HEALTH : MODE_BOTH;
	s->storm = ONE_OF(storm);
}

static void random_nature(struct body *b)
{
	static const uint64_t heals[] = {SECOND, 5 * SECOND, 5 * SECOND, MINUTE, 4 * MINUTE, NEVER};
	static const uint64_t fails[] = {NEVER, NEVER, 90 * SECOND, 5 * MINUTE, HOUR};
	static const uint64_t exits[] = {NEVER, NEVER, NEVER, NEVER, 20 * MINUTE, 10 * SECOND};

	b->retries = (uint32_t)below(4);
	b->stop_timeout = (uint32_t)(one_in(10) ? 120 : below(15));
	b->stops_in = one_in(4) ? below(30) * SECOND : below(500);
	b->heals_in = ONE_OF(heals);
	b->sick_in = (5 + below(60)) * SECOND;
	b->fails_in = ONE_OF(fails);
	b->exits_in = ONE_OF(exits);
	b->own = sim_no_labels;
	if (one_in(6))
		b->own.cooldown = (uint32_t)(below(100) * SECOND);
	if (one_in(6))
		b->own.max_restarts = (uint32_t)below(4);
	if (one_in(6))
		b->own.start_period = (uint32_t)(below(200) * SECOND);
	if (one_in(6))
		b->own.unhealthy_for = (uint32_t)(below(60) * SECOND);
	if (one_in(8))
		b->own.stop_timeout = (uint32_t)below(20);
	b->own.no_restart = one_in(15);
}

/* A container takes the place of one that was removed. */
static void comes_to_life(struct body *b)
{
	struct shadow *h = shadow_of(b);
	struct shadow before = *h;

	sim_id(b->id, ++w->ids);
	b->there = true;
	b->call = 0;
	if (b->health == HEALTH_NONE || b->health == HEALTH_UNKNOWN)
		b->health = HEALTH_STARTING;
	if (one_in(8))
		b->health = HEALTH_NONE;
	random_nature(b);
	memset(h, 0, sizeof *h);
	h->running = true;
	h->proof = h->started = NEVER;
	memcpy(h->times, before.times, sizeof h->times); /* counts are of the identity */
	h->identity = before.identity;
	body_starts(w, b, false);
}

static void a_person_does_something(struct body *b)
{
	if (b->job || b->call)
		return; /* the engine does one thing with it at a time */
	if (!b->there) {
		comes_to_life(b);
		return;
	}
	if (b->paused) {
		body_goes_on(w, b);
		return;
	}
	if (!b->running) {
		begin_job(w, b, JOB_START, false);
		return;
	}
	switch (below(7)) {
	case 0:
		body_pauses(w, b);
		return;
	case 1:
		begin_job(w, b, JOB_STOP, false);
		return;
	case 2:
		begin_job(w, b, JOB_RESTART, false);
		return;
	case 3:
		begin_job(w, b, JOB_REMOVE, false);
		return;
	default:
		emit(w, b, EVENT_KILL, false); /* a signal that is survived */
	}
}

static uint64_t some_time(void)
{
	return w->sim.now + SECOND + below(20 * MINUTE);
}

static void maintenance_changes(void)
{
	if (maintenance_until && one_in(2)) {
		maintenance_until = 0;
		policy_end_maintenance(&w->sim.policy, w->sim.now);
	} else {
		maintenance_until = one_in(3) ? NEVER : some_time();
		policy_begin_maintenance(
		    &w->sim.policy, maintenance_until == NEVER ? 0 : maintenance_until, w->sim.now);
	}
}

static void somebody_calls_the_api(struct body *b)
{
	struct container *c = container_of(w, b);
	struct shadow *h = shadow_of(b);

	if (!c)
		return;
	if (one_in(8)) {
		maintenance_changes();
	} else if (one_in(3)) {
		h->snoozed_until = one_in(3) ? 0 : some_time();
		trace(b, "snoozed until %.3f", clock_of(h->snoozed_until));
		assert_true(policy_snooze(&w->sim.policy, c->identity, h->snoozed_until, w->sim.now));
	} else if (one_in(2)) {
		if (c->state != STATE_QUARANTINED)
			return;
		trace(b, "released by a person");
		h->answered = 0;
		memset(h->times, 0, sizeof h->times);
		sim_event(&w->sim, c, &(struct policy_event){.kind = EVENT_RELEASE});
	} else if (c->state != STATE_RESTARTING) {
		trace(b, "excluded; the list brings it back");
		h->killed_at = 0;
		forget(w, c, false);
	}
	sim_turn(&w->sim);
}

/* The stream stalls, is cut, or comes back. */
static void the_stream_changes(void)
{
	if (w->deaf) {
		w->deaf = false;
		w->lag = below(3) * 200;
		list(w);
	} else if (w->backlog) {
		read_stream(w);
		w->backlog = false;
	} else if (one_in(2)) {
		w->deaf = true;
	} else if (!w->reading) {
		w->backlog = true;
	}
}

static void many_fall_ill(void)
{
	for (unsigned i = 0; i < w->bodies_count; i++)
		if (!one_in(3))
			body_probed(w, &w->bodies[i], true);
}

static void slots_are_right(void)
{
	const struct policy *p = &w->sim.policy;
	const struct container *c;
	size_t at = 0;
	unsigned taken[2] = {0, 0}, left, idle;

	while ((c = containers_next(&p->containers, &at)))
		taken[c->engine] += c->has_slot;
	for (unsigned i = 0; i < 2; i++)
		holds(taken[i] == p->engines[i].busy, RULE_SLOTS, NULL);
	idle = !taken[0] + !taken[1];
	holds(p->busy == taken[0] + taken[1] && p->engines_busy == 2 - idle, RULE_SLOTS, NULL);
	holds(p->busy + idle <= p->slots, RULE_SLOT_KEPT_BACK, NULL);
	left = p->slots - p->busy;
	for (unsigned i = 0; i < 2; i++)
		holds(!p->engines[i].first || taken[i] == p->settings->max_parallel ||
			(taken[i] && left == idle) ||
			(p->storm.on && (p->now < p->storm.until || p->busy >= 2)),
		    RULE_SLOT_UNUSED, NULL);
}

static void step_of_history(void)
{
	struct body *b = &w->bodies[below(w->bodies_count)];

	switch (below(16)) {
	case 0:
	case 1:
	case 2:
		body_probed(w, b, !b->ill);
		break;
	case 3:
	case 4:
		body_probed(w, b, true);
		break;
	case 5:
	case 6:
		a_person_does_something(b);
		break;
	case 7:
		if (b->running && !b->paused && !b->job && one_in(3))
			body_ends(w, b, 1, false, false);
		else if (!b->running && b->there && !b->job && !b->call)
			body_starts(w, b, false); /* its restart policy */
		break;
	case 8:
		if (one_in(4))
			somebody_calls_the_api(b);
		break;
	case 9:
		if (one_in(8) || ((w->deaf || w->backlog) && one_in(3)))
			the_stream_changes();
		break;
	case 10:
		if (one_in(8))
			w->no_looks = !w->no_looks;
		if (one_in(12))
			many_fall_ill();
		break;
	default:
		world_wait(w, one_in(20) ? below(5 * MINUTE) : below(3 * SECOND));
	}
	slots_are_right();
	steps_done++;
}

/* ---- how it ends ------------------------------------------------------------------------------- */

static bool is_explained(const struct body *b, const struct container *c)
{
	const struct heal *h = c->identity->heal;

	switch ((enum container_state)c->state) {
	case STATE_RESTARTING:
		return b->call || (h->lost && (c->heap_place || c->looking));
	case STATE_VERIFYING:
		return c->heap_place || c->looking;
	case STATE_WAITING:
		return c->heap_place || c->looking || c->queued;
	case STATE_QUARANTINED:
		return true;
	case STATE_HANDS_OFF:
		return false; /* it runs, and the list has said so */
	case STATE_WATCHING:
		return c->looking || (h && h->look_at) || shadow_of(b)->explained;
	case STATE_COUNT:
		break;
	}
	return false;
}

/* Then nothing is under way, nobody waits, and no slot is taken. */
static void all_are_well(void)
{
	for (unsigned i = 0; i < w->bodies_count; i++) {
		struct body *b = &w->bodies[i];

		b->fails_in = b->exits_in = NEVER;
		b->heals_in = SECOND;
		body_probed(w, b, false);
	}
	world_wait(w, 2 * HOUR);
	holds(!w->sim.policy.storm.on, RULE_STORM_AT_END, NULL);
	storms += w->sim.storms / 2;
	for (unsigned i = 0; i < 2; i++) {
		const struct policy_engine *engine = &w->sim.policy.engines[i];

		holds(!engine->busy && !engine->first && !engine->last && !in_flight(i),
		    RULE_BUSY_AT_END, NULL);
	}
}

static void nothing_begins_while_stopping(void)
{
	unsigned before = requests_done;

	w->sim.policy.stopping = true;
	for (unsigned i = 0; i < w->bodies_count; i++)
		body_probed(w, &w->bodies[i], true);
	world_wait(w, 2 * HOUR);
	holds(requests_done == before, RULE_STOPPING, NULL);
}

/* Nothing goes wrong for three hours more: whoever is sick then was acted on, or it is known why not. */
static void the_end_of_history(void)
{
	if (maintenance_until)
		policy_end_maintenance(&w->sim.policy, w->sim.now);
	maintenance_until = 0;
	if (w->deaf || w->backlog)
		the_stream_changes();
	w->no_looks = false;
	calm = true;
	world_wait(w, 3 * HOUR);
	read_stream(w);
	for (unsigned i = 0; i < w->bodies_count; i++) {
		struct body *b = &w->bodies[i];
		const struct container *c = container_of(w, b);

		if (!b->there || !b->running || b->paused || !c)
			continue;
		if (b->health == HEALTH_BAD && b->streak >= (b->retries ? b->retries : 3))
			holds(is_explained(b, c), RULE_LEFT_SICK, b);
		if (b->health == HEALTH_GOOD && b->fails_in == NEVER && b->exits_in == NEVER)
			holds(!c->identity->heal || !c->identity->heal->quarantined,
			    RULE_LEFT_QUARANTINED, b);
		if (!b->call)
			holds(shadow_of(b)->requests == shadow_of(b)->told, RULE_TOLD_ONCE, b);
	}
	all_are_well();
	nothing_begins_while_stopping();
}

static void a_history(void)
{
	char name[24];

	w = calloc(1, sizeof *w);
	assert_non_null(w);
	memset(shadows, 0, sizeof shadows);
	calm = false;
	maintenance_until = 0;
	sim_begin(&w->sim, NULL);
	random_settings(&w->sim.settings);
	w->sim.room = POLICY_ACTIONS_MAX + below(25);
	w->sim.policy.engines[1].asks_first = true;
	w->sim.policy.engines_count = 2;
	w->sim.policy.slots = (uint32_t)(2 + below(8));
	w->new_order = one_in(2);
	w->lag = below(3) * 200;
	w->choose = choose;
	w->requested = on_request;
	w->told = on_told;
	w->saw = on_seen;
	w->answered = on_answer;
	world_begin(w);
	w->sim.carry_out = carry_out;
	for (unsigned i = 0; i < BODIES; i++) {
		struct body *b;

		snprintf(name, sizeof name, "body-%u", i);
		b = world_add(w, name);
		b->engine = i % 3 == 2;
		random_nature(b);
		if (one_in(8))
			b->health = HEALTH_NONE;
		shadows[i].running = true;
		shadows[i].proof = shadows[i].started = NEVER;
	}
	for (unsigned i = 0; i < STEPS; i++)
		step_of_history();
	the_end_of_history();
	sim_end(&w->sim);
	free(w);
}

/* ---- run --------------------------------------------------------------------------------------- */

static void test_what_holds_whatever_happens(void **state)
{
	unsigned sum = 0;

	(void)state;
	for (int i = 0; i < HISTORIES; i++)
		a_history();
	print_message(
	    "%u steps, %u requests, %u recovered, %u quarantined, %u released by health, %u storms\n",
	    steps_done, requests_done, healed_by_us, quarantines, releases, storms);
	for (size_t i = 0; i < RULES; i++) {
		if (broken[i])
			print_error("broken %u times: %s\n", broken[i], rules[i]);
		sum += broken[i];
	}
	if (sum)
		fail_msg("AUTOHEAL_SEED=%llu", (unsigned long long)seed);
}

static void too_long(int number)
{
	static const char words[] = "policy_run does not come back\n";

	(void)number;
	(void)!write(STDERR_FILENO, words, sizeof words - 1);
	_exit(1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_holds_whatever_happens)};
	const char *given = getenv("AUTOHEAL_SEED");

	seed = given ? strtoull(given, NULL, 10)
		     : (uint64_t)time(NULL) * 1000 + (uint64_t)getpid() % 1000;
	chance_state = seed;
	print_message("AUTOHEAL_SEED=%llu\n", (unsigned long long)seed);
	signal(SIGALRM, too_long);
	alarm(60);
	return cmocka_run_group_tests_name("policy, random histories", tests, NULL, NULL);
}

/* test_policy_random.c - random histories of fifty containers on three engines, one of them a Podman:
 * people, faults, slow stops, refusals, lost answers, streams that lag, stall or lose events. What must
 * hold whatever happens is checked from outside, from what the policy was told and what it asked for.
 *
 * AUTOHEAL_SEED=N repeats a run; without it every run is another. */
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "rules.h"

#define BODIES 50
#define HISTORIES 12
#define STEPS 12000 /* of each history */

/* ---- chance ------------------------------------------------------------------------------------ */

static uint64_t chance_state;

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
	b->revived_in = one_in(3) ? SECOND + below(3) * 10 * SECOND : NEVER;
	b->unlabelled = one_in(12);
}

/* A container takes the place of one that was removed. */
static void comes_to_life(struct body *b)
{
	struct shadow *h = shadow_of(b);
	struct shadow before = *h;

	sim_id(b->id, ++w->ids);
	b->there = true;
	b->call = 0;
	b->excluded = false;
	if (b->bond)
		kin_bind(b, b->bond, b->parent);
	if (b->health == HEALTH_NONE || b->health == HEALTH_UNKNOWN)
		b->health = HEALTH_STARTING;
	if (one_in(8))
		b->health = HEALTH_NONE;
	random_nature(b);
	memset(h, 0, sizeof *h);
	h->running = true;
	h->proof = h->started = NEVER;
	memcpy(h->times, before.times, sizeof h->times); /* counts are of the identity */
	h->cascade = before.cascade;
	h->identity = before.identity;
	body_starts(w, b, false);
}

static void a_person_does_something(struct body *b)
{
	if (b->job || b->call)
		return; /* the engine does one thing with it at a time */
	if (!b->there) {
		if (b->bond != BOND_NETWORK || b->parent->running)
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

static void restarts_by_hand(struct body *b, struct container *c)
{
	struct action list[POLICY_ACTIONS_MAX];
	struct actions out = {.list = list, .room = POLICY_ACTIONS_MAX};

	if (!b->job && !policy_restart_by_person(&w->sim.policy, c, w->sim.now, &out))
		sim_take(&w->sim, &out);
}

static void excludes(struct body *b, struct container *c)
{
	trace(b, b->excluded ? "included" : "excluded");
	b->excluded = !b->excluded;
	if (!b->excluded || !c)
		return; /* the list brings it back */
	shadow_of(b)->killed_at = 0;
	forget(w, c, false);
}

static void somebody_calls_the_api(struct body *b)
{
	struct container *c = container_of(w, b);
	struct shadow *h = shadow_of(b);

	if (b->excluded || (c && one_in(8)))
		excludes(b, c);
	else if (!c || c->dropped)
		return;
	else if (one_in(8)) {
		maintenance_changes();
	} else if (one_in(4)) {
		h->snoozed_until = one_in(3) ? 0 : some_time();
		trace(b, "snoozed until %.3f", clock_of(h->snoozed_until));
		assert_true(policy_snooze(&w->sim.policy, c->identity, h->snoozed_until, w->sim.now));
	} else if (one_in(2)) {
		restarts_by_hand(b, c);
	} else if (c->identity->heal && c->identity->heal->quarantined) {
		trace(b, "released by a person");
		if (c->state == STATE_QUARANTINED)
			h->answered = 0;
		memset(h->times, 0, sizeof h->times);
		sim_event(&w->sim, c, &(struct policy_event){.kind = EVENT_RELEASE});
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
		w->replay = one_in(2);
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
	unsigned taken[ENGINES] = {0}, left, idle = 0, busy = 0;

	while ((c = containers_next(&p->containers, &at)))
		taken[c->engine] += c->has_slot;
	for (unsigned i = 0; i < ENGINES; i++) {
		holds(taken[i] == p->engines[i].busy, RULE_SLOTS, NULL);
		busy += taken[i];
		idle += !taken[i];
	}
	holds(p->busy == busy && p->engines_busy == ENGINES - idle, RULE_SLOTS, NULL);
	holds(p->busy + idle <= p->slots, RULE_SLOT_KEPT_BACK, NULL);
	left = p->slots - p->busy;
	for (unsigned i = 0; i < ENGINES; i++)
		holds(!p->engines[i].first || taken[i] == p->settings->max_parallel ||
			(taken[i] && left == idle) ||
			(p->engines[i].storm.on &&
			    (p->now < p->engines[i].storm.until || taken[i] >= 2)),
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
			body_exits(w, b);
		else if (!b->running && b->there && !b->job && !b->call && !cannot_start(w, b))
			body_starts(w, b, false); /* its restart policy, or a person */
		break;
	case 8:
		if (one_in(3))
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
	holds(!w->sim.policy.storms, RULE_STORM_AT_END, NULL);
	storms += w->sim.storms;
	for (unsigned i = 0; i < ENGINES; i++) {
		const struct policy_engine *engine = &w->sim.policy.engines[i];

		holds(!engine->busy && !engine->first && !engine->last && !in_flight(i),
		    RULE_BUSY_AT_END, NULL);
	}
	for (unsigned i = 0; i < w->bodies_count; i++) {
		const struct body *b = &w->bodies[i];
		const struct container *c = container_of(w, b);

		if (b->running && !b->paused && c && c->identity->heal)
			holds(!c->identity->heal->open, RULE_OPEN_AT_END, b);
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

/* Some hang on others of their engine, now and then in a ring. */
static void random_families(void)
{
	for (unsigned i = 0; i < w->bodies_count; i++) {
		struct body *child = &w->bodies[i], *parent = &w->bodies[below(w->bodies_count)];

		if (!one_in(3) || parent == child || parent->engine != child->engine)
			continue;
		if (one_in(2))
			kin_bind(child, BOND_DEPENDS, parent);
		else if (!parent->bond)
			kin_bind(child, BOND_NETWORK, parent);
	}
}

static void a_history(void)
{
	static const unsigned engines[] = {0, 1, 0, 2};
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
	w->sim.policy.engines_count = ENGINES;
	w->sim.policy.slots = (uint32_t)(ENGINES + below(8));
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
		b->engine = engines[i % COUNT(engines)];
		random_nature(b);
		if (one_in(8))
			b->health = HEALTH_NONE;
		shadows[i].running = true;
		shadows[i].proof = shadows[i].started = NEVER;
	}
	random_families();
	kin_begin(w);
	for (unsigned i = 0; i < STEPS; i++)
		step_of_history();
	the_end_of_history();
	kin_end(w);
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
	    "%u steps, %u requests, %u by hand, %u with another, %u left behind, %u recovered, %u "
	    "quarantined, %u released by health, %u storms\n",
	    steps_done, requests_done, by_hand, with_another, stranded, healed_by_us, quarantines,
	    releases, storms);
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

/* test_policy_engines.c - many engines under one bound of restarts: engines take turns, each has its share,
 * and whatever hangs on one of them, the others go on. */
#include "story.h"

#define ENGINES 64
#define EACH 100
#define ALL (ENGINES * EACH)

static struct container *containers[ENGINES][EACH];
static unsigned engines, each;

/* What is under way: requests and inspects, in the order in which they were asked for. */
static struct container *sent[ALL], *looks[ALL];
static unsigned sent_from, sent_to, looks_from, looks_to;
static unsigned in_flight[ENGINES], all_in_flight, requests[ENGINES], most[ENGINES];
static bool hangs[ENGINES];

static void carry_out(struct simulation *sim, const struct action *a)
{
	unsigned e = a->container->engine;

	if (a->kind == ACTION_INSPECT && a->container->state == STATE_WAITING)
		looks[looks_to++ % ALL] = a->container;
	if (a->kind != ACTION_RESTART)
		return;
	sent[sent_to++ % ALL] = a->container;
	requests[e]++;
	all_in_flight++;
	if (++in_flight[e] > most[e])
		most[e] = in_flight[e];
	assert_true(in_flight[e] <= sim->settings.max_parallel);
	assert_true(all_in_flight <= sim->policy.slots);
}

/* So many engines with so many containers each, under one bound. */
static void there_are(unsigned n, unsigned of_each, unsigned slots, const char *max_parallel)
{
	char name[24];

	begin(max_parallel, "AUTOHEAL_STORM=off", NULL);
	policy_forget(&s.policy, web, true, s.now);
	engines = n;
	each = of_each;
	s.policy.engines_count = n;
	s.policy.slots = slots;
	sent_from = sent_to = looks_from = looks_to = all_in_flight = 0;
	memset(in_flight, 0, sizeof in_flight);
	memset(requests, 0, sizeof requests);
	memset(most, 0, sizeof most);
	memset(hangs, 0, sizeof hangs);
	for (unsigned e = 0; e < n; e++) {
		for (unsigned i = 0; i < of_each; i++) {
			snprintf(name, sizeof name, "%u-%u", e, i);
			containers[e][i] = sim_add(&s, e, name);
			facts(containers[e][i], inspected(HEALTH_GOOD));
		}
	}
	s.carry_out = carry_out;
}

/* The engines answer at once what they are asked. */
static void look(void)
{
	while (looks_from < looks_to)
		still_sick(looks[looks_from++ % ALL]);
}

static void fall_ill(unsigned engine)
{
	for (unsigned i = 0; i < each; i++)
		event(containers[engine][i], EVENT_UNHEALTHY);
	turn();
	look();
}

/* The restart that is under way longest is answered, unless its engine hangs. */
static bool answer_next(void)
{
	struct container *c;

	for (unsigned n = sent_to - sent_from; n; n--) {
		c = sent[sent_from++ % ALL];
		if (hangs[c->engine]) {
			sent[sent_to++ % ALL] = c;
			continue;
		}
		in_flight[c->engine]--;
		all_in_flight--;
		restarted(c);
		happens(c, EVENT_HEALTHY);
		look();
		return true;
	}
	return false;
}

static unsigned fewest(void)
{
	unsigned least = EACH;

	for (unsigned e = 0; e < engines; e++)
		least = !hangs[e] && requests[e] < least ? requests[e] : least;
	return least;
}

static void nobody_waits_or_has_a_slot(void)
{
	assert_int_equal(s.policy.busy, 0);
	assert_int_equal(s.policy.engines_busy, 0);
	for (unsigned e = 0; e < engines; e++) {
		assert_int_equal(requests[e], each);
		assert_null(s.policy.engines[e].first);
		assert_null(s.policy.engines[e].last);
		assert_int_equal(s.policy.engines[e].busy, 0);
	}
}

static void test_64_engines_have_one_slot_each_of_64(void **state)
{
	(void)state;
	there_are(64, 100, 64, "AUTOHEAL_MAX_PARALLEL=32");
	for (unsigned e = 0; e < 64; e++)
		fall_ill(e);
	assert_int_equal(all_in_flight, 64);
	do {
		unsigned least = fewest();

		for (unsigned e = 0; e < 64; e++)
			assert_in_range(requests[e], least, least + 1);
	} while (answer_next());
	nobody_waits_or_has_a_slot();
	for (unsigned e = 0; e < 64; e++)
		assert_int_equal(most[e], 1);
}

/* Who came first has more at first; then engines take turns, and all go on at the same pace. */
static void test_64_engines_share_256_slots(void **state)
{
	unsigned before[ENGINES], answered = 0;

	(void)state;
	there_are(64, 100, 256, "AUTOHEAL_MAX_PARALLEL=32");
	for (unsigned e = 0; e < 64; e++)
		fall_ill(e);
	assert_int_equal(all_in_flight, 256);
	for (unsigned e = 0; e < 64; e++)
		assert_in_range(in_flight[e], 1, 32);
	while (answered++ < 640)
		assert_true(answer_next());
	/* from here on, until the first has none left: a round of turns gives each the same */
	memcpy(before, requests, sizeof before);
	for (unsigned i = 0; i < 64 * 20; i++) {
		assert_true(answer_next());
		assert_int_equal(all_in_flight, 256);
	}
	for (unsigned e = 0; e < 64; e++)
		if (requests[e] < each)
			assert_in_range(requests[e] - before[e], 18, 24);
	while (answer_next())
		;
	nobody_waits_or_has_a_slot();
}

/* Two of them never answer: they keep at most their own MAX_PARALLEL, and all others are served to the end. */
static void test_engines_that_hang_keep_at_most_their_own(void **state)
{
	(void)state;
	there_are(64, 100, 128, "AUTOHEAL_MAX_PARALLEL=32");
	hangs[0] = hangs[63] = true;
	for (unsigned e = 0; e < 64; e++)
		fall_ill(e);
	while (answer_next())
		assert_int_equal(all_in_flight, s.policy.busy);
	for (unsigned e = 1; e < 63; e++)
		assert_int_equal(requests[e], 100);
	assert_int_equal(in_flight[0], 32);
	assert_int_equal(in_flight[63], 32);
	assert_int_equal(s.policy.busy, 64);
}

/* One may take all that is left beside one slot for every other. */
static void test_one_that_hangs_never_has_the_whole_budget(void **state)
{
	(void)state;
	there_are(3, 100, 50, "AUTOHEAL_MAX_PARALLEL=256");
	hangs[0] = true;
	fall_ill(0);
	assert_int_equal(in_flight[0], 48);
	wait_for(20 * SECOND);
	for (unsigned e = 1; e < 3; e++) {
		/* at once, in the turn of its event: nobody need give anything back */
		event(containers[e][0], EVENT_UNHEALTHY);
		turn();
		assert_int_equal(requests[e], 1);
	}
	fall_ill(1);
	fall_ill(2);
	while (answer_next())
		;
	assert_int_equal(requests[0], 48);
	assert_int_equal(requests[1], 100);
	assert_int_equal(requests[2], 100);
}

/* All hang: every engine has at least one, and the deadlines hand the slots on in turns. */
static void test_where_all_hang_deadlines_hand_on(void **state)
{
	(void)state;
	there_are(8, 20, 16, "AUTOHEAL_MAX_PARALLEL=16");
	for (unsigned e = 0; e < 8; e++)
		fall_ill(e);
	assert_int_equal(in_flight[0], 9);
	for (unsigned e = 1; e < 8; e++)
		assert_int_equal(in_flight[e], 1);
	/* 50 s: stop timeout 10 s, and 40 s */
	memset(in_flight, 0, sizeof in_flight);
	all_in_flight = 0;
	wait_for(51 * SECOND);
	look();
	assert_int_equal(all_in_flight, 16);
	for (unsigned e = 0; e < 8; e++)
		assert_in_range(in_flight[e], 1, 9);
	assert_int_equal(s.policy.busy, 16);
}

static void sent_are(const char *words)
{
	char line[200] = "";

	for (unsigned i = sent_from; i < sent_to; i++)
		snprintf(line + strlen(line), sizeof line - strlen(line), "%s%s",
		    line[0] ? " " : "", sent[i % ALL]->name);
	assert_string_equal(line, words);
}

static void test_engines_in_turn_and_first_come_first_served_in_each(void **state)
{
	(void)state;
	there_are(3, 5, 5, "AUTOHEAL_MAX_PARALLEL=2");
	fall_ill(0);
	fall_ill(1);
	fall_ill(2);
	sent_are("0-0 0-1 1-0 1-1 2-0");
	assert_true(answer_next()); /* of engine 0; after it comes 1, which has its two */
	sent_are("0-1 1-0 1-1 2-0 2-1");
	assert_true(answer_next());
	sent_are("1-0 1-1 2-0 2-1 0-2");
	assert_true(answer_next()); /* of engine 1, whose turn it is */
	sent_are("1-1 2-0 2-1 0-2 1-2");
	assert_true(answer_next()); /* of engine 1 again: after it comes 2, which has its two */
	sent_are("2-0 2-1 0-2 1-2 0-3");
	assert_true(answer_next());
	sent_are("2-1 0-2 1-2 0-3 1-3");
	while (answer_next())
		;
	nobody_waits_or_has_a_slot();
}

/* Fewer slots than engines cannot be (budget.c); all are served even so. */
static void test_fewer_slots_than_engines(void **state)
{
	(void)state;
	there_are(5, 4, 2, "AUTOHEAL_MAX_PARALLEL=3");
	for (unsigned e = 0; e < 5; e++)
		fall_ill(e);
	assert_int_equal(all_in_flight, 2);
	while (answer_next())
		;
	nobody_waits_or_has_a_slot();
}

/* Who recovers, is stopped or goes while it waits makes no hole. */
static void test_who_leaves_the_queue_takes_no_slot_along(void **state)
{
	(void)state;
	there_are(4, 30, 8, "AUTOHEAL_MAX_PARALLEL=8");
	for (unsigned e = 0; e < 4; e++)
		fall_ill(e);
	for (unsigned e = 0; e < 4; e++) {
		for (unsigned i = 10; i < 30; i++) {
			struct container *c = containers[e][i];

			assert_true(c->queued);
			if (i % 3 == 0)
				happens(c, EVENT_HEALTHY);
			else if (i % 3 == 1)
				stops(c);
			else
				policy_forget(&s.policy, c, true, s.now);
		}
		requests[e] += 20;
	}
	while (answer_next())
		;
	nobody_waits_or_has_a_slot();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    STORY(64_engines_have_one_slot_each_of_64),
	    STORY(64_engines_share_256_slots),
	    STORY(engines_that_hang_keep_at_most_their_own),
	    STORY(one_that_hangs_never_has_the_whole_budget),
	    STORY(where_all_hang_deadlines_hand_on),
	    STORY(engines_in_turn_and_first_come_first_served_in_each),
	    STORY(fewer_slots_than_engines),
	    STORY(who_leaves_the_queue_takes_no_slot_along),
	};

	return cmocka_run_group_tests_name("policy, engines", tests, NULL, NULL);
}

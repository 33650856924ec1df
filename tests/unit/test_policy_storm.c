/* test_policy_storm.c - what policy.h promises about the brake for when many fail at once. */
#include "story.h"

#define MOST 50
#define HOLD POLICY_STORM_HOLD_MS

static struct container *many[MOST];
static struct graph graph;

/* A story with so many healthy containers, c0, c1 and so on, of which nothing failed yet. */
#define there_are(n, ...) (begin(__VA_ARGS__), make(n))

static void make(size_t n)
{
	char name[24];

	policy_forget(&s.policy, web, true, s.now);
	for (size_t i = 0; i < n; i++) {
		snprintf(name, sizeof name, "c%zu", i);
		many[i] = known(name);
	}
}

static int storm_teardown(void **state)
{
	graph_free(&graph);
	graph = (struct graph){0};
	return teardown(state);
}

/* From one up to another, in one read. */
static void fail_together(size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		event(many[i], EVENT_UNHEALTHY);
	turn();
}

static unsigned times(const char *word)
{
	unsigned count = 0;

	for (const char *at = s.happened; (at = strstr(at, word)); at++)
		count++;
	return count;
}

static void expect_times(const char *word, unsigned expected)
{
	if (times(word) != expected)
		fail_msg("%u times %s in \"%s\"", times(word), word, s.happened);
	forget_what_happened();
}

static bool storm(void)
{
	return s.policy.engines[0].storm.on;
}

/* ---- when it begins ------------------------------------------------------------------------------ */

static void test_ten_of_one_read_are_held(void **state)
{
	char words[POLICY_MESSAGE_MAX];

	(void)state;
	there_are(20, NULL);
	fail_together(0, 10);
	expect("storm:started");
	policy_storm_say(&s.policy.engines[0].storm, words, sizeof words);
	assert_non_null(strstr(words, "10 of 20 watched containers fail at once"));
	assert_non_null(strstr(words, "at most 2"));
	state_is(many[9], STATE_WAITING);
	wait_for(HOLD - 1);
	expect("");
	wait_for(1);
	expect("INSPECT c0, INSPECT c1");
}

static void test_what_was_sent_stays(void **state)
{
	(void)state;
	there_are(20, NULL);
	for (size_t i = 0; i < 9; i++)
		fail_together(i, i + 1);
	expect_times("RESTART", 9);
	fail_together(9, 11);
	expect("storm:started");
	wait_for(HOLD + 5 * SECOND);
	expect("");
	for (size_t i = 0; i < 7; i++)
		done(many[i]);
	expect_times("restart:success", 7);
	wait_for(5 * SECOND);
	expect(""); /* two are under way */
	done(many[7]);
	expect("restart:success c7, INSPECT c9");
	still_sick(many[9]);
	expect("RESTART c9");
	done(many[8]);
	expect("restart:success c8, INSPECT c10");
}

static void test_only_what_fails_within_half_a_minute_is_a_storm(void **state)
{
	static const struct {
		uint64_t pause;
		bool storm;
	} rows[] = {{3333, true}, {3334, false}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		there_are(12, NULL);
		for (size_t n = 0; n < 10; n++) {
			fail_together(n, n + 1);
			wait_for(n < 9 ? rows[i].pause : 0);
		}
		assert_int_equal(storm(), rows[i].storm);
	}
}

static void test_who_got_well_does_not_fail(void **state)
{
	(void)state;
	there_are(12, NULL);
	for (size_t i = 0; i < 12; i++)
		healed(many[i]);
	assert_false(storm());
}

static void test_how_many_are_a_storm(void **state)
{
	static const struct {
		size_t watched, needed;
		char *share;
	} rows[] = {{12, 10, NULL}, {20, 10, NULL}, {21, 11, NULL}, {40, 20, NULL}, {50, 25, NULL},
	    {50, 10, "AUTOHEAL_STORM=1%"}, {50, 10, "AUTOHEAL_STORM=20%"},
	    {50, 11, "AUTOHEAL_STORM=21%"}, {50, 50, "AUTOHEAL_STORM=100%"},
	    {11, 11, "AUTOHEAL_STORM=100"}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		there_are(rows[i].watched, rows[i].share, NULL);
		fail_together(0, rows[i].needed - 1);
		if (storm())
			fail_msg("%zu of %zu are no storm", rows[i].needed - 1, rows[i].watched);
		forget_what_happened();
		fail_together(rows[i].needed - 1, rows[i].needed);
		if (!storm())
			fail_msg("%zu of %zu are a storm", rows[i].needed, rows[i].watched);
		expect("storm:started");
	}
}

static void test_off(void **state)
{
	(void)state;
	there_are(MOST, "AUTOHEAL_STORM=off", "AUTOHEAL_MAX_PARALLEL=100", NULL);
	fail_together(0, MOST);
	expect_times("RESTART", MOST);
}

/* Switched off by a person while it lasts. */
static void test_off_amid_a_storm(void **state)
{
	(void)state;
	there_are(12, NULL);
	fail_together(0, 12);
	s.settings.storm = "off";
	wait_for(HOLD);
	assert_false(storm());
	expect_times("INSPECT", 12);
}

static void test_nine_are_never_a_storm(void **state)
{
	(void)state;
	there_are(9, NULL);
	fail_together(0, 9);
	expect_times("RESTART", 9);
}

static void test_given_up_and_left_alone_count_on_neither_side(void **state)
{
	(void)state;
	there_are(30, NULL);
	for (size_t i = 20; i < 30; i++)
		happens(many[i], EVENT_PAUSE);
	fail_together(0, 9);
	expect_times("RESTART", 9);
	fail_together(9, 10); /* of 20 */
	expect("storm:started");

	there_are(20, "AUTOHEAL_MAX_RESTARTS=1", "AUTOHEAL_COOLDOWN=0", "AUTOHEAL_BACKOFF=off", NULL);
	for (size_t i = 0; i < 5; i++) {
		healed(many[i]);
		sick(many[i]);
		forget_what_happened();
		assert_true(many[i]->identity->heal->quarantined);
	}
	fail_together(5, 14);
	expect_times("RESTART", 9);
	assert_false(storm()); /* 14 are sick; 9 count */
	fail_together(14, 15);
	expect("storm:started");
}

/* A restart by hand, or with what one hangs on, says nothing of its health. */
static void test_what_is_brought_along_does_not_fail(void **state)
{
	struct policy_bond bond = {.kind = BOND_NETWORK, .cascade = 7, .parent = "vpn"};

	(void)state;
	there_are(12, NULL);
	for (size_t i = 0; i < 12; i++)
		sim_event(&s, many[i], &(struct policy_event){.kind = EVENT_PARENT, .bond = &bond});
	turn();
	expect_times("RESTART", 12);
	assert_false(storm());
}

static void test_crashes_count(void **state)
{
	struct policy_facts gone = exited();

	(void)state;
	there_are(12, NULL);
	for (size_t i = 0; i < 10; i++)
		dies(many[i], 1);
	wait_for(POLICY_CRASH_MS);
	for (size_t i = 0; i < 10; i++)
		sim_event(&s, many[i], &(struct policy_event){.kind = EVENT_FACTS, .facts = &gone});
	forget_what_happened();
	turn();
	expect("storm:started");
}

/* ---- while it lasts ------------------------------------------------------------------------------ */

static void test_two_at_a_time(void **state)
{
	(void)state;
	there_are(14, NULL);
	fail_together(0, 14);
	wait_for(HOLD);
	forget_what_happened();
	still_sick(many[0]);
	still_sick(many[1]);
	expect("RESTART c0, RESTART c1");
	wait_for(10 * SECOND);
	expect("");
	restarted(many[1]);
	expect("restart:success c1, INSPECT c2");
	still_sick(many[2]);
	expect("RESTART c2");
	happens(many[1], EVENT_HEALTHY);
	expect("recovered:healthy c1");
}

static void test_each_is_looked_at_anew(void **state)
{
	(void)state;
	there_are(14, NULL);
	fail_together(0, 14);
	wait_for(SECOND);
	happens(many[0], EVENT_HEALTHY);
	expect("storm:started, skipped:recovered c0");
	wait_for(HOLD);
	expect("INSPECT c1, INSPECT c2");
	facts(many[1], inspected(HEALTH_GOOD)); /* no event had told */
	expect("skipped:recovered c1, INSPECT c3");
	look_failed(many[2]);
	expect("INSPECT c4"); /* it holds up nobody */
}

static void test_a_person_does_not_wait(void **state)
{
	struct action list[POLICY_ACTIONS_MAX];
	struct actions out = {.list = list, .room = POLICY_ACTIONS_MAX};

	(void)state;
	there_are(20, NULL);
	fail_together(0, 12);
	forget_what_happened();
	for (size_t i = 0; i < 20; i += 5) { /* sick or not, and more than two */
		out.count = 0;
		assert_null(policy_restart_by_person(&s.policy, many[i], s.now, &out));
		sim_take(&s, &out);
	}
	turn();
	expect("RESTART c0, RESTART c5, RESTART c10, RESTART c15");
	wait_for(HOLD);
	expect(""); /* but counts */
}

static void test_a_start_that_follows_a_kill_does_not_wait(void **state)
{
	struct label_settings own = sim_no_labels;

	(void)state;
	there_are(14, NULL);
	own.action = WATCH_KILL;
	labels(many[0], own);
	fail_together(0, 1);
	expect("KILL c0");
	fail_together(1, 12);
	expect("storm:started");
	done(many[0]);
	dies(many[0], 137);
	expect("restart:success c0, START c0");
}

static void test_slots_not_used_yet_are_given_back(void **state)
{
	(void)state;
	there_are(14, NULL);
	for (size_t i = 0; i < 8; i++)
		sick_they_say(many[i]);
	for (size_t i = 0; i < 8; i++)
		facts(many[i], listed(HEALTH_BAD));
	forget_what_happened();
	s.policy.engines[0].asks_first = true;
	fail_together(8, 14);
	expect_times("RESTART", 6);
	for (size_t i = 0; i < 8; i++) { /* proven in one read */
		struct policy_facts f = inspected(HEALTH_BAD);

		sim_event(&s, many[i], &(struct policy_event){.kind = EVENT_FACTS, .facts = &f});
	}
	turn();
	expect("storm:started");
	assert_int_equal(s.policy.busy, 6);
}

static void test_what_is_being_asked_about_when_it_begins_is_held_too(void **state)
{
	(void)state;
	there_are(14, "AUTOHEAL_UNHEALTHY_FOR=5", NULL);
	fail_together(0, 4);
	expect("");
	wait_for(5 * SECOND);
	expect("INSPECT c0, INSPECT c1, INSPECT c2, INSPECT c3");
	assert_int_equal(s.policy.busy, 4);
	fail_together(4, 12);
	expect("storm:started");
	assert_int_equal(s.policy.busy, 0);
	for (size_t i = 0; i < 4; i++)
		still_sick(many[i]);
	expect("");
	wait_for(HOLD);
	expect_times("INSPECT", 2);
	assert_int_equal(s.policy.busy, 2);
}

/* Each engine has its own: what fails on one holds up no other, and does not count there. */
static void test_two_engines(void **state)
{
	(void)state;
	there_are(20, NULL);
	for (size_t i = 20; i < 40; i++) {
		char name[24];

		snprintf(name, sizeof name, "d%zu", i);
		many[i] = sim_add(&s, 1, name);
		facts(many[i], inspected(HEALTH_GOOD));
	}
	s.policy.engines_count = 2;
	fail_together(11, 29);
	expect_times("RESTART", 18); /* nine on each */
	fail_together(10, 11);
	expect("storm:started");
	assert_int_equal(s.policy.storms, 1);
	fail_together(30, 31);
	expect("storm:started");
	assert_int_equal(s.policy.storms, 3);
	for (size_t i = 11; i < 29; i++)
		done(many[i]);
	forget_what_happened();
	wait_for(HOLD);
	expect("INSPECT d30, INSPECT c10"); /* engines in turn */
	for (size_t i = 20; i < 29; i++)
		happens(many[i], EVENT_HEALTHY);
	expect_times("recovered", 9);
	wait_for(SECOND);
	expect("storm:ended");
	assert_int_equal(s.policy.storms, 1);
}

static void test_maintenance_amid_a_storm(void **state)
{
	(void)state;
	there_are(12, NULL);
	fail_together(0, 12);
	expect("storm:started");
	policy_begin_maintenance(&s.policy, 0, s.now);
	turn();
	expect_times("skipped:maintenance", 12);
	wait_for(HOUR);
	expect("");
	assert_true(storm()); /* they fail as before */
	policy_end_maintenance(&s.policy, s.now);
	turn();
	expect_times("INSPECT", 2);
}

static void test_a_dry_run_tells(void **state)
{
	(void)state;
	there_are(12, "AUTOHEAL_DRY_RUN=1", NULL);
	fail_together(0, 12);
	expect("storm:started");
	wait_for(HOLD);
	expect_times("skipped:dry_run", 12);
	assert_int_equal(s.policy.busy, 0);
}

static void test_no_request_while_stopping(void **state)
{
	(void)state;
	there_are(12, NULL);
	fail_together(0, 12);
	forget_what_happened();
	s.policy.stopping = true;
	wait_for(HOUR);
	expect("");
}

/* ---- its end ------------------------------------------------------------------------------------- */

static void test_fewer_after_the_pause_end_it(void **state)
{
	char words[POLICY_MESSAGE_MAX];

	(void)state;
	there_are(20, NULL);
	fail_together(0, 12);
	for (size_t i = 9; i < 12; i++)
		happens(many[i], EVENT_HEALTHY);
	forget_what_happened();
	wait_for(HOLD - 1);
	expect("");
	wait_for(1);
	if (times("storm:ended") != 1)
		fail_msg("%s", s.happened);
	expect_times("INSPECT", 9);
	policy_storm_say(&s.policy.engines[0].storm, words, sizeof words);
	assert_non_null(strstr(words, "9 of 20 watched containers fail, fewer than 10"));
}

static void test_it_lasts_until_fewer_fail(void **state)
{
	(void)state;
	there_are(12, NULL);
	fail_together(0, 11);
	wait_for(HOLD);
	forget_what_happened();
	wait_for(HOUR);
	expect("");
	happens(many[10], EVENT_HEALTHY);
	wait_for(SECOND);
	expect("skipped:recovered c10");
	happens(many[9], EVENT_HEALTHY);
	wait_for(SECOND);
	if (times("storm:ended") != 1 || times("skipped:recovered c9") != 1)
		fail_msg("%s", s.happened);
	expect_times("INSPECT", 7); /* of two it is being asked already */
	wait_for(HOUR);
	expect("");
}

static void test_restarted_ones_fail_until_they_are_proven_well(void **state)
{
	(void)state;
	there_are(12, NULL);
	fail_together(0, 10);
	wait_for(HOLD);
	still_sick(many[0]);
	restarted(many[0]);
	wait_for(SECOND);
	assert_true(storm());
	happens(many[0], EVENT_HEALTHY);
	wait_for(SECOND);
	assert_false(storm());
}

/* One comes and goes: each storm is told once, and has its pause. */
static void test_flapping_at_the_bound(void **state)
{
	(void)state;
	there_are(12, NULL);
	fail_together(0, 9);
	forget_what_happened();
	for (int i = 0; i < 5; i++) {
		fail_together(9, 10);
		wait_for(SECOND);
		happens(many[9], EVENT_HEALTHY);
		wait_for(2 * HOLD); /* the nine were seen too long ago to begin one again */
		assert_false(storm());
	}
	assert_int_equal(s.storms, 1);
	forget_what_happened();
	for (int i = 0; i < 5; i++) {
		for (size_t n = 0; n < 10; n++) {
			happens(many[n], EVENT_HEALTHY);
			event(many[n], EVENT_UNHEALTHY);
		}
		turn();
		wait_for(HOLD);
	}
	assert_true(s.storms <= 3);
}

static void test_what_waits_after_it_says_so(void **state)
{
	const char *why;
	uint64_t at;

	(void)state;
	there_are(14, "AUTOHEAL_MAX_PARALLEL=1", NULL);
	fail_together(0, 11);
	assert_string_equal(policy_next_action(&s.policy, many[5], &at, &why), "restart");
	assert_int_equal(at, s.now + HOLD);
	assert_non_null(strstr(why, "AUTOHEAL_STORM"));
	wait_for(HOLD);
	assert_string_equal(policy_next_action(&s.policy, many[5], &at, &why), "restart");
	assert_int_equal(at, 0); /* nobody knows when */
	happens(many[9], EVENT_HEALTHY);
	happens(many[10], EVENT_HEALTHY);
	wait_for(SECOND);
	assert_false(storm());
	assert_null(policy_next_action(&s.policy, many[5], &at, &why)); /* as ever in the queue */
}

static void say(void *owner, const char *what, bool holds, const char *because)
{
	char *out = owner;

	if (holds && strstr(what, "AUTOHEAL_STORM"))
		snprintf(out, 100, "%s", because);
}

static void test_it_explains_itself(void **state)
{
	char because[100] = "";

	(void)state;
	there_are(12, NULL);
	policy_explain(&s.policy, many[0], s.now, say, because);
	assert_string_equal(because, "");
	fail_together(0, 12);
	policy_explain(&s.policy, many[0], s.now, say, because);
	assert_string_equal(because, "15 s are left");
	wait_for(HOLD);
	policy_explain(&s.policy, many[11], s.now, say, because);
	assert_string_equal(because, "until that changes");
}

/* ---- parents first ------------------------------------------------------------------------------- */

static void hangs_on(size_t child, size_t parent)
{
	graph_add(&graph, many[child]->id, BOND_NETWORK,
	    (struct span){(const char *)many[parent]->id, 32});
}

static void edges_begin(void)
{
	graph_begin(&graph);
	s.policy.engines[0].graph = &graph;
}

static void test_parents_come_first(void **state)
{
	(void)state;
	there_are(14, NULL);
	edges_begin();
	hangs_on(13, 7);
	hangs_on(1, 9);
	assert_true(graph_end(&graph));
	fail_together(0, 12);
	expect("storm:started");
	wait_for(HOLD);
	expect("INSPECT c7, INSPECT c9"); /* c1 waits for c9 */
	still_sick(many[7]);
	restarted(many[7]);
	expect("RESTART c7, restart:success c7, INSPECT c0");
}

/* Nobody waits for a parent then; in the queue it stands before. */
static void test_parents_come_first_without_dependents(void **state)
{
	(void)state;
	there_are(14, "AUTOHEAL_DEPENDENTS=off", NULL);
	edges_begin();
	hangs_on(1, 4); /* c1 - c4 - c8 */
	hangs_on(4, 8);
	hangs_on(2, 11);
	assert_true(graph_end(&graph));
	fail_together(0, 12);
	forget_what_happened();
	wait_for(HOLD);
	expect("INSPECT c8, INSPECT c4");
	look_failed(many[8]);
	look_failed(many[4]);
	expect("INSPECT c11, INSPECT c0");
}

static void test_a_ring_of_parents_comes_to_an_end(void **state)
{
	(void)state;
	there_are(14, "AUTOHEAL_DEPENDENTS=off", NULL);
	edges_begin();
	for (size_t i = 0; i < 12; i++)
		hangs_on(i, (i + 1) % 12);
	assert_true(graph_end(&graph));
	fail_together(0, 12);
	wait_for(HOLD);
	expect_times("INSPECT", 2);
}

static void test_dependents_are_under_the_two(void **state)
{
	struct policy_bond bond = {.kind = BOND_NETWORK, .cascade = 7, .parent = "c0"};

	(void)state;
	there_are(20, NULL);
	fail_together(0, 12);
	wait_for(HOLD);
	still_sick(many[0]);
	still_sick(many[1]);
	forget_what_happened();
	sim_event(&s, many[13], &(struct policy_event){.kind = EVENT_PARENT, .bond = &bond});
	turn();
	expect("");
	state_is(many[13], STATE_WAITING);
	assert_int_equal(s.policy.busy, 2);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_ten_of_one_read_are_held, storm_teardown),
	    cmocka_unit_test_teardown(test_what_was_sent_stays, storm_teardown),
	    cmocka_unit_test_teardown(
		test_only_what_fails_within_half_a_minute_is_a_storm, storm_teardown),
	    cmocka_unit_test_teardown(test_who_got_well_does_not_fail, storm_teardown),
	    cmocka_unit_test_teardown(test_how_many_are_a_storm, storm_teardown),
	    cmocka_unit_test_teardown(test_off, storm_teardown),
	    cmocka_unit_test_teardown(test_off_amid_a_storm, storm_teardown),
	    cmocka_unit_test_teardown(test_nine_are_never_a_storm, storm_teardown),
	    cmocka_unit_test_teardown(
		test_given_up_and_left_alone_count_on_neither_side, storm_teardown),
	    cmocka_unit_test_teardown(test_what_is_brought_along_does_not_fail, storm_teardown),
	    cmocka_unit_test_teardown(test_crashes_count, storm_teardown),
	    cmocka_unit_test_teardown(test_two_at_a_time, storm_teardown),
	    cmocka_unit_test_teardown(test_each_is_looked_at_anew, storm_teardown),
	    cmocka_unit_test_teardown(test_a_person_does_not_wait, storm_teardown),
	    cmocka_unit_test_teardown(test_a_start_that_follows_a_kill_does_not_wait, storm_teardown),
	    cmocka_unit_test_teardown(test_slots_not_used_yet_are_given_back, storm_teardown),
	    cmocka_unit_test_teardown(
		test_what_is_being_asked_about_when_it_begins_is_held_too, storm_teardown),
	    cmocka_unit_test_teardown(test_two_engines, storm_teardown),
	    cmocka_unit_test_teardown(test_maintenance_amid_a_storm, storm_teardown),
	    cmocka_unit_test_teardown(test_a_dry_run_tells, storm_teardown),
	    cmocka_unit_test_teardown(test_no_request_while_stopping, storm_teardown),
	    cmocka_unit_test_teardown(test_fewer_after_the_pause_end_it, storm_teardown),
	    cmocka_unit_test_teardown(test_it_lasts_until_fewer_fail, storm_teardown),
	    cmocka_unit_test_teardown(
		test_restarted_ones_fail_until_they_are_proven_well, storm_teardown),
	    cmocka_unit_test_teardown(test_flapping_at_the_bound, storm_teardown),
	    cmocka_unit_test_teardown(test_what_waits_after_it_says_so, storm_teardown),
	    cmocka_unit_test_teardown(test_it_explains_itself, storm_teardown),
	    cmocka_unit_test_teardown(test_parents_come_first, storm_teardown),
	    cmocka_unit_test_teardown(test_parents_come_first_without_dependents, storm_teardown),
	    cmocka_unit_test_teardown(test_a_ring_of_parents_comes_to_an_end, storm_teardown),
	    cmocka_unit_test_teardown(test_dependents_are_under_the_two, storm_teardown),
	};

	return cmocka_run_group_tests_name("policy, storms", tests, NULL, NULL);
}

/* Exits that nobody asked for: crashes and whose business they are, crash loops, other healers, and the
 * actions that a label chooses. */
#include "story.h"

/* What the look at a crashed one says. */
static struct policy_facts crashed(int code)
{
	struct policy_facts f = exited();

	f.exit_code = code;
	return f;
}

/* It crashes, and the look 2 s later finds it so. */
static void crashes(struct container *c)
{
	dies(c, 1);
	wait_for(POLICY_CRASH_MS);
	facts(c, crashed(1));
}

static void started(struct container *c)
{
	happens(c, EVENT_START);
	done(c);
}

static void test_a_crash_is_started_after_two_seconds(void **state)
{
	(void)state;
	begin(NULL);
	dies(web, 3);
	wait_for(POLICY_CRASH_MS - 1);
	expect("");
	wait_for(1);
	expect("INSPECT");
	facts(web, crashed(3));
	expect("START");
	started(web);
	expect("restart:success");
	assert_string_equal(s.told.reason, "crash");
	assert_string_equal(s.told.did, "start");
	assert_int_equal(s.told.exit_code, 3);
	happens(web, EVENT_HEALTHY);
	expect("recovered:healthy");
	assert_true(s.told.duration_ms >= 2000);
}

static void test_what_cancels_a_crash(void **state)
{
	static const enum policy_event_kind kinds[] = {EVENT_STOP, EVENT_START};

	(void)state;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		begin(NULL);
		dies(web, 1);
		wait_for(500);
		happens(web, kinds[i]);
		wait_for(HOUR);
		expect("");
		state_is(web, kinds[i] == EVENT_STOP ? STATE_HANDS_OFF : STATE_WATCHING);
	}
}

static void test_a_kill_before_it_is_no_crash(void **state)
{
	(void)state;
	begin(NULL);
	happens(web, EVENT_KILL);
	wait_for(19 * SECOND);
	dies(web, 137);
	wait_for(HOUR);
	expect("");
	state_is(web, STATE_HANDS_OFF);
}

static void test_a_stop_while_it_waits_cancels_it(void **state)
{
	(void)state;
	begin("AUTOHEAL_START_PERIOD=60", NULL);
	crashes(web);
	expect("INSPECT");
	state_is(web, STATE_WAITING);
	happens(web, EVENT_STOP);
	expect("skipped:stopped");
	wait_for(HOUR);
	expect("");
}

static void test_somebody_starts_it_while_it_waits(void **state)
{
	(void)state;
	begin("AUTOHEAL_START_PERIOD=60", NULL);
	crashes(web);
	expect("INSPECT");
	happens(web, EVENT_START);
	expect("skipped:recovered");
	state_is(web, STATE_WATCHING);
	wait_for(HOUR);
	expect("");
}

static void test_whose_business_it_is(void **state)
{
	static const struct {
		enum restart_policy policy;
		uint32_t most, done;
		bool auto_remove, start_failed;
		int code;
		bool ours;
	} cases[] = {
	    {RESTARTS_NEVER, 0, 0, false, false, 1, true},
	    {RESTARTS_NEVER, 0, 0, true, false, 1, false},
	    {RESTARTS_NEVER, 0, 0, false, false, 0, false},
	    {RESTARTS_ON_FAILURE, 0, 9, false, false, 1, false},
	    {RESTARTS_ON_FAILURE, 3, 2, false, false, 1, false},
	    {RESTARTS_ON_FAILURE, 3, 3, false, false, 1, true},
	    {RESTARTS_ON_FAILURE, 3, 3, true, false, 1, false},
	    {RESTARTS_ALWAYS, 0, 5, false, false, 1, false},
	    {RESTARTS_ALWAYS, 0, 5, false, true, 1, true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct policy_facts f = crashed(cases[i].code);

		f.restart_policy = cases[i].policy;
		f.restarts_most = cases[i].most;
		f.restarts_done = cases[i].done;
		f.auto_remove = cases[i].auto_remove;
		f.start_failed = cases[i].start_failed;
		begin(NULL);
		dies(web, 1);
		wait_for(POLICY_CRASH_MS);
		facts(web, f);
		expect(cases[i].ours ? "INSPECT, START" : "INSPECT");
		assert_true(cases[i].ours == !policy_left_words(web));
		if (cases[i].ours)
			continue;
		wait_for(HOUR);
		expect("");
	}
}

/* Nothing is sent while it restarts by itself. */
static void test_the_engine_is_at_work_on_it(void **state)
{
	struct policy_facts f = inspected(HEALTH_BAD);

	(void)state;
	begin(NULL);
	dies(web, 1);
	wait_for(POLICY_CRASH_MS);
	f.restarting = true;
	facts(web, f);
	wait_for(HOUR);
	expect("INSPECT");
}

static void test_modes(void **state)
{
	(void)state;
	begin("AUTOHEAL_RESTART_MODE=health", NULL);
	dies(web, 1);
	wait_for(HOUR);
	expect("");
	begin("AUTOHEAL_RESTART_MODE=on-failure", NULL);
	sick(web);
	wait_for(HOUR);
	expect("");
	crashes(web);
	expect("INSPECT, START");
	begin(NULL);
	web->health_only = true;
	dies(web, 1);
	wait_for(HOUR);
	expect("");
	begin("AUTOHEAL_RESTART_MODE=both", NULL);
	web->health_only = true;
	crashes(web);
	expect("INSPECT, START");
}

static void test_podmans_exits_are_left(void **state)
{
	(void)state;
	begin(NULL);
	s.policy.engines[0].asks_first = true;
	dies(web, 1);
	wait_for(HOUR);
	expect("");
	assert_non_null(strstr(policy_left_words(web), "Podman"));
}

/* Every start fails: cooldown and back-off stand between them, then it is given up; the further try is a start. */
static void test_crashes_are_given_up(void **state)
{
	(void)state;
	begin("AUTOHEAL_COOLDOWN=5", NULL);
	for (int i = 0; i < 3; i++) {
		crashes(web);
		expect(i ? "not_recovered:exited, INSPECT" : "INSPECT, START");
		if (i) {
			wait_for(25 * SECOND);
			expect("INSPECT");
			facts(web, crashed(1));
			expect("START");
		}
		started(web);
		expect("restart:success");
		wait_for(SECOND); /* an exit so soon is no echo of ours */
	}
	crashes(web);
	expect("not_recovered:exited, INSPECT, quarantine:quarantined");
	wait_for(HOUR);
	expect("INSPECT");
	facts(web, crashed(1));
	expect("START");
}

/* Seen down by the list, and no event: one may be late, else it stopped while nobody watched. */
static void test_an_exit_that_nobody_told(void **state)
{
	struct policy_facts f = listed(HEALTH_BAD);

	(void)state;
	f.running = false;
	begin(NULL);
	facts(web, f);
	wait_for(POLICY_UNSEEN_MS);
	expect("INSPECT");
	facts(web, crashed(1));
	state_is(web, STATE_HANDS_OFF);
	assert_string_equal(policy_left_words(web), "stopped while nobody watched");
	wait_for(HOUR);
	expect("");
	dies(web, 1); /* told after all */
	wait_for(POLICY_CRASH_MS);
	expect("INSPECT");
	facts(web, crashed(1));
	expect("START");
}

/* The same, and its event says at last that it was a stop. */
static void test_an_exit_told_late_as_a_stop(void **state)
{
	struct policy_facts f = listed(HEALTH_BAD);

	(void)state;
	f.running = false;
	begin(NULL);
	facts(web, f);
	wait_for(POLICY_UNSEEN_MS);
	facts(web, crashed(1));
	expect("INSPECT");
	happens(web, EVENT_STOP);
	dies(web, 143);
	wait_for(HOUR);
	expect("");
}

static void test_a_stop_by_label_is_the_last_word(void **state)
{
	struct label_settings own = sim_no_labels;

	(void)state;
	own.action = WATCH_STOP;
	begin(NULL);
	labels(web, own);
	sick(web);
	expect("STOP");
	stops(web);
	done(web);
	expect("restart:success");
	assert_string_equal(s.told.did, "stop");
	state_is(web, STATE_HANDS_OFF);
	wait_for(HOUR);
	expect("");
	happens(web, EVENT_START);
	state_is(web, STATE_WATCHING);
}

static void test_a_refused_stop_starts_nothing(void **state)
{
	struct label_settings own = sim_no_labels;

	(void)state;
	own.action = WATCH_STOP;
	begin("AUTOHEAL_COOLDOWN=0", NULL);
	labels(web, own);
	sick(web);
	refused(web);
	expect("STOP, restart:failure");
	wait_for(10 * SECOND);
	expect("INSPECT");
	facts(web, exited());
	expect("skipped:stopped");
}

/* Its exit may be told before the answer or after it. */
static void test_a_kill_by_label_is_followed_by_one_start(void **state)
{
	struct label_settings own = sim_no_labels;

	(void)state;
	own.action = WATCH_KILL;
	own.max_restarts = 1;
	for (int late = 0; late < 2; late++) {
		begin(NULL);
		labels(web, own);
		sick(web);
		expect("KILL");
		happens(web, EVENT_KILL);
		if (late) {
			done(web);
			facts(web, inspected(HEALTH_BAD)); /* asked before its exit */
			happens(web, EVENT_HEALTHY);
			expect("restart:success");
			dies(web, 137);
			expect("START");
		} else {
			dies(web, 137);
			done(web);
			expect("restart:success, START");
		}
		started(web);
		happens(web, EVENT_HEALTHY);
		expect("restart:success, recovered:healthy");
		assert_int_equal(web->identity->restarts, 1);
	}
}

/* A SIGTERM to autoheal between the two does not leave it down. */
static void test_a_kill_is_completed_while_stopping(void **state)
{
	struct label_settings own = sim_no_labels;

	(void)state;
	own.action = WATCH_KILL;
	begin(NULL);
	labels(web, own);
	sick(web);
	s.policy.stopping = true;
	dies(web, 137);
	done(web);
	expect("KILL, restart:success, START");
}

static void loops(int times)
{
	for (int i = 0; i < times; i++) {
		dies(web, 1);
		wait_for(200);
		happens(web, EVENT_START);
		wait_for(10 * SECOND);
	}
}

static void test_a_crash_loop(void **state)
{
	(void)state;
	begin("AUTOHEAL_RECOVERY_TIMEOUT=60", NULL);
	loops(3);
	expect("");
	loops(1);
	expect("crash_loop:looping");
	loops(20);
	expect("");
	wait_for(HOUR);
	expect("crash_loop:ended");
	loops(4);
	expect("crash_loop:looping");
}

static void test_slow_restarts_are_no_loop(void **state)
{
	(void)state;
	begin(NULL);
	for (int i = 0; i < 20; i++) {
		loops(1);
		wait_for(200 * SECOND);
	}
	expect("");
}

static void test_another_healer(void **state)
{
	(void)state;
	begin("AUTOHEAL_DRY_RUN=true", NULL);
	for (int i = 0; i < 3; i++) {
		s.said[0] = 0;
		wait_for(HOUR);
		sick(web);
		restarts(web);
		assert_true(!strstr(s.said, "another healer") == (i < 2));
		happens(web, EVENT_HEALTHY);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORY(a_crash_is_started_after_two_seconds),
	    STORY(what_cancels_a_crash),
	    STORY(a_kill_before_it_is_no_crash),
	    STORY(a_stop_while_it_waits_cancels_it),
	    STORY(somebody_starts_it_while_it_waits),
	    STORY(whose_business_it_is),
	    STORY(the_engine_is_at_work_on_it),
	    STORY(modes),
	    STORY(podmans_exits_are_left),
	    STORY(crashes_are_given_up),
	    STORY(an_exit_that_nobody_told),
	    STORY(an_exit_told_late_as_a_stop),
	    STORY(a_stop_by_label_is_the_last_word),
	    STORY(a_refused_stop_starts_nothing),
	    STORY(a_kill_by_label_is_followed_by_one_start),
	    STORY(a_kill_is_completed_while_stopping),
	    STORY(a_crash_loop),
	    STORY(slow_restarts_are_no_loop),
	    STORY(another_healer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_policy_outcome.c - what policy.h promises about whether it helped: verification, back-off,
 * patience and quarantine. */
#include "story.h"

/* ---- the outcome ------------------------------------------------------------------------------- */

static void test_recovered_carries_the_time_since_detection(void **state)
{
	(void)state;
	begin(NULL);
	sick(web);
	wait_for(12 * SECOND);
	restarted(web);
	expect("RESTART, restart:success");
	wait_for(31 * SECOND);
	happens(web, EVENT_HEALTHY);
	expect("recovered:healthy");
	assert_int_equal(s.told.duration_ms, 43 * SECOND);
	says("43.0 s");
	assert_int_equal(s.told.incident, web->identity->heal->incident);
	state_is(web, STATE_WATCHING);

	begin(NULL);
	sick_they_say(web);
	wait_for(400);
	still_sick(web);
	restarted(web);
	happens(web, EVENT_HEALTHY);
	expect("INSPECT, RESTART, restart:success, recovered:healthy");
	assert_int_equal(s.told.duration_ms, 400);
}

static void test_healthy_may_be_seen_before_the_answer(void **state)
{
	(void)state;
	begin(NULL);
	sick(web);
	restarts(web);
	happens(web, EVENT_HEALTHY);
	expect("RESTART");
	wait_for(2 * SECOND);
	done(web);
	expect("restart:success, recovered:healthy");
	state_is(web, STATE_WATCHING);
}

/* A health event on its way when we asked for the restart. */
static void test_healthy_before_its_start_is_no_recovery(void **state)
{
	(void)state;
	begin(NULL);
	sick(web);
	happens(web, EVENT_HEALTHY);
	restarted(web);
	expect("RESTART, restart:success");
	state_is(web, STATE_VERIFYING);
}

/* The stream is cut amid our restart and taken up long after the answer: what is told again is our own doing. */
static void test_what_is_told_again_is_still_our_own_restart(void **state)
{
	uint64_t asked;

	(void)state;
	begin(NULL);
	sick(web);
	asked = s.now;
	wait_for(1 * SECOND);
	done(web);
	wait_for(9 * SECOND);
	happened_at(web, EVENT_KILL, asked + 10);
	happened_at(web, EVENT_DIE, asked + 300);
	happened_at(web, EVENT_STOP, asked + 301);
	happened_at(web, EVENT_START, asked + 350);
	happened_at(web, EVENT_RESTARTED, asked + 360);
	turn();
	state_is(web, STATE_VERIFYING);
	happened_at(web, EVENT_HEALTHY, asked + 4 * SECOND);
	turn();
	expect("RESTART, restart:success, recovered:healthy");
}

/* So is a person's stop that is told late: it came after. */
static void test_a_stop_that_is_told_late_is_a_stop(void **state)
{
	uint64_t answered;

	(void)state;
	begin(NULL);
	sick(web);
	restarted(web);
	answered = s.now;
	wait_for(20 * SECOND);
	happened_at(web, EVENT_KILL, answered + 5 * SECOND);
	happened_at(web, EVENT_DIE, answered + 6 * SECOND);
	happened_at(web, EVENT_STOP, answered + 6 * SECOND);
	turn();
	expect("RESTART, restart:success, skipped:stopped");
	state_is(web, STATE_HANDS_OFF);
}

/* What was over before our request says nothing about what came of it. */
static void test_news_from_before_the_request_are_old(void **state)
{
	uint64_t asked;

	(void)state;
	begin(NULL);
	wait_for(30 * SECOND);
	sick(web);
	asked = s.now;
	happened_at(web, EVENT_DIE, asked - 20 * SECOND);
	happened_at(web, EVENT_START, asked - 19 * SECOND);
	done(web);
	happened_at(web, EVENT_PAUSE, asked - 10 * SECOND);
	happened_at(web, EVENT_UNPAUSE, asked - 9 * SECOND);
	happened_at(web, EVENT_HEALTHY, asked - 8 * SECOND);
	turn();
	expect("RESTART, restart:success");
	state_is(web, STATE_VERIFYING);
}

/* Nor where the answer is read first, and the events of our restart after it.
 */
static void test_healthy_between_the_answer_and_its_start_is_no_recovery(void **state)
{
	(void)state;
	begin(NULL);
	sick(web);
	done(web);
	wait_for(200);
	event(web, EVENT_KILL);
	event(web, EVENT_HEALTHY);
	event(web, EVENT_DIE);
	event(web, EVENT_STOP);
	event(web, EVENT_START);
	event(web, EVENT_RESTARTED);
	turn();
	expect("RESTART, restart:success");
	state_is(web, STATE_VERIFYING);
	wait_for(5 * SECOND);
	happens(web, EVENT_HEALTHY);
	expect("recovered:healthy");
}

/* A database that replays its log gets its time. */
static void test_unhealthy_before_the_first_healthy_does_not_end_it(void **state)
{
	(void)state;
	begin(NULL);
	sick(web);
	restarted(web);
	wait_for(30 * SECOND);
	sick(web);
	facts(web, listed(HEALTH_BAD));
	facts(web, inspected(HEALTH_BAD));
	wait_for(80 * SECOND);
	expect("RESTART, restart:success");
	happens(web, EVENT_HEALTHY);
	expect("recovered:healthy");
	assert_int_equal(web->identity->heal->failures, 0);
}

static void test_an_exit_ends_the_verification(void **state)
{
	struct policy_facts f = exited();

	(void)state;
	begin(NULL);
	sick(web);
	restarted(web);
	wait_for(5 * SECOND);
	dies(web, 3);
	expect("RESTART, restart:success, not_recovered:exited");
	assert_int_equal(s.told.exit_code, 3);
	says("5 s after its restart");
	assert_int_equal(web->identity->heal->failures, 1);
	f.restart_policy = RESTARTS_ALWAYS;
	wait_for(POLICY_CRASH_MS);
	expect("INSPECT");
	facts(web, f);
	wait_for(HOUR);
	expect(""); /* the engine's restart policy has it now */
}

/* The stream missed it, and the list or the inspect at the end shows it. */
static void test_an_exit_is_seen_by_list_or_inspect_too(void **state)
{
	(void)state;
	for (int by_list = 0; by_list < 2; by_list++) {
		struct policy_facts f = exited();

		begin(NULL);
		sick(web);
		restarted(web);
		wait_for(by_list ? 30 * SECOND : 120 * SECOND);
		expect(by_list ? "RESTART, restart:success" : "RESTART, restart:success, INSPECT");
		f.whole = !by_list;
		facts(web, f);
		expect("not_recovered:exited");
		assert_int_equal(s.told.exit_code, by_list ? INT32_MIN : 1);
		wait_for(HOUR);
		expect("");
	}
}

static void test_it_is_seen_in_the_list_that_it_is_healthy(void **state)
{
	(void)state;
	begin(NULL);
	sick(web);
	restarted(web);
	wait_for(30 * SECOND);
	facts(web, listed(HEALTH_GOOD));
	expect("RESTART, restart:success, recovered:healthy");
}

/* One heal that does not help: its verification must last `patience`. */
static void not_recovered_after(uint64_t patience)
{
	restarted(web);
	expect("restart:success");
	wait_for(patience - 1);
	expect("");
	state_is(web, STATE_VERIFYING);
	wait_for(1);
	expect("INSPECT");
	still_sick(web);
}

static void test_patience_is_doubled_up_to_half_an_hour(void **state)
{
	static const uint64_t patience[] = {120, 240, 480, 960, 1800, 1800, 1800};
	static const uint64_t back_off[] = {10, 20, 40, 80, 160, 300, 300};

	(void)state;
	begin("AUTOHEAL_MAX_RESTARTS=0", NULL);
	sick(web);
	expect("RESTART");
	for (size_t i = 0; i < COUNT(patience); i++) {
		not_recovered_after(patience[i] * SECOND);
		expect("not_recovered:timeout");
		says("Still unhealthy");
		wait_for(back_off[i] * SECOND - 1);
		expect("");
		wait_for(1);
		expect("INSPECT");
		still_sick(web);
		expect("RESTART");
	}
}

static void test_after_a_failed_heal_the_cooldown_holds_too(void **state)
{
	(void)state;
	begin("AUTOHEAL_COOLDOWN=200", NULL);
	sick(web);
	expect("RESTART");
	not_recovered_after(120 * SECOND);
	expect("not_recovered:timeout");
	wait_for(80 * SECOND - 1);
	expect("");
	wait_for(1);
	expect("INSPECT");
}

static void test_patience_follows_the_healthcheck(void **state)
{
	struct policy_facts f = inspected(HEALTH_GOOD);

	(void)state;
	begin(NULL);
	f.check_time = 300;
	facts(web, f);
	sick(web);
	expect("RESTART");
	not_recovered_after(300 * SECOND);
	expect("not_recovered:timeout");
}

static void test_patience_follows_the_longest_recovery(void **state)
{
	(void)state;
	begin("AUTOHEAL_RECOVERY_TIMEOUT=100", NULL);
	sick(web);
	restarted(web);
	wait_for(90 * SECOND);
	happens(web, EVENT_HEALTHY);
	expect("RESTART, restart:success, recovered:healthy");
	wait_for(HOUR);
	sick(web);
	expect("RESTART");
	not_recovered_after(135 * SECOND);
	expect("not_recovered:timeout");
}

static void test_patience_is_doubled_after_a_sigkill(void **state)
{
	(void)state;
	begin(NULL);
	sick(web);
	expect("RESTART");
	happens(web, EVENT_KILL);
	wait_for(10 * SECOND);
	dies(web, 137);
	happens(web, EVENT_STOP);
	happens(web, EVENT_START);
	happens(web, EVENT_RESTARTED);
	done(web);
	expect("restart:success");
	wait_for(240 * SECOND - 1);
	expect("");
	wait_for(1);
	expect("INSPECT");
	still_sick(web);
	expect("not_recovered:timeout");
}

static void test_still_starting_at_the_end_is_a_timeout(void **state)
{
	(void)state;
	begin(NULL);
	sick(web);
	restarted(web);
	wait_for(120 * SECOND);
	expect("RESTART, restart:success, INSPECT");
	facts(web, inspected(HEALTH_STARTING));
	expect("not_recovered:timeout");
	says("Still starting");
}

static void test_no_news_at_the_end_is_asked_again(void **state)
{
	(void)state;
	begin(NULL);
	sick(web);
	restarted(web);
	wait_for(120 * SECOND);
	expect("RESTART, restart:success, INSPECT");
	look_failed(web);
	wait_for(10 * SECOND);
	expect("INSPECT");
	facts(web, inspected(HEALTH_GOOD));
	expect("recovered:healthy");
}

static void test_without_a_healthcheck_running_is_recovered(void **state)
{
	(void)state;
	begin(NULL);
	sick(web);
	restarted(web);
	wait_for(30 * SECOND);
	facts(web, listed(HEALTH_NONE));
	wait_for(90 * SECOND);
	expect("RESTART, restart:success, INSPECT");
	facts(web, inspected(HEALTH_NONE));
	expect("recovered:running");
}

/* Without a healthcheck a recovery takes as long as is waited for: no reason to wait longer the next time. Mended by
 * somebody hours later, it says no more. */
static void test_what_is_no_recovery_time_of_its_own(void **state)
{
	struct policy_facts down = exited();

	(void)state;
	down.health = HEALTH_NONE;
	begin("AUTOHEAL_RESTART_MODE=both", NULL);
	facts(web, listed(HEALTH_NONE));
	for (int i = 0; i < 3; i++) {
		dies(web, 1);
		wait_for(2 * SECOND);
		facts(web, down);
		expect("INSPECT, START");
		happens(web, EVENT_START);
		done(web);
		wait_for(120 * SECOND);
		expect("restart:success, INSPECT");
		facts(web, inspected(HEALTH_NONE));
		expect("recovered:running");
		wait_for(HOUR);
	}
	begin("AUTOHEAL_BACKOFF_MAX=36000", "AUTOHEAL_BACKOFF_INITIAL=36000", NULL);
	sick(web);
	expect("RESTART");
	not_recovered_after(120 * SECOND);
	wait_for(9 * HOUR);
	happens(web, EVENT_HEALTHY);
	assert_int_equal(web->identity->heal->longest, 30 * 60);
}

static void test_healthy_later_than_its_time_is_recovered_after_all(void **state)
{
	(void)state;
	begin(NULL);
	sick(web);
	expect("RESTART");
	not_recovered_after(120 * SECOND);
	expect("not_recovered:timeout");
	wait_for(5 * SECOND);
	happens(web, EVENT_HEALTHY);
	expect("recovered:healthy");
	assert_int_equal(s.told.duration_ms, 125 * SECOND);
	wait_for(HOUR);
	expect("");
	assert_int_equal(web->identity->heal->failures, 0);
}

static void test_a_relapse_counts_as_a_failed_heal(void **state)
{
	uint64_t healthy;

	(void)state;
	begin(NULL);
	healed(web);
	healthy = s.now;
	wait_for(119 * SECOND);
	sick(web);
	expect("not_recovered:relapsed");
	assert_int_equal(web->identity->heal->failures, 1);
	/* back-off runs from the relapse; the cooldown is over */
	wait_until(healthy, 129 * SECOND - 1);
	expect("");
	wait_for(1);
	expect("INSPECT");
	still_sick(web);
	expect("RESTART");
	not_recovered_after(240 * SECOND); /* patience is doubled */
	expect("not_recovered:timeout");
	assert_int_equal(web->identity->heal->failures, 2);
}

static void test_sick_after_the_recovery_time_is_a_new_incident(void **state)
{
	uint64_t first;

	(void)state;
	begin(NULL);
	healed(web);
	first = s.told.incident;
	wait_for(120 * SECOND);
	sick(web);
	expect("RESTART");
	assert_int_equal(web->identity->heal->failures, 0);
	restarted(web);
	assert_int_not_equal(s.told.incident, first);
}

static void test_failures_are_forgotten_after_the_recovery_time(void **state)
{
	(void)state;
	begin("AUTOHEAL_MAX_RESTARTS=0", NULL);
	sick(web);
	expect("RESTART");
	not_recovered_after(120 * SECOND);
	wait_for(10 * SECOND);
	expect("not_recovered:timeout, INSPECT");
	still_sick(web);
	restarted(web);
	happens(web, EVENT_HEALTHY);
	expect("RESTART, restart:success, recovered:healthy");
	assert_int_equal(web->identity->heal->failures, 1);
	wait_for(120 * SECOND - 1);
	assert_int_equal(web->identity->heal->failures, 1);
	wait_for(1);
	assert_int_equal(web->identity->heal->failures, 0);
	sick(web);
	expect("RESTART");
	not_recovered_after(120 * SECOND); /* patience too */
	expect("not_recovered:timeout");
}

/* Reset after it stayed healthy for the recovery time, whoever brought it back. */
static void test_failures_are_forgotten_whoever_made_it_healthy(void **state)
{
	(void)state;
	for (int by_person = 0; by_person < 2; by_person++) {
		begin(NULL);
		for (int i = 0; i < 3; i++) {
			sick(web);
			restarted(web);
			wait_for(5 * SECOND);
			if (by_person) {
				wait_for(115 * SECOND);
				still_sick(web);
				stops(web);
			} else {
				dies(web, 1); /* its own restart policy brings it back */
			}
			happens(web, EVENT_START);
			wait_for(5 * SECOND);
			happens(web, EVENT_HEALTHY);
			forget_what_happened();
			wait_for(24 * HOUR);
			expect("");
			assert_int_equal(web->identity->heal->failures, 0);
		}
	}
}

/* Its end may come before that of the echoes of our restart. */
static void test_a_short_recovery_time_ends_too(void **state)
{
	(void)state;
	begin("AUTOHEAL_RECOVERY_TIMEOUT=1", "AUTOHEAL_MAX_RESTARTS=0", "AUTOHEAL_COOLDOWN=0", NULL);
	policy_forget(&s.policy, web, true, s.now);
	web = sim_add(&s, 0, "db");
	sick(web);
	expect("RESTART, INSPECT");
	look_failed(web);
	done(web); /* the stream is away: no event of it is seen */
	expect("restart:success");
	for (int i = 0; i < 20; i++) {
		wait_for(SECOND);
		if (web->looking)
			still_sick(web);
	}
	if (!strstr(s.happened, "not_recovered:timeout"))
		fail_msg(
		    "after 20 s: %s, %s, nothing due", s.happened, policy_state_name(web->state));
}

static void test_the_restart_count(void **state)
{
	(void)state;
	begin("AUTOHEAL_MAX_RESTARTS=0", NULL);
	for (uint32_t i = 1; i <= 5; i++) {
		healed(web);
		assert_int_equal(web->identity->restarts, i);
		wait_for(HOUR);
	}
	/* it is the identity's: a recreated container goes on with it */
	policy_forget(&s.policy, web, true, s.now);
	web = known("web");
	healed(web);
	assert_int_equal(web->identity->restarts, 6);
	/* somebody else's restart is not counted */
	restarts(web);
	assert_int_equal(web->identity->restarts, 6);
}

/* ---- quarantine -------------------------------------------------------------------------------- */

/* Three heals in a row that do not help. */
static void quarantined_by_failures(void)
{
	sick(web);
	expect("RESTART");
	not_recovered_after(120 * SECOND);
	wait_for(10 * SECOND);
	still_sick(web);
	expect("not_recovered:timeout, INSPECT, RESTART");
	not_recovered_after(240 * SECOND);
	wait_for(20 * SECOND);
	still_sick(web);
	expect("not_recovered:timeout, INSPECT, RESTART");
	not_recovered_after(480 * SECOND);
	expect("not_recovered:timeout, quarantine:quarantined");
	state_is(web, STATE_QUARANTINED);
}

static void test_quarantine_after_failures_in_a_row(void **state)
{
	(void)state;
	begin(NULL);
	quarantined_by_failures();
	says("3 heals in a row");
	says("/api/containers/web/unquarantine");
	assert_int_equal(s.told.level, LOG_WARNING);
	sick(web);
	facts(web, listed(HEALTH_BAD));
	wait_for(HOUR - 1);
	expect("");
}

static void test_quarantine_by_count_in_the_window(void **state)
{
	(void)state;
	begin(NULL);
	for (int i = 0; i < 3; i++) {
		healed(web);
		wait_for(150 * SECOND); /* each a success, and no relapse */
	}
	sick(web);
	expect("quarantine:quarantined");
	says("restarted 3 times within 600 s");
	/* and not when they are spread wider */
	begin(NULL);
	for (int i = 0; i < 12; i++) {
		healed(web);
		wait_for(201 * SECOND);
	}
	expect("");
}

static void test_quarantine_by_refusals(void **state)
{
	(void)state;
	begin(NULL);
	sick(web);
	refused(web);
	wait_for(10 * SECOND);
	still_sick(web);
	refused(web);
	wait_for(20 * SECOND);
	still_sick(web);
	refused(web);
	expect("RESTART, restart:failure, INSPECT, RESTART, restart:failure, INSPECT, RESTART, "
	       "restart:failure, quarantine:quarantined");
}

static void test_zero_restarts_at_most_means_never_quarantine(void **state)
{
	struct label_settings own = sim_no_labels;

	(void)state;
	for (int by_label = 0; by_label < 2; by_label++) {
		begin(by_label ? "AUTOHEAL_MAX_RESTARTS=1" : "AUTOHEAL_MAX_RESTARTS=0", NULL);
		if (by_label) {
			own.max_restarts = 0;
			labels(web, own);
		}
		sick(web);
		for (int i = 0; i < 40; i++) {
			refused(web);
			wait_for(300 * SECOND);
			still_sick(web);
			forget_what_happened();
			state_is(web, STATE_RESTARTING);
		}
	}
}

static void test_max_restarts_by_label(void **state)
{
	struct label_settings own = sim_no_labels;

	(void)state;
	own.max_restarts = 1;
	begin(NULL);
	labels(web, own);
	healed(web);
	wait_for(200 * SECOND);
	sick(web);
	expect("quarantine:quarantined");

	own.max_restarts = CONFIG_RESTARTS_MAX;
	begin("AUTOHEAL_RESTART_WINDOW=1d", NULL);
	labels(web, own);
	for (int i = 0; i < CONFIG_RESTARTS_MAX; i++) {
		healed(web);
		wait_for(150 * SECOND);
	}
	sick(web);
	expect("quarantine:quarantined");
}

static void test_health_ends_the_quarantine_without_a_look(void **state)
{
	(void)state;
	begin(NULL);
	quarantined_by_failures();
	wait_for(100 * SECOND);
	happens(web, EVENT_HEALTHY);
	wait_for(119 * SECOND);
	expect("");
	sick(web); /* not long enough */
	wait_for(10 * SECOND);
	happens(web, EVENT_HEALTHY);
	wait_for(60 * SECOND);
	facts(web, listed(HEALTH_GOOD)); /* which begins nothing anew */
	wait_for(60 * SECOND - 1);
	expect("");
	wait_for(1);
	expect("auto_unquarantine:released");
	state_is(web, STATE_WATCHING);
	/* the failures in a row are forgotten: it is worth a heal again, at once */
	wait_for(10 * SECOND);
	sick(web);
	expect("RESTART");
	not_recovered_after(120 * SECOND);
	expect("not_recovered:timeout");
}

/* Whoever restarted it, and even when only the list saw it. */
static void test_health_seen_by_the_list_ends_the_quarantine(void **state)
{
	(void)state;
	begin(NULL);
	quarantined_by_failures();
	restarts(web);
	facts(web, listed(HEALTH_STARTING));
	facts(web, listed(HEALTH_GOOD));
	wait_for(120 * SECOND);
	expect("auto_unquarantine:released");
}

/* Release by health clears the failures, not the window. */
static void test_health_does_not_clear_the_window(void **state)
{
	(void)state;
	begin("AUTOHEAL_RESTART_WINDOW=1h", NULL);
	for (int i = 0; i < 3; i++) {
		healed(web);
		wait_for(150 * SECOND);
	}
	sick(web);
	expect("quarantine:quarantined");
	happens(web, EVENT_HEALTHY);
	wait_for(120 * SECOND);
	expect("auto_unquarantine:released");
	sick(web);
	expect("quarantine:quarantined");
}

static void test_a_person_ends_the_quarantine_and_it_is_acted_on_at_once(void **state)
{
	(void)state;
	begin("AUTOHEAL_RESTART_WINDOW=1d", "AUTOHEAL_COOLDOWN=1d", NULL);
	web->identity->heal = NULL;
	sick(web);
	refused(web); /* so that there is a back-off */
	forget_what_happened();
	for (int i = 0; i < 2; i++) {
		wait_for(20 * SECOND);
		still_sick(web);
		refused(web);
	}
	expect("INSPECT, RESTART, restart:failure, INSPECT, RESTART, restart:failure, "
	       "quarantine:quarantined");
	wait_for(SECOND);
	happens(web, EVENT_RELEASE);
	expect("unquarantine:released, INSPECT");
	still_sick(web);
	expect("RESTART");
	restarted(web);
	happens(web, EVENT_HEALTHY);
	expect("restart:success, recovered:healthy");
}

static void test_released_by_a_person_and_well(void **state)
{
	(void)state;
	begin(NULL);
	quarantined_by_failures();
	happens(web, EVENT_RELEASE);
	expect("unquarantine:released, INSPECT");
	facts(web, inspected(HEALTH_GOOD));
	wait_for(HOUR);
	expect("");
	healed(web);
}

static void test_one_further_try_per_retry_time(void **state)
{
	uint64_t then;

	(void)state;
	begin("AUTOHEAL_QUARANTINE_RETRY=30m", NULL);
	quarantined_by_failures();
	then = s.now;
	/* the first: does not help */
	wait_until(then, 30 * MINUTE - 1);
	expect("");
	wait_for(1);
	expect("INSPECT");
	still_sick(web);
	expect("RESTART");
	not_recovered_after(960 * SECOND);
	expect("not_recovered:timeout");
	state_is(web, STATE_QUARANTINED);
	/* the second: 30 min after that; it is refused */
	then = s.now;
	wait_until(then, 30 * MINUTE - 1);
	expect("");
	wait_for(1);
	expect("INSPECT");
	still_sick(web);
	refused(web);
	expect("RESTART, restart:failure");
	state_is(web, STATE_QUARANTINED);
	/* the third helps, and keeps helping */
	wait_for(30 * MINUTE);
	still_sick(web);
	restarted(web);
	expect("INSPECT, RESTART, restart:success");
	wait_for(5 * SECOND);
	happens(web, EVENT_HEALTHY);
	expect("recovered:healthy");
	state_is(web, STATE_QUARANTINED);
	wait_for(120 * SECOND);
	expect("auto_unquarantine:released");
	wait_for(2 * HOUR);
	expect("");
}

static void test_a_further_try_is_only_for_the_sick(void **state)
{
	static const char *const states[] = {"healthy", "starting", "exited", "paused", "restarting"};

	(void)state;
	for (size_t i = 0; i < COUNT(states); i++) {
		struct policy_facts f = inspected(HEALTH_BAD);

		begin(NULL);
		quarantined_by_failures();
		wait_for(HOUR);
		expect("INSPECT");
		change(&f, states[i]);
		facts(web, f);
		wait_for(SECOND);
		expect("");
	}
	begin("AUTOHEAL_QUARANTINE_RETRY=0", NULL);
	quarantined_by_failures();
	wait_for(48 * HOUR);
	expect("");
}

/* The time of a further try comes while it is proving its health: neither cuts the other short. */
static void test_a_further_try_amid_its_proof_of_health(void **state)
{
	(void)state;
	begin("AUTOHEAL_MAX_RESTARTS=1", "AUTOHEAL_QUARANTINE_RETRY=100", NULL);
	sick(web);
	refused(web);
	expect("RESTART, restart:failure, quarantine:quarantined");
	wait_for(30 * SECOND);
	happens(web, EVENT_HEALTHY);
	wait_for(70 * SECOND);
	expect("INSPECT");
	facts(web, inspected(HEALTH_GOOD));
	wait_for(50 * SECOND - 1);
	expect("");
	wait_for(1);
	expect("auto_unquarantine:released");
}

static void test_quarantine_survives_a_recreate(void **state)
{
	(void)state;
	begin(NULL);
	quarantined_by_failures();
	policy_forget(&s.policy, web, true, s.now);
	assert_int_equal(s.policy.containers.count, 0);
	wait_for(30 * SECOND);
	web = sim_add(&s, 0, "web");
	happens(web, EVENT_START);
	state_is(web, STATE_QUARANTINED);
	sick(web);
	expect("");
	happens(web, EVENT_HEALTHY);
	wait_for(120 * SECOND);
	expect("auto_unquarantine:released");
}

/* Also where its kill was told in a gap: older engines tell the exit first, newer ones the stop. */
static void test_a_person_stops_what_is_in_quarantine(void **state)
{
	(void)state;
	for (int way = 0; way < 3; way++) {
		begin(NULL);
		quarantined_by_failures();
		if (way == 0)
			happens(web, EVENT_KILL);
		if (way == 2)
			happens(web, EVENT_STOP);
		dies(web, 143);
		if (way < 2)
			happens(web, EVENT_STOP);
		for (int i = 0; i < 2; i++) {
			wait_for(HOUR);
			expect("INSPECT");
			facts(web, exited());
		}
		happens(web, EVENT_START);
		happens(web, EVENT_HEALTHY);
		wait_for(120 * SECOND);
		expect("auto_unquarantine:released");
	}
}

/* It exits right before its further try: a stop may follow that. */
static void test_a_further_try_amid_a_stop(void **state)
{
	(void)state;
	for (int by_person = 0; by_person < 2; by_person++) {
		begin("AUTOHEAL_RESTART_MODE=both", NULL);
		quarantined_by_failures();
		wait_for(HOUR - SECOND);
		dies(web, 1);
		wait_for(SECOND);
		expect("INSPECT");
		facts(web, exited());
		expect("");
		if (by_person)
			happens(web, EVENT_STOP);
		wait_for(SECOND);
		expect("INSPECT");
		facts(web, exited());
		expect(by_person ? "" : "START");
	}
}

/* Stop worked, start failed, three times: the further try is a start, and so is what follows a person's
 * release. */
static void test_what_our_restart_left_down_gets_its_further_try(void **state)
{
	(void)state;
	for (int by_person = 0; by_person < 2; by_person++) {
		begin(NULL);
		sick(web);
		stops(web);
		refused(web);
		for (int i = 0; i < 2; i++) {
			wait_for(20 * SECOND);
			facts(web, exited());
			refused(web);
		}
		expect("RESTART, restart:failure, INSPECT, START, restart:failure, INSPECT, START, "
		       "restart:failure, quarantine:quarantined");
		if (by_person) {
			happens(web, EVENT_RELEASE);
			expect("unquarantine:released, INSPECT");
		} else {
			wait_for(HOUR);
			expect("INSPECT");
		}
		facts(web, exited());
		expect("START");
	}
}

static void test_health_before_the_further_try_ends_the_quarantine_too(void **state)
{
	(void)state;
	begin("AUTOHEAL_MAX_RESTARTS=1", "AUTOHEAL_QUARANTINE_RETRY=5", NULL);
	sick(web);
	refused(web);
	wait_for(5 * SECOND);
	expect("RESTART, restart:failure, quarantine:quarantined, INSPECT");
	still_sick(web); /* and backs off for 5 s more */
	state_is(web, STATE_WAITING);
	happens(web, EVENT_HEALTHY);
	wait_for(120 * SECOND);
	if (!strstr(s.happened, "auto_unquarantine:released"))
		fail_msg("%s", s.happened);
}

static void test_a_person_ends_the_quarantine_during_the_further_try(void **state)
{
	(void)state;
	begin("AUTOHEAL_MAX_RESTARTS=1", NULL);
	sick(web);
	refused(web);
	wait_for(HOUR);
	still_sick(web);
	expect("RESTART, restart:failure, quarantine:quarantined, INSPECT, RESTART");
	restarted(web);
	expect("restart:success");
	assert_true(web->identity->heal->quarantined);
	happens(web, EVENT_RELEASE);
	expect("unquarantine:released");
}

static void test_next_action_in_words(void **state)
{
	const char *why;
	uint64_t at;

	(void)state;
	begin(NULL);
	assert_null(policy_next_action(&s.policy, web, &at, &why));
	sick(web);
	assert_null(policy_next_action(&s.policy, web, &at, &why));
	restarted(web);
	assert_string_equal(policy_next_action(&s.policy, web, &at, &why), "check");
	assert_int_equal(at, s.now + 120 * SECOND);
	happens(web, EVENT_HEALTHY);
	wait_for(HOUR);
	forget_what_happened();
	quarantined_by_failures();
	assert_string_equal(policy_next_action(&s.policy, web, &at, &why), "restart");
	assert_int_equal(at, s.now + HOUR);
	happens(web, EVENT_HEALTHY);
	assert_string_equal(policy_next_action(&s.policy, web, &at, &why), "release");
	assert_int_equal(at, s.now + 120 * SECOND);
	happens(web, EVENT_RELEASE);
	facts(web, inspected(HEALTH_GOOD));
	expect("unquarantine:released, INSPECT");
	sick(web);
	stops(web);
	refused(web);
	assert_string_equal(policy_next_action(&s.policy, web, &at, &why), "start");
}

/* ---- the list of stories ----------------------------------------------------------------------- */

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    STORY(recovered_carries_the_time_since_detection),
	    STORY(healthy_may_be_seen_before_the_answer),
	    STORY(healthy_before_its_start_is_no_recovery),
	    STORY(what_is_told_again_is_still_our_own_restart),
	    STORY(a_stop_that_is_told_late_is_a_stop),
	    STORY(news_from_before_the_request_are_old),
	    STORY(unhealthy_before_the_first_healthy_does_not_end_it),
	    STORY(an_exit_ends_the_verification),
	    STORY(an_exit_is_seen_by_list_or_inspect_too),
	    STORY(it_is_seen_in_the_list_that_it_is_healthy),
	    STORY(patience_is_doubled_up_to_half_an_hour),
	    STORY(after_a_failed_heal_the_cooldown_holds_too),
	    STORY(patience_follows_the_healthcheck),
	    STORY(patience_follows_the_longest_recovery),
	    STORY(patience_is_doubled_after_a_sigkill),
	    STORY(still_starting_at_the_end_is_a_timeout),
	    STORY(no_news_at_the_end_is_asked_again),
	    STORY(without_a_healthcheck_running_is_recovered),
	    STORY(what_is_no_recovery_time_of_its_own),
	    STORY(healthy_later_than_its_time_is_recovered_after_all),
	    STORY(a_relapse_counts_as_a_failed_heal),
	    STORY(sick_after_the_recovery_time_is_a_new_incident),
	    STORY(failures_are_forgotten_after_the_recovery_time),
	    STORY(the_restart_count),
	    STORY(quarantine_after_failures_in_a_row),
	    STORY(quarantine_by_count_in_the_window),
	    STORY(quarantine_by_refusals),
	    STORY(zero_restarts_at_most_means_never_quarantine),
	    STORY(max_restarts_by_label),
	    STORY(health_ends_the_quarantine_without_a_look),
	    STORY(health_seen_by_the_list_ends_the_quarantine),
	    STORY(health_does_not_clear_the_window),
	    STORY(a_person_ends_the_quarantine_and_it_is_acted_on_at_once),
	    STORY(released_by_a_person_and_well),
	    STORY(one_further_try_per_retry_time),
	    STORY(a_further_try_is_only_for_the_sick),
	    STORY(quarantine_survives_a_recreate),
	    STORY(a_person_stops_what_is_in_quarantine),
	    STORY(a_further_try_amid_a_stop),
	    STORY(next_action_in_words),
	    STORY(failures_are_forgotten_whoever_made_it_healthy),
	    STORY(a_short_recovery_time_ends_too),
	    STORY(what_our_restart_left_down_gets_its_further_try),
	    STORY(health_before_the_further_try_ends_the_quarantine_too),
	    STORY(a_person_ends_the_quarantine_during_the_further_try),
	    STORY(healthy_between_the_answer_and_its_start_is_no_recovery),
	    STORY(a_further_try_amid_its_proof_of_health),
	};

	return cmocka_run_group_tests_name("policy, outcome", tests, NULL, NULL);
}

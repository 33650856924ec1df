/* test_policy_restart.c - what policy.h promises about a request: what is asked for, every way in which
 * it can end, and how many are under way at once. */
#include "story.h"

/* ---- the request ------------------------------------------------------------------------------- */

static const struct {
	const char *environment;
	uint32_t label;
	const char *expected;
} stop_timeouts[] = {
    {NULL, WATCH_UNSET, "RESTART"}, /* the container's own holds: no t= at all */
    {"AUTOHEAL_DEFAULT_STOP_TIMEOUT=7", WATCH_UNSET, "RESTART t=7"},
    {"AUTOHEAL_DEFAULT_STOP_TIMEOUT=7", 25, "RESTART t=25"},
    {"AUTOHEAL_DEFAULT_STOP_TIMEOUT=0", WATCH_UNSET, "RESTART t=0"},
    {NULL, 25, "RESTART t=25"},
    {NULL, 0, "RESTART t=0"},
    {NULL, WATCH_FOREVER, "RESTART t=-1"},
};

static void test_the_stop_timeout_comes_from_label_environment_or_not_at_all(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(stop_timeouts); i++) {
		struct label_settings own = sim_no_labels;

		begin(stop_timeouts[i].environment, NULL);
		own.stop_timeout = stop_timeouts[i].label;
		labels(web, own);
		sick(web);
		expect(stop_timeouts[i].expected);
	}
}

static const struct {
	uint32_t own;   /* of the container, once inspected */
	uint32_t label; /* t= */
	uint64_t expected;
} deadlines[] = {
    {10, WATCH_UNSET, 50 * SECOND},
    {0, WATCH_UNSET, 40 * SECOND},
    {120, WATCH_UNSET, 160 * SECOND},
    {120, 5, 45 * SECOND},
    {WATCH_FOREVER, WATCH_UNSET, HOUR},
    {10, WATCH_FOREVER, HOUR},
    {WATCH_FOREVER, 5, 45 * SECOND},
};

/* At the deadline the connection is closed, one event is told, and nothing is sent again blindly. */
static void test_an_answer_is_awaited_for_stop_timeout_and_40_s(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(deadlines); i++) {
		struct label_settings own = sim_no_labels;
		struct policy_facts f = inspected(HEALTH_GOOD);

		begin(NULL);
		own.stop_timeout = deadlines[i].label;
		labels(web, own);
		f.stop_timeout = deadlines[i].own;
		facts(web, f);
		sick(web);
		forget_what_happened();
		wait_for(deadlines[i].expected - 1);
		expect("");
		state_is(web, STATE_RESTARTING);
		wait_for(1);
		expect("restart:failure, ABANDON");
		state_is(web, STATE_VERIFYING);
		assert_int_equal(s.told.level, LOG_WARNING);
	}
}

static void test_an_unknown_stop_timeout_waits_ten_minutes_until_it_is_known(void **state)
{
	struct container *c;

	(void)state;
	c = of_unknown_stop_timeout();
	look_failed(c); /* so it stays unknown */
	wait_for(10 * MINUTE - 1);
	expect("");
	wait_for(1);
	expect("restart:failure, ABANDON");

	c = of_unknown_stop_timeout();
	wait_for(3 * SECOND);
	still_sick(c); /* stop timeout 10 s: 50 s from the request */
	wait_for(47 * SECOND - 1);
	expect("");
	wait_for(1);
	expect("restart:failure, ABANDON");
}

/* What became of it is read from events and inspect. */
static void test_after_the_deadline_events_and_inspect_tell(void **state)
{
	(void)state;
	begin(NULL);
	sick(web);
	happens(web, EVENT_KILL);
	wait_for(50 * SECOND);
	expect("RESTART, restart:failure, ABANDON");
	happens(web, EVENT_HEALTHY);
	expect("recovered:healthy");

	begin(NULL);
	sick(web);
	wait_for(50 * SECOND);
	expect("RESTART, restart:failure, ABANDON");
	wait_for(120 * SECOND);
	expect("INSPECT");
	still_sick(web);
	expect("not_recovered:timeout");
	wait_for(10 * SECOND);
	expect("INSPECT");
	still_sick(web);
	expect("RESTART");
}

/* ---- refused ----------------------------------------------------------------------------------- */

/* An exited container has no start that could be asked for. */
static void test_what_our_restart_left_down_has_no_start_period(void **state)
{
	struct label_settings own = sim_no_labels;

	(void)state;
	own.start_period = 100 * SECOND;
	begin(NULL);
	labels(web, own);
	sick(web);
	facts(web, listed(HEALTH_STARTING)); /* so its start was missed */
	stops(web);
	refused(web);
	wait_for(10 * SECOND);
	expect("RESTART, restart:failure, INSPECT");
	facts(web, exited());
	expect("START");
}

/* Sick again and again; each try is refused. The wait before the next, or the quarantine. */
static void refused_and_waits(const uint64_t *waits, size_t count)
{
	sick(web);
	expect("RESTART");
	for (size_t i = 0; i < count; i++) {
		refused(web);
		if (waits[i]) {
			expect("restart:failure");
			state_is(web, STATE_WAITING);
			wait_for(waits[i] - 1);
			expect("");
			wait_for(1);
			expect("INSPECT");
			still_sick(web);
			expect("RESTART");
		} else {
			expect("restart:failure, INSPECT");
			still_sick(web);
			expect("RESTART");
		}
	}
}

static void test_back_off_grows_and_is_capped(void **state)
{
	static const uint64_t usual[] = {10 * SECOND, 20 * SECOND, 40 * SECOND, 80 * SECOND,
	    160 * SECOND, 300 * SECOND, 300 * SECOND, 300 * SECOND};
	static const uint64_t other[] = {5 * SECOND, 7500, 11250, 12 * SECOND, 12 * SECOND};
	static const uint64_t none[] = {0, 0, 0, 0};

	(void)state;
	begin("AUTOHEAL_MAX_RESTARTS=0", NULL);
	refused_and_waits(usual, COUNT(usual));
	begin("AUTOHEAL_MAX_RESTARTS=0", "AUTOHEAL_BACKOFF_INITIAL=5",
	    "AUTOHEAL_BACKOFF_MULTIPLIER=1.5", "AUTOHEAL_BACKOFF_MAX=12", NULL);
	refused_and_waits(other, COUNT(other));
	begin("AUTOHEAL_MAX_RESTARTS=0", "AUTOHEAL_BACKOFF=false", NULL);
	refused_and_waits(none, COUNT(none));
}

static void test_a_refusal_is_told_in_the_engines_words(void **state)
{
	(void)state;
	begin(NULL);
	sick(web);
	answer(web, ANSWER_REFUSED, 500, "Cannot restart: \x1b[31mNo such container: abc\n");
	expect("RESTART, restart:failure");
	says("(500): Cannot restart: \\x1b[31mNo such container: abc\\x0a");
	assert_string_equal(s.told.did, "restart");
	/* another container's absence is not its own: it is tried again */
	wait_for(10 * SECOND);
	expect("INSPECT");
}

static void test_a_proxy_that_forbids_is_named_with_its_remedy(void **state)
{
	(void)state;
	begin(NULL);
	sick(web);
	answer(web, ANSWER_REFUSED, 403, "Forbidden");
	expect("RESTART, restart:failure");
	says("forbids to restart it (403, Forbidden): give the proxy POST=1, or ALLOW_RESTARTS=1 ");
	wait_for(10 * SECOND - 1);
	expect("");
	wait_for(1);
	expect("INSPECT");
}

static void test_one_that_is_gone_is_forgotten(void **state)
{
	(void)state;
	begin(NULL);
	sick(web);
	assert_false(answer(web, ANSWER_REFUSED, 404, "No such container: web"));
	expect("RESTART, restart:failure, skipped:gone");
	assert_int_equal(s.policy.containers.count, 0);
	assert_int_equal(s.policy.engines[0].busy, 0);
	wait_for(HOUR);
	expect("");
}

/* Stop worked, start failed. */
static void left_down(void)
{
	sick(web);
	expect("RESTART");
	stops(web);
	refused(web);
	expect("restart:failure");
}

static void test_what_our_restart_left_down_is_started_until_it_is_up(void **state)
{
	static const uint64_t waits[] = {10 * SECOND, 20 * SECOND, 40 * SECOND};

	(void)state;
	begin("AUTOHEAL_MAX_RESTARTS=0", NULL);
	left_down();
	for (size_t i = 0; i < COUNT(waits); i++) {
		wait_for(waits[i] - 1);
		expect("");
		wait_for(1);
		expect("INSPECT");
		facts(web, exited());
		expect("START");
		if (i + 1 == COUNT(waits))
			break;
		refused(web);
		expect("restart:failure");
		assert_string_equal(s.told.did, "start");
	}
	happens(web, EVENT_START);
	done(web);
	expect("restart:success");
	assert_string_equal(s.told.did, "start");
	wait_for(5 * SECOND);
	happens(web, EVENT_HEALTHY);
	expect("recovered:healthy");
	assert_int_equal(s.told.duration_ms, 75 * SECOND);
	assert_int_equal(web->identity->restarts, 4);
}

/* Nothing else would stand between a start that is refused at once and the next: no cooldown, no count, no look. */
static void test_without_backoff_a_start_that_is_refused_waits_a_second(void **state)
{
	(void)state;
	begin("AUTOHEAL_MAX_RESTARTS=0", "AUTOHEAL_BACKOFF=false", "AUTOHEAL_COOLDOWN=0", NULL);
	left_down();
	for (int i = 0; i < 5; i++) {
		wait_for(SECOND - 1);
		expect("");
		wait_for(1);
		expect("INSPECT");
		facts(web, exited());
		expect("START");
		refused(web);
		expect("restart:failure");
	}
}

/* The right to start is another one than the right to restart. */
static void test_a_proxy_that_forbids_a_start_is_named_with_its_remedy(void **state)
{
	(void)state;
	begin(NULL);
	left_down();
	wait_for(10 * SECOND);
	expect("INSPECT");
	facts(web, exited());
	expect("START");
	answer(web, ANSWER_REFUSED, 403, "Forbidden");
	expect("restart:failure");
	says("forbids to start it (403, Forbidden): give the proxy POST=1, or ALLOW_START=1 ");
	wait_for(20 * SECOND - 1);
	expect("");
}

static void test_what_our_restart_left_down_ends_in_quarantine(void **state)
{
	(void)state;
	begin(NULL);
	left_down();
	wait_for(10 * SECOND);
	facts(web, exited());
	refused(web);
	expect("INSPECT, START, restart:failure");
	wait_for(20 * SECOND);
	facts(web, exited());
	expect("INSPECT, START");
	refused(web);
	expect("restart:failure, quarantine:quarantined");
	state_is(web, STATE_QUARANTINED);
}

/* The stream may lag behind the answer. */
static void test_the_exit_may_be_seen_after_the_refusal(void **state)
{
	(void)state;
	begin(NULL);
	sick(web);
	refused(web);
	expect("RESTART, restart:failure");
	wait_for(1 * SECOND);
	stops(web);
	expect("");
	state_is(web, STATE_WAITING);
	wait_for(9 * SECOND);
	expect("INSPECT");
	facts(web, exited());
	expect("START");
}

static void test_somebody_else_starts_what_we_left_down(void **state)
{
	(void)state;
	begin(NULL);
	left_down();
	wait_for(3 * SECOND);
	happens(web, EVENT_START);
	state_is(web, STATE_VERIFYING);
	wait_for(1 * SECOND);
	happens(web, EVENT_HEALTHY);
	expect("recovered:healthy");
	wait_for(HOUR);
	expect("");
}

/* It was not our start, and so what follows is no echo of ours. */
static void test_somebody_else_starts_and_stops_what_we_left_down(void **state)
{
	(void)state;
	begin(NULL);
	left_down();
	wait_for(3 * SECOND);
	happens(web, EVENT_START);
	wait_for(SECOND);
	stops(web);
	state_is(web, STATE_HANDS_OFF);
	wait_for(HOUR);
	expect("skipped:stopped");
}

static void test_a_refused_one_that_recovers_is_left_alone(void **state)
{
	(void)state;
	begin(NULL);
	sick(web);
	refused(web);
	expect("RESTART, restart:failure");
	wait_for(10 * SECOND);
	expect("INSPECT");
	facts(web, inspected(HEALTH_GOOD));
	expect("recovered:healthy");
	state_is(web, STATE_WATCHING);
}

/* ---- unsent ------------------------------------------------------------------------------------ */

static void test_a_request_that_never_left_is_no_restart(void **state)
{
	static const uint64_t waits[] = {1, 2, 4, 8, 10, 10, 10, 10};

	(void)state;
	begin(NULL);
	sick(web);
	expect("RESTART");
	for (size_t i = 0; i < COUNT(waits); i++) {
		assert_int_equal(web->identity->restarts, 1);
		unsent(web);
		assert_int_equal(web->identity->restarts, 0);
		assert_int_equal(s.policy.engines[0].busy, 0);
		expect("");
		wait_for(waits[i] * SECOND - 1);
		expect("");
		wait_for(1);
		expect("INSPECT");
		still_sick(web);
		expect("RESTART");
	}
	/* no quarantine, no back-off; and when the engine is there again, all is as it would have been */
	restarted(web);
	happens(web, EVENT_HEALTHY);
	expect("restart:success, recovered:healthy");
	assert_int_equal(web->identity->restarts, 1);
	assert_int_equal(web->identity->heal->failures, 0);
	assert_int_equal(s.told.duration_ms, 55 * SECOND);
}

static void test_an_engine_that_is_away_cannot_be_asked_either(void **state)
{
	(void)state;
	begin(NULL);
	sick(web);
	unsent(web);
	wait_for(1 * SECOND);
	expect("RESTART, INSPECT");
	for (int i = 0; i < 5; i++) {
		look_failed(web);
		assert_int_equal(s.policy.engines[0].busy, 0);
		wait_for(10 * SECOND);
		expect("INSPECT");
	}
	still_sick(web);
	expect("RESTART");
}

/* The question beside the request, after the stop timeout, ended with it: it puts nothing off. */
static void test_a_question_beside_an_unsent_request_puts_nothing_off(void **state)
{
	struct container *c;

	(void)state;
	c = of_unknown_stop_timeout();
	unsent(c);
	look_failed(c);
	wait_for(1 * SECOND - 1);
	expect("");
	wait_for(1);
	expect("INSPECT");
	still_sick(c);
	expect("RESTART");
}

/* The list shows that the engine is there again, and the container as sick as before. */
static void test_a_list_ends_the_wait_for_the_engine(void **state)
{
	(void)state;
	begin(NULL);
	sick(web);
	unsent(web);
	wait_for(1 * SECOND);
	expect("RESTART, INSPECT");
	look_failed(web);
	wait_for(3 * SECOND);
	expect("");
	facts(web, listed(HEALTH_BAD));
	expect("INSPECT");
	still_sick(web);
	expect("RESTART");

	/* but no other wait */
	begin("AUTOHEAL_COOLDOWN=60", NULL);
	healed(web);
	sick(web);
	wait_for(30 * SECOND);
	forget_what_happened();
	facts(web, listed(HEALTH_BAD));
	expect("");
	state_is(web, STATE_WAITING);
}

static void test_unsent_and_then_stopped_by_a_person(void **state)
{
	(void)state;
	begin(NULL);
	sick(web);
	unsent(web);
	wait_for(1 * SECOND);
	expect("RESTART, INSPECT");
	facts(web, exited());
	expect("skipped:stopped");
	wait_for(HOUR);
	expect("");
}

/* ---- lost -------------------------------------------------------------------------------------- */

static void request_is_lost(void)
{
	begin(NULL);
	sick(web);
	expect("RESTART");
	wait_for(3 * SECOND);
	lost(web);
	expect("INSPECT");
	state_is(web, STATE_RESTARTING);
	assert_int_equal(s.policy.engines[0].busy, 0);
}

static void test_a_lost_answer_is_settled_by_a_start_seen_before(void **state)
{
	(void)state;
	begin(NULL);
	sick(web);
	restarts(web);
	lost(web);
	expect("RESTART, restart:success");
	state_is(web, STATE_VERIFYING);
	wait_for(3 * SECOND);
	happens(web, EVENT_HEALTHY);
	expect("recovered:healthy");
}

static void test_a_lost_answer_is_settled_by_a_start_seen_later(void **state)
{
	(void)state;
	request_is_lost();
	restarts(web);
	expect("restart:success");
	still_sick(web); /* the look, which was asked before: no word on what comes now */
	expect("");
	state_is(web, STATE_VERIFYING);
}

static void test_a_lost_answer_is_settled_by_its_age(void **state)
{
	struct policy_facts f = inspected(HEALTH_STARTING);

	(void)state;
	request_is_lost();
	f.age_ms = 2 * SECOND;
	facts(web, f);
	expect("restart:success");
	state_is(web, STATE_VERIFYING);
	assert_int_equal(web->identity->restarts, 1);
}

/* Podman calls it `stopping`, and neither running nor exited: its start is yet to come. */
static void test_a_lost_answer_is_not_settled_while_it_is_stopping(void **state)
{
	struct policy_facts f = exited();

	(void)state;
	request_is_lost();
	f.stopping = true;
	for (int i = 0; i < 5; i++) {
		facts(web, f);
		expect("");
		wait_for(POLICY_LOOK_AGAIN_MS);
		expect("INSPECT");
	}
	restarts(web);
	expect("restart:success");
}

/* It was started shortly before the request, and the engine is still at its stop. */
static void test_a_lost_answer_is_not_settled_by_an_earlier_start(void **state)
{
	struct policy_facts f = inspected(HEALTH_BAD);

	(void)state;
	request_is_lost();
	f.age_ms = 3 * SECOND + 1;
	facts(web, f);
	expect("");
	state_is(web, STATE_RESTARTING);
	restarts(web);
	expect("restart:success");
	state_is(web, STATE_VERIFYING);
}

static void test_a_lost_answer_is_settled_by_an_exit_that_lasts(void **state)
{
	(void)state;
	request_is_lost();
	facts(web, exited());
	expect(""); /* it may be between stop and start */
	wait_for(POLICY_LOOK_AGAIN_MS);
	expect("INSPECT");
	facts(web, exited());
	expect("restart:failure");
	wait_for(10 * SECOND);
	expect("INSPECT");
	facts(web, exited());
	expect("START");
}

/* A restart begins with a kill. Without one for stop timeout + 10 s it never will. */
static void test_a_lost_answer_is_settled_when_nothing_began(void **state)
{
	uint64_t asked;

	(void)state;
	request_is_lost();
	asked = s.now - 3 * SECOND;
	while (s.now < asked + 19 * SECOND) {
		still_sick(web);
		expect("");
		wait_for(POLICY_LOOK_AGAIN_MS);
		expect("INSPECT");
	}
	wait_until(asked, 20 * SECOND);
	still_sick(web);
	expect("restart:failure");
	wait_for(10 * SECOND);
	expect("INSPECT");
	still_sick(web);
	expect("RESTART");
}

/* The engine took it up: it is waited for, however often it is looked at. */
static void test_a_lost_answer_is_awaited_when_it_began(void **state)
{
	uint64_t asked;

	(void)state;
	request_is_lost();
	asked = s.now - 3 * SECOND;
	happens(web, EVENT_KILL);
	while (s.now < asked + 49 * SECOND) {
		still_sick(web);
		expect("");
		wait_for(POLICY_LOOK_AGAIN_MS);
		expect("INSPECT");
	}
	still_sick(web);
	wait_until(asked, 49 * SECOND + POLICY_LOOK_AGAIN_MS);
	expect("restart:failure"); /* and no connection to close */
	state_is(web, STATE_VERIFYING);
}

static void test_a_lost_answer_and_looks_that_fail(void **state)
{
	(void)state;
	request_is_lost();
	for (int i = 0; i < 23; i++) {
		look_failed(web);
		wait_for(POLICY_LOOK_AGAIN_MS);
		expect("INSPECT");
	}
	look_failed(web);
	wait_for(POLICY_LOOK_AGAIN_MS);
	expect("restart:failure");
	state_is(web, STATE_VERIFYING);
	wait_for(120 * SECOND);
	expect("INSPECT");
	still_sick(web);
	expect("not_recovered:timeout");
}

/* What the engine does after the deadline is still our restart, and no person's. */
static void test_what_comes_after_the_deadline_is_still_ours(void **state)
{
	static const char *const orders[] = {"die stop start restart", "kill die stop start restart"};

	(void)state;
	for (size_t i = 0; i < COUNT(orders); i++) {
		struct span order = span_of(orders[i]);
		enum policy_event_kind kind;

		begin(NULL);
		sick(web);
		if (i == 0)
			happens(web, EVENT_KILL);
		wait_for(50 * SECOND);
		expect("RESTART, restart:failure, ABANDON");
		wait_for(5 * SECOND);
		while (next_event(&order, &kind))
			happens(web, kind);
		happens(web, EVENT_HEALTHY);
		expect("recovered:healthy");
	}
}

static void test_an_exit_between_its_start_and_the_answer_counts(void **state)
{
	(void)state;
	for (int healthy = 0; healthy < 2; healthy++) {
		begin(NULL);
		sick(web);
		restarts(web);
		if (healthy)
			happens(web, EVENT_HEALTHY);
		dies(web, 1);
		done(web);
		expect("RESTART, restart:success, not_recovered:exited");
		assert_false(web->running);
	}
}

/* Our restart succeeded, it only did not help; what stopped it then is not known. */
static void test_stopped_while_nobody_watched_after_a_heal_that_did_not_help(void **state)
{
	(void)state;
	begin("AUTOHEAL_COOLDOWN=10m", NULL);
	sick(web);
	restarted(web);
	wait_for(120 * SECOND);
	still_sick(web);
	expect("RESTART, restart:success, INSPECT, not_recovered:timeout");
	/* the stream is away, and a person stops it */
	facts(web,
	    (struct policy_facts){.stop_timeout = WATCH_UNSET, .health = HEALTH_NONE, .age_ms = -1});
	wait_for(10 * MINUTE);
	if (web->looking)
		facts(web, exited());
	if (strstr(s.happened, "START"))
		fail_msg("%s", s.happened);
}

/* The engine carried it out unseen, or never: once it is healthy, its verification is over, and what
 * happens then is somebody else's again. */
static void test_a_person_after_the_deadline_and_the_recovery(void **state)
{
	(void)state;
	begin(NULL);
	sick(web);
	wait_for(50 * SECOND);
	happens(web, EVENT_HEALTHY);
	expect("RESTART, restart:failure, ABANDON, recovered:healthy");
	wait_for(10 * SECOND);
	stops(web);
	state_is(web, STATE_HANDS_OFF);
}

static void test_a_person_after_the_deadline_and_a_pause(void **state)
{
	(void)state;
	begin(NULL);
	sick(web);
	wait_for(50 * SECOND);
	happens(web, EVENT_PAUSE);
	happens(web, EVENT_UNPAUSE);
	expect("RESTART, restart:failure, ABANDON, skipped:paused");
	wait_for(10 * SECOND);
	stops(web);
	state_is(web, STATE_HANDS_OFF);
}

static void test_a_person_after_the_deadline_and_a_recreate(void **state)
{
	(void)state;
	begin(NULL);
	sick(web);
	wait_for(50 * SECOND);
	expect("RESTART, restart:failure, ABANDON");
	policy_forget(&s.policy, web, true, s.now);
	web = sim_add(&s, 0, "web");
	happens(web, EVENT_START);
	wait_for(10 * SECOND);
	stops(web);
	state_is(web, STATE_HANDS_OFF);
}

static void test_a_person_after_the_deadline_and_a_late_restart_of_podmans(void **state)
{
	(void)state;
	for (int start_is_seen = 0; start_is_seen < 2; start_is_seen++) {
		begin(NULL);
		s.policy.engines[0].asks_first = true;
		facts(web, inspected(HEALTH_BAD));
		wait_for(50 * SECOND);
		expect("RESTART, restart:failure, ABANDON");
		happens(web, EVENT_RESTARTED);
		if (start_is_seen) {
			happens(web, EVENT_STOP);
			dies(web, 0);
			happens(web, EVENT_START);
		}
		facts(web, listed(HEALTH_GOOD));
		expect("recovered:healthy");
		wait_for(10 * SECOND);
		happens(web, EVENT_STOP);
		dies(web, 0);
		state_is(web, STATE_HANDS_OFF);
	}
}

/* Excluded and taken up again; then a restart, ours or not, is read together with the unhealthy before it. */
static void test_a_start_voids_the_proof(void **state)
{
	struct span events = span_of("unhealthy kill die stop start restart");
	enum policy_event_kind kind;

	(void)state;
	begin("AUTOHEAL_COOLDOWN=0", NULL);
	sick(web);
	wait_for(50 * SECOND);
	expect("RESTART, restart:failure, ABANDON");
	policy_forget(&s.policy, web, false, s.now);
	web = known("web");
	while (next_event(&events, &kind))
		event(web, kind);
	turn();
	if (strstr(s.happened, "RESTART"))
		fail_msg("%s", s.happened);
}

/* The same where the events of our own restart come together, after its answer was lost and settled.
 */
static void test_a_start_of_ours_voids_the_proof(void **state)
{
	struct span events = span_of("healthy unhealthy kill die stop start restart");
	struct policy_facts f = inspected(HEALTH_STARTING);
	enum policy_event_kind kind;

	(void)state;
	f.age_ms = SECOND;
	begin("AUTOHEAL_COOLDOWN=0", "AUTOHEAL_BACKOFF=false", NULL);
	sick(web);
	wait_for(3 * SECOND);
	lost(web);
	facts(web, f);
	expect("RESTART, INSPECT, restart:success");
	while (next_event(&events, &kind))
		event(web, kind);
	turn();
	if (strstr(s.happened, "RESTART"))
		fail_msg("%s", s.happened);
}

/* The same with an exit alone. */
static void test_an_exit_voids_the_proof(void **state)
{
	(void)state;
	begin("AUTOHEAL_COOLDOWN=0", NULL);
	sick(web);
	wait_for(50 * SECOND);
	expect("RESTART, restart:failure, ABANDON");
	policy_forget(&s.policy, web, false, s.now);
	web = known("web");
	event(web, EVENT_UNHEALTHY);
	event(web, EVENT_DIE);
	turn();
	if (strstr(s.happened, "RESTART"))
		fail_msg("%s", s.happened);
}

/* ---- slots ------------------------------------------------------------------------------------- */

static struct container *all[6];

/* max_parallel 2, and a, b, c, d, e, f fall ill in this order, in one read. */
static void six_fall_ill(void)
{
	begin("AUTOHEAL_MAX_PARALLEL=2", NULL);
	policy_forget(&s.policy, web, true, s.now);
	for (size_t i = 0; i < COUNT(all); i++)
		all[i] = known((char[]){(char)('a' + i), 0});
	for (size_t i = 0; i < COUNT(all); i++)
		event(all[i], EVENT_UNHEALTHY);
	turn();
	expect("RESTART a, RESTART b");
	assert_int_equal(s.policy.engines[0].busy, 2);
	wait_for(12 * SECOND);
	expect("");
}

static void test_at_most_so_many_at_once_the_rest_in_order(void **state)
{
	char words[100];

	(void)state;
	six_fall_ill();
	for (size_t i = 0; i < COUNT(all); i++) {
		restarted(all[i]);
		if (i + 2 < COUNT(all)) {
			struct container *next = all[i + 2];

			snprintf(words, sizeof words, "restart:success %s, INSPECT %s",
			    all[i]->name, next->name);
			expect(words);
			still_sick(next);
			snprintf(words, sizeof words, "RESTART %s", next->name);
			expect(words);
			assert_int_equal(s.policy.engines[0].busy, 2);
		} else {
			snprintf(words, sizeof words, "restart:success %s", all[i]->name);
			expect(words);
		}
	}
	assert_int_equal(s.policy.engines[0].busy, 0);
	assert_null(s.policy.engines[0].first);
}

static const struct {
	enum policy_answer_kind kind;
	int status;
	const char *expected;
} endings[] = {
    {ANSWER_DONE, 204, "restart:success a, INSPECT c"},
    {ANSWER_REFUSED, 500, "restart:failure a, INSPECT c"},
    {ANSWER_REFUSED, 404, "restart:failure a, skipped:gone a, INSPECT c"},
    {ANSWER_UNSENT, 0, "INSPECT c"},
    {ANSWER_LOST, 0, "INSPECT c, INSPECT a"},
};

static void test_every_ending_hands_its_slot_on(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(endings); i++) {
		six_fall_ill();
		answer(all[0], endings[i].kind, endings[i].status, "");
		expect(endings[i].expected);
		assert_int_equal(s.policy.engines[0].busy, 2);
	}
	six_fall_ill();
	wait_for(38 * SECOND); /* the deadline of both */
	expect("restart:failure a, ABANDON a, restart:failure b, ABANDON b, INSPECT c, INSPECT d");
	assert_int_equal(s.policy.engines[0].busy, 2);
	/* what is looked at and needs nothing gives its slot away */
	facts(all[2], inspected(HEALTH_GOOD));
	expect("skipped:recovered c, INSPECT e");
	look_failed(all[3]);
	expect("INSPECT f");
	policy_forget(&s.policy, all[4], true, s.now);
	still_sick(all[5]);
	expect("RESTART f");
	assert_int_equal(s.policy.engines[0].busy, 1);
	assert_null(s.policy.engines[0].first);
}

static void test_who_needs_no_slot_any_more_leaves_the_queue(void **state)
{
	(void)state;
	six_fall_ill();
	happens(all[2], EVENT_HEALTHY);
	stops(all[4]);
	policy_forget(&s.policy, all[5], true, s.now);
	expect("skipped:recovered c, skipped:stopped e");
	restarted(all[0]);
	expect("restart:success a, INSPECT d");
	still_sick(all[3]);
	restarted(all[1]);
	restarted(all[3]);
	expect("RESTART d, restart:success b, restart:success d");
	assert_int_equal(s.policy.engines[0].busy, 0);
	assert_null(s.policy.engines[0].first);
	assert_null(s.policy.engines[0].last);
}

static void test_every_engine_has_slots_of_its_own(void **state)
{
	struct container *c[4];

	(void)state;
	begin("AUTOHEAL_MAX_PARALLEL=1", NULL);
	policy_forget(&s.policy, web, true, s.now);
	for (size_t i = 0; i < 4; i++) {
		c[i] = sim_add(&s, (unsigned)(i % 2 ? 63 : 0), (char[]){(char)('a' + i), 0});
		facts(c[i], inspected(HEALTH_GOOD));
	}
	for (size_t i = 0; i < 4; i++)
		event(c[i], EVENT_UNHEALTHY);
	turn();
	expect("RESTART a, RESTART b");
	restarted(c[1]);
	expect("restart:success b, INSPECT d");
}

/* A slow one holds up nobody but who needs its slot. */
static void test_a_slow_stop_delays_no_other(void **state)
{
	struct container *db;

	(void)state;
	begin(NULL);
	db = known("db");
	sick(db);
	expect("RESTART db");
	for (int i = 0; i < 3; i++) {
		wait_for(10 * SECOND);
		happens(web, EVENT_HEALTHY);
	}
	sick(web);
	expect("RESTART web");
}

/* ---- the list of stories ----------------------------------------------------------------------- */

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    STORY(the_stop_timeout_comes_from_label_environment_or_not_at_all),
	    STORY(an_answer_is_awaited_for_stop_timeout_and_40_s),
	    STORY(an_unknown_stop_timeout_waits_ten_minutes_until_it_is_known),
	    STORY(after_the_deadline_events_and_inspect_tell),
	    STORY(back_off_grows_and_is_capped),
	    STORY(a_refusal_is_told_in_the_engines_words),
	    STORY(a_proxy_that_forbids_is_named_with_its_remedy),
	    STORY(one_that_is_gone_is_forgotten),
	    STORY(what_our_restart_left_down_is_started_until_it_is_up),
	    STORY(without_backoff_a_start_that_is_refused_waits_a_second),
	    STORY(a_proxy_that_forbids_a_start_is_named_with_its_remedy),
	    STORY(what_our_restart_left_down_ends_in_quarantine),
	    STORY(the_exit_may_be_seen_after_the_refusal),
	    STORY(somebody_else_starts_what_we_left_down),
	    STORY(a_refused_one_that_recovers_is_left_alone),
	    STORY(a_request_that_never_left_is_no_restart),
	    STORY(an_engine_that_is_away_cannot_be_asked_either),
	    STORY(a_question_beside_an_unsent_request_puts_nothing_off),
	    STORY(a_list_ends_the_wait_for_the_engine),
	    STORY(unsent_and_then_stopped_by_a_person),
	    STORY(a_lost_answer_is_settled_by_a_start_seen_before),
	    STORY(a_lost_answer_is_settled_by_a_start_seen_later),
	    STORY(a_lost_answer_is_settled_by_its_age),
	    STORY(a_lost_answer_is_not_settled_while_it_is_stopping),
	    STORY(a_lost_answer_is_not_settled_by_an_earlier_start),
	    STORY(a_lost_answer_is_settled_by_an_exit_that_lasts),
	    STORY(a_lost_answer_is_settled_when_nothing_began),
	    STORY(a_lost_answer_is_awaited_when_it_began),
	    STORY(a_lost_answer_and_looks_that_fail),
	    STORY(at_most_so_many_at_once_the_rest_in_order),
	    STORY(every_ending_hands_its_slot_on),
	    STORY(who_needs_no_slot_any_more_leaves_the_queue),
	    STORY(every_engine_has_slots_of_its_own),
	    STORY(a_slow_stop_delays_no_other),
	    STORY(what_comes_after_the_deadline_is_still_ours),
	    STORY(an_exit_between_its_start_and_the_answer_counts),
	    STORY(stopped_while_nobody_watched_after_a_heal_that_did_not_help),
	    STORY(a_person_after_the_deadline_and_the_recovery),
	    STORY(a_person_after_the_deadline_and_a_pause),
	    STORY(a_person_after_the_deadline_and_a_recreate),
	    STORY(what_our_restart_left_down_has_no_start_period),
	    STORY(somebody_else_starts_and_stops_what_we_left_down),
	    STORY(a_person_after_the_deadline_and_a_late_restart_of_podmans),
	    STORY(a_start_voids_the_proof),
	    STORY(an_exit_voids_the_proof),
	    STORY(a_start_of_ours_voids_the_proof),
	};

	return cmocka_run_group_tests_name("policy, requests", tests, NULL, NULL);
}

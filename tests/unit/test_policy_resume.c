/* test_policy_resume.c - what policy.h promises about what outlives autoheal: counts, quarantine, incidents, and a
 * restart that its end cut off. */
#include "story.h"

#include "policy_parts.h"

/* autoheal ends, and begins again `away` ms later: the trouble of web is read back as it stands, nothing else is. */
static void ends_and_begins(uint64_t away)
{
	struct heal kept = *web->identity->heal;
	uint32_t restarts = web->identity->restarts;
	uint64_t now = s.now + away, incidents = s.policy.incidents;
	struct identity *identity;
	uint8_t state = web->state;

	memcpy(kept.of, web->id, 32);
	kept.phase = state;
	if (state == STATE_VERIFYING)
		kept.deadline = web->due;
	/* what its record does not hold */
	kept.own_until = kept.look_at = kept.killed_at = kept.stays_up = kept.healthy_since = 0;
	kept.proven = kept.began = kept.started = kept.lost = kept.late = kept.echo_over = false;
	kept.unseen = kept.ended = false;
	kept.waiting = WAIT_NOTHING;
	policy_free(&s.policy);
	s.policy = (struct policy){0};
	s.now = now;
	policy_init(&s.policy, &s.settings, now, 43, 1);
	/* as if the loop's clock were one: the window is counted in seconds of the epoch */
	s.policy.containers.epoch = SIM_BEGINS - CONTAINERS_PAST_MS;
	identity = containers_identity(&s.policy.containers, span_of("web"), true);
	*containers_heal(identity) = kept;
	identity->restarts = restarts;
	identity->announced = true;
	policy_resume(&s.policy, identity, now);
	assert_true(s.policy.incidents >= incidents || !kept.incident);
	assert_int_equal(policy_next(&s.policy), NEVER);
	web = NULL;
}

static struct container *listed_as(const uint8_t id[32], bool running)
{
	struct identity *identity = containers_identity(&s.policy.containers, span_of("web"), true);
	struct action list[POLICY_ACTIONS_MAX];
	struct actions out = {.list = list, .room = POLICY_ACTIONS_MAX};

	web = containers_add(&s.policy.containers, 0, id, span_of("web"), identity);
	assert_non_null(web);
	web->running = running;
	policy_adopt(&s.policy, web, s.now, &out);
	sim_take(&s, &out);
	assert_false(identity->heal && identity->heal->kept);
	return web;
}

/* The engine's first list shows the same container. */
static void is_listed(enum container_health health)
{
	uint8_t id[32];

	memcpy(id, containers_identity(&s.policy.containers, span_of("web"), false)->heal->of, 32);
	listed_as(id, true);
	facts(web, listed(health));
}

static void is_listed_down(void)
{
	struct policy_facts down = listed(HEALTH_BAD);
	uint8_t id[32];

	down.running = false;
	memcpy(id, containers_identity(&s.policy.containers, span_of("web"), false)->heal->of, 32);
	listed_as(id, false);
	facts(web, down);
}

/* The inspect says that it is down: started and ended so many ms ago. */
static void is_down(int64_t started, int64_t ended)
{
	struct policy_facts f = exited();

	assert_true(web->looking);
	f.age_ms = started;
	f.ended_ms = ended;
	facts(web, f);
}

static void is_up(int64_t started, enum container_health health)
{
	struct policy_facts f = inspected(health);

	assert_true(web->looking);
	f.age_ms = started;
	facts(web, f);
}

/* A restart is under way, and autoheal ends. */
static void is_cut_off(uint64_t away)
{
	begin(NULL);
	sick(web);
	expect("RESTART");
	wait_for(2 * SECOND);
	ends_and_begins(away);
}

/* ---- a restart that was cut off ------------------------------------------------------------------ */

static void test_what_the_engine_did_is_told_once_and_not_asked_for_again(void **state)
{
	(void)state;
	is_cut_off(8 * SECOND);
	is_listed(HEALTH_GOOD);
	expect("INSPECT");
	state_is(web, STATE_RESTARTING);
	is_up(5000, HEALTH_GOOD);
	expect("restart:success, recovered:healthy");
	assert_int_equal(s.told.duration_ms, 10 * SECOND);
	assert_int_equal(web->identity->restarts, 1);
	wait_for(HOUR);
	expect("");
}

static void test_its_start_is_seen_before_its_list(void **state)
{
	(void)state;
	is_cut_off(3 * SECOND);
	is_listed(HEALTH_BAD);
	expect("INSPECT");
	happens(web, EVENT_START);
	expect("restart:success");
	happens(web, EVENT_HEALTHY);
	expect("recovered:healthy");
}

static void test_what_the_engine_left_down_is_started(void **state)
{
	(void)state;
	is_cut_off(5 * SECOND);
	is_listed_down();
	expect("INSPECT");
	is_down(2 * HOUR, 4000);
	expect(""); /* between stop and start, perhaps */
	wait_for(POLICY_LOOK_AGAIN_MS);
	expect("INSPECT");
	is_down(2 * HOUR, 6000);
	expect("START");
	happens(web, EVENT_START);
	done(web);
	expect("restart:success");
	assert_string_equal(s.told.did, "start");
	says("cut off when autoheal ended");
	assert_int_equal(web->identity->restarts, 1); /* one restart, in two parts */
	assert_int_equal(policy_restarts_in_window(&s.policy, web->identity->heal), 1);
	happens(web, EVENT_HEALTHY);
	expect("recovered:healthy");
	assert_false(web->identity->heal->resumed);
}

static void test_what_still_stops_is_waited_for(void **state)
{
	(void)state;
	is_cut_off(SECOND);
	is_listed(HEALTH_BAD);
	for (int i = 0; i < 4; i++) {
		expect("INSPECT");
		is_up(2 * HOUR, HEALTH_BAD);
		expect("");
		wait_for(POLICY_LOOK_AGAIN_MS);
	}
	expect("INSPECT");
	is_down(2 * HOUR, 500);
	wait_for(POLICY_LOOK_AGAIN_MS);
	expect("INSPECT");
	is_down(2 * HOUR, 2500);
	expect("START");
}

static void test_one_that_the_engine_never_began_is_no_restart(void **state)
{
	(void)state;
	is_cut_off(MINUTE);
	is_listed(HEALTH_BAD);
	expect("INSPECT");
	is_up(2 * HOUR, HEALTH_BAD);
	expect("restart:failure");
	says("has not begun with it");
	state_is(web, STATE_WAITING);
}

static void test_one_of_long_ago_is_not_completed(void **state)
{
	(void)state;
	is_cut_off(POLICY_RESUME_MS - SECOND);
	is_listed_down();
	expect("INSPECT");
	is_down(2 * HOUR, 5000);
	expect("skipped:stale");
	state_is(web, STATE_HANDS_OFF);
	wait_for(HOUR);
	expect("");

	/* while one that is just not that old is */
	is_cut_off(POLICY_RESUME_MS - 10 * SECOND);
	is_listed_down();
	expect("INSPECT");
	is_down(2 * HOUR, 5000);
	wait_for(POLICY_LOOK_AGAIN_MS);
	expect("INSPECT");
	is_down(2 * HOUR, 5000);
	expect("START");
}

static void test_one_that_was_started_since_and_is_down_again_is_left(void **state)
{
	(void)state;
	is_cut_off(20 * SECOND);
	is_listed_down();
	expect("INSPECT");
	is_down(15000, 3000);
	expect("restart:success, skipped:stopped");
	state_is(web, STATE_HANDS_OFF);
	assert_int_equal(web->identity->restarts, 1);
	wait_for(HOUR);
	expect("");
}

static void test_one_that_had_been_stopped_before_is_left(void **state)
{
	(void)state;
	is_cut_off(20 * SECOND);
	is_listed_down();
	expect("INSPECT");
	is_down(2 * HOUR, HOUR);
	expect("skipped:stopped");

	/* nor one of which nobody knows */
	is_cut_off(20 * SECOND);
	is_listed_down();
	expect("INSPECT");
	is_down(-1, -1);
	expect("skipped:stopped");
}

static void test_another_container_under_its_name_is_another(void **state)
{
	static const uint8_t id[32] = {9};

	(void)state;
	is_cut_off(20 * SECOND);
	listed_as(id, true);
	expect("skipped:gone");
	facts(web, inspected(HEALTH_GOOD));
	expect("");
	state_is(web, STATE_WATCHING);
	assert_false(web->identity->heal->open);
	assert_int_equal(web->identity->restarts, 1); /* the counts are the identity's */
}

static void test_one_that_never_comes_is_given_up(void **state)
{
	struct heal *h;

	(void)state;
	is_cut_off(20 * SECOND);
	h = containers_identity(&s.policy.containers, span_of("web"), false)->heal;
	assert_non_null(policy_abandon(&s.policy, h));
	assert_null(policy_abandon(&s.policy, h));
	assert_false(h->open || h->kept);
}

static void test_it_is_completed_in_maintenance_too_and_not_in_a_dry_run(void **state)
{
	(void)state;
	for (int dry = 0; dry < 2; dry++) {
		is_cut_off(5 * SECOND);
		s.settings.dry_run = dry;
		policy_begin_maintenance(&s.policy, 0, s.now);
		is_listed_down();
		is_down(2 * HOUR, 4000);
		wait_for(POLICY_LOOK_AGAIN_MS);
		is_down(2 * HOUR, 6000);
		expect(dry ? "INSPECT, INSPECT, skipped:dry_run" : "INSPECT, INSPECT, START");
	}
}

static void test_a_stop_is_done_when_it_is_down(void **state)
{
	(void)state;
	begin(NULL);
	labels(web, sim_no_labels);
	web->own->action = WATCH_STOP;
	sick(web);
	expect("STOP");
	ends_and_begins(5 * SECOND);
	is_listed_down();
	expect("INSPECT");
	is_down(2 * HOUR, 4000);
	expect("restart:success");
	assert_string_equal(s.told.did, "stop");
	state_is(web, STATE_HANDS_OFF);
}

static void begin_kill(void)
{
	struct label_settings own = sim_no_labels;

	begin(NULL);
	own.action = WATCH_KILL;
	labels(web, own);
	sick(web);
	expect("KILL");
}

static void test_a_kill_is_followed_by_its_start(void **state)
{
	/* the kill's answer was not heard */
	(void)state;
	begin_kill();
	ends_and_begins(5 * SECOND);
	is_listed_down();
	expect("INSPECT");
	is_down(2 * HOUR, 4000);
	expect("restart:success, START");
	happens(web, EVENT_START);
	done(web);
	expect("restart:success");
	assert_int_equal(web->identity->restarts, 1);

	/* it was, and its exit was not */
	begin_kill();
	done(web);
	expect("restart:success");
	state_is(web, STATE_WAITING);
	ends_and_begins(5 * SECOND);
	is_listed_down();
	expect("INSPECT");
	is_down(2 * HOUR, 4000);
	wait_for(POLICY_LOOK_AGAIN_MS);
	expect("INSPECT");
	is_down(2 * HOUR, 6000);
	expect("START");
	happens(web, EVENT_START);
	done(web);
	expect("restart:success");
	assert_int_equal(web->identity->restarts, 1);

	/* its start was under way as well, and is done */
	begin_kill();
	done(web);
	dies(web, 137);
	expect("restart:success, START");
	ends_and_begins(5 * SECOND);
	is_listed(HEALTH_GOOD);
	expect("INSPECT");
	is_up(4000, HEALTH_GOOD);
	expect("restart:success, recovered:healthy");
}

static void test_what_was_told_already_is_not_told_again(void **state)
{
	struct heal *h;

	(void)state;
	is_cut_off(5 * SECOND);
	h = containers_identity(&s.policy.containers, span_of("web"), false)->heal;
	policy_was_answered(h, true);
	is_listed(HEALTH_BAD);
	state_is(web, STATE_VERIFYING);
	happens(web, EVENT_HEALTHY);
	expect("recovered:healthy");

	is_cut_off(5 * SECOND);
	h = containers_identity(&s.policy.containers, span_of("web"), false)->heal;
	policy_was_answered(h, false);
	is_listed_down();
	expect("INSPECT");
	is_down(2 * HOUR, 4000);
	expect("START"); /* a try of its own */
}

/* ---- the rest ----------------------------------------------------------------------------------- */

static void test_what_is_to_be_taken_up_is_known_by_its_id(void **state)
{
	const struct identity *identity;
	bool guest = false;
	uint8_t id[32];

	(void)state;
	is_cut_off(SECOND);
	identity = containers_identity(&s.policy.containers, span_of("web"), false);
	memcpy(id, identity->heal->of, 32);
	assert_true(policy_is_unfinished(identity, id, &guest));
	assert_false(guest);
	id[0] ^= 1;
	assert_false(policy_is_unfinished(identity, id, &guest));
	assert_false(policy_is_unfinished(NULL, id, &guest));
	id[0] ^= 1;
	is_listed(HEALTH_BAD);
	assert_false(policy_is_unfinished(identity, id, &guest)); /* it is */

	begin(NULL);
	healed(web);
	ends_and_begins(SECOND);
	identity = containers_identity(&s.policy.containers, span_of("web"), false);
	assert_false(policy_is_unfinished(identity, identity->heal->of, &guest));
}

static void test_quarantine_goes_on_and_ends_by_health(void **state)
{
	(void)state;
	begin("AUTOHEAL_MAX_RESTARTS=1", "AUTOHEAL_COOLDOWN=0", NULL);
	healed(web);
	sick(web);
	expect("not_recovered:relapsed, quarantine:quarantined");
	ends_and_begins(10 * MINUTE);
	is_listed(HEALTH_BAD);
	state_is(web, STATE_QUARANTINED);
	expect("");
	wait_for(50 * MINUTE - SECOND);
	expect(""); /* its further try comes when it was to come */
	wait_for(SECOND);
	expect("INSPECT");

	begin("AUTOHEAL_MAX_RESTARTS=1", "AUTOHEAL_COOLDOWN=0", NULL);
	healed(web);
	sick(web);
	expect("not_recovered:relapsed, quarantine:quarantined");
	ends_and_begins(10 * MINUTE);
	is_listed(HEALTH_GOOD);
	wait_for(2 * MINUTE);
	expect("auto_unquarantine:released");
}

static void test_an_incident_goes_on_with_its_number(void **state)
{
	uint64_t incident;

	(void)state;
	begin(NULL);
	healed(web);
	wait_for(10 * SECOND);
	sick(web);
	expect("not_recovered:relapsed");
	incident = web->identity->heal->incident;
	ends_and_begins(5 * SECOND);
	is_listed(HEALTH_BAD);
	expect("INSPECT");
	still_sick(web);
	expect("");
	state_is(web, STATE_WAITING);
	wait_for(45 * SECOND); /* of its cooldown, 15 s were over */
	expect("INSPECT");
	still_sick(web);
	expect("RESTART");
	assert_int_equal(web->identity->heal->incident, incident);
}

static void test_a_heal_on_trial_goes_on_with_the_time_it_was_given(void **state)
{
	(void)state;
	begin(NULL);
	sick(web);
	restarted(web);
	expect("RESTART, restart:success");
	wait_for(30 * SECOND);
	ends_and_begins(30 * SECOND);
	is_listed(HEALTH_BAD);
	state_is(web, STATE_VERIFYING);
	wait_for(MINUTE - SECOND);
	expect("");
	wait_for(SECOND);
	expect("INSPECT");
	still_sick(web);
	expect("not_recovered:timeout");

	/* and one whose time went by meanwhile is looked at */
	begin(NULL);
	sick(web);
	restarted(web);
	expect("RESTART, restart:success");
	ends_and_begins(HOUR);
	is_listed(HEALTH_BAD);
	expect("INSPECT");
	still_sick(web);
	expect("not_recovered:timeout");
}

static void test_a_crash_that_was_to_be_started_is(void **state)
{
	(void)state;
	begin(NULL);
	dies(web, 1);
	expect("");
	ends_and_begins(30 * SECOND);
	is_listed_down();
	expect("INSPECT");
	is_down(2 * HOUR, 30000);
	expect("START");
}

static void test_a_snooze_holds(void **state)
{
	(void)state;
	begin(NULL);
	assert_true(policy_snooze(&s.policy, web->identity, s.now + HOUR, s.now));
	ends_and_begins(30 * MINUTE);
	is_listed(HEALTH_GOOD);
	sick(web);
	expect("skipped:snoozed");
	wait_for(30 * MINUTE);
	expect("INSPECT");
}

static void test_what_is_to_be_written_is_counted(void **state)
{
	uint64_t before;

	(void)state;
	begin(NULL);
	before = s.policy.changes;
	facts(web, listed(HEALTH_GOOD));
	happens(web, EVENT_HEALTHY);
	assert_int_equal(s.policy.changes, before); /* nothing new */
	sick(web);
	assert_true(s.policy.changes > before);
	before = s.policy.changes;
	restarted(web);
	assert_true(s.policy.changes > before);
	before = s.policy.changes;
	happens(web, EVENT_HEALTHY);
	assert_true(s.policy.changes > before);
	before = s.policy.changes;
	policy_begin_maintenance(&s.policy, 0, s.now);
	assert_true(s.policy.changes > before);
	before = s.policy.changes;
	policy_end_maintenance(&s.policy, s.now);
	assert_true(s.policy.changes > before);
	before = s.policy.changes;
	assert_true(policy_snooze(&s.policy, web->identity, s.now + HOUR, s.now));
	assert_true(s.policy.changes > before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORY(what_the_engine_did_is_told_once_and_not_asked_for_again),
	    STORY(its_start_is_seen_before_its_list),
	    STORY(what_the_engine_left_down_is_started),
	    STORY(what_still_stops_is_waited_for),
	    STORY(one_that_the_engine_never_began_is_no_restart),
	    STORY(one_of_long_ago_is_not_completed),
	    STORY(one_that_was_started_since_and_is_down_again_is_left),
	    STORY(one_that_had_been_stopped_before_is_left),
	    STORY(another_container_under_its_name_is_another),
	    STORY(one_that_never_comes_is_given_up),
	    STORY(it_is_completed_in_maintenance_too_and_not_in_a_dry_run),
	    STORY(a_stop_is_done_when_it_is_down),
	    STORY(a_kill_is_followed_by_its_start),
	    STORY(what_was_told_already_is_not_told_again),
	    STORY(what_is_to_be_taken_up_is_known_by_its_id),
	    STORY(quarantine_goes_on_and_ends_by_health),
	    STORY(an_incident_goes_on_with_its_number),
	    STORY(a_heal_on_trial_goes_on_with_the_time_it_was_given),
	    STORY(a_crash_that_was_to_be_started_is),
	    STORY(a_snooze_holds),
	    STORY(what_is_to_be_written_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

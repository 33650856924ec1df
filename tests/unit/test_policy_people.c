/* test_policy_people.c - what policy.h promises about what people want: maintenance, snooze, a restart by hand. */
#include "story.h"

static bool restart_by_person(struct container *c, const char *why)
{
	struct action list[POLICY_ACTIONS_MAX];
	struct actions out = {.list = list, .room = POLICY_ACTIONS_MAX};
	const char *said = policy_restart_by_person(&s.policy, c, s.now, &out);

	sim_take(&s, &out);
	if (said && (!why || !strstr(said, why)))
		fail_msg("it says \"%s\"", said);
	return !said;
}

static void begins_maintenance(uint64_t until)
{
	policy_begin_maintenance(&s.policy, until, s.now);
	turn();
}

static void ends_maintenance(void)
{
	policy_end_maintenance(&s.policy, s.now);
	turn();
}

static void snooze(struct container *c, uint64_t until)
{
	assert_true(policy_snooze(&s.policy, c->identity, until, s.now));
	turn();
}

/* ---- maintenance --------------------------------------------------------------------------------- */

static void test_in_maintenance_nothing_is_acted_on_and_all_is_watched(void **state)
{
	const char *why;
	uint64_t at;

	(void)state;
	begin(NULL);
	begins_maintenance(0);
	sick(web);
	expect("skipped:maintenance");
	state_is(web, STATE_WAITING);
	assert_string_equal(policy_next_action(&s.policy, web, &at, &why), "restart");
	assert_int_equal(at, 0); /* nobody knows when */
	assert_non_null(strstr(why, "maintenance"));
	wait_for(HOUR);
	sick(web);
	facts(web, listed(HEALTH_BAD));
	expect(""); /* told once */
	ends_maintenance();
	expect("INSPECT"); /* a fresh look */
	still_sick(web);
	expect("RESTART");
	restarted(web);
	happens(web, EVENT_HEALTHY);
	expect("restart:success, recovered:healthy");
	assert_int_equal(s.told.duration_ms, HOUR);
}

static void test_what_got_well_in_maintenance_is_left_alone(void **state)
{
	(void)state;
	begin(NULL);
	begins_maintenance(0);
	sick(web);
	happens(web, EVENT_HEALTHY);
	expect("skipped:maintenance, skipped:recovered");
	ends_maintenance();
	expect("");
	begins_maintenance(0);
	sick(web);
	stops(web);
	expect("skipped:maintenance, skipped:stopped");
	ends_maintenance();
	expect("");
	state_is(web, STATE_HANDS_OFF);
}

static void test_maintenance_ends_by_itself(void **state)
{
	const char *why;
	uint64_t at, over;

	(void)state;
	begin(NULL);
	over = s.now + 2 * HOUR;
	begins_maintenance(over);
	sick(web);
	assert_non_null(policy_next_action(&s.policy, web, &at, &why));
	assert_int_equal(at, over);
	wait_until(over, 0);
	expect("skipped:maintenance, INSPECT");
	assert_false(s.policy.maintenance);
	assert_int_equal(policy_next(&s.policy), NEVER);
	still_sick(web);
	expect("RESTART");

	/* and it may be given another end */
	begin(NULL);
	begins_maintenance(s.now + HOUR);
	sick(web);
	begins_maintenance(0);
	wait_for(2 * HOUR);
	expect("skipped:maintenance");
	assert_true(s.policy.maintenance);
}

static void test_a_restart_under_way_goes_on_in_maintenance(void **state)
{
	(void)state;
	begin(NULL);
	sick(web);
	expect("RESTART");
	begins_maintenance(0);
	restarted(web);
	happens(web, EVENT_HEALTHY);
	expect("restart:success, recovered:healthy");

	/* what it did not bring waits */
	begin("AUTOHEAL_BACKOFF=false", NULL);
	sick(web);
	begins_maintenance(0);
	refused(web);
	expect("RESTART, restart:failure, skipped:maintenance");
	ends_maintenance();
	expect("INSPECT");
}

static void test_what_waits_for_a_slot_gives_way_to_maintenance(void **state)
{
	struct container *db;

	(void)state;
	begin("AUTOHEAL_MAX_PARALLEL=1", NULL);
	db = known("db");
	sick(web);
	sick(db);
	expect("RESTART web");
	begins_maintenance(0);
	expect("skipped:maintenance db");
	restarted(web);
	expect("restart:success web");
	assert_int_equal(s.policy.busy, 0);
	ends_maintenance();
	expect("INSPECT db");
	still_sick(db);
	expect("RESTART db");
}

static void test_an_answer_that_comes_in_maintenance_is_no_go(void **state)
{
	(void)state;
	begin(NULL);
	sick_they_say(web);
	expect("INSPECT");
	begins_maintenance(0);
	still_sick(web);
	expect("skipped:maintenance");
}

static void test_the_trial_out_of_quarantine_waits_too(void **state)
{
	const char *why;
	uint64_t at;

	(void)state;
	begin("AUTOHEAL_MAX_RESTARTS=1", "AUTOHEAL_COOLDOWN=0", NULL);
	healed(web);
	sick(web);
	expect("not_recovered:relapsed, quarantine:quarantined");
	begins_maintenance(s.now + 3 * HOUR);
	assert_string_equal(policy_next_action(&s.policy, web, &at, &why), "restart");
	assert_int_equal(at, s.now + 3 * HOUR);
	assert_non_null(strstr(why, "maintenance"));
	wait_for(3 * HOUR - 1);
	expect("");
	wait_for(1);
	expect("INSPECT");
	still_sick(web);
	expect("RESTART");

	/* health releases it all the same */
	begin("AUTOHEAL_MAX_RESTARTS=1", "AUTOHEAL_COOLDOWN=0", NULL);
	healed(web);
	sick(web);
	expect("not_recovered:relapsed, quarantine:quarantined");
	begins_maintenance(0);
	happens(web, EVENT_HEALTHY);
	wait_for(2 * HOUR);
	expect("auto_unquarantine:released");
}

/* ---- snooze --------------------------------------------------------------------------------------- */

static void test_a_snoozed_one_waits_and_the_others_do_not(void **state)
{
	struct container *db;

	(void)state;
	begin(NULL);
	db = known("db");
	snooze(web, s.now + HOUR);
	sick(web);
	sick(db);
	expect("skipped:snoozed web, RESTART db");
	restarted(db);
	happens(db, EVENT_HEALTHY);
	expect("restart:success db, recovered:healthy db");
	wait_for(HOUR - 1);
	expect("");
	wait_for(1);
	expect("INSPECT web");
	still_sick(web);
	expect("RESTART web");
}

static void test_a_snooze_may_be_ended(void **state)
{
	(void)state;
	begin(NULL);
	snooze(web, 0); /* nothing to end */
	assert_null(web->identity->heal);
	snooze(web, s.now + HOUR);
	sick(web);
	snooze(web, s.now + 2 * HOUR);
	wait_for(HOUR + MINUTE);
	expect("skipped:snoozed");
	snooze(web, 0);
	expect("INSPECT");
}

static void test_the_later_of_both_ends_counts(void **state)
{
	(void)state;
	begin(NULL);
	begins_maintenance(s.now + HOUR);
	snooze(web, s.now + 2 * HOUR);
	sick(web);
	expect("skipped:snoozed");
	wait_for(HOUR + MINUTE);
	expect("");
	begins_maintenance(s.now + 3 * HOUR);
	expect("skipped:maintenance");
	wait_for(3 * HOUR);
	expect("INSPECT");
}

/* ---- a restart by hand ---------------------------------------------------------------------------- */

static void test_a_person_restarts_what_is_well(void **state)
{
	(void)state;
	begin(NULL);
	assert_true(restart_by_person(web, NULL));
	expect("RESTART");
	state_is(web, STATE_RESTARTING);
	assert_false(restart_by_person(web, "under way"));
	restarted(web);
	expect("restart:success");
	assert_string_equal(s.told.reason, "manual");
	assert_string_equal(s.told.did, "restart");
	says("a person asked");
	wait_for(3 * SECOND);
	happens(web, EVENT_HEALTHY);
	expect("recovered:healthy");
	assert_int_equal(s.told.duration_ms, 3 * SECOND);
	assert_int_equal(web->identity->restarts, 1);
	for (size_t i = 0; i < CONFIG_RESTARTS_MAX; i++)
		assert_int_equal(web->identity->heal->restarts[i], 0);
}

static void test_a_persons_restart_is_no_count_of_quarantine(void **state)
{
	(void)state;
	begin("AUTOHEAL_MAX_RESTARTS=1", "AUTOHEAL_COOLDOWN=0", NULL);
	for (int i = 0; i < 4; i++) {
		assert_true(restart_by_person(web, NULL));
		restarted(web);
		happens(web, EVENT_HEALTHY);
		expect("RESTART, restart:success, recovered:healthy");
	}
	/* neither its relapse, nor one that does not help */
	assert_true(restart_by_person(web, NULL));
	restarted(web);
	wait_for(120 * SECOND);
	facts(web, inspected(HEALTH_BAD));
	expect("RESTART, restart:success, INSPECT, not_recovered:timeout, INSPECT");
	assert_int_equal(web->identity->heal->failures, 0);
	still_sick(web);
	expect("RESTART"); /* autoheal's own decision, its first */
	restarted(web);
	happens(web, EVENT_HEALTHY);
	expect("restart:success, recovered:healthy");
	sick(web);
	expect("not_recovered:relapsed, quarantine:quarantined");
}

static void test_a_person_does_not_wait_for_anything(void **state)
{
	(void)state;
	begin("AUTOHEAL_START_PERIOD=3600", NULL);
	snooze(web, s.now + HOUR);
	sick(web);
	expect("skipped:snoozed");
	assert_true(restart_by_person(web, NULL));
	restarted(web);
	expect("RESTART, restart:success");
	assert_true(restart_by_person(web, NULL)); /* nor for the cooldown */
	restarted(web);
	happens(web, EVENT_HEALTHY);
	expect("RESTART, restart:success, recovered:healthy");
}

static void test_a_person_restarts_one_that_was_stopped(void **state)
{
	(void)state;
	begin(NULL);
	stops(web);
	state_is(web, STATE_HANDS_OFF);
	assert_true(restart_by_person(web, NULL));
	happens(web, EVENT_START);
	happens(web, EVENT_RESTARTED);
	done(web);
	happens(web, EVENT_HEALTHY);
	expect("RESTART, restart:success, recovered:healthy");
	state_is(web, STATE_WATCHING);
}

static void test_a_person_restarts_one_in_quarantine(void **state)
{
	(void)state;
	begin("AUTOHEAL_MAX_RESTARTS=1", "AUTOHEAL_COOLDOWN=0", NULL);
	healed(web);
	sick(web);
	expect("not_recovered:relapsed, quarantine:quarantined");
	assert_true(restart_by_person(web, NULL));
	restarted(web);
	happens(web, EVENT_HEALTHY);
	expect("RESTART, restart:success, recovered:healthy");
	state_is(web, STATE_QUARANTINED);
	wait_for(120 * SECOND);
	expect("auto_unquarantine:released");
}

static void test_an_incident_without_a_healthcheck_ends_with_a_start(void **state)
{
	struct label_settings own = sim_no_labels;
	struct policy_facts down = exited();

	(void)state;
	begin(NULL);
	own.no_restart = true;
	labels(web, own);
	down.health = HEALTH_NONE;
	facts(web, listed(HEALTH_NONE));
	assert_true(restart_by_person(web, NULL));
	dies(web, 143);
	refused(web);
	wait_for(2 * SECOND);
	facts(web, down);
	expect("RESTART, restart:failure, INSPECT, restart:success");
	assert_string_equal(s.told.did, "notify");
	assert_true(web->identity->heal->open);
	happens(web, EVENT_START);
	assert_false(web->identity->heal->open);
}

static void test_what_a_persons_restart_left_down_is_started(void **state)
{
	(void)state;
	begin(NULL);
	assert_true(restart_by_person(web, NULL));
	happens(web, EVENT_KILL);
	refused(web);
	dies(web, 143); /* its event comes after the answer */
	expect("RESTART, restart:failure");
	wait_for(2 * SECOND);
	expect("INSPECT");
	facts(web, exited());
	expect("START");

	/* and one that runs on is let be */
	begin(NULL);
	assert_true(restart_by_person(web, NULL));
	refused(web);
	wait_for(2 * SECOND);
	facts(web, inspected(HEALTH_GOOD));
	expect("RESTART, restart:failure, INSPECT");
	wait_for(HOUR);
	expect("");
	state_is(web, STATE_WATCHING);
}

static void test_a_persons_restart_that_never_left_is_told(void **state)
{
	(void)state;
	begin(NULL);
	assert_true(restart_by_person(web, NULL));
	unsent(web);
	expect("RESTART, restart:failure");
	says("did not reach");
	state_is(web, STATE_WATCHING);
	assert_int_equal(s.policy.busy, 0);
	assert_int_equal(web->identity->restarts, 0);
	wait_for(HOUR);
	expect("");

	/* one that a person stopped stays theirs; one that is sick is healed all the same */
	stops(web);
	assert_true(restart_by_person(web, NULL));
	unsent(web);
	state_is(web, STATE_HANDS_OFF);
	begin("AUTOHEAL_UNHEALTHY_FOR=20", NULL);
	sick(web);
	assert_true(restart_by_person(web, NULL));
	unsent(web);
	expect("RESTART, restart:failure");
	wait_for(20 * SECOND);
	expect("INSPECT");
}

static void test_when_a_person_cannot_restart(void **state)
{
	struct container *db;

	(void)state;
	begin(NULL);
	begins_maintenance(0);
	assert_false(restart_by_person(web, "maintenance"));
	begin("AUTOHEAL_DRY_RUN=true", NULL);
	assert_false(restart_by_person(web, "AUTOHEAL_DRY_RUN"));
	begin("AUTOHEAL_MAX_PARALLEL=1", NULL);
	db = known("db");
	sick(db);
	assert_false(restart_by_person(web, "AUTOHEAL_MAX_PARALLEL"));
	s.policy.stopping = true;
	assert_false(restart_by_person(web, "ending"));
	state_is(web, STATE_WATCHING);
}

/* ---- why ------------------------------------------------------------------------------------------ */

static char reasons[4096];

static void note_reason(void *owner, const char *what, bool holds, const char *because)
{
	(void)owner;
	assert_true(what[0] && because[0]);
	if (holds)
		snprintf(reasons + strlen(reasons), sizeof reasons - strlen(reasons), "%s: %s\n",
		    what, because);
}

static void explain(struct container *c)
{
	reasons[0] = 0;
	policy_explain(&s.policy, c, s.now, note_reason, NULL);
}

static void test_it_explains_itself(void **state)
{
	(void)state;
	begin(NULL);
	explain(web);
	assert_string_equal(reasons, "");
	healed(web);
	wait_for(10 * SECOND);
	sick(web);
	expect("not_recovered:relapsed");
	explain(web);
	assert_string_equal(reasons,
	    "it needs help: unhealthy\n"
	    "the cooldown after its last restart is not over: 50 s are left\n"
	    "it backs off after a heal that did not help: 10 s are left\n");
	begins_maintenance(0);
	explain(web);
	assert_non_null(strstr(reasons, "maintenance is on"));
	assert_non_null(strstr(reasons, "until that changes"));
	ends_maintenance();
	snooze(web, s.now + HOUR);
	explain(web);
	assert_non_null(strstr(reasons, "a person snoozed it: 3600 s are left"));
	begin("AUTOHEAL_DRY_RUN=true", NULL);
	explain(web);
	assert_string_equal(reasons, "it is only told about: AUTOHEAL_DRY_RUN is set\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORY(in_maintenance_nothing_is_acted_on_and_all_is_watched),
	    STORY(what_got_well_in_maintenance_is_left_alone),
	    STORY(maintenance_ends_by_itself),
	    STORY(a_restart_under_way_goes_on_in_maintenance),
	    STORY(what_waits_for_a_slot_gives_way_to_maintenance),
	    STORY(an_answer_that_comes_in_maintenance_is_no_go),
	    STORY(the_trial_out_of_quarantine_waits_too),
	    STORY(a_snoozed_one_waits_and_the_others_do_not),
	    STORY(a_snooze_may_be_ended),
	    STORY(the_later_of_both_ends_counts),
	    STORY(a_person_restarts_what_is_well),
	    STORY(a_persons_restart_is_no_count_of_quarantine),
	    STORY(a_person_does_not_wait_for_anything),
	    STORY(a_person_restarts_one_that_was_stopped),
	    STORY(a_person_restarts_one_in_quarantine),
	    STORY(an_incident_without_a_healthcheck_ends_with_a_start),
	    STORY(what_a_persons_restart_left_down_is_started),
	    STORY(a_persons_restart_that_never_left_is_told),
	    STORY(when_a_person_cannot_restart),
	    STORY(it_explains_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

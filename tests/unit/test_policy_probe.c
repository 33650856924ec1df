/* test_policy_probe.c - what policy.h promises of a container's own probe and of an outside monitor: both are heard
 * as its health is. `web` of a story here has no healthcheck. */
#include "story.h"

/* ---- words of these stories -------------------------------------------------------------------- */

static void says_of(struct container *c, enum policy_event_kind kind, enum policy_says what)
{
	sim_event(&s, c,
	    &(struct policy_event){.kind = kind, .says = what, .words = "GET :80/ answered 503"});
	turn();
}

static void probe(enum policy_says what)
{
	says_of(web, EVENT_PROBED, what);
}

static void verdict(enum policy_says what)
{
	says_of(web, EVENT_VERDICT, what);
}

#define begin_without_check(...) \
	(begin(__VA_ARGS__), facts(web, inspected(HEALTH_NONE)), web->health = HEALTH_NONE)

/* It has a probe of 10 s x 3, which has passed. */
#define begin_probed(...) \
	(begin_without_check(__VA_ARGS__), web->word = WORD_UNTRIED, web->check_time = 30, \
	    probe(SAYS_UP))

static void heal_reason_is(const char *reason)
{
	assert_string_equal(s.told.reason, reason);
}

/* ---- a probe -------------------------------------------------------------------------------- */

static void test_a_probe_that_fails_is_a_proof(void **state)
{
	(void)state;
	begin_probed(NULL);
	assert_int_equal(policy_health(web), HEALTH_GOOD);
	probe(SAYS_DOWN);
	expect("health_check_failed:failure, RESTART");
	says("answered 503");
	assert_string_equal(s.told.output, "GET :80/ answered 503");
	wait_for(5 * SECOND);
	restarted(web);
	heal_reason_is("probe");
	says("Restarted because its own probe failed");
	expect("restart:success");
	state_is(web, STATE_VERIFYING);
	assert_int_equal(policy_health(web), HEALTH_STARTING);
	wait_for(30 * SECOND);
	probe(SAYS_UP);
	expect("recovered:healthy");
	assert_int_equal(s.told.duration_ms, 35 * SECOND);
	assert_int_equal(web->identity->heal->longest, 30);
}

/* The engine says that it has no healthcheck: a look right before the request must not take that for a well one. */
static void test_a_look_does_not_reject_it(void **state)
{
	(void)state;
	begin_probed("AUTOHEAL_COOLDOWN=300", NULL);
	probe(SAYS_DOWN);
	restarted(web);
	probe(SAYS_UP);
	expect("health_check_failed:failure, RESTART, restart:success, recovered:healthy");
	wait_for(10 * SECOND);
	probe(SAYS_DOWN);
	expect("health_check_failed:failure, not_recovered:relapsed");
	state_is(web, STATE_WAITING);
	wait_for(290 * SECOND);
	expect("INSPECT");
	facts(web, inspected(HEALTH_NONE));
	expect("RESTART");
}

static void test_the_list_changes_nothing(void **state)
{
	(void)state;
	begin_probed(NULL);
	facts(web, listed(HEALTH_NONE));
	facts(web, inspected(HEALTH_NONE));
	expect("");
	assert_int_equal(policy_health(web), HEALTH_GOOD);
	assert_int_equal(web->check_time, 30);

	/* sick, and nothing was done about it, as it was paused: once it runs the list brings it up */
	happens(web, EVENT_PAUSE);
	probe(SAYS_DOWN);
	happens(web, EVENT_UNPAUSE);
	expect("health_check_failed:failure");
	facts(web, listed(HEALTH_NONE));
	expect("INSPECT");
	facts(web, inspected(HEALTH_NONE));
	expect("RESTART");
}

static void test_failures_count_once_it_has_passed(void **state)
{
	(void)state;
	begin_without_check(NULL);
	web->word = WORD_UNTRIED;
	probe(SAYS_DOWN);
	wait_for(HOUR);
	probe(SAYS_DOWN);
	facts(web, listed(HEALTH_NONE));
	facts(web, inspected(HEALTH_NONE));
	assert_int_equal(policy_health(web), HEALTH_NONE);
	probe(SAYS_UP);
	expect("");
	probe(SAYS_DOWN);
	expect("health_check_failed:failure, RESTART");

	/* since that start, whoever started it */
	begin_probed(NULL);
	restarts(web);
	wait_for(HOUR);
	probe(SAYS_DOWN);
	facts(web, listed(HEALTH_NONE));
	expect("");
	assert_int_equal(policy_health(web), HEALTH_STARTING);
	probe(SAYS_UP);
	probe(SAYS_DOWN);
	expect("health_check_failed:failure, RESTART");
}

static void test_one_that_cannot_be_probed_is_as_without_a_probe(void **state)
{
	(void)state;
	begin_probed(NULL);
	probe(SAYS_NOTHING);
	assert_int_equal(policy_health(web), HEALTH_NONE);
	probe(SAYS_DOWN);
	expect("");

	/* a crash of one whose label names a wrong port: to run is to be well */
	begin_without_check(NULL);
	web->word = WORD_UNTRIED;
	dies(web, 1);
	wait_for(2 * SECOND);
	expect("INSPECT");
	facts(web, exited());
	expect("START");
	happens(web, EVENT_START);
	done(web);
	probe(SAYS_DOWN);
	wait_for(2 * MINUTE);
	facts(web, inspected(HEALTH_NONE));
	expect("restart:success, INSPECT, recovered:running");
}

/* Running alone is no proof where its probe has passed before. */
static void test_a_heal_without_a_pass_has_failed(void **state)
{
	(void)state;
	begin_probed("AUTOHEAL_MAX_RESTARTS=2", NULL);
	probe(SAYS_DOWN);
	restarted(web);
	wait_for(40 * SECOND);
	probe(SAYS_DOWN); /* not passed since: no sickness yet, while it may take its time */
	expect("health_check_failed:failure, RESTART, restart:success");
	wait_for(80 * SECOND);
	expect("INSPECT");
	facts(web, inspected(HEALTH_NONE));
	expect("not_recovered:timeout");
	says("Still unhealthy 120 s");
	wait_for(10 * SECOND); /* its back-off */
	expect("INSPECT");
	facts(web, inspected(HEALTH_NONE));
	expect("RESTART");
	restarted(web);
	wait_for(100 * SECOND);
	probe(SAYS_DOWN);
	wait_for(140 * SECOND);
	facts(web, inspected(HEALTH_NONE));
	expect("restart:success, INSPECT, not_recovered:timeout, quarantine:quarantined");

	/* its further try, and its release by health */
	wait_for(HOUR);
	expect("INSPECT");
	facts(web, inspected(HEALTH_NONE));
	expect("RESTART");
	restarted(web);
	probe(SAYS_UP);
	expect("restart:success, recovered:healthy");
	state_is(web, STATE_QUARANTINED);
	wait_for(2 * MINUTE);
	expect("auto_unquarantine:released");
}

/* The first failures come after its time was over: they are those of the heal that failed. */
static void test_failures_after_a_failed_heal_count(void **state)
{
	(void)state;
	begin_probed(NULL);
	probe(SAYS_DOWN);
	restarted(web);
	wait_for(2 * MINUTE);
	facts(web, inspected(HEALTH_NONE));
	says("Still starting");
	wait_for(10 * SECOND); /* its back-off */
	expect("health_check_failed:failure, RESTART, restart:success, INSPECT, not_recovered:timeout, "
	       "INSPECT");
	facts(web, inspected(HEALTH_NONE));
	expect("");
	probe(SAYS_DOWN);
	expect("health_check_failed:failure, RESTART");
}

static void test_the_answer_may_be_ahead_of_the_stream(void **state)
{
	(void)state;
	begin_probed(NULL);
	probe(SAYS_DOWN);
	done(web);
	assert_int_equal(web->word, WORD_STARTING);
	restarts(web);
	probe(SAYS_UP);
	expect("health_check_failed:failure, RESTART, restart:success, recovered:healthy");
}

static void test_beside_a_healthcheck_it_is_not_heard(void **state)
{
	(void)state;
	begin(NULL);
	web->word = WORD_GOOD;
	assert_int_equal(policy_health(web), HEALTH_GOOD);
	sick(web);
	expect("RESTART");
	restarted(web);
	heal_reason_is("unhealthy");
	assert_int_equal(policy_health(web), HEALTH_STARTING);
	probe(SAYS_UP);
	probe(SAYS_DOWN);
	expect("restart:success, health_check_failed:failure");
	state_is(web, STATE_VERIFYING);
}

static void test_gates_hold_as_for_health(void **state)
{
	struct label_settings own = sim_no_labels;

	(void)state;
	begin_probed("AUTOHEAL_DRY_RUN=true", NULL);
	probe(SAYS_DOWN);
	probe(SAYS_DOWN);
	expect("health_check_failed:failure, skipped:dry_run");

	begin_probed(NULL);
	policy_begin_maintenance(&s.policy, 0, s.now);
	probe(SAYS_DOWN);
	expect("health_check_failed:failure, skipped:maintenance");
	policy_end_maintenance(&s.policy, s.now);
	turn();
	facts(web, inspected(HEALTH_NONE));
	expect("INSPECT, RESTART");

	begin_probed(NULL);
	own.unhealthy_for = 60 * SECOND;
	labels(web, own);
	probe(SAYS_DOWN);
	wait_for(30 * SECOND);
	probe(SAYS_UP);
	expect("health_check_failed:failure, skipped:recovered");

	begin_probed("AUTOHEAL_RESTART_MODE=on-failure", NULL);
	probe(SAYS_DOWN);
	expect("health_check_failed:failure");
	state_is(web, STATE_WATCHING);

	/* somebody is stopping it */
	begin_probed(NULL);
	happens(web, EVENT_KILL);
	probe(SAYS_DOWN);
	dies(web, 143);
	happens(web, EVENT_STOP);
	expect("health_check_failed:failure");
	state_is(web, STATE_HANDS_OFF);
}

/* ---- an outside monitor --------------------------------------------------------------------- */

static void test_a_verdict_is_a_proof(void **state)
{
	(void)state;
	begin_without_check(NULL);
	verdict(SAYS_DOWN);
	expect("verdict:down, RESTART");
	says("is down: GET");
	restarted(web);
	heal_reason_is("verdict");
	says("Restarted because an outside monitor said that it was down");
	expect("restart:success");
	verdict(SAYS_UP); /* the next verdict judges */
	expect("recovered:healthy");

	/* so does the recovery time */
	begin_without_check(NULL);
	verdict(SAYS_DOWN);
	restarted(web);
	wait_for(2 * MINUTE);
	facts(web, inspected(HEALTH_NONE));
	expect("verdict:down, RESTART, restart:success, INSPECT, recovered:running");
}

static void test_down_again_after_the_restart_is_judged_when_its_time_is_over(void **state)
{
	(void)state;
	begin_without_check(NULL);
	verdict(SAYS_DOWN);
	verdict(SAYS_DOWN); /* told once */
	restarted(web);
	wait_for(30 * SECOND);
	verdict(SAYS_DOWN);
	expect("verdict:down, RESTART, restart:success, verdict:down");
	wait_for(90 * SECOND);
	facts(web, inspected(HEALTH_NONE));
	says("Still down 120 s");
	wait_for(10 * SECOND); /* its back-off */
	expect("INSPECT, not_recovered:timeout, INSPECT");
	facts(web, inspected(HEALTH_NONE));
	expect("RESTART");
	restarted(web);
	verdict(SAYS_DOWN);
	verdict(SAYS_UP);
	expect("restart:success, verdict:down, verdict:up, recovered:healthy");
}

/* Under the whole policy: cooldown, and up ends what waits. */
static void test_up_ends_it(void **state)
{
	(void)state;
	begin_without_check("AUTOHEAL_UNHEALTHY_FOR=60", NULL);
	verdict(SAYS_DOWN);
	state_is(web, STATE_WAITING);
	wait_for(20 * SECOND);
	verdict(SAYS_UP);
	says("up again");
	expect("verdict:down, verdict:up, skipped:recovered");
	wait_for(HOUR);
	expect("");

	begin_without_check("AUTOHEAL_MAX_RESTARTS=1", NULL);
	verdict(SAYS_DOWN);
	restarted(web);
	verdict(SAYS_UP);
	wait_for(61 * SECOND);
	verdict(SAYS_DOWN);
	expect("verdict:down, RESTART, restart:success, recovered:healthy, verdict:down, "
	       "not_recovered:relapsed, quarantine:quarantined");
	verdict(SAYS_UP);
	wait_for(2 * MINUTE);
	expect("verdict:up, auto_unquarantine:released");
}

static void test_its_own_health_counts_too(void **state)
{
	(void)state;
	begin(NULL);
	verdict(SAYS_DOWN);
	expect("verdict:down, RESTART");
	restarted(web);
	verdict(SAYS_DOWN);
	happens(web, EVENT_HEALTHY); /* the monitor says otherwise */
	expect("restart:success, verdict:down");
	state_is(web, STATE_VERIFYING);
	facts(web, listed(HEALTH_GOOD));
	expect("");
	verdict(SAYS_UP);
	expect("verdict:up, recovered:healthy");

	/* up while the engine says that it is sick, or does not know yet, is no recovery */
	begin(NULL);
	verdict(SAYS_DOWN);
	restarted(web);
	verdict(SAYS_UP);
	expect("verdict:down, RESTART, restart:success");
	state_is(web, STATE_VERIFYING);

	/* a pause in between has made its streak 0: it is the monitor that says so */
	begin("AUTOHEAL_UNHEALTHY_FOR=60", NULL);
	verdict(SAYS_DOWN);
	wait_for(60 * SECOND);
	expect("verdict:down, INSPECT");
	facts(web, inspected(HEALTH_GOOD));
	expect("RESTART");
}

/* Up alone is no news. */
static void test_up_of_one_that_was_not_down_says_nothing(void **state)
{
	(void)state;
	begin_without_check(NULL);
	verdict(SAYS_UP);
	dies(web, 1);
	wait_for(2 * SECOND);
	facts(web, exited());
	expect("INSPECT, START");
	refused(web);
	verdict(SAYS_UP);
	expect("restart:failure");
	state_is(web, STATE_WAITING);
}

/* Its three restarts of the window are used up, whatever became of them. */
static void test_verdicts_lead_to_quarantine(void **state)
{
	(void)state;
	begin_without_check("AUTOHEAL_COOLDOWN=0", "AUTOHEAL_RECOVERY_TIMEOUT=10", NULL);
	for (int i = 0; i < 3; i++) {
		verdict(SAYS_DOWN);
		expect("verdict:down, RESTART");
		restarted(web);
		verdict(SAYS_UP);
		expect("restart:success, recovered:healthy");
		wait_for(30 * SECOND);
	}
	verdict(SAYS_DOWN);
	expect("verdict:down, quarantine:quarantined");
	wait_for(30 * MINUTE);
	verdict(SAYS_DOWN);
	expect("");
	happens(web, EVENT_RELEASE); /* by a person: it is down yet */
	expect("unquarantine:released, INSPECT");
	facts(web, inspected(HEALTH_NONE));
	expect("RESTART");
}

static void test_the_whole_policy_holds_for_a_verdict(void **state)
{
	struct label_settings own = sim_no_labels;

	(void)state;
	begin_without_check("AUTOHEAL_COOLDOWN=300", NULL);
	verdict(SAYS_DOWN);
	restarted(web);
	verdict(SAYS_UP);
	wait_for(200 * SECOND);
	verdict(SAYS_DOWN);
	expect("verdict:down, RESTART, restart:success, recovered:healthy, verdict:down");
	state_is(web, STATE_WAITING);
	wait_for(100 * SECOND);
	facts(web, inspected(HEALTH_NONE));
	expect("INSPECT, RESTART");

	begin_without_check(NULL);
	policy_begin_maintenance(&s.policy, 0, s.now);
	verdict(SAYS_DOWN);
	expect("verdict:down, skipped:maintenance");
	policy_end_maintenance(&s.policy, s.now);
	turn();
	facts(web, inspected(HEALTH_NONE));
	expect("INSPECT, RESTART");

	begin_without_check(NULL);
	assert_true(policy_snooze(&s.policy, web->identity, s.now + HOUR, s.now));
	verdict(SAYS_DOWN);
	wait_for(MINUTE);
	verdict(SAYS_UP);
	expect("verdict:down, skipped:snoozed, verdict:up, skipped:recovered");

	begin_without_check("AUTOHEAL_DRY_RUN=true", NULL);
	verdict(SAYS_DOWN);
	says("it is down, says an outside monitor");
	expect("verdict:down, skipped:dry_run");

	begin_without_check(NULL);
	own.no_restart = true;
	labels(web, own);
	verdict(SAYS_DOWN);
	heal_reason_is("verdict");
	expect("verdict:down, restart:success");

	begin_without_check("AUTOHEAL_RESTART_MODE=on-failure", NULL);
	verdict(SAYS_DOWN);
	expect("verdict:down");
}

/* What a person stopped or paused is down, which nobody need say, and must not be held against it afterwards. */
static void test_a_verdict_on_one_that_a_person_stopped_is_not_heard(void **state)
{
	(void)state;
	begin_without_check(NULL);
	happens(web, EVENT_PAUSE);
	verdict(SAYS_DOWN);
	happens(web, EVENT_UNPAUSE);
	facts(web, inspected(HEALTH_NONE));
	expect("");
	state_is(web, STATE_WATCHING);
	assert_false(web->down);

	begin_without_check(NULL);
	stops(web);
	verdict(SAYS_DOWN);
	happens(web, EVENT_START);
	facts(web, listed(HEALTH_NONE));
	expect("");

	/* sick before it was paused: so it is afterwards, unless its monitor says otherwise */
	begin_without_check("AUTOHEAL_UNHEALTHY_FOR=60", NULL);
	verdict(SAYS_DOWN);
	happens(web, EVENT_PAUSE);
	expect("verdict:down, skipped:paused");
	happens(web, EVENT_UNPAUSE);
	facts(web, listed(HEALTH_NONE));
	expect("INSPECT");
	verdict(SAYS_UP);
	facts(web, inspected(HEALTH_NONE));
	expect("verdict:up");
}

/* A new start is news of its own. */
static void test_a_start_by_a_person_ends_it(void **state)
{
	(void)state;
	begin_without_check("AUTOHEAL_UNHEALTHY_FOR=60", NULL);
	verdict(SAYS_DOWN);
	restarts(web);
	assert_false(web->down);
	assert_int_equal(policy_health(web), HEALTH_NONE);
	wait_for(HOUR);
	if (web->looking)
		facts(web, inspected(HEALTH_NONE));
	assert_null(strstr(s.happened, "RESTART"));
}

/* ---- in words ------------------------------------------------------------------------------- */

static char explained[4096];

static void explain(void *owner, const char *what, bool holds, const char *because)
{
	size_t n = strlen(explained);

	(void)owner;
	snprintf(explained + n, sizeof(explained) - n, "%s: %s (%s)\n", what, holds ? "yes" : "no",
	    because);
}

static void explains(const char *words)
{
	explained[0] = 0;
	policy_explain(&s.policy, web, s.now, explain, NULL);
	if (!strstr(explained, words))
		fail_msg("it says \"%s\", not \"%s\"", explained, words);
}

static void test_it_is_explained(void **state)
{
	(void)state;
	begin_probed("AUTOHEAL_UNHEALTHY_FOR=60", NULL);
	explains("its own probe passes: yes");
	probe(SAYS_DOWN);
	explains("it needs help: yes (unhealthy)");
	explains("its own probe passes: no (it fails)");
	restarts(web);
	explains("its own probe passes: no (it has not passed since the last start)");
	verdict(SAYS_DOWN);
	explains("an outside monitor says that it is down: yes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORY(a_probe_that_fails_is_a_proof),
	    STORY(a_look_does_not_reject_it),
	    STORY(the_list_changes_nothing),
	    STORY(failures_count_once_it_has_passed),
	    STORY(one_that_cannot_be_probed_is_as_without_a_probe),
	    STORY(a_heal_without_a_pass_has_failed),
	    STORY(failures_after_a_failed_heal_count),
	    STORY(the_answer_may_be_ahead_of_the_stream),
	    STORY(beside_a_healthcheck_it_is_not_heard),
	    STORY(gates_hold_as_for_health),
	    STORY(a_verdict_is_a_proof),
	    STORY(down_again_after_the_restart_is_judged_when_its_time_is_over),
	    STORY(up_ends_it),
	    STORY(its_own_health_counts_too),
	    STORY(up_of_one_that_was_not_down_says_nothing),
	    STORY(verdicts_lead_to_quarantine),
	    STORY(the_whole_policy_holds_for_a_verdict),
	    STORY(a_verdict_on_one_that_a_person_stopped_is_not_heard),
	    STORY(a_start_by_a_person_ends_it),
	    STORY(it_is_explained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

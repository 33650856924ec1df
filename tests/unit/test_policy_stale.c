/* test_policy_stale.c - what policy.h promises about probes that do not come any more. */
#include "story.h"

#define DUE (90 * SECOND) /* 3 x 30 s */

/* An inspect: healthy, and the last probe ended so long ago. */
static struct policy_facts probed(uint64_t ago)
{
	struct policy_facts f = inspected(HEALTH_GOOD);

	f.probe_age = ago;
	f.probe_due = DUE;
	return f;
}

static void test_no_probe_any_more_is_told_once(void **state)
{
	(void)state;
	begin(NULL);
	facts(web, probed(DUE + 1));
	expect("");
	wait_for(DUE - 1);
	facts(web, probed(2 * DUE));
	expect("");
	wait_for(1);
	facts(web, probed(2 * DUE + 1));
	expect("stale_probe:stale");
	says("No probe has ended for 180 s, 90 s at most are due");
	says("'healthy'");
	says("restart the container, or the engine");
	for (int i = 0; i < 10; i++) {
		wait_for(HOUR);
		facts(web, probed(HOUR));
	}
	expect("");
	state_is(web, STATE_WATCHING); /* nothing is done about it */

	facts(web, probed(SECOND));
	wait_for(HOUR);
	facts(web, probed(DUE + 1));
	wait_for(DUE);
	facts(web, probed(2 * DUE));
	expect("stale_probe:stale"); /* and again */
}

static void test_probes_that_come_late_are_none_of_it(void **state)
{
	(void)state;
	begin(NULL);
	facts(web, probed(DUE));
	wait_for(DUE);
	facts(web, probed(DUE));
	expect("");
	facts(web, probed(HOUR)); /* it was paused until now, or its engine was away */
	wait_for(DUE);
	facts(web, probed(SECOND));
	facts(web, probed(HOUR));
	expect("");
	assert_true(web->identity->heal->stale_at == s.now + DUE);
}

static void test_what_is_not_probed_is_none_of_it(void **state)
{
	struct policy_facts f = probed(HOUR);

	(void)state;
	begin(NULL);
	f.paused = true;
	f.health = HEALTH_BAD;
	for (int i = 0; i < 3; i++) {
		facts(web, f);
		wait_for(HOUR);
	}
	expect("");
	f = probed(HOUR);
	f.probe_due = 0; /* no healthcheck */
	happens(web, EVENT_UNPAUSE);
	for (int i = 0; i < 3; i++) {
		facts(web, f);
		wait_for(HOUR);
	}
	facts(web, listed(HEALTH_GOOD));
	expect("");
}

/* While it is healed, its probes begin anew. */
static void test_not_amid_a_heal(void **state)
{
	(void)state;
	begin(NULL);
	facts(web, probed(HOUR));
	wait_for(DUE - SECOND);
	sick(web);
	restarted(web);
	forget_what_happened();
	wait_for(SECOND);
	facts(web, probed(HOUR));
	expect("recovered:healthy");
}

/* ---- who is asked ---------------------------------------------------------------------------- */

static unsigned audit(void)
{
	struct action list[64];
	struct actions out = {.list = list, .room = COUNT(list)};
	struct policy_round round = {.in_turn = POLICY_LOOKS_IN_TURN};

	assert_false(policy_list_ended(&s.policy, 0, &round, s.now, &out));
	return (unsigned)out.count;
}

static void all_answer(struct container **many, size_t n, uint64_t ago)
{
	for (size_t i = 0; i < n; i++)
		if (many[i]->looking)
			facts(many[i], probed(ago));
}

/* Whose probes were overdue are looked at again as soon as that says something, within the ten of an audit. */
static void test_the_suspect_come_first(void **state)
{
	struct container *many[200];
	char name[24];

	(void)state;
	begin(NULL);
	for (size_t i = 0; i < COUNT(many); i++) {
		snprintf(name, sizeof name, "c%zu", i);
		many[i] = known(name);
	}
	facts(many[150], probed(HOUR));
	facts(many[151], probed(HOUR));
	wait_for(DUE - 1);
	assert_int_equal(audit(), POLICY_LOOKS_IN_TURN);
	assert_false(many[150]->looking && many[151]->looking);
	all_answer(many, COUNT(many), 0);
	facts(many[150], probed(HOUR));
	facts(many[151], probed(HOUR));
	forget_what_happened();
	wait_for(DUE);
	assert_int_equal(audit(), POLICY_LOOKS_IN_TURN);
	assert_true(many[150]->looking && many[151]->looking);
	all_answer(many, COUNT(many), HOUR);
	assert_non_null(strstr(s.happened, "stale_probe:stale c150"));
	assert_non_null(strstr(s.happened, "stale_probe:stale c151"));
	wait_for(DUE - 1);
	assert_int_equal(audit(), POLICY_LOOKS_IN_TURN);
	assert_false(many[150]->looking && many[151]->looking); /* told; they take their turn */
}

static void test_never_more_than_ten(void **state)
{
	struct container *many[40];
	char name[24];

	(void)state;
	begin(NULL);
	policy_forget(&s.policy, web, true, s.now);
	for (size_t i = 0; i < COUNT(many); i++) {
		snprintf(name, sizeof name, "c%zu", i);
		many[i] = known(name);
		facts(many[i], probed(HOUR));
	}
	wait_for(DUE);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(audit(), POLICY_LOOKS_IN_TURN);
		all_answer(many, COUNT(many), HOUR);
	}
	for (size_t i = 0; i < COUNT(many); i++)
		assert_true(many[i]->identity->heal->stale_told);
}

static void test_who_has_no_health_is_not_asked(void **state)
{
	(void)state;
	begin(NULL);
	facts(web, inspected(HEALTH_NONE));
	assert_int_equal(audit(), 0);
	facts(web, inspected(HEALTH_STARTING)); /* frozen there it is no better */
	assert_int_equal(audit(), 1);
	facts(web, inspected(HEALTH_GOOD));
	happens(web, EVENT_PAUSE);
	assert_int_equal(audit(), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_no_probe_any_more_is_told_once, teardown),
	    cmocka_unit_test_teardown(test_probes_that_come_late_are_none_of_it, teardown),
	    cmocka_unit_test_teardown(test_what_is_not_probed_is_none_of_it, teardown),
	    cmocka_unit_test_teardown(test_not_amid_a_heal, teardown),
	    cmocka_unit_test_teardown(test_the_suspect_come_first, teardown),
	    cmocka_unit_test_teardown(test_never_more_than_ten, teardown),
	    cmocka_unit_test_teardown(test_who_has_no_health_is_not_asked, teardown),
	};

	return cmocka_run_group_tests_name("policy, stale probes", tests, NULL, NULL);
}

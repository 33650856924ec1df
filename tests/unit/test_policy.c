/* test_policy.c - what policy.h promises about when to act: proof, what people want, gates, and words
 * in place of deeds. */
#include <sys/wait.h>
#include <unistd.h>

#include "story.h"

/* ---- proof ------------------------------------------------------------------------------------- */

static void test_a_live_unhealthy_is_acted_on_in_the_same_turn(void **state)
{
	(void)state;
	begin(NULL);
	event(web, EVENT_UNHEALTHY);
	expect(""); /* the read may go on */
	turn();
	expect("RESTART");
	state_is(web, STATE_RESTARTING);
	assert_true(web->identity->heal->from_event);
}

static void test_an_unknown_stop_timeout_is_asked_for_in_parallel(void **state)
{
	(void)state;
	of_unknown_stop_timeout();
}

static const struct {
	const char *later;
	const char *expected;
	enum container_state state;
} cancelling[] = {
    {"pause", "skipped:paused", STATE_HANDS_OFF},
    {"kill die stop", "skipped:stopped", STATE_HANDS_OFF},
    {"kill stop die", "skipped:stopped", STATE_HANDS_OFF},
    {"kill die", "skipped:stopped", STATE_HANDS_OFF},
    {"stop die", "skipped:stopped", STATE_HANDS_OFF},
    {"die", "skipped:stopped", STATE_WATCHING},
    {"kill", "", STATE_WAITING},
    {"healthy", "skipped:recovered", STATE_WATCHING},
    {"pause unpause", "skipped:paused", STATE_WATCHING},
    {"kill die stop start restart", "skipped:stopped", STATE_WATCHING},
};

static void test_a_later_event_of_the_same_read_cancels(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cancelling); i++) {
		struct span later = span_of(cancelling[i].later);
		enum policy_event_kind kind;

		begin(NULL);
		event(web, EVENT_UNHEALTHY);
		while (next_event(&later, &kind))
			event(web, kind);
		turn();
		expect(cancelling[i].expected);
		state_is(web, cancelling[i].state);
	}
}

/* A stop that ends in kill and die only: SIGKILL by `docker kill`, or an engine before 20.10. */
static void test_unhealthy_amid_a_stop_is_no_call_to_act(void **state)
{
	(void)state;
	begin(NULL);
	happens(web, EVENT_KILL);
	wait_for(800);
	sick(web);
	wait_for(5 * SECOND);
	expect("");
	dies(web, 143);
	expect("");
	state_is(web, STATE_HANDS_OFF);
	wait_for(HOUR);
	expect("");
}

static const struct {
	const char *what;
	uint32_t streak, retries;
	const char *expected;
	enum container_state state;
} proofs[] = {
    {"sick", 3, 3, "RESTART", STATE_RESTARTING},
    {"sick", 1, 1, "RESTART", STATE_RESTARTING},
    {"sick", 97892, 3, "RESTART", STATE_RESTARTING},
    {"sick, retries not given: 3", 3, 0, "RESTART", STATE_RESTARTING},
    {"stale, retries not given: 3", 2, 0, "", STATE_WATCHING},
    {"stale: just unpaused", 0, 3, "", STATE_WATCHING},
    {"stale: one failed probe after a pause", 1, 3, "", STATE_WATCHING},
    {"paused", 3, 3, "", STATE_HANDS_OFF},
    {"exited", 3, 3, "", STATE_WATCHING},
    {"restarting", 3, 3, "", STATE_WATCHING},
    {"healthy", 0, 3, "", STATE_WATCHING},
    {"starting", 0, 3, "", STATE_WATCHING},
    {"no healthcheck", 0, 0, "", STATE_WATCHING},
};

/* A replay, a backlog, Podman or the list: an inspect proves it right before the request. */
static void test_what_is_no_proof_is_looked_at(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(proofs); i++) {
		for (int by_list = 0; by_list < 2; by_list++) {
			struct policy_facts f = inspected(HEALTH_BAD);

			begin(NULL);
			if (by_list)
				facts(web, listed(HEALTH_BAD));
			else
				sick_they_say(web);
			expect("INSPECT");
			state_is(web, STATE_WATCHING);
			f.streak = proofs[i].streak;
			f.check_retries = proofs[i].retries;
			change(&f, proofs[i].what);
			facts(web, f);
			expect(proofs[i].expected);
			state_is(web, proofs[i].state);
			if (web->state != STATE_RESTARTING)
				wait_for(HOUR);
			/* whether an event of its exit is late */
			expect(f.running ? "" : "INSPECT");
		}
	}
}

static void test_what_the_list_shows_else_is_left_alone(void **state)
{
	static const char *const states[] = {
	    "paused", "exited", "restarting", "healthy", "starting", "no healthcheck"};

	(void)state;
	for (size_t i = 0; i < COUNT(states); i++) {
		struct policy_facts f = listed(HEALTH_BAD);

		begin(NULL);
		change(&f, states[i]);
		facts(web, f);
		wait_for(HOUR);
		expect(f.running ? "" : "INSPECT"); /* whether an event of its exit is late */
	}
}

static void test_a_look_that_fails_is_tried_again(void **state)
{
	(void)state;
	begin(NULL);
	sick_they_say(web);
	expect("INSPECT");
	for (int i = 0; i < 3; i++) {
		look_failed(web);
		wait_for(POLICY_UNSENT_MAX_MS - 1);
		expect("");
		wait_for(1);
		expect("INSPECT");
	}
	still_sick(web);
	expect("RESTART");
}

static void test_a_hundred_events_of_podman_are_one_heal(void **state)
{
	(void)state;
	begin(NULL);
	s.policy.engines[0].asks_first = true;
	for (int i = 0; i < 50; i++)
		sick_they_say(web);
	expect("INSPECT");
	still_sick(web);
	expect("RESTART");
	for (int i = 0; i < 50; i++)
		sick_they_say(web);
	expect("");
}

/* ---- a list without a word on health, as Podman's ----------------------------------------------- */

/* The list shows all of them, and ends. */
static void silent_list(struct container **shown, size_t count)
{
	struct action list[4];
	struct actions out = {.list = list, .room = COUNT(list)};
	struct policy_round round = {.in_turn = POLICY_LOOKS_IN_TURN};
	bool more;

	for (size_t i = 0; i < count; i++)
		facts(shown[i], listed(HEALTH_UNKNOWN));
	do {
		out.count = 0;
		more = policy_list_ended(&s.policy, 0, &round, s.now, &out);
		for (size_t i = 0; i < out.count; i++)
			sim_note(&s, &out.list[i]);
	} while (more);
}

static void test_a_silent_list_has_those_looked_at_that_are_not_known_to_be_well(void **state)
{
	static const struct {
		enum container_health health;
		const char *expected;
	} rows[] = {{HEALTH_UNKNOWN, "INSPECT"}, {HEALTH_NONE, ""}, {HEALTH_STARTING, "INSPECT"},
	    {HEALTH_BAD, "INSPECT"}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		begin(NULL);
		web->health = (uint8_t)rows[i].health;
		silent_list(&web, 1);
		expect(rows[i].expected);
		silent_list(&web, 1);
		expect(""); /* it is being looked at */
	}
}

static void test_sick_without_a_word_of_list_or_stream(void **state)
{
	(void)state;
	begin(NULL);
	silent_list(&web, 1);
	expect("INSPECT");
	still_sick(web);
	expect("RESTART");
	silent_list(&web, 1);
	expect(""); /* the answer will tell more */
}

/* But for one in turn, of what no list tells. */
static void test_a_list_that_speaks_needs_no_look(void **state)
{
	struct policy_facts paused = listed(HEALTH_UNKNOWN);

	(void)state;
	paused.paused = true;
	begin(NULL);
	facts(web, listed(HEALTH_UNKNOWN));
	facts(web, listed(HEALTH_BAD));
	expect("INSPECT");
	facts(web, inspected(HEALTH_GOOD));
	facts(web, listed(HEALTH_GOOD));
	silent_list(NULL, 0);
	expect("INSPECT");
	facts(web, inspected(HEALTH_NONE));
	silent_list(NULL, 0);
	expect("");
	facts(web, paused);
	silent_list(NULL, 0);
	expect("");
}

/* Ten an audit, each once until all had their turn. */
static void test_those_that_seem_well_are_looked_at_in_turn(void **state)
{
	struct container *many[25];
	unsigned looks[COUNT(many)] = {0};
	char name[8];

	(void)state;
	begin(NULL);
	policy_forget(&s.policy, web, true, s.now);
	for (size_t i = 0; i < COUNT(many); i++) {
		snprintf(name, sizeof(name), "c%zu", i);
		many[i] = known(name);
	}
	for (int audit = 1; audit <= 5; audit++) {
		unsigned asked = 0, least = 2;

		silent_list(many, COUNT(many));
		forget_what_happened();
		for (size_t i = 0; i < COUNT(many); i++) {
			asked += many[i]->looking;
			looks[i] += many[i]->looking;
			least = looks[i] < least ? looks[i] : least;
			if (many[i]->looking)
				facts(many[i], inspected(HEALTH_GOOD));
		}
		assert_int_equal(asked, POLICY_LOOKS_IN_TURN);
		assert_int_equal(least, audit < 3 ? 0 : audit < 5 ? 1 : 2);
	}
}

static void test_a_service_that_ends_looks_at_nobody(void **state)
{
	(void)state;
	begin(NULL);
	s.policy.stopping = true;
	web->health = HEALTH_UNKNOWN;
	silent_list(&web, 1);
	expect("");
}

/* No event tells of it: it was unhealthy before, and is again. */
static void test_sick_after_an_unpause_is_found_by_the_list(void **state)
{
	struct policy_facts stale = inspected(HEALTH_BAD);

	(void)state;
	stale.streak = 1;
	begin(NULL);
	happens(web, EVENT_PAUSE);
	happens(web, EVENT_UNPAUSE);
	expect("");
	facts(web, listed(HEALTH_BAD));
	expect("INSPECT");
	facts(web, stale);
	expect("");
	wait_for(30 * SECOND);
	facts(web, listed(HEALTH_BAD));
	expect("INSPECT");
	still_sick(web);
	expect("RESTART");
}

/* A restart by somebody else is verified like our own: an unhealthy before the first healthy is no call
 * to act (a database that replays its log). */
static void test_another_tools_restart_gets_its_recovery_time(void **state)
{
	uint64_t then;

	(void)state;
	begin(NULL);
	restarts(web);
	then = s.now;
	wait_for(30 * SECOND);
	sick(web);
	wait_until(then, 119 * SECOND);
	expect("");
}

/* The loop's clock is the time since boot, and its low 32 bits tell which facts are older than an event:
 * a container that has been quiet for weeks must not be taken for one whose facts are stale. */
static void test_a_container_that_has_been_quiet_for_weeks(void **state)
{
	static const uint64_t days[] = {1, 24, 25, 30, 49, 50, 60, 75, 100, 400};

	(void)state;
	for (size_t i = 0; i < COUNT(days); i++) {
		for (int found_by_list = 0; found_by_list < 2; found_by_list++) {
			struct policy_facts f = listed(HEALTH_BAD);

			begin(NULL);
			if (found_by_list) {
				/* autoheal starts on a host that has been up for so long */
				s.now += days[i] * 24 * HOUR;
			} else {
				happens(web, EVENT_HEALTHY);
				wait_for(days[i] * 24 * HOUR);
			}
			f.asked = s.now;
			facts(web, f);
			expect("INSPECT");
			f = inspected(HEALTH_BAD);
			f.asked = s.now;
			facts(web, f);
			expect("RESTART");
		}
	}
}

/* An inspect or a list that was asked for before the last event speaks of the time before it. */
static void test_facts_older_than_the_last_event_are_no_proof(void **state)
{
	struct policy_facts f = inspected(HEALTH_BAD);
	uint64_t asked;

	(void)state;
	begin(NULL);
	sick_they_say(web);
	expect("INSPECT");
	asked = s.now;
	wait_for(5);
	happens(web, EVENT_HEALTHY);
	f.asked = asked;
	facts(web, f);
	expect("INSPECT"); /* anew */
	facts(web, inspected(HEALTH_GOOD));
	wait_for(HOUR);
	expect("");
	/* a list amid a restart shows an exited container */
	f = listed(HEALTH_GOOD);
	f.running = false;
	sick(web);
	wait_for(SECOND);
	f.asked = s.now;
	wait_for(SECOND);
	restarted(web);
	expect("RESTART, restart:success");
	facts(web, f);
	expect("");
	state_is(web, STATE_VERIFYING);
	assert_true(web->running);
}

/* The list is ahead of the stream: it shows the exit, and an unhealthy from before is read later. */
static void test_unhealthy_of_one_that_exited_is_no_proof(void **state)
{
	struct policy_facts f = listed(HEALTH_BAD);

	(void)state;
	begin(NULL);
	change(&f, "exited");
	facts(web, f);
	sick(web);
	expect("INSPECT");
	facts(web, exited());
	expect("");
	dies(web, 1); /* which is a crash */
	wait_for(POLICY_CRASH_MS);
	expect("INSPECT");
}

/* ---- intent ------------------------------------------------------------------------------------ */

static const struct {
	bool podman;
	const char *events;
} echoes[] = {
    {false, "kill die stop start restart"},      /* 20.10 */
    {false, "kill kill stop die start restart"}, /* 28 */
    {true, "restart stop die start"},
};

/* The stream and the answer are two connections: the answer may be read anywhere among the events. */
static void test_our_own_events_are_no_persons_stop(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(echoes); i++) {
		for (int before = 0; before <= 6; before++) {
			struct span events = span_of(echoes[i].events);
			enum policy_event_kind kind;
			int seen = 0;

			begin(NULL);
			s.policy.engines[0].asks_first = echoes[i].podman;
			sick(web);
			expect("RESTART");
			while (next_event(&events, &kind)) {
				if (seen++ == before)
					done(web);
				happens(web, kind);
				wait_for(50);
			}
			if (seen <= before)
				done(web);
			expect("restart:success");
			state_is(web, STATE_VERIFYING);
			assert_true(web->running);
			/* it is over: what comes now is somebody else's, however soon */
			stops(web);
			state_is(web, STATE_HANDS_OFF);
			expect("skipped:stopped");
		}
	}
}

static void test_hands_off_after_a_persons_stop_until_start(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		begin(NULL);
		happens(web, EVENT_KILL);
		happens(web, i ? EVENT_STOP : EVENT_DIE);
		happens(web, i ? EVENT_DIE : EVENT_STOP);
		state_is(web, STATE_HANDS_OFF);
		facts(web, exited());
		wait_for(HOUR);
		facts(web, exited());
		expect("");
		happens(web, EVENT_START);
		state_is(web, STATE_WATCHING);
		sick(web);
		expect("RESTART");
	}
}

static void test_hands_off_after_a_kill_that_ended_it(void **state)
{
	(void)state;
	begin(NULL);
	happens(web, EVENT_KILL);
	wait_for(5 * SECOND);
	dies(web, 137);
	state_is(web, STATE_HANDS_OFF);
	wait_for(HOUR);
	expect("");
}

static void test_hands_off_while_paused(void **state)
{
	struct policy_facts f = listed(HEALTH_BAD);

	(void)state;
	begin(NULL);
	happens(web, EVENT_PAUSE);
	state_is(web, STATE_HANDS_OFF);
	sick(web);
	change(&f, "paused");
	facts(web, f);
	wait_for(HOUR);
	state_is(web, STATE_HANDS_OFF);
	facts(web, listed(HEALTH_BAD)); /* the end of the pause was missed */
	state_is(web, STATE_WATCHING);
	facts(web, listed(HEALTH_BAD));
	expect("INSPECT");
	facts(web, inspected(HEALTH_GOOD));
	happens(web, EVENT_PAUSE);
	happens(web, EVENT_UNPAUSE);
	state_is(web, STATE_WATCHING);
	sick(web);
	expect("RESTART");
}

static void test_a_missed_start_is_learned_from_the_list(void **state)
{
	(void)state;
	begin(NULL);
	stops(web);
	state_is(web, STATE_HANDS_OFF);
	facts(web, listed(HEALTH_GOOD));
	state_is(web, STATE_WATCHING);
	sick(web);
	expect("RESTART");
}

/* SIGHUP for log rotation: it runs on. */
static void test_a_survived_kill_means_nothing(void **state)
{
	(void)state;
	begin(NULL);
	happens(web, EVENT_KILL);
	wait_for(SECOND);
	sick(web);
	wait_for(19 * SECOND - 1);
	expect(""); /* stop timeout + 10 s */
	wait_for(1);
	expect("INSPECT");
	still_sick(web);
	expect("RESTART");

	begin(NULL);
	happens(web, EVENT_KILL);
	wait_for(20 * SECOND);
	expect("INSPECT");
	facts(web, inspected(HEALTH_GOOD));
	expect("");
	wait_for(HOUR);
	sick(web);
	expect("RESTART");
}

static void test_a_kill_in_the_read_after_unhealthy_waits_too(void **state)
{
	(void)state;
	begin(NULL);
	event(web, EVENT_UNHEALTHY);
	event(web, EVENT_KILL);
	turn();
	expect("");
	wait_for(20 * SECOND - 1);
	expect("");
	wait_for(1);
	expect("INSPECT");
	still_sick(web);
	expect("RESTART");
}

static void test_a_kill_while_it_is_looked_at_waits_too(void **state)
{
	(void)state;
	begin(NULL);
	sick_they_say(web);
	expect("INSPECT");
	happens(web, EVENT_KILL);
	still_sick(web);
	expect("");
	wait_for(20 * SECOND - 1);
	expect("");
	wait_for(1);
	expect("INSPECT");
	still_sick(web);
	expect("RESTART");

	/* and in the cooldown */
	begin("AUTOHEAL_COOLDOWN=130", NULL);
	healed(web);
	wait_for(125 * SECOND);
	sick(web);
	happens(web, EVENT_KILL);
	wait_for(20 * SECOND - 1);
	expect("");
	wait_for(1);
	expect("INSPECT");
}

static void test_how_long_a_kill_may_take_is_asked_for(void **state)
{
	struct policy_facts f = inspected(HEALTH_GOOD);
	struct container *c;

	(void)state;
	begin(NULL);
	policy_forget(&s.policy, web, true, s.now);
	c = sim_add(&s, 0, "db");
	happens(c, EVENT_KILL);
	expect("INSPECT");
	f.health = HEALTH_STARTING;
	f.stop_timeout = 120;
	facts(c, f);
	sick(c);
	wait_for(130 * SECOND - 1);
	expect("");
	wait_for(1);
	expect("INSPECT");
	still_sick(c);
	expect("RESTART");
}

/* ---- cooldown ---------------------------------------------------------------------------------- */

static const struct {
	const char *environment;
	uint32_t label; /* ms */
	uint64_t expected;
} cooldowns[] = {
    {"AUTOHEAL_COOLDOWN=300", WATCH_UNSET, 300 * SECOND},
    {"AUTOHEAL_COOLDOWN=300", 400 * SECOND, 400 * SECOND},
    {"AUTOHEAL_COOLDOWN=1h", 250 * SECOND, 250 * SECOND},
};

static void test_the_cooldown_runs_from_the_answer(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cooldowns); i++) {
		struct label_settings own = sim_no_labels;
		uint64_t answered, at;
		const char *why;

		begin(cooldowns[i].environment, NULL);
		own.cooldown = cooldowns[i].label;
		labels(web, own);
		sick(web);
		wait_for(7 * SECOND); /* a slow stop */
		restarted(web);
		answered = s.now;
		happens(web, EVENT_HEALTHY);
		expect("RESTART, restart:success, recovered:healthy");
		wait_until(answered, 200 * SECOND);
		sick(web);
		expect("");
		state_is(web, STATE_WAITING);
		assert_string_equal(policy_next_action(&s.policy, web, &at, &why), "restart");
		assert_int_equal(at, answered + cooldowns[i].expected);
		assert_non_null(strstr(why, "cooldown"));
		wait_until(answered, cooldowns[i].expected - 1);
		expect("");
		wait_for(1);
		expect("INSPECT");
		still_sick(web);
		expect("RESTART");
	}
}

static void test_without_a_cooldown_the_next_is_immediate(void **state)
{
	(void)state;
	begin("AUTOHEAL_COOLDOWN=0", NULL);
	healed(web);
	wait_for(120 * SECOND);
	sick(web);
	expect("RESTART");
}

static void test_health_in_the_cooldown_cancels(void **state)
{
	(void)state;
	begin("AUTOHEAL_COOLDOWN=300", NULL);
	healed(web);
	wait_for(200 * SECOND);
	sick(web);
	wait_for(10 * SECOND);
	happens(web, EVENT_HEALTHY);
	expect("skipped:recovered");
	wait_for(HOUR);
	expect("");
}

static void test_a_person_in_the_cooldown(void **state)
{
	(void)state;
	begin("AUTOHEAL_COOLDOWN=300", NULL);
	healed(web);
	wait_for(200 * SECOND);
	sick(web);
	stops(web);
	expect("skipped:stopped");
	state_is(web, STATE_HANDS_OFF);

	begin("AUTOHEAL_COOLDOWN=300", NULL);
	healed(web);
	wait_for(200 * SECOND);
	sick(web);
	happens(web, EVENT_PAUSE);
	expect("skipped:paused");
	wait_for(HOUR);
	happens(web, EVENT_UNPAUSE);
	wait_for(HOUR);
	expect("");
}

/* A foreign restart counts for the cooldown like one of ours, and does not wait for it. */
static void test_another_tools_restart_begins_the_cooldown(void **state)
{
	static const char *const orders[] = {"kill die stop start restart",
	    "kill stop die start restart", "restart stop die start" /* Podman */};

	(void)state;
	for (size_t i = 0; i < COUNT(orders); i++) {
		struct span order = span_of(orders[i]);
		enum policy_event_kind kind;
		uint64_t then;

		begin(NULL);
		s.policy.engines[0].asks_first = i == 2;
		while (next_event(&order, &kind))
			happens(web, kind);
		expect("");
		state_is(web, STATE_WATCHING);
		then = s.now;
		wait_for(5 * SECOND);
		happens(web, EVENT_HEALTHY);
		wait_for(15 * SECOND);
		if (i == 2)
			facts(web, inspected(HEALTH_BAD));
		else
			sick(web);
		expect("");
		wait_until(then, 60 * SECOND - 1);
		expect("");
		wait_for(1);
		expect("INSPECT");
		still_sick(web);
		expect("RESTART");
	}
}

/* Also where it came amid a verification: after stop timeout + 10 s it says nothing any more. */
static void test_a_signal_survived_long_ago_is_no_stop(void **state)
{
	(void)state;
	begin(NULL);
	sick(web);
	restarted(web);
	wait_for(5 * SECOND);
	happens(web, EVENT_KILL); /* SIGHUP */
	wait_for(60 * SECOND);
	dies(web, 1); /* long after stop timeout + 10 s */
	expect("RESTART, restart:success, not_recovered:exited");

	begin(NULL);
	sick(web);
	restarted(web);
	wait_for(5 * SECOND);
	happens(web, EVENT_KILL);
	happens(web, EVENT_HEALTHY);
	expect("RESTART, restart:success, recovered:healthy");
	wait_for(HOUR);
	dies(web, 1);
	state_is(web, STATE_WATCHING);
}

/* And not one inspect after the other until its time is over. */
static void test_a_survived_kill_is_looked_at_once(void **state)
{
	struct container *c;

	(void)state;
	begin(NULL);
	policy_forget(&s.policy, web, true, s.now);
	c = sim_add(&s, 0, "db");
	happens(c, EVENT_KILL);
	expect("INSPECT"); /* its stop timeout is not known */
	facts(c, inspected(HEALTH_GOOD));
	expect("");
	wait_for(20 * SECOND);
	expect("INSPECT");
	facts(c, inspected(HEALTH_GOOD));
	wait_for(HOUR);
	expect("");
}

/* ---- gates ------------------------------------------------------------------------------------- */

static void test_unhealthy_for(void **state)
{
	(void)state;
	for (int by_label = 0; by_label < 2; by_label++) {
		struct label_settings own = sim_no_labels;

		begin(by_label ? "AUTOHEAL_UNHEALTHY_FOR=0" : "AUTOHEAL_UNHEALTHY_FOR=90", NULL);
		own.unhealthy_for = by_label ? 90 * SECOND : WATCH_UNSET;
		labels(web, own);
		sick(web);
		wait_for(89 * SECOND);
		happens(web, EVENT_HEALTHY);
		expect("skipped:recovered");
		wait_for(5 * SECOND);
		sick(web); /* counted anew */
		wait_for(90 * SECOND - 1);
		expect("");
		wait_for(1);
		expect("INSPECT");
		still_sick(web);
		expect("RESTART");
		restarted(web);
		happens(web, EVENT_HEALTHY);
		expect("restart:success, recovered:healthy");
		assert_int_equal(s.told.duration_ms, 90 * SECOND);
	}
}

/* The time counts from what was heard first, not from its proof. */
static void test_unhealthy_for_counts_from_detection(void **state)
{
	uint64_t then;

	(void)state;
	begin("AUTOHEAL_UNHEALTHY_FOR=90", NULL);
	then = s.now;
	sick_they_say(web);
	look_failed(web);
	wait_for(10 * SECOND);
	expect("INSPECT, INSPECT");
	still_sick(web);
	wait_until(then, 90 * SECOND - 1);
	expect("");
	wait_for(1);
	expect("INSPECT");
	still_sick(web);
	expect("RESTART");
}

static void test_no_action_in_the_start_period(void **state)
{
	(void)state;
	begin("AUTOHEAL_START_PERIOD=60", NULL);
	wait_for(10 * SECOND);
	sick(web);
	wait_for(50 * SECOND - 1);
	expect("");
	wait_for(1);
	expect("INSPECT");
	still_sick(web);
	expect("RESTART");
}

static void test_no_action_in_the_containers_own_start_period(void **state)
{
	struct label_settings own = sim_no_labels;
	struct policy_facts f = inspected(HEALTH_STARTING);
	uint64_t then;

	(void)state;
	own.start_period = 100 * SECOND;
	/* its start was seen */
	begin(NULL);
	labels(web, own);
	wait_for(HOUR);
	then = s.now;
	happens(web, EVENT_START);
	wait_for(30 * SECOND);
	sick(web);
	wait_until(then, 99 * SECOND - 1); /* known to the second */
	expect("");
	wait_until(then, 100 * SECOND);
	expect("INSPECT");
	still_sick(web);
	expect("RESTART");
	/* an inspect told its age */
	begin(NULL);
	labels(web, own);
	wait_for(HOUR);
	f.age_ms = 40 * SECOND;
	facts(web, f);
	sick(web);
	wait_for(59 * SECOND - 1);
	expect("");
	wait_for(SECOND + 1);
	expect("INSPECT");
	still_sick(web);
	expect("RESTART");
}

/* It counts from the container's own start, also where that was before autoheal's. */
static void test_an_old_container_is_past_its_start_period(void **state)
{
	struct label_settings own = sim_no_labels;

	(void)state;
	own.start_period = 100 * SECOND;
	begin(NULL); /* whose inspect says that it has run for 2 h */
	labels(web, own);
	sick(web);
	expect("RESTART");
}

static void test_its_start_is_asked_for_where_a_start_period_hangs_on_it(void **state)
{
	struct label_settings own = sim_no_labels;
	struct policy_facts f = inspected(HEALTH_BAD);
	struct container *c;

	(void)state;
	own.start_period = 300 * SECOND;
	begin(NULL);
	policy_forget(&s.policy, web, true, s.now);
	wait_for(MINUTE);
	c = sim_add(&s, 0, "db"); /* found by the list */
	labels(c, own);
	facts(c, listed(HEALTH_STARTING));
	sick(c);
	expect("INSPECT");
	f.age_ms = 40 * SECOND;
	facts(c, f);
	wait_for(250 * SECOND);
	expect("");
}

/* The trouble of its predecessor was not detected in this one. */
static void test_a_recreated_container_begins_anew(void **state)
{
	(void)state;
	begin("AUTOHEAL_UNHEALTHY_FOR=60", NULL);
	sick_they_say(web);
	expect("INSPECT");
	policy_forget(&s.policy, web, true, s.now); /* 404 */
	wait_for(10 * MINUTE);
	web = sim_add(&s, 0, "web");
	happens(web, EVENT_START);
	sick(web);
	wait_for(59 * SECOND);
	expect("");
}

/* ---- words instead of deeds -------------------------------------------------------------------- */

static void test_a_dry_run_tells_once_an_incident_and_sends_nothing(void **state)
{
	(void)state;
	begin("AUTOHEAL_DRY_RUN=true", NULL);
	for (int i = 0; i < 2; i++) {
		sick(web);
		expect("skipped:dry_run");
		for (int j = 0; j < 20; j++) {
			wait_for(30 * SECOND);
			facts(web, listed(HEALTH_BAD));
			expect("INSPECT");
			still_sick(web);
			expect("");
		}
		happens(web, EVENT_HEALTHY);
		wait_for(10 * SECOND);
		expect("skipped:recovered");
	}
	assert_int_equal(web->identity->restarts, 0);
}

/* What a dry run says is what would be done, at the time when it would. */
static void test_a_dry_run_waits_as_long_as_the_deed_would(void **state)
{
	(void)state;
	begin("AUTOHEAL_DRY_RUN=true", "AUTOHEAL_UNHEALTHY_FOR=60", NULL);
	sick(web);
	wait_for(60 * SECOND - 1);
	expect("");
	wait_for(1);
	expect("skipped:dry_run");
}

static void test_a_label_may_ask_for_words_only(void **state)
{
	struct label_settings own = sim_no_labels;

	(void)state;
	own.no_restart = true;
	begin(NULL);
	labels(web, own);
	for (int i = 0; i < 5; i++) {
		sick(web);
		expect("restart:success");
		assert_string_equal(s.told.did, "notify");
		says("autoheal.restart.enable=false");
		for (int j = 0; j < 5; j++) {
			wait_for(30 * SECOND);
			facts(web, listed(HEALTH_BAD));
			expect("INSPECT");
			still_sick(web);
			expect("");
		}
		happens(web, EVENT_HEALTHY);
		wait_for(10 * SECOND);
		expect("skipped:recovered");
	}
	assert_int_equal(web->identity->restarts, 0);
}

static void test_what_was_due_and_not_done_is_told_once(void **state)
{
	static const struct {
		const char *what, *expected;
	} ways[] = {
	    {"restarting", "skipped:restarting"},
	    {"exited", "skipped:stopped"},
	    {"paused", "skipped:paused"},
	    {"healthy", "skipped:recovered"},
	    {"stale", "skipped:stale"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(ways); i++) {
		struct policy_facts f = inspected(HEALTH_BAD);

		begin("AUTOHEAL_UNHEALTHY_FOR=20", NULL);
		sick(web);
		wait_for(20 * SECOND);
		expect("INSPECT");
		change(&f, ways[i].what);
		if (!strcmp(ways[i].what, "stale"))
			f.streak = 1;
		facts(web, f);
		expect(ways[i].expected);
		f.whole = false;
		facts(web, f);
		wait_for(MINUTE);
		if (s.length)
			expect("INSPECT");
	}
}

static void test_stopping_begins_nothing(void **state)
{
	struct container *db;

	(void)state;
	begin("AUTOHEAL_MAX_PARALLEL=1", NULL);
	db = known("db");
	event(web, EVENT_UNHEALTHY);
	event(db, EVENT_UNHEALTHY);
	turn();
	expect("RESTART web");
	s.policy.stopping = true;
	restarted(web); /* what is under way is drained */
	expect("restart:success web");
	happens(web, EVENT_HEALTHY);
	expect("recovered:healthy web");
	wait_for(HOUR);
	sick(web);
	wait_for(HOUR);
	expect("");

	begin("AUTOHEAL_UNHEALTHY_FOR=60", NULL);
	sick(web);
	s.policy.stopping = true;
	wait_for(HOUR);
	expect("");
}

/* What a quarantine would do then is not done, and policy_run comes back. */
static void test_stopping_ends_while_a_quarantine_would_try_again(void **state)
{
	pid_t child;
	int status;

	(void)state;
	begin("AUTOHEAL_MAX_RESTARTS=1", "AUTOHEAL_QUARANTINE_RETRY=60", NULL);
	sick(web);
	refused(web);
	expect("RESTART, restart:failure, quarantine:quarantined");
	s.policy.stopping = true;
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		struct action list[POLICY_ACTIONS_MAX];
		struct actions out = {.list = list, .room = POLICY_ACTIONS_MAX};

		alarm(1);
		policy_run(&s.policy, s.now + MINUTE, &out);
		_exit(0);
	}
	waitpid(child, &status, 0);
	assert_true(WIFEXITED(status));
}

static void test_flapping_through_starting_ends_in_quarantine(void **state)
{
	int restarts_seen = 0, i;

	(void)state;
	begin(NULL);
	for (i = 0; i < 10 && web->state != STATE_QUARANTINED; i++) {
		sick(web);
		if (web->state == STATE_WAITING) {
			wait_for(60 * SECOND);
			still_sick(web);
		}
		if (web->state == STATE_RESTARTING) {
			restarts_seen++;
			restarted(web);
		} else {
			dies(web, 1); /* its own restart policy brings it back */
			happens(web, EVENT_START);
		}
		facts(web, listed(HEALTH_STARTING));
		wait_for(30 * SECOND);
		if (web->state == STATE_VERIFYING)
			dies(web, 1);
		happens(web, EVENT_START);
	}
	state_is(web, STATE_QUARANTINED);
	assert_int_equal(restarts_seen, 3);
}

static void test_one_forgotten_in_its_restart_is_kept_until_the_answer(void **state)
{
	(void)state;
	for (int gone = 0; gone < 2; gone++) {
		begin(NULL);
		sick(web);
		policy_forget(&s.policy, web, gone, s.now);
		assert_int_equal(s.policy.containers.count, 1);
		restarts(web);
		assert_false(answer(web, ANSWER_DONE, 204, ""));
		expect("RESTART, restart:success");
		assert_int_equal(s.policy.containers.count, 0);
		assert_int_equal(s.policy.engines[0].busy, 0);
		wait_for(HOUR);
		expect("");
	}
}

/* Its answer is lost: what became of the request is told all the same, unless it is gone. */
static void test_one_forgotten_whose_answer_is_lost(void **state)
{
	(void)state;
	begin(NULL);
	sick(web);
	lost(web);
	policy_forget(&s.policy, web, false, s.now);
	assert_int_equal(s.policy.containers.count, 1);
	happens(web, EVENT_START);
	expect("RESTART, INSPECT, restart:success");
	policy_forget(&s.policy, web, false, s.now);
	assert_int_equal(s.policy.containers.count, 0);
	begin(NULL);
	sick(web);
	lost(web);
	policy_forget(&s.policy, web, true, s.now);
	assert_int_equal(s.policy.containers.count, 0);
}

/* ---- the list of stories ----------------------------------------------------------------------- */

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    STORY(a_live_unhealthy_is_acted_on_in_the_same_turn),
	    STORY(an_unknown_stop_timeout_is_asked_for_in_parallel),
	    STORY(a_later_event_of_the_same_read_cancels),
	    STORY(unhealthy_amid_a_stop_is_no_call_to_act),
	    STORY(what_is_no_proof_is_looked_at),
	    STORY(what_the_list_shows_else_is_left_alone),
	    STORY(a_look_that_fails_is_tried_again),
	    STORY(a_hundred_events_of_podman_are_one_heal),
	    STORY(a_silent_list_has_those_looked_at_that_are_not_known_to_be_well),
	    STORY(sick_without_a_word_of_list_or_stream),
	    STORY(a_list_that_speaks_needs_no_look),
	    STORY(those_that_seem_well_are_looked_at_in_turn),
	    STORY(a_service_that_ends_looks_at_nobody),
	    STORY(sick_after_an_unpause_is_found_by_the_list),
	    STORY(our_own_events_are_no_persons_stop),
	    STORY(hands_off_after_a_persons_stop_until_start),
	    STORY(hands_off_after_a_kill_that_ended_it),
	    STORY(hands_off_while_paused),
	    STORY(a_missed_start_is_learned_from_the_list),
	    STORY(a_survived_kill_means_nothing),
	    STORY(a_kill_in_the_read_after_unhealthy_waits_too),
	    STORY(a_kill_while_it_is_looked_at_waits_too),
	    STORY(how_long_a_kill_may_take_is_asked_for),
	    STORY(the_cooldown_runs_from_the_answer),
	    STORY(without_a_cooldown_the_next_is_immediate),
	    STORY(health_in_the_cooldown_cancels),
	    STORY(a_person_in_the_cooldown),
	    STORY(another_tools_restart_begins_the_cooldown),
	    STORY(unhealthy_for),
	    STORY(unhealthy_for_counts_from_detection),
	    STORY(no_action_in_the_start_period),
	    STORY(no_action_in_the_containers_own_start_period),
	    STORY(a_dry_run_tells_once_an_incident_and_sends_nothing),
	    STORY(a_dry_run_waits_as_long_as_the_deed_would),
	    STORY(a_label_may_ask_for_words_only),
	    STORY(what_was_due_and_not_done_is_told_once),
	    STORY(stopping_begins_nothing),
	    STORY(flapping_through_starting_ends_in_quarantine),
	    STORY(one_forgotten_in_its_restart_is_kept_until_the_answer),
	    STORY(one_forgotten_whose_answer_is_lost),
	    STORY(a_signal_survived_long_ago_is_no_stop),
	    STORY(a_survived_kill_is_looked_at_once),
	    STORY(another_tools_restart_gets_its_recovery_time),
	    STORY(an_old_container_is_past_its_start_period),
	    STORY(its_start_is_asked_for_where_a_start_period_hangs_on_it),
	    STORY(a_recreated_container_begins_anew),
	    STORY(stopping_ends_while_a_quarantine_would_try_again),
	    STORY(a_container_that_has_been_quiet_for_weeks),
	    STORY(facts_older_than_the_last_event_are_no_proof),
	    STORY(unhealthy_of_one_that_exited_is_no_proof),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}

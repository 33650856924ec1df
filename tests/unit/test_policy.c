/* test_policy.c - what policy.h promises, told as stories: a container falls ill, an engine answers,
 * time goes by. `web` is the container of a story with one; the clock is simulated. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "simulation.h"

/* ---- the words of a story -------------------------------------------------------------------- */

static struct simulation s;
static bool begun;
static struct container *web;

/* A story begins: settings as in the environment, ending with NULL; `web` is known and healthy. */
#define begin(...) (end(), sim_begin(&s, __VA_ARGS__), begun = true, web = known("web"))

static struct container *known(const char *name);

static void end(void)
{
	if (begun)
		sim_end(&s);
	begun = false;
}

static int teardown(void **state)
{
	(void)state;
	end();
	return 0;
}

static void forget_what_happened(void)
{
	s.happened[0] = 0;
	s.length = 0;
}

static void expect_at(const char *words, int line)
{
	if (strcmp(s.happened, words)) {
		print_error("happened: \"%s\"\nexpected: \"%s\"\nat %llu ms\n", s.happened, words,
		    (unsigned long long)(s.now - SIM_BEGINS));
		_fail(__FILE__, line);
	}
	forget_what_happened();
}
/* What the policy wanted done and told since the last expect(), all of it. */
#define expect(words) expect_at(words, __LINE__)

static void wait_for(uint64_t ms)
{
	sim_wait(&s, ms);
}

/* Until `ms` after `then`. */
static void wait_until(uint64_t then, uint64_t ms)
{
	assert_true(s.now <= then + ms);
	sim_wait(&s, then + ms - s.now);
}

/* One event of a read that goes on. */
static void event(struct container *c, enum policy_event_kind kind)
{
	sim_event(&s, c, &(struct policy_event){.kind = kind, .live = true});
}

static void turn(void)
{
	sim_turn(&s);
}

/* An event that is a read of its own. */
static void happens(struct container *c, enum policy_event_kind kind)
{
	event(c, kind);
	turn();
}

static void dies(struct container *c, int code)
{
	sim_event(
	    &s, c, &(struct policy_event){.kind = EVENT_DIE, .has_exit_code = true, .exit_code = code});
	turn();
}

static void sick(struct container *c)
{
	happens(c, EVENT_UNHEALTHY);
}

/* Unhealthy out of a replay or a backlog, or from Podman: no proof. */
static void sick_they_say(struct container *c)
{
	sim_event(&s, c, &(struct policy_event){.kind = EVENT_UNHEALTHY});
	turn();
}

/* The answer to an inspect of a running container: a healthcheck of 10 s x 3, a stop timeout of 10 s. */
static struct policy_facts inspected(enum container_health health)
{
	return (struct policy_facts){.whole = true,
	    .running = true,
	    .health = health,
	    .streak = health == HEALTH_BAD ? 3 : 0,
	    .check_retries = 3,
	    .check_time = 30,
	    .stop_timeout = 10,
	    .age_ms = 2 * HOUR};
}

static struct policy_facts exited(void)
{
	struct policy_facts f = inspected(HEALTH_BAD);

	f.running = false;
	f.streak = 0;
	f.exit_code = 1;
	return f;
}

/* An element of the list. */
static struct policy_facts listed(enum container_health health)
{
	return (struct policy_facts){
	    .running = true, .health = health, .stop_timeout = WATCH_UNSET, .age_ms = -1};
}

static void facts(struct container *c, struct policy_facts f)
{
	sim_event(&s, c, &(struct policy_event){.kind = EVENT_FACTS, .facts = &f});
	turn();
}

/* The inspect that was asked for says: running and unhealthy, its probes fail. */
static void still_sick(struct container *c)
{
	assert_true(c->looking);
	facts(c, inspected(HEALTH_BAD));
}

static void look_failed(struct container *c)
{
	assert_true(c->looking);
	happens(c, EVENT_LOOK_FAILED);
}

/* false: the record is gone, as it was to be forgotten. */
static bool answer(
    struct container *c, enum policy_answer_kind kind, int status, const char *message)
{
	struct policy_answer a = {.kind = kind, .status = status, .message = span_of(message)};
	bool kept;

	assert_int_equal(c->state, STATE_RESTARTING);
	sim_event(&s, c, &(struct policy_event){.kind = EVENT_ANSWER, .answer = &a});
	kept = policy_keep(&s.policy, c, s.now);
	turn();
	return kept;
}

static void done(struct container *c)
{
	assert_true(answer(c, ANSWER_DONE, 204, ""));
}

static void refused(struct container *c)
{
	assert_true(answer(c, ANSWER_REFUSED, 500, "it will not"));
}

static void lost(struct container *c)
{
	assert_true(answer(c, ANSWER_LOST, 0, "connection reset"));
}

static void unsent(struct container *c)
{
	assert_true(answer(c, ANSWER_UNSENT, 0, "no such file"));
}

/* Reads the next word of "kill die stop". */
static bool next_event(struct span *words, enum policy_event_kind *kind)
{
	static const char *const names[] = {"start", "die", "stop", "kill", "pause", "unpause", "restart",
	    "healthy", "unhealthy"};
	struct span word;

	if (!span_next(words, ' ', &word))
		return false;
	for (*kind = 0; !span_is(word, names[*kind]);)
		assert_true(++*kind < COUNT(names));
	return true;
}

/* What a Docker engine's stream says of a restart, ours or anybody's (20.10). */
static void restarts(struct container *c)
{
	happens(c, EVENT_KILL);
	dies(c, 143);
	happens(c, EVENT_STOP);
	happens(c, EVENT_START);
	happens(c, EVENT_RESTARTED);
}

static void stops(struct container *c)
{
	happens(c, EVENT_KILL);
	dies(c, 143);
	happens(c, EVENT_STOP);
}

/* Our request is carried out at once. */
static void restarted(struct container *c)
{
	restarts(c);
	done(c);
}

/* Sick, restarted, healthy again; nothing else happens. */
static void healed(struct container *c)
{
	char words[200];
	const char *of = s.policy.containers.count > 1 ? c->name : "", *blank = *of ? " " : "";

	sick(c);
	snprintf(words, sizeof words, "RESTART%s%s", blank, of);
	expect_at(words, __LINE__);
	restarted(c);
	happens(c, EVENT_HEALTHY);
	snprintf(words, sizeof words, "restart:success%s%s, recovered:healthy%s%s", blank, of, blank, of);
	expect_at(words, __LINE__);
}

/* A container of which everything is known: it runs and is healthy. */
static struct container *known(const char *name)
{
	struct container *c = sim_add(&s, 0, name);

	facts(c, inspected(HEALTH_GOOD));
	expect("");
	return c;
}

static void says(const char *words)
{
	if (!strstr(s.told.message, words))
		fail_msg("it says \"%s\", not \"%s\"", s.told.message, words);
}

#define state_is(c, wanted) \
	assert_string_equal(policy_state_name((c)->state), policy_state_name(wanted))

static void labels(struct container *c, struct label_settings own)
{
	assert_true(containers_set_own(c, &own));
}

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
	struct container *c;

	(void)state;
	begin(NULL);
	policy_forget(&s.policy, web, true, s.now);
	c = sim_add(&s, 0, "db");
	sick(c);
	expect("RESTART, INSPECT");
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

static void change(struct policy_facts *f, const char *what)
{
	if (!strcmp(what, "paused"))
		f->paused = true;
	else if (!strcmp(what, "exited"))
		f->running = false;
	else if (!strcmp(what, "restarting"))
		f->restarting = true;
	else if (!strcmp(what, "healthy"))
		f->health = HEALTH_GOOD;
	else if (!strcmp(what, "starting"))
		f->health = HEALTH_STARTING;
	else if (!strcmp(what, "no healthcheck"))
		f->health = HEALTH_NONE;
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
			expect("");
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
		expect("");
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
	begin(NULL);
	policy_forget(&s.policy, web, true, s.now);
	c = sim_add(&s, 0, "db");
	sick(c);
	expect("RESTART, INSPECT");
	look_failed(c); /* so it stays unknown */
	wait_for(10 * MINUTE - 1);
	expect("");
	wait_for(1);
	expect("restart:failure, ABANDON");

	begin(NULL);
	policy_forget(&s.policy, web, true, s.now);
	c = sim_add(&s, 0, "db");
	sick(c);
	expect("RESTART, INSPECT");
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
	begin("AUTOHEAL_MAX_RESTARTS=0", "AUTOHEAL_BACKOFF_INITIAL=5", "AUTOHEAL_BACKOFF_MULTIPLIER=1.5",
	    "AUTOHEAL_BACKOFF_MAX=12", NULL);
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
	says("403");
	says("POST=1");
	says("ALLOW_RESTARTS=1");
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
	static const char *const orders[] = {"kill die stop start restart", "kill stop die start restart",
	    "restart stop die start" /* Podman */};

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
		wait_for(20 * SECOND);
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
			expect("");
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

static void test_a_person_stops_what_is_in_quarantine(void **state)
{
	(void)state;
	begin(NULL);
	quarantined_by_failures();
	stops(web);
	wait_for(HOUR);
	expect("INSPECT");
	facts(web, exited());
	wait_for(HOUR);
	expect("INSPECT");
	facts(web, exited());
	happens(web, EVENT_START);
	happens(web, EVENT_HEALTHY);
	wait_for(120 * SECOND);
	expect("auto_unquarantine:released");
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

			snprintf(words, sizeof words, "restart:success %s, INSPECT %s", all[i]->name,
			    next->name);
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
		expect("");
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
		expect("");
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
	left_down();
	assert_string_equal(policy_next_action(&s.policy, web, &at, &why), "start");
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

/* ---- the list of stories ----------------------------------------------------------------------- */

#define STORY(name) cmocka_unit_test_teardown(test_##name, teardown)

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
	    STORY(sick_after_an_unpause_is_found_by_the_list),
	    STORY(the_stop_timeout_comes_from_label_environment_or_not_at_all),
	    STORY(an_answer_is_awaited_for_stop_timeout_and_40_s),
	    STORY(an_unknown_stop_timeout_waits_ten_minutes_until_it_is_known),
	    STORY(after_the_deadline_events_and_inspect_tell),
	    STORY(back_off_grows_and_is_capped),
	    STORY(a_refusal_is_told_in_the_engines_words),
	    STORY(a_proxy_that_forbids_is_named_with_its_remedy),
	    STORY(one_that_is_gone_is_forgotten),
	    STORY(what_our_restart_left_down_is_started_until_it_is_up),
	    STORY(what_our_restart_left_down_ends_in_quarantine),
	    STORY(the_exit_may_be_seen_after_the_refusal),
	    STORY(somebody_else_starts_what_we_left_down),
	    STORY(a_refused_one_that_recovers_is_left_alone),
	    STORY(a_request_that_never_left_is_no_restart),
	    STORY(an_engine_that_is_away_cannot_be_asked_either),
	    STORY(unsent_and_then_stopped_by_a_person),
	    STORY(a_lost_answer_is_settled_by_a_start_seen_before),
	    STORY(a_lost_answer_is_settled_by_a_start_seen_later),
	    STORY(a_lost_answer_is_settled_by_its_age),
	    STORY(a_lost_answer_is_settled_by_an_exit_that_lasts),
	    STORY(a_lost_answer_is_settled_when_nothing_began),
	    STORY(a_lost_answer_is_awaited_when_it_began),
	    STORY(a_lost_answer_and_looks_that_fail),
	    STORY(the_cooldown_runs_from_the_answer),
	    STORY(without_a_cooldown_the_next_is_immediate),
	    STORY(health_in_the_cooldown_cancels),
	    STORY(a_person_in_the_cooldown),
	    STORY(another_tools_restart_begins_the_cooldown),
	    STORY(our_own_events_are_no_persons_stop),
	    STORY(hands_off_after_a_persons_stop_until_start),
	    STORY(hands_off_after_a_kill_that_ended_it),
	    STORY(hands_off_while_paused),
	    STORY(a_missed_start_is_learned_from_the_list),
	    STORY(a_survived_kill_means_nothing),
	    STORY(a_kill_in_the_read_after_unhealthy_waits_too),
	    STORY(a_kill_while_it_is_looked_at_waits_too),
	    STORY(how_long_a_kill_may_take_is_asked_for),
	    STORY(unhealthy_for),
	    STORY(unhealthy_for_counts_from_detection),
	    STORY(no_action_in_the_start_period),
	    STORY(no_action_in_the_containers_own_start_period),
	    STORY(recovered_carries_the_time_since_detection),
	    STORY(healthy_may_be_seen_before_the_answer),
	    STORY(healthy_before_its_start_is_no_recovery),
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
	    STORY(at_most_so_many_at_once_the_rest_in_order),
	    STORY(every_ending_hands_its_slot_on),
	    STORY(who_needs_no_slot_any_more_leaves_the_queue),
	    STORY(every_engine_has_slots_of_its_own),
	    STORY(a_slow_stop_delays_no_other),
	    STORY(a_dry_run_tells_once_an_incident_and_sends_nothing),
	    STORY(a_dry_run_waits_as_long_as_the_deed_would),
	    STORY(a_label_may_ask_for_words_only),
	    STORY(what_was_due_and_not_done_is_told_once),
	    STORY(stopping_begins_nothing),
	    STORY(flapping_through_starting_ends_in_quarantine),
	    STORY(next_action_in_words),
	    STORY(one_forgotten_in_its_restart_is_kept_until_the_answer),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}

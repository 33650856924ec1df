/* test_cuts.c - nothing is lost and nothing is done twice, wherever a connection breaks.
 *
 * The engine client, the monitor and the policy, as they are shipped, live through a story of a minute and more:
 * illnesses, starts, stops, a foreign restart, pauses, signals. Then they live through it again, once for every
 * byte that the engine says on any connection, and there that connection is cut. The story must end the same: the same
 * restarts, each once, and the same audit events.
 *
 * CUT="..." in the environment, as a failure prints it, plays one telling alone, with the log. */
#include "cut_engine.h"

#include <sys/wait.h>

#include "log.h"

/* ---- one telling of a story ------------------------------------------------------------------------ */

/* How it ended: everything that must not depend on a cut. */
struct ending {
	char audit[ENGINE_CONTAINERS][512]; /* by container: "restart:success recovered:healthy" */
	unsigned restarts[ENGINE_CONTAINERS];
	char state[ENGINE_CONTAINERS][96];
	bool runs[ENGINE_CONTAINERS];
	unsigned connections;
	unsigned cuts, said[SAID_COUNT];
	size_t longest[SAID_COUNT];
	char wrong[256]; /* a rule that was broken on the way, "" for none */
};

struct story {
	void (*begin)(void);
	uint64_t lasts; /* ms */
};

static struct settings settings;

static void no_warning(const char *sentence)
{
	fail_msg("%s", sentence);
}

static void read_settings(void)
{
	/* cuts in a row may lose three restarts in a row: what follows from that is another story */
	static char *environment[] = {"AUTOHEAL_COOLDOWN=5", "AUTOHEAL_INTERVAL=30",
	    "AUTOHEAL_MAX_RESTARTS=0", "AUTOHEAL_BACKOFF_MAX=10", NULL};
	char error[256];

	if (config_read(&settings, environment, error, sizeof error, no_warning))
		fail_msg("%s", error);
}

static size_t body_of(const uint8_t id[32])
{
	char hex[65];

	text_hex(id, 32, hex);
	for (size_t i = 0; i < engine.bodies_count; i++)
		if (!strcmp(engine.bodies[i].id, hex))
			return i;
	fail_msg("an event of a container that nobody knows: %s", hex);
	return 0;
}

static void note_audit(const struct monitor *m, struct ending *out)
{
	struct audit_cursor cursor = {0};
	struct audit_event e;

	while (audit_next(&m->audit, &cursor, &e)) {
		char *line;

		if (!e.id)
			continue; /* the engine was lost, and came back */
		line = out->audit[body_of(e.id)];
		snprintf(line + strlen(line), sizeof out->audit[0] - strlen(line), "%s:%.*s ",
		    audit_kind_name(e.kind), (int)e.status.n, e.status.p);
	}
}

static void note_states(struct monitor *m, struct ending *out)
{
	for (size_t i = 0; i < engine.bodies_count; i++) {
		const struct body *b = &engine.bodies[i];
		const struct container *c;
		uint8_t id[32];

		text_unhex(span_of(b->id), id, 32);
		c = containers_find(&m->policy.containers, 0, id);
		out->restarts[i] = b->restarts;
		out->runs[i] = b->running;
		snprintf(out->state[i], sizeof out->state[i], "%s %s%s",
		    c ? policy_state_name(c->state) : "unknown", c ? c->name : "",
		    c && c->paused ? " paused" : "");
		if (c && c->running && !c->paused)
			snprintf(out->state[i] + strlen(out->state[i]),
			    sizeof out->state[i] - strlen(out->state[i]), " %s",
			    policy_health_name(c->health));
	}
}

/* From the engine's first word to the end; cut may be NULL. */
static void tell(const struct story *story, const struct cut *cut, struct ending *out)
{
	static struct call_workspace workspace;
	static struct loop loop_memory;
	static struct monitor monitor_memory;
	struct loop *loop = memset(&loop_memory, 0, sizeof loop_memory);
	struct monitor *m = memset(&monitor_memory, 0, sizeof monitor_memory);
	struct target target;
	char url[80], error[256];

	memset(out, 0, sizeof *out);
	engine_begin();
	story->begin();
	if (cut)
		engine.cut = *cut;
	loop_init(loop);
	snprintf(url, sizeof url, "unix://%s", engine.path);
	assert_int_equal(target_read(&target, url, false, "DOCKER_HOST", error, sizeof error), 0);
	monitor_init(m, loop, &workspace, &settings, 42);
	snprintf(target.name, sizeof target.name, "local");
	monitor_add_engine(m, &target);
	monitor_start(m);
	while (engine.now < ENGINE_STARTS + story->lasts)
		loop_turn(loop);
	note_audit(m, out);
	note_states(m, out);
	out->connections = engine.connections_made;
	out->cuts = engine.cuts;
	memcpy(out->said, engine.said, sizeof out->said);
	memcpy(out->longest, engine.longest, sizeof out->longest);
	if (engine.restarts_while_busy)
		snprintf(out->wrong, sizeof out->wrong, "a restart was asked for amid another");
	else if (m->engines[0].state != DOCKER_UP)
		snprintf(out->wrong, sizeof out->wrong, "it is not connected in the end");
	else if (monitor_under_way(m))
		snprintf(out->wrong, sizeof out->wrong, "an answer is still awaited in the end");
	monitor_close(m);
	engine_end();
}

/* ---- the stories ----------------------------------------------------------------------------------- */

#define LABEL "\"autoheal\":\"true\""

static void day(void)
{
	struct body *web = engine_add("web", LABEL);
	struct body *cafe = engine_add("Zoës-🐳-café", LABEL);
	struct body *paused = engine_add("paused", LABEL);
	struct body *unpaused = engine_add("unpaused", LABEL);
	struct body *signalled = engine_add("signalled", LABEL);
	struct body *foreign = engine_add("foreign", LABEL);
	struct body *crash = engine_add("crash", LABEL);
	struct body *stopped = engine_add("stopped", LABEL);
	struct body *removed = engine_add("removed", LABEL);
	struct body *renamed = engine_add("old", LABEL);
	struct body *plain = engine_add("plain", "\"a\":\"\\\"}{\\\\\"");
	struct body *late = engine_add("late", LABEL ",\"monitoring.id\":\"l\\u0061te\"");

	late->there = late->running = false;
	engine_plan(1000, SICKENS, web);
	engine_plan(1200, PAUSED, paused);
	engine_plan(1400, PAUSED, unpaused);
	engine_plan(1700, KILLED, signalled);
	engine_plan(2000, SICKENS, cafe);
	engine_plan_restart(2100, foreign);
	engine_plan(2600, SICKENS, plain);
	engine_plan(2800, CREATED, late);
	engine_plan(2801, STARTS, late);
	engine_plan(3000, DIES, crash);
	engine_plan(3050, STARTS, crash);
	engine_plan(3100, RENAMED, renamed);
	engine_plan(3300, UNPAUSED, unpaused);
	engine_plan(4100, HEALS, unpaused);
	engine_plan_stop(4300, stopped);
	engine_plan(5200, SICKENS, late);
	engine_plan(5500, SICKENS, removed);
	engine_plan(40000, KILLED, removed);
	engine_plan(40001, DIES, removed);
	engine_plan(40002, REMOVED, removed);
	engine_plan(9000, SICKENS, renamed);
	engine_plan(12000, SICKENS, web);
	engine_plan(16000, SICKENS, signalled);
	engine_plan(17000, SICKENS, unpaused);
	engine_plan(20000, SICKENS, foreign);
}

static const struct story the_day = {day, 75000};
/* With time for what is tried again, with back-off. */
static const struct story the_long_day = {day, 200000};

/* An event that is larger than any client takes, between two illnesses. */
static void huge(void)
{
	struct body *web = engine_add("web", LABEL);
	struct body *big = engine_add("big", "");
	struct body *cafe = engine_add("Zoës-🐳-café", LABEL);

	engine_plan(1000, SICKENS, web);
	engine_plan(3000, HUGE_EVENT, big);
	engine_plan(3010, SICKENS, cafe);
}

static const struct story the_huge_event = {huge, 40000};
#define HUGE_NUMBER 7 /* of all events in it, counted from 0 */

/* ---- comparing ------------------------------------------------------------------------------------- */

static unsigned failed;

/* Whether it ended as it did without a cut; words when it did not. told_otherwise: what was told may differ. */
static bool same(const struct ending *expected, const struct ending *got, bool told_otherwise,
    char *why, size_t cap)
{
	if (got->wrong[0]) {
		snprintf(why, cap, "%s", got->wrong);
		return false;
	}
	for (size_t i = 0; i < ENGINE_CONTAINERS; i++) {
		bool once = told_otherwise ? got->restarts[i] <= expected->restarts[i]
					   : got->restarts[i] == expected->restarts[i];
		const char *what = !once                                           ? "restarts"
		    : !told_otherwise && strcmp(got->audit[i], expected->audit[i]) ? "audit"
		    /* what was stopped before it was ever seen is not known */
		    : (got->runs[i] || !told_otherwise) && strcmp(got->state[i], expected->state[i])
		    ? "state"
		    : NULL;

		if (!what)
			continue;
		snprintf(why, cap,
		    "container %zu: %s differs: %u restarts, '%s', %s; without a cut %u, '%s', %s",
		    i, what, got->restarts[i], got->audit[i], got->state[i], expected->restarts[i],
		    expected->audit[i], expected->state[i]);
		return false;
	}
	/* a cut costs a stream, a list, and the looks in turn after it */
	if (got->connections > expected->connections +
		((told_otherwise ? 20 : 6) + POLICY_LOOKS_IN_TURN) * got->cuts) {
		snprintf(why, cap, "%u connections instead of %u, after %u cuts", got->connections,
		    expected->connections, got->cuts);
		return false;
	}
	return true;
}

static void try_cut(const struct story *story, const struct ending *expected, const struct cut *cut)
{
	static struct ending got;
	char why[1800];

	tell(story, cut, &got);
	if (same(expected, &got, cut->random || cut->unheard, why, sizeof why))
		return;
	if (failed++ < 6)
		fprintf(stderr, "CUT=\"%d %u %u %zu %llu %d %u %llu\": %s\n", cut->said,
		    cut->classes, cut->turn, cut->at, (unsigned long long)cut->away, cut->unheard,
		    cut->random, (unsigned long long)cut->seed, why);
}

/* ---- every byte ------------------------------------------------------------------------------------ */

#define WORKERS 4

static struct ending expected;

static void without_a_cut(const struct story *story)
{
	tell(story, NULL, &expected);
	assert_string_equal(expected.wrong, "");
}

/* Calls work(i) for each i below n, spread over some processes; the number that failed. */
static unsigned spread(size_t n, void (*work)(size_t i))
{
	pid_t workers[WORKERS];
	unsigned bad = 0;

	for (size_t w = 0; w < WORKERS; w++) {
		workers[w] = fork();
		assert_true(workers[w] >= 0);
		if (workers[w])
			continue;
		failed = 0;
		for (size_t i = w; i < n; i += WORKERS)
			work(i);
		_exit(failed ? 1 : 0);
	}
	for (size_t w = 0; w < WORKERS; w++) {
		int status;

		waitpid(workers[w], &status, 0);
		bad += !WIFEXITED(status) || WEXITSTATUS(status);
	}
	return bad;
}

static struct cut cuts[20000];
static size_t cuts_count;
static const struct story *told_now;

static void try_one(size_t i)
{
	try_cut(told_now, &expected, &cuts[i]);
}

static void try_all(const struct story *story)
{
	told_now = story;
	assert_true(cuts_count > 0);
	print_message("           %zu cuts\n", cuts_count);
	assert_int_equal(spread(cuts_count, try_one), 0);
}

static void add_cut(struct cut cut)
{
	assert_true(cuts_count < COUNT(cuts));
	cuts[cuts_count++] = cut;
}

/* Every byte of every answer of a kind, or of every event; of those, one in `classes` is cut in one telling. */
static void add_every_byte(
    enum said said, unsigned classes, unsigned turns, size_t step, uint64_t away)
{
	for (unsigned turn = 0; turn < turns; turn++)
		for (size_t at = turn % step; at < expected.longest[said]; at += step)
			add_cut((struct cut){
			    .said = said, .classes = classes, .turn = turn, .at = at, .away = away});
}

#define HEALED "restart:success recovered:healthy "

/* What the story is: if this changes, the rest tests something else. */
static void test_the_story_itself(void **state)
{
	static const struct {
		const char *state, *audit;
		unsigned restarts;
	} ends[] = {
	    {"watching web healthy",
		"auto_monitor:enabled " HEALED "not_recovered:relapsed " HEALED, 2},
	    {"watching Zoës-🐳-café healthy", "auto_monitor:enabled " HEALED, 1},
	    {"hands_off paused paused", "auto_monitor:enabled ", 0},
	    {"watching unpaused healthy", "auto_monitor:enabled " HEALED, 1},
	    {"watching signalled healthy", "auto_monitor:enabled " HEALED, 1},
	    {"watching foreign healthy", "auto_monitor:enabled " HEALED, 1},
	    {"watching crash healthy", "auto_monitor:enabled ", 0},
	    {"hands_off stopped", "auto_monitor:enabled ", 0},
	    {"unknown ", "auto_monitor:enabled " HEALED, 1},
	    {"watching new-name healthy", "auto_monitor:enabled " HEALED, 1},
	    {"unknown ", "", 0},
	    {"watching late healthy", "auto_monitor:enabled " HEALED, 1},
	};

	(void)state;
	without_a_cut(&the_day);
	for (size_t i = 0; i < COUNT(ends); i++) {
		assert_string_equal(expected.state[i], ends[i].state);
		assert_string_equal(expected.audit[i], ends[i].audit);
		assert_int_equal(expected.restarts[i], ends[i].restarts);
	}
	assert_true(expected.said[EVENT] > 80);
	assert_true(expected.said[LIST] > 2);
	assert_true(expected.said[INSPECT] > 8);
}

static void test_an_event_cut_at_every_byte(void **state)
{
	(void)state;
	without_a_cut(&the_day);
	cuts_count = 0;
	add_every_byte(EVENT, 13, 13, 4, 0);
	try_all(&the_day);
}

static void test_an_answer_cut_at_every_byte(void **state)
{
	(void)state;
	without_a_cut(&the_day);
	cuts_count = 0;
	add_every_byte(VERSION, 2, 1, 1, 0);
	add_every_byte(STREAM_HEAD, 2, 1, 1, 0);
	add_every_byte(LIST, 2, 1, 1, 0);
	add_every_byte(INSPECT, 3, 3, 3, 0);
	add_every_byte(RESTART, 1, 1, 1, 0);
	add_every_byte(LOG, 1, 1, 1, 0);
	try_all(&the_day);
}

/* The same, but nobody listens for a while after it: what happens meanwhile comes by the replay and the list. */
static void test_cut_and_away(void **state)
{
	(void)state;
	without_a_cut(&the_long_day);
	cuts_count = 0;
	add_every_byte(EVENT, 31, 31, 16, 2500);
	add_every_byte(LIST, 2, 2, 16, 2500);
	/* each heal, and each list, asks for some: an engine that is away after each third is never there */
	add_every_byte(INSPECT, 97, 97, 128, 2500);
	add_every_byte(RESTART, 2, 2, 16, 2500);
	try_all(&the_long_day);
}

/* The connection breaks before the engine has read the request: nothing was done, so it is asked for again. */
static void test_a_request_that_was_not_heard(void **state)
{
	(void)state;
	without_a_cut(&the_long_day);
	cuts_count = 0;
	for (unsigned turn = 0; turn < 5; turn++)
		for (enum said said = VERSION; said <= RESTART; said++)
			add_cut(
			    (struct cut){.said = said, .classes = 5, .turn = turn, .unheard = true});
	try_all(&the_long_day);
}

/* What is too large is passed over, wherever it is cut, and costs nothing else. */
static void test_a_huge_event_is_cut(void **state)
{
	(void)state;
	without_a_cut(&the_huge_event);
	assert_true(expected.longest[EVENT] > JSON_VALUE_MAX);
	cuts_count = 0;
	for (size_t at = 0; at < expected.longest[EVENT];
	     at += at < 300 || at + 300 > expected.longest[EVENT] ? 7 : 16381)
		add_cut((struct cut){
		    .said = EVENT, .classes = ENGINE_EVENTS, .turn = HUGE_NUMBER, .at = at});
	try_all(&the_huge_event);
}

/* Cut after cut, on every connection. */
static void test_random_cuts(void **state)
{
	(void)state;
	without_a_cut(&the_long_day);
	cuts_count = 0;
	for (unsigned seed = 0; seed < 600; seed++)
		add_cut((struct cut){.random = 4 + seed % 20, .seed = seed, .away = seed % 3 * 700});
	try_all(&the_long_day);
}

static int play_one(const char *words)
{
	const struct story *story = &the_day;
	struct cut cut = {0};
	unsigned long long away = 0, seed = 0;
	unsigned said = 0, unheard = 0;

	sscanf(words, "%u %u %u %zu %llu %u %u %llu", &said, &cut.classes, &cut.turn, &cut.at,
	    &away, &unheard, &cut.random, &seed);
	cut.said = (enum said)said;
	cut.unheard = unheard;
	cut.away = away;
	cut.seed = seed;
	if (cut.away || cut.unheard || cut.random)
		story = &the_long_day;
	if (cut.classes == ENGINE_EVENTS)
		story = &the_huge_event;
	without_a_cut(story);
	log_setup(LOG_DEBUG, LOG_TEXT);
	try_cut(story, &expected, &cut);
	log_finish(1000);
	return failed != 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_story_itself),
	    cmocka_unit_test(test_an_event_cut_at_every_byte),
	    cmocka_unit_test(test_an_answer_cut_at_every_byte),
	    cmocka_unit_test(test_cut_and_away),
	    cmocka_unit_test(test_a_request_that_was_not_heard),
	    cmocka_unit_test(test_a_huge_event_is_cut),
	    cmocka_unit_test(test_random_cuts),
	};

	read_settings();
	log_setup(LOG_ERROR + 1, LOG_TEXT);
	if (getenv("CUT"))
		return play_one(getenv("CUT"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}

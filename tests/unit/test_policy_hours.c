/* test_policy_hours.c - two hours in the life of containers that no restart mends, or only slowly, with
 * the defaults of every setting. What happened is a table, which docs/healing.md shows to the users: the last test holds
 * the two against each other. `test_policy_hours --table` prints it, to be put there. */
#include "world.h"

#define RESTARTS_MAX 100
#define DOCS "docs/healing.md"
#define TABLE_HEAD \
	"| what it is like | restarts: minutes after its first failure | outcome | after two hours |\n"

static struct world *w;
static char table[8192] = TABLE_HEAD "|---|---|---|---|\n";

/* What one body went through. */
static struct {
	uint64_t at[RESTARTS_MAX]; /* of its restarts, from the first trouble */
	unsigned restarts, told, recovered, relapsed, exited, timeouts, quarantined, released;
	unsigned refused, starts; /* of the restarts */
	unsigned crash_loops;
	uint64_t healed_at; /* the last `recovered` */
} life;

static uint64_t since_trouble(void)
{
	return w->sim.now - SIM_BEGINS - MINUTE;
}

static void on_request(struct world *world, struct body *b, const struct action *a)
{
	(void)world;
	(void)b;
	assert_true(life.restarts < RESTARTS_MAX);
	life.starts += a->kind == ACTION_START;
	life.at[life.restarts++] = since_trouble();
}

static void on_told(struct world *world, struct body *b, const struct action *a)
{
	(void)world;
	(void)b;
	life.told += a->audit == AUDIT_RESTART;
	life.refused += a->audit == AUDIT_RESTART && strcmp(a->status, "success");
	life.crash_loops += a->audit == AUDIT_CRASH_LOOP && !strcmp(a->status, "looping");
	life.quarantined += a->audit == AUDIT_QUARANTINE;
	life.released += a->audit == AUDIT_AUTO_UNQUARANTINE;
	if (a->audit == AUDIT_RECOVERED) {
		life.recovered++;
		life.healed_at = since_trouble();
	}
	if (a->audit != AUDIT_NOT_RECOVERED)
		return;
	life.relapsed += !strcmp(a->status, "relapsed");
	life.exited += !strcmp(a->status, "exited");
	life.timeouts += !strcmp(a->status, "timeout");
}

static int begin(void **state)
{
	(void)state;
	w = calloc(1, sizeof *w);
	assert_non_null(w);
	memset(&life, 0, sizeof life);
	sim_begin(&w->sim, NULL);
	w->requested = on_request;
	w->told = on_told;
	world_begin(w);
	return 0;
}

static int end(void **state)
{
	(void)state;
	sim_end(&w->sim);
	free(w);
	return 0;
}

/* It is well for a minute, falls ill, and two hours go by. */
static void two_hours(struct body *b)
{
	world_wait(w, MINUTE);
	body_probed(w, b, true);
	world_wait(w, 2 * HOUR);
}

static size_t count_of(char *out, size_t cap, size_t at, unsigned count, const char *what)
{
	if (!count)
		return at;
	return at + (size_t)snprintf(out + at, cap - at, "%s%u %s", at ? ", " : "", count, what);
}

/* A row of the table. */
static void show(const char *what, const struct body *b)
{
	const struct container *c = container_of(w, b);
	size_t at = strlen(table), n = 0;
	char outcome[200] = "";

	n = count_of(outcome, sizeof outcome, n, life.recovered, "recovered");
	n = count_of(outcome, sizeof outcome, n, life.timeouts, "not in time");
	n = count_of(outcome, sizeof outcome, n, life.exited, "exited");
	n = count_of(outcome, sizeof outcome, n, life.refused, "refused");
	n = count_of(outcome, sizeof outcome, n, life.relapsed, "relapsed");
	n = count_of(outcome, sizeof outcome, n, life.quarantined, "given up");
	count_of(outcome, sizeof outcome, n, life.released, "released");
	at += (size_t)snprintf(table + at, sizeof table - at, "| %s | %u:", what, life.restarts);
	for (unsigned i = 0; i < life.restarts && i < 6; i++)
		at += (size_t)snprintf(table + at, sizeof table - at, " %llu:%02llu",
		    (unsigned long long)(life.at[i] / MINUTE),
		    (unsigned long long)(life.at[i] % MINUTE / SECOND));
	at += (size_t)snprintf(table + at, sizeof table - at, "%s | %s | %s, %s |\n",
	    life.restarts > 6 ? " …" : "", outcome, policy_health_name(b->health),
	    policy_state_name(c->state));
	assert_true(at < sizeof table);
}

/* Whatever its outcome: not more than three in any ten minutes, each told once, each the only one. */
static void bounded(const struct body *b)
{
	for (unsigned i = 3; i < life.restarts; i++)
		assert_true(life.at[i] - life.at[i - 3] >= 10 * MINUTE - SECOND);
	for (unsigned i = 1; i < life.restarts; i++)
		assert_true(life.at[i] - life.at[i - 1] >= MINUTE); /* the cooldown */
	assert_int_equal(life.told, life.restarts);
	assert_int_equal(b->requests, life.restarts);
	assert_int_equal(w->sim.policy.engines[0].busy, 0);
}

static void test_permanently_broken(void **state)
{
	struct body *b = world_add(w, "broken");

	(void)state;
	b->heals_in = NEVER;
	two_hours(b);
	show("no restart helps it", b);
	bounded(b);
	assert_int_equal(life.at[0], 0);
	assert_int_equal(life.quarantined, 1);
	assert_true(life.restarts >= 4 && life.restarts <= 5); /* three, and a try an hour */
	assert_true(container_of(w, b)->identity->heal->quarantined);
}

static void test_exits_after_every_start(void **state)
{
	struct body *b = world_add(w, "exits");

	(void)state;
	b->heals_in = NEVER;
	b->exits_in = 3 * SECOND;
	two_hours(b);
	show("exits 3 s after each start", b);
	bounded(b);
	assert_int_equal(life.restarts, 4); /* three, and the further try of the quarantine */
	assert_int_equal(life.exited, 4);
}

static void test_flapping_every_five_minutes(void **state)
{
	struct body *b = world_add(w, "flaps");

	(void)state;
	b->fails_in = 5 * MINUTE;
	two_hours(b);
	show("fails 5 min after each recovery", b);
	bounded(b);
	assert_int_equal(life.relapsed, 0);
	assert_true(life.recovered == life.restarts || life.recovered == life.restarts - 1);
	assert_true(life.restarts >= 20); /* each of them helped */
}

static void test_flapping_every_two_and_a_half_minutes(void **state)
{
	struct body *b = world_add(w, "flaps more");

	(void)state;
	b->fails_in = 150 * SECOND;
	two_hours(b);
	show("fails 2.5 min after each recovery", b);
	bounded(b);
	assert_true(life.quarantined >= 1);
}

static void test_a_relapse_ninety_seconds_after_each_heal(void **state)
{
	struct body *b = world_add(w, "relapses");

	(void)state;
	b->fails_in = 90 * SECOND;
	two_hours(b);
	show("fails 90 s after each recovery", b);
	bounded(b);
	assert_int_equal(life.quarantined, 1);
	assert_true(life.restarts <= 5);
	assert_true(container_of(w, b)->identity->heal->quarantined);
}

/* The first probe after so long a time. */
#define AFTER(ms) ((ms) + 5 * SECOND)

/* Its healthcheck says unhealthy after 30 s, and it needs four minutes after every restart. */
static void slow_database(uint64_t stops_in, uint64_t heals_in, const char *what)
{
	struct body *b = world_add(w, "db");

	b->heals_in = heals_in;
	b->sick_in = 30 * SECOND; /* 10 s x 3 */
	b->stops_in = stops_in;
	two_hours(b);
	show(what, b);
	bounded(b);
	/* it was given the time to finish, and is left in peace from then on */
	assert_int_equal(b->health, HEALTH_GOOD);
	assert_int_equal(life.recovered, 1);
	assert_int_equal(life.quarantined, 0);
	assert_int_equal(container_of(w, b)->state, STATE_WATCHING);
	assert_true(life.restarts <= 3);
	assert_true(life.healed_at < 20 * MINUTE);
	assert_int_equal(container_of(w, b)->identity->heal->failures, 0);
}

static void test_a_database_that_needs_four_minutes(void **state)
{
	(void)state;
	slow_database(SECOND, AFTER(4 * MINUTE), "a database that needs 4 min after each restart");
}

/* Each stop ends in SIGKILL, so that it replays its log from the beginning. */
static void test_a_database_that_is_killed_each_time(void **state)
{
	(void)state;
	slow_database(
	    HOUR, AFTER(4 * MINUTE), "a database that needs 4 min, and each stop ends in SIGKILL");
}

static void test_a_database_that_needs_seven_minutes(void **state)
{
	(void)state;
	slow_database(SECOND, AFTER(7 * MINUTE), "a database that needs 7 min");
}

/* Killed before it is done, it needs three times as long the next time. */
static enum fate triples(struct world *world, struct body *b)
{
	(void)world;
	b->heals_in *= 3;
	return FATE_DONE;
}

static void test_a_database_that_every_kill_makes_worse(void **state)
{
	(void)state;
	w->choose = triples;
	slow_database(HOUR, 100 * SECOND,
	    "a database that needs 100 s, and three times as long after each SIGKILL");
}

/* Twice ill, two hours apart: the second time its longest recovery is known, and one restart is enough. */
static void test_a_databases_time_is_remembered(void **state)
{
	struct body *b = world_add(w, "db");
	unsigned first;

	(void)state;
	b->heals_in = AFTER(4 * MINUTE);
	two_hours(b);
	first = life.restarts;
	body_probed(w, b, true);
	world_wait(w, HOUR);
	show("the first database, which fails once more two hours later", b);
	assert_int_equal(life.restarts, first + 1);
	assert_int_equal(life.recovered, 2);
}

/* The engine refuses for 40 minutes. */
static enum fate refuses_for_long(struct world *world, struct body *b)
{
	(void)b;
	return world->sim.now - SIM_BEGINS < 40 * MINUTE ? FATE_REFUSED : FATE_DONE;
}

static void test_an_engine_that_refuses_for_long(void **state)
{
	struct body *b = world_add(w, "refused");

	(void)state;
	w->choose = refuses_for_long;
	two_hours(b);
	show("the engine refuses every restart for 40 min", b);
	assert_int_equal(life.quarantined, 1);
	assert_int_equal(life.restarts, 4); /* the further try helps */
	assert_int_equal(life.released, 1);
	assert_int_equal(b->health, HEALTH_GOOD);
}

/* The engine is away for 40 minutes: no try of that time counts. */
static enum fate away_for_long(struct world *world, struct body *b)
{
	(void)b;
	return world->sim.now - SIM_BEGINS < 40 * MINUTE ? FATE_UNSENT : FATE_DONE;
}

static void test_an_engine_that_is_away_for_long(void **state)
{
	struct body *b = world_add(w, "away");

	(void)state;
	w->choose = away_for_long;
	world_wait(w, MINUTE);
	body_probed(w, b, true);
	life.restarts = 0;
	for (int i = 0; i < 2 * 3600; i++) {
		world_wait(w, SECOND);
		life.restarts = (unsigned)b->requests; /* those that left */
	}
	show("the engine cannot be reached for 40 min", b);
	assert_int_equal(life.quarantined, 0);
	assert_int_equal(b->requests, 1);
	assert_int_equal(life.recovered, 1);
	assert_true(life.healed_at < 40 * MINUTE);
}

/* Of the first requests the engine stops the container, and cannot start it again: 500. */
static enum fate left_down(struct world *world, struct body *b)
{
	(void)world;
	return b->requests <= 2 ? FATE_LEFT_DOWN : FATE_DONE;
}

static void test_stopped_and_not_started_again(void **state)
{
	struct body *b = world_add(w, "left down");

	(void)state;
	w->choose = left_down;
	two_hours(b);
	show("its restart ends with 500 and leaves it stopped, twice", b);
	assert_int_equal(life.restarts, 3);
	assert_int_equal(life.starts, 2); /* what is down is started, after 10 s and 20 s */
	assert_in_range(life.at[1], 11 * SECOND, 12 * SECOND);
	assert_in_range(life.at[2] - life.at[1], 20 * SECOND, 21 * SECOND);
	assert_int_equal(life.recovered, 1);
	assert_int_equal(b->health, HEALTH_GOOD);
}

/* Its process ends a while after it became unhealthy, and its own restart policy starts it again: it is
 * `starting` more often than not. */
static void test_flapping_through_starting(void **state)
{
	struct body *b = world_add(w, "flaps through starting");

	(void)state;
	b->heals_in = NEVER;
	b->sick_in = 20 * SECOND;
	b->exits_in = 40 * SECOND;
	b->revived_in = SECOND;
	two_hours(b);
	show("unhealthy, then started anew by its own restart policy, over and over", b);
	bounded(b);
	assert_true(life.quarantined >= 1);
	assert_true(life.restarts <= 5);
	assert_int_equal(life.crash_loops, 1); /* told once */
	assert_true(container_of(w, b)->identity->heal->quarantined);
}

/* ---- the docs ---------------------------------------------------------------------------------- */

/* Whoever reads the docs finds in them what the policy does. */
static void test_the_docs_show_this_table(void **state)
{
	static char text[65536];
	FILE *file = fopen(DOCS, "r");
	const char *at;

	(void)state;
	if (!file)
		fail_msg("%s cannot be read: unit tests are run in the folder of the Makefile", DOCS);
	text[fread(text, 1, sizeof text - 1, file)] = 0;
	fclose(file);
	at = strstr(text, TABLE_HEAD);
	if (!at || strncmp(at, table, strlen(table)) || at[strlen(table)] == '|')
		fail_msg("%s shows another table: put there what --table prints", DOCS);
}

#define STORY(name) cmocka_unit_test_setup_teardown(test_##name, begin, end)

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
	    STORY(permanently_broken),
	    STORY(exits_after_every_start),
	    STORY(flapping_every_five_minutes),
	    STORY(flapping_every_two_and_a_half_minutes),
	    STORY(a_relapse_ninety_seconds_after_each_heal),
	    STORY(a_database_that_needs_four_minutes),
	    STORY(a_database_that_is_killed_each_time),
	    STORY(a_database_that_needs_seven_minutes),
	    STORY(a_database_that_every_kill_makes_worse),
	    STORY(a_databases_time_is_remembered),
	    STORY(an_engine_that_refuses_for_long),
	    STORY(an_engine_that_is_away_for_long),
	    STORY(stopped_and_not_started_again),
	    STORY(flapping_through_starting),
	    cmocka_unit_test(test_the_docs_show_this_table),
	};
	int failed = cmocka_run_group_tests_name("policy, two hours", tests, NULL, NULL);

	if (argc > 1 && !strcmp(argv[1], "--table"))
		fputs(table, stdout);
	return failed;
}

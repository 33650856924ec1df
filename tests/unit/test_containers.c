/* test_containers.c - what containers.h promises: records by id, also by ids that collide, walks with
 * removals, the heap of what is due, identities and when they are forgotten, names, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "containers.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define SECOND 1000ull
#define HOUR (3600 * SECOND)

/* ---- helpers ----------------------------------------------------------------------------------- */

static struct containers t;

static int setup(void **state)
{
	(void)state;
	memset(&t, 0, sizeof t);
	containers_init(&t, 0x1234567890ABCDEFu, 5000);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	containers_free(&t);
	return 0;
}

static uint64_t random_state = 1;

static uint64_t random_number(void)
{
	uint64_t x = random_state += 0x9E3779B97F4A7C15u; /* splitmix64 */

	x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
	x = (x ^ x >> 27) * 0x94D049BB133111EBu;
	return x ^ x >> 31;
}

static void random_id(uint8_t id[32])
{
	for (size_t i = 0; i < 32; i += 8) {
		uint64_t x = random_number();

		memcpy(id + i, &x, 8);
	}
}

static struct identity *identity(const char *name)
{
	struct identity *made = containers_identity(&t, span_of(name), true);

	assert_non_null(made);
	return made;
}

/* A container of its own identity; the id is made of the number. */
static struct container *add(unsigned number)
{
	struct container *c;
	uint8_t id[32] = {0};
	char name[32];

	memcpy(id, &number, sizeof number);
	snprintf(name, sizeof name, "c-%u", number);
	c = containers_add(&t, 0, id, span_of(name), identity(name));
	assert_non_null(c);
	return c;
}

static size_t walked(void)
{
	struct container *c;
	size_t at = 0, count = 0;

	while ((c = containers_next(&t, &at))) {
		assert_ptr_equal(containers_find(&t, c->engine, c->id), c);
		count++;
	}
	return count;
}

/* ---- records by id ----------------------------------------------------------------------------- */

static void test_an_empty_table_holds_nothing(void **state)
{
	uint8_t id[32] = {0};
	size_t at = 0;

	(void)state;
	assert_null(containers_find(&t, 0, id));
	assert_null(containers_next(&t, &at));
	assert_null(containers_pop(&t, UINT64_MAX));
	assert_true(containers_next_due(&t) == UINT64_MAX);
	assert_null(containers_identity(&t, span_of("web"), false));
	containers_sweep(&t, 1000);
}

static void test_a_record_is_found_by_engine_and_whole_id(void **state)
{
	uint8_t id[32] = {1, 2, 3}, other[32] = {1, 2, 3};
	struct container *c, *d;

	(void)state;
	other[31] = 1;
	c = containers_add(&t, 3, id, span_of("web"), identity("web"));
	assert_ptr_equal(containers_find(&t, 3, id), c);
	assert_null(containers_find(&t, 2, id));
	assert_null(containers_find(&t, 3, other));
	d = containers_add(&t, 2, id, span_of("db"), identity("db"));
	assert_ptr_equal(containers_find(&t, 2, id), d);
	assert_ptr_equal(containers_find(&t, 3, id), c);
	assert_int_equal(t.count, 2);
	assert_memory_equal(c->id, id, 32);
	assert_string_equal(c->name, "web");
	assert_ptr_equal(c->identity->holder, c);
	assert_int_equal(c->state, STATE_WATCHING);
	assert_int_equal(c->health, HEALTH_UNKNOWN);
	assert_int_equal(c->stop_timeout, WATCH_UNSET);
	assert_int_equal(c->heap_place, 0);
}

/* Ids that share their first bytes, or differ in one bit only. */
enum likeness { LIKE_NONE, LIKE_FIRST_EIGHT, LIKE_BUT_A_BIT, LIKE_COUNTING, LIKENESSES };

static void alike(uint8_t id[32], enum likeness likeness, unsigned number)
{
	random_id(id);
	if (likeness == LIKE_FIRST_EIGHT)
		memset(id, 0x5A, 8);
	if (likeness == LIKE_BUT_A_BIT) {
		memset(id, 0, 32);
		id[number / 8 % 30] = (uint8_t)(1u << number % 8);
		id[31] = (uint8_t)(number / 240);
	}
	if (likeness == LIKE_COUNTING) {
		memset(id, 0, 32);
		memcpy(id, &number, sizeof number);
	}
}

#define MANY 2000

/* Additions and removals in any order against a plain array. */
static void test_many_ids_come_and_go(void **state)
{
	static uint8_t ids[MANY][32];
	static struct container *there[MANY];

	(void)state;
	for (enum likeness likeness = 0; likeness < LIKENESSES; likeness++) {
		size_t count = 0;

		teardown(NULL);
		setup(NULL);
		memset(there, 0, sizeof there);
		for (unsigned i = 0; i < MANY; i++)
			alike(ids[i], likeness, i);
		for (unsigned step = 0; step < 3 * MANY; step++) {
			/* it grows, then shrinks */
			unsigned i = (unsigned)(random_number() % MANY);
			bool wants = random_number() % 100 < (step < 2 * MANY ? 75u : 20u);
			char name[32];

			assert_ptr_equal(containers_find(&t, i % 3, ids[i]), there[i]);
			if (wants == (there[i] != NULL))
				continue;
			snprintf(name, sizeof name, "c-%u", i);
			if (wants) {
				there[i] = containers_add(
				    &t, i % 3, ids[i], span_of(name), identity(name));
				assert_non_null(there[i]);
				count++;
			} else {
				containers_remove(&t, there[i], step);
				there[i] = NULL;
				count--;
			}
			assert_int_equal(t.count, count);
		}
		for (unsigned i = 0; i < MANY; i++)
			assert_ptr_equal(containers_find(&t, i % 3, ids[i]), there[i]);
		assert_int_equal(walked(), count);
	}
}

static void test_removed_down_to_none(void **state)
{
	static struct container *all[500];

	(void)state;
	for (unsigned i = 0; i < COUNT(all); i++)
		all[i] = add(i);
	for (unsigned i = 0; i < COUNT(all); i++) {
		containers_remove(&t, all[i * 7 % COUNT(all)], 0);
		assert_int_equal(walked(), COUNT(all) - i - 1);
	}
	assert_int_equal(t.count, 0);
}

/* ---- walks ------------------------------------------------------------------------------------- */

/* Who removes the one just returned takes one back from *at: nobody is passed over. */
static void test_a_walk_with_removals_passes_over_nobody(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		unsigned count = 1 + (unsigned)(random_number() % 90), seen = 0;
		bool was_there[128] = {0};
		struct container *c;
		size_t at = 0;

		teardown(NULL);
		setup(NULL);
		t.seed = random_number();
		for (unsigned i = 0; i < count; i++) {
			uint8_t id[32];
			char name[32];

			alike(id, (enum likeness)(round % LIKENESSES), i);
			snprintf(name, sizeof name, "c-%u", i);
			c = containers_add(&t, 0, id, span_of(name), identity(name));
			c->started = i;
		}
		while ((c = containers_next(&t, &at))) {
			seen += !was_there[c->started];
			was_there[c->started] = true;
			if (random_number() % 2) {
				containers_remove(&t, c, 0);
				at--;
			}
		}
		assert_int_equal(seen, count);
	}
}

static void test_a_walk_that_removes_all(void **state)
{
	struct container *c;
	size_t at = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		add(i);
	while ((c = containers_next(&t, &at))) {
		containers_remove(&t, c, 0);
		at--;
	}
	assert_int_equal(t.count, 0);
	assert_int_equal(t.heap_count, 0);
}

/* ---- the heap ---------------------------------------------------------------------------------- */

static void test_the_nearest_is_due_first(void **state)
{
	static struct container *all[MANY];
	uint64_t last = 0;
	size_t popped = 0;

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		all[i] = add(i);
		assert_true(containers_due(&t, all[i], 1 + random_number() % 500));
	}
	/* some are moved, some taken out */
	for (unsigned i = 0; i < MANY; i++)
		if (i % 3)
			assert_true(
			    containers_due(&t, all[i], i % 3 == 1 ? 0 : 1 + random_number() % 500));
	while (t.heap_count) {
		uint64_t due = containers_next_due(&t);
		struct container *c;

		assert_null(containers_pop(&t, due - 1));
		c = containers_pop(&t, due);
		assert_non_null(c);
		assert_true(c->due == due && due >= last);
		assert_int_equal(c->heap_place, 0);
		last = due;
		popped++;
	}
	assert_int_equal(popped, MANY - (MANY + 1) / 3);
	assert_true(containers_next_due(&t) == UINT64_MAX);
}

/* Of those due at the same time the first comes first, whatever was moved or taken out in between. */
static void test_the_heap_is_stable(void **state)
{
	static struct container *all[MANY];
	unsigned last = 0;
	struct container *c;

	(void)state;
	t.orders = UINT32_MAX - MANY / 2; /* its numbers wrap */
	for (unsigned i = 0; i < MANY; i++) {
		all[i] = add(i);
		all[i]->started = i;
		containers_due(&t, all[i], 100 + i % 2);
	}
	for (unsigned i = 0; i < MANY; i += 5)
		containers_due(&t, all[i], 0);
	for (unsigned at = 100; at <= 101; at++) {
		last = 0;
		while ((c = containers_pop(&t, at))) {
			assert_int_equal(c->due, at);
			assert_int_not_equal(c->started % 5, 0);
			assert_true(c->started >= last);
			last = c->started;
		}
	}
	assert_int_equal(t.heap_count, 0);
	/* who is put there anew goes behind the others */
	containers_due(&t, all[1], 7);
	containers_due(&t, all[2], 7);
	containers_due(&t, all[1], 7);
	assert_ptr_equal(containers_pop(&t, 7), all[2]);
	assert_ptr_equal(containers_pop(&t, 7), all[1]);
}

/* Any order of arming, moving, disarming, popping and removing, against a plain array. */
static void test_the_heap_against_a_plain_search(void **state)
{
	static struct container *all[200];
	static uint64_t due[COUNT(all)], order[COUNT(all)];
	uint64_t orders = 0, now = 1;

	(void)state;
	memset(due, 0, sizeof due);
	for (unsigned i = 0; i < COUNT(all); i++)
		all[i] = add(i);
	for (unsigned step = 0; step < 20000; step++) {
		unsigned i = (unsigned)(random_number() % COUNT(all)), best = COUNT(all);

		switch (random_number() % 8) {
		case 0:
			containers_due(&t, all[i], due[i] = 0);
			break;
		case 1:
			containers_remove(&t, all[i], 0);
			all[i] = add(i);
			due[i] = 0;
			break;
		case 2:
			now += random_number() % 10;
			break;
		case 3:
			for (unsigned j = 0; j < COUNT(all); j++)
				if (due[j] &&
				    (best == COUNT(all) || due[j] < due[best] ||
					(due[j] == due[best] && order[j] < order[best])))
					best = j;
			assert_true(containers_next_due(&t) ==
			    (best < COUNT(all) ? due[best] : UINT64_MAX));
			if (best < COUNT(all) && due[best] <= now) {
				assert_ptr_equal(containers_pop(&t, now), all[best]);
				due[best] = 0;
			} else {
				assert_null(containers_pop(&t, now));
			}
			break;
		default:
			due[i] = now + random_number() % 50;
			order[i] = orders++;
			containers_due(&t, all[i], due[i]);
		}
		assert_int_equal(all[i]->heap_place != 0, due[i] != 0);
	}
}

/* ---- identities -------------------------------------------------------------------------------- */

static void test_an_identity_is_found_by_its_name(void **state)
{
	struct identity *web = identity("web");
	char name[32];

	(void)state;
	assert_ptr_equal(containers_identity(&t, span_of("web"), false), web);
	assert_ptr_equal(containers_identity(&t, (struct span){"webserver", 3}, true), web);
	assert_null(containers_identity(&t, span_of("Web"), false));
	assert_null(containers_identity(&t, span_of("we"), false));
	assert_null(containers_identity(&t, span_of(""), false));
	assert_null(web->holder);
	assert_null(web->heal);
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(name, sizeof name, "project_service_%u", i);
		identity(name)->restarts = i;
	}
	assert_int_equal(t.identities, 3001);
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(name, sizeof name, "project_service_%u", i);
		assert_int_equal(containers_identity(&t, span_of(name), false)->restarts, i);
	}
	assert_ptr_equal(containers_identity(&t, span_of("web"), false), web);
}

static void test_all_identities_are_walked(void **state)
{
	struct identity *i = NULL;
	size_t bucket = 0, count = 0;
	char name[32];

	(void)state;
	assert_null(containers_next_identity(&t, &bucket, NULL));
	for (unsigned n = 0; n < 777; n++) {
		snprintf(name, sizeof name, "i-%u", n);
		identity(name);
	}
	bucket = 0;
	while ((i = containers_next_identity(&t, &bucket, i))) {
		assert_int_equal(i->restarts, 0); /* each once */
		i->restarts = 1;
		count++;
	}
	assert_int_equal(count, 777);
}

static void test_trouble_is_recorded_when_there_is_some(void **state)
{
	struct identity *web = identity("web");
	struct heal *heal = containers_heal(web);

	(void)state;
	assert_non_null(heal);
	assert_ptr_equal(containers_heal(web), heal);
	assert_int_equal(heal->patience, 1);
	assert_int_equal(heal->failures, 0);
	assert_false(heal->open || heal->quarantined);
}

static void test_an_identity_survives_its_container(void **state)
{
	struct container *c = add(1);
	struct identity *i = c->identity;

	(void)state;
	i->restarts = 7;
	containers_heal(i)->quarantined = true;
	containers_remove(&t, c, 1000);
	assert_null(i->holder);
	assert_true(i->forget_at == 1000 + CONTAINERS_SELECTION_MS);
	c = add(1);
	assert_ptr_equal(c->identity, i);
	assert_ptr_equal(i->holder, c);
	assert_int_equal(i->forget_at, 0);
	assert_int_equal(i->restarts, 7);
	assert_true(i->heal->quarantined);
}

/* One that is not held any more by the record that is removed keeps its holder. */
static void test_removing_one_leaves_anothers_identity_alone(void **state)
{
	uint8_t first[32] = {1}, second[32] = {2};
	struct container *old, *young;

	(void)state;
	old = containers_add(&t, 0, first, span_of("web"), identity("web"));
	young = containers_add(&t, 0, second, span_of("web"), identity("web"));
	containers_remove(&t, old, 1000);
	assert_ptr_equal(young->identity->holder, young);
	containers_sweep(&t, UINT64_MAX / 2);
	assert_ptr_equal(containers_identity(&t, span_of("web"), false), young->identity);
}

/* Whether the identity is still there at a time after its container went. */
static bool there_after(void (*prepare)(struct identity *), uint64_t ms)
{
	struct container *c;
	bool there;

	teardown(NULL);
	setup(NULL);
	c = add(1);
	prepare(c->identity);
	containers_remove(&t, c, 10 * HOUR);
	containers_sweep(&t, 10 * HOUR + ms);
	there = containers_identity(&t, span_of("c-1"), false) != NULL;
	assert_int_equal(t.identities, there);
	return there;
}

static void nothing(struct identity *i)
{
	(void)i;
}

static void by_label(struct identity *i)
{
	i->choice = CHOICE_LABEL;
}

static void by_person(struct identity *i)
{
	i->choice = CHOICE_PERSON;
}

static void excluded(struct identity *i)
{
	i->choice = CHOICE_EXCLUDED;
}

static void counted(struct identity *i)
{
	i->restarts = 1;
}

static void troubled(struct identity *i)
{
	containers_heal(i);
}

static void test_what_is_gone_is_forgotten_in_time(void **state)
{
	static const struct {
		void (*prepare)(struct identity *);
		uint64_t kept; /* ms; UINT64_MAX for ever */
	} cases[] = {
	    {nothing, 60 * SECOND},
	    {by_label, 60 * SECOND},
	    {counted, 24 * HOUR},
	    {troubled, 24 * HOUR},
	    {by_person, UINT64_MAX},
	    {excluded, UINT64_MAX},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (cases[i].kept == UINT64_MAX) {
			assert_true(there_after(cases[i].prepare, 400 * 24 * HOUR));
			continue;
		}
		assert_true(there_after(cases[i].prepare, 0));
		assert_true(there_after(cases[i].prepare, cases[i].kept - 1));
		assert_false(there_after(cases[i].prepare, cases[i].kept));
	}
}

static void test_what_is_held_is_never_forgotten(void **state)
{
	struct container *c = add(1);

	(void)state;
	containers_sweep(&t, UINT64_MAX / 2);
	assert_ptr_equal(containers_identity(&t, span_of("c-1"), false), c->identity);
}

/* One that came back in time is not forgotten when the time of its first absence is over. */
static void test_coming_back_stops_the_clock(void **state)
{
	struct container *c = add(1);

	(void)state;
	containers_remove(&t, c, 1000);
	c = add(1);
	containers_sweep(&t, 1000 + 25 * HOUR);
	assert_ptr_equal(containers_identity(&t, span_of("c-1"), false), c->identity);
	containers_remove(&t, c, 26 * HOUR);
	containers_sweep(&t, 26 * HOUR + 59 * SECOND);
	assert_non_null(containers_identity(&t, span_of("c-1"), false));
}

static void test_a_sweep_takes_what_is_over_and_nothing_else(void **state)
{
	struct container *c;
	size_t at = 0;

	(void)state;
	for (unsigned i = 0; i < 900; i++)
		add(i);
	while ((c = containers_next(&t, &at))) {
		if (c->id[0] % 3)
			continue;
		containers_remove(&t, c, 0);
		at--;
	}
	containers_sweep(&t, HOUR);
	assert_int_equal(t.identities, t.count);
	for (unsigned i = 0; i < 900; i++) {
		char name[32];

		snprintf(name, sizeof name, "c-%u", i);
		assert_int_equal(
		    containers_identity(&t, span_of(name), false) != NULL, i % 256 % 3 != 0);
	}
}

/* ---- names ------------------------------------------------------------------------------------- */

static void test_a_name_is_shared_with_its_identity(void **state)
{
	uint8_t id[32] = {1};
	struct container *c = containers_add(&t, 0, id, span_of("web"), identity("web"));

	(void)state;
	assert_ptr_equal(c->name, c->identity->name);
	assert_true(containers_rename(c, span_of("web")));
	assert_ptr_equal(c->name, c->identity->name);
	assert_true(containers_rename(c, (struct span){"web-old-and-more", 7}));
	assert_string_equal(c->name, "web-old");
	assert_string_equal(c->identity->name, "web");
	assert_true(containers_rename(c, span_of("web-older")));
	assert_string_equal(c->name, "web-older");
	/* a new name out of the old one's own bytes */
	assert_true(containers_rename(c, (struct span){c->name + 4, 3}));
	assert_string_equal(c->name, "old");
	assert_true(containers_rename(c, span_of("web")));
	assert_ptr_equal(c->name, c->identity->name);
	/* nothing but the name changed */
	assert_ptr_equal(containers_find(&t, 0, id), c);
	assert_ptr_equal(containers_identity(&t, span_of("web"), false)->holder, c);
}

static void test_a_name_of_its_own(void **state)
{
	uint8_t id[32] = {1};
	struct container *c = containers_add(
	    &t, 0, id, span_of("project-web-1"), identity("project_web"));

	(void)state;
	assert_string_equal(c->name, "project-web-1");
	assert_true(c->name != c->identity->name);
}

static void test_moving_to_another_identity(void **state)
{
	uint8_t id[32] = {1}, newer[32] = {2};
	struct container *c, *d;
	struct identity *from, *to;

	(void)state;
	from = identity("shop_web");
	to = identity("web-1");
	c = containers_add(&t, 0, id, span_of("web-1"), from);
	assert_true(containers_move(c, to, 100 * HOUR));
	assert_ptr_equal(c->identity, to);
	assert_ptr_equal(to->holder, c);
	assert_ptr_equal(c->name, to->name); /* shared now */
	assert_null(from->holder);
	/* the old one is free for somebody else */
	d = containers_add(&t, 0, newer, span_of("web-2"), from);
	assert_ptr_equal(from->holder, d);
	/* there and back */
	assert_true(containers_move(c, identity("other"), 100 * HOUR));
	assert_string_equal(c->name, "web-1");
	assert_true(c->name != to->name);
	assert_true(containers_move(c, to, 100 * HOUR));
	assert_ptr_equal(c->name, to->name);
	/* the name of an identity that it leaves is its own from then on */
	assert_true(containers_rename(d, span_of("shop_web")));
	assert_ptr_equal(d->name, from->name);
	assert_true(containers_move(d, identity("d"), 100 * HOUR));
	assert_string_equal(d->name, "shop_web");
	containers_sweep(&t, 100 * 24 * HOUR);
	assert_string_equal(d->name, "shop_web");
}

/* The counts of an identity whose holder moved away are kept for 24 h like those of one that is gone. */
static void test_an_identity_that_was_left_is_not_forgotten_at_once(void **state)
{
	struct container *c = add(1);

	(void)state;
	c->identity->restarts = 5;
	containers_sweep(&t, 100 * HOUR);
	assert_true(containers_move(c, identity("other"), 100 * HOUR));
	containers_sweep(&t, 100 * HOUR + 1);
	assert_non_null(containers_identity(&t, span_of("c-1"), false));
}

static void test_labels_of_its_own(void **state)
{
	char monitor[] = "Shop front";
	struct label_settings own = {.cooldown = 5, .monitor = monitor}, other = {.cooldown = 6};
	struct container *c = add(1);

	(void)state;
	assert_null(c->own);
	assert_true(containers_set_own(c, NULL));
	assert_true(containers_set_own(c, &own));
	own.cooldown = 7; /* a copy is kept */
	monitor[0] = 'x';
	assert_int_equal(c->own->cooldown, 5);
	assert_true(containers_set_own(c, c->own));
	assert_string_equal(c->own->monitor, "Shop front");
	assert_true(containers_set_own(c, &other));
	assert_int_equal(c->own->cooldown, 6);
	assert_null(c->own->monitor);
	assert_true(containers_set_own(c, c->own));
	assert_true(containers_set_own(c, NULL));
	assert_null(c->own);
}

/* ---- limits ------------------------------------------------------------------------------------ */

static void test_so_many_and_no_more(void **state)
{
	struct identity *one = identity("one");
	struct container *c = NULL;
	uint8_t id[32] = {0};

	(void)state;
	for (unsigned i = 0; i < CONTAINERS_MAX; i++) {
		memcpy(id, &i, sizeof i);
		c = containers_add(&t, 0, id, span_of("one"), one);
		assert_non_null(c);
		assert_true(containers_due(&t, c, 1 + i % 1000)); /* there is room for every one */
	}
	assert_int_equal(t.count, CONTAINERS_MAX);
	assert_int_equal(t.heap_count, CONTAINERS_MAX);
	id[31] = 1;
	assert_null(containers_add(&t, 0, id, span_of("one"), one));
	assert_int_equal(t.count, CONTAINERS_MAX);
	containers_remove(&t, c, 0);
	assert_non_null(containers_add(&t, 0, id, span_of("one"), one));
}

/* What a record may weigh: 256 bytes a container on average, its share of table, heap and identity included. */
static void test_a_record_is_small(void **state)
{
	size_t bytes = sizeof(struct container) + sizeof(struct identity) + 24 /* a name */ +
	    2 * sizeof(struct container *) /* a half-full table */ +
	    2 * sizeof(struct container *) /* a heap with room */ + sizeof(struct identity *) +
	    2 * 16 /* malloc's own */;

	(void)state;
	print_message("a container takes %zu bytes\n", bytes);
	assert_true(bytes <= 256);
}

#define CASE(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    CASE(an_empty_table_holds_nothing),
	    CASE(a_record_is_found_by_engine_and_whole_id),
	    CASE(many_ids_come_and_go),
	    CASE(removed_down_to_none),
	    CASE(a_walk_with_removals_passes_over_nobody),
	    CASE(a_walk_that_removes_all),
	    CASE(the_nearest_is_due_first),
	    CASE(the_heap_is_stable),
	    CASE(the_heap_against_a_plain_search),
	    CASE(an_identity_is_found_by_its_name),
	    CASE(all_identities_are_walked),
	    CASE(trouble_is_recorded_when_there_is_some),
	    CASE(an_identity_survives_its_container),
	    CASE(removing_one_leaves_anothers_identity_alone),
	    CASE(what_is_gone_is_forgotten_in_time),
	    CASE(what_is_held_is_never_forgotten),
	    CASE(coming_back_stops_the_clock),
	    CASE(a_sweep_takes_what_is_over_and_nothing_else),
	    CASE(a_name_is_shared_with_its_identity),
	    CASE(a_name_of_its_own),
	    CASE(moving_to_another_identity),
	    CASE(an_identity_that_was_left_is_not_forgotten_at_once),
	    CASE(labels_of_its_own),
	    CASE(so_many_and_no_more),
	    CASE(a_record_is_small),
	};

	return cmocka_run_group_tests_name("containers", tests, NULL, NULL);
}

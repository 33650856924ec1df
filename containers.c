/* containers.c - the table of watched containers of containers.h. */
#include "containers.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 64

void containers_init(struct containers *t, uint64_t seed, uint64_t now)
{
	t->seed = seed;
	t->epoch = now - CONTAINERS_PAST_MS;
}

/* ---- records by id -------------------------------------------------------------------------- */

static size_t home(const struct containers *t, unsigned engine, const uint8_t id[32])
{
	uint64_t h;

	/* ids are random already, but a hostile engine chooses them: the seed keeps it from filling one place */
	memcpy(&h, id, sizeof(h));
	h = (h ^ t->seed ^ engine) * 0x9E3779B97F4A7C15u;
	return (size_t)(h ^ h >> 32) & (t->slots_count - 1);
}

struct container *containers_find(const struct containers *t, unsigned engine, const uint8_t id[32])
{
	if (!t->slots_count)
		return NULL;
	for (size_t i = home(t, engine, id); t->slots[i]; i = (i + 1) & (t->slots_count - 1)) {
		struct container *c = t->slots[i];

		if (c->engine == engine && !memcmp(c->id, id, 32))
			return c;
	}
	return NULL;
}

static void place(struct containers *t, struct container *c)
{
	size_t i = home(t, c->engine, c->id);

	while (t->slots[i])
		i = (i + 1) & (t->slots_count - 1);
	t->slots[i] = c;
}

static bool grow_slots(struct containers *t)
{
	size_t old_count = t->slots_count;
	struct container **old = t->slots;
	size_t count = old_count ? old_count * 2 : FIRST_SLOTS;
	struct container **fresh = calloc(count, sizeof(fresh[0]));

	if (!fresh)
		return false;
	t->slots = fresh;
	t->slots_count = count;
	for (size_t i = 0; i < old_count; i++)
		if (old[i])
			place(t, old[i]);
	free(old);
	return true;
}

/* The heap has room for every record, so that arming a timer never allocates. */
static bool grow_heap(struct containers *t)
{
	size_t room = t->heap_room ? t->heap_room * 2 : FIRST_SLOTS;
	struct container **heap;

	if (t->count + 1 < t->heap_room)
		return true;
	heap = realloc(t->heap, room * sizeof(heap[0]));
	if (!heap)
		return false;
	t->heap = heap;
	t->heap_room = room;
	return true;
}

static bool set_name(struct container *c, struct span name)
{
	struct identity *identity = c->identity;
	char *copy;

	if (span_is(name, identity->name)) {
		c->name = identity->name;
		return true;
	}
	copy = malloc(name.n + 1);
	if (!copy)
		return false;
	span_copy(name, copy, name.n + 1);
	c->name = copy;
	return true;
}

static void free_record(struct container *c)
{
	if (c->name != c->identity->name)
		free(c->name);
	free(c->own);
	free(c);
}

struct container *containers_add(struct containers *t, unsigned engine, const uint8_t id[32],
    struct span name, struct identity *identity)
{
	struct container *c;

	if (t->count >= CONTAINERS_MAX)
		return NULL;
	/* at most three quarters full */
	if ((t->count + 1) * 4 > t->slots_count * 3 && !grow_slots(t))
		return NULL;
	if (!grow_heap(t))
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	memcpy(c->id, id, 32);
	c->engine = (uint8_t)engine;
	c->identity = identity;
	c->stop_timeout = WATCH_UNSET;
	if (!set_name(c, name)) {
		free(c);
		return NULL;
	}
	place(t, c);
	t->count++;
	identity->holder = c;
	identity->engine = (uint8_t)engine;
	identity->forget_at = 0;
	return c;
}

bool containers_move(struct container *c, struct identity *to, uint64_t now)
{
	struct identity *from = c->identity;
	char *old = c->name;

	c->identity = to;
	if (!set_name(c, span_of(old))) {
		c->identity = from;
		c->name = old;
		return false;
	}
	if (old != from->name)
		free(old);
	if (from->holder == c) {
		from->holder = NULL;
		from->forget_at = now + CONTAINERS_SELECTION_MS;
	}
	to->holder = c;
	to->engine = c->engine;
	to->forget_at = 0;
	return true;
}

/* Takes c out of the open table, and moves those up that would not be found any more. */
static void unplace(struct containers *t, const struct container *c)
{
	size_t mask = t->slots_count - 1;
	size_t hole = home(t, c->engine, c->id);

	while (t->slots[hole] != c)
		hole = (hole + 1) & mask;
	for (size_t i = (hole + 1) & mask; t->slots[i]; i = (i + 1) & mask) {
		size_t wanted = home(t, t->slots[i]->engine, t->slots[i]->id);

		/* it may move into the hole when its home is not between the hole (excluded) and its place */
		if (((i - wanted) & mask) >= ((i - hole) & mask)) {
			t->slots[hole] = t->slots[i];
			hole = i;
		}
	}
	t->slots[hole] = NULL;
}

void containers_remove(struct containers *t, struct container *c, uint64_t now)
{
	containers_due(t, c, 0);
	unplace(t, c);
	t->count--;
	if (c->identity->holder == c) {
		c->identity->holder = NULL;
		c->identity->forget_at = now + CONTAINERS_SELECTION_MS;
	}
	free_record(c);
}

bool containers_rename(struct container *c, struct span name)
{
	char *old = c->name;

	if (span_is(name, old))
		return true;
	if (!set_name(c, name)) {
		c->name = old;
		return false;
	}
	if (old != c->identity->name)
		free(old);
	return true;
}

struct container *containers_next(const struct containers *t, size_t *at)
{
	while (*at < t->slots_count) {
		struct container *c = t->slots[(*at)++];

		if (c)
			return c;
	}
	return NULL;
}

bool containers_set_own(struct container *c, const struct label_settings *own)
{
	size_t n = own && own->monitor ? strlen(own->monitor) + 1 : 0;
	struct label_settings *copy = own ? malloc(sizeof(*own) + n) : NULL;

	if (own && !copy)
		return false;
	if (own)
		*copy = *own;
	if (n)
		copy->monitor = memcpy(copy + 1, own->monitor, n);
	free(c->own);
	c->own = copy;
	return true;
}

/* ---- identities ----------------------------------------------------------------------------- */

static size_t bucket_of(const struct containers *t, struct span name)
{
	return (size_t)text_hash(name, t->seed) & (t->buckets_count - 1);
}

static bool grow_buckets(struct containers *t)
{
	size_t count = t->buckets_count ? t->buckets_count * 2 : FIRST_SLOTS;
	struct identity **fresh = calloc(count, sizeof(fresh[0]));
	struct identity **old = t->buckets;
	size_t old_count = t->buckets_count;

	if (!fresh)
		return false;
	t->buckets = fresh;
	t->buckets_count = count;
	for (size_t i = 0; i < old_count; i++) {
		struct identity *identity = old[i];

		while (identity) {
			struct identity *next = identity->next;
			size_t b = bucket_of(t, span_of(identity->name));

			identity->next = fresh[b];
			fresh[b] = identity;
			identity = next;
		}
	}
	free(old);
	return true;
}

struct identity *containers_identity(struct containers *t, struct span name, bool make)
{
	struct identity *identity = NULL;
	size_t b;

	if (t->buckets_count) {
		identity = t->buckets[bucket_of(t, name)];
		while (identity && !span_is(name, identity->name))
			identity = identity->next;
	}
	if (identity || !make)
		return identity;
	if (t->identities >= t->buckets_count * 2 && !grow_buckets(t))
		return NULL;
	identity = malloc(sizeof(*identity) + name.n + 1);
	if (!identity)
		return NULL;
	*identity = (struct identity){0};
	span_copy(name, identity->name, name.n + 1);
	b = bucket_of(t, name);
	identity->next = t->buckets[b];
	t->buckets[b] = identity;
	t->identities++;
	return identity;
}

struct identity *containers_next_identity(
    const struct containers *t, size_t *bucket, struct identity *last)
{
	if (last && last->next)
		return last->next;
	if (last)
		(*bucket)++;
	while (*bucket < t->buckets_count) {
		if (t->buckets[*bucket])
			return t->buckets[*bucket];
		(*bucket)++;
	}
	return NULL;
}

struct heal *containers_heal(struct identity *identity)
{
	if (!identity->heal) {
		identity->heal = calloc(1, sizeof(*identity->heal));
		if (identity->heal)
			identity->heal->patience = 1;
	}
	return identity->heal;
}

/* Whether the identity still says something: somebody chose it, or counts hang on it. */
static bool is_over(struct identity *identity, uint64_t now)
{
	if (identity->holder || identity->choice == CHOICE_PERSON ||
	    identity->choice == CHOICE_EXCLUDED)
		return false;
	if (now < identity->forget_at)
		return false;
	if (!identity->heal && !identity->restarts)
		return true;
	return now >= identity->forget_at - CONTAINERS_SELECTION_MS + CONTAINERS_FORGET_MS;
}

void containers_sweep(struct containers *t, uint64_t now)
{
	for (size_t b = 0; b < t->buckets_count; b++) {
		struct identity **link = &t->buckets[b];

		while (*link) {
			struct identity *identity = *link;

			if (!is_over(identity, now)) {
				link = &identity->next;
				continue;
			}
			*link = identity->next;
			free(identity->heal);
			free(identity);
			t->identities--;
		}
	}
}

void containers_free(struct containers *t)
{
	size_t at = 0;
	struct container *c;

	while ((c = containers_next(t, &at)))
		free_record(c);
	for (size_t b = 0; b < t->buckets_count; b++) {
		while (t->buckets[b]) {
			struct identity *identity = t->buckets[b];

			t->buckets[b] = identity->next;
			free(identity->heal);
			free(identity);
		}
	}
	free(t->slots);
	free(t->buckets);
	free(t->heap);
	*t = (struct containers){0};
}

/* ---- what is due: a binary heap, places counted from 1 ----------------------------------- */

static void put(struct containers *t, size_t at, struct container *c)
{
	t->heap[at - 1] = c;
	c->heap_place = (uint32_t)at;
}

static bool is_before(const struct container *a, const struct container *b)
{
	if (a->due != b->due)
		return a->due < b->due;
	return (int32_t)(a->due_order - b->due_order) < 0;
}

static void sift(struct containers *t, size_t at, struct container *c)
{
	while (at > 1 && is_before(c, t->heap[at / 2 - 1])) {
		put(t, at, t->heap[at / 2 - 1]);
		at /= 2;
	}
	for (;;) {
		size_t child = at * 2;

		if (child > t->heap_count)
			break;
		if (child < t->heap_count && is_before(t->heap[child], t->heap[child - 1]))
			child++;
		if (!is_before(t->heap[child - 1], c))
			break;
		put(t, at, t->heap[child - 1]);
		at = child;
	}
	put(t, at, c);
}

bool containers_due(struct containers *t, struct container *c, uint64_t due)
{
	if (c->heap_place) {
		size_t at = c->heap_place;
		struct container *last = t->heap[--t->heap_count];

		c->heap_place = 0;
		if (last != c)
			sift(t, at, last);
	}
	if (!due)
		return true;
	if (t->heap_count == t->heap_room)
		return false; /* cannot be: there is room for every record */
	c->due = due;
	c->due_order = t->orders++;
	sift(t, ++t->heap_count, c);
	return true;
}

uint64_t containers_next_due(const struct containers *t)
{
	return t->heap_count ? t->heap[0]->due : UINT64_MAX;
}

struct container *containers_pop(struct containers *t, uint64_t now)
{
	struct container *c;

	if (!t->heap_count || t->heap[0]->due > now)
		return NULL;
	c = t->heap[0];
	containers_due(t, c, 0);
	return c;
}

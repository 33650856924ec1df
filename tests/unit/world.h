/* world.h - a small engine behind the policy of simulation.h, for histories that last: containers
 * that fall ill, stop slowly, recover or do not; requests that are answered, refused, lost or never
 * answered; a stream that lags, stalls or loses events; a list every 30 s.
 *
 * A body is what the engine has, a container what the policy believes. */
#ifndef WORLD_H
#define WORLD_H

#include "simulation.h"

#define WORLD_BODIES 64
#define WORLD_ENTRIES 8192
#define WORLD_STREAM 16384

/* What becomes of a request. */
enum fate {
	FATE_DONE,
	FATE_REFUSED,   /* an error, and nothing was done */
	FATE_LEFT_DOWN, /* stopped, and then it could not be started */
	FATE_UNSENT,
	FATE_LOST,       /* the connection breaks; the engine goes on */
	FATE_LOST_EARLY, /* it breaks, and the engine never heard of it */
	FATE_SILENT,     /* no answer, and nothing done */
	FATE_LATE,       /* done after the deadline */
};

enum job { JOB_NONE, JOB_RESTART, JOB_START, JOB_STOP, JOB_REMOVE };

struct body {
	char name[24];
	uint8_t id[32];
	unsigned engine;
	struct label_settings own;
	bool unlabelled; /* not watched */
	bool excluded;   /* the same, and not to be touched */
	/* what it hangs on, and how; kin.h */
	struct body *parent;
	enum bond bond;
	uint8_t network[32]; /* BOND_NETWORK: the parent's id when it was made */
	bool there, running, paused;
	bool ill; /* its probes fail */
	enum container_health health;
	uint32_t streak, retries, stop_timeout /* s */;
	uint64_t started, run; /* number of its start: what was planned for an earlier one is void */
	int exit_code;
	/* its nature, ms */
	uint64_t stops_in;
	uint64_t heals_in;   /* from its start to healthy; NEVER */
	uint64_t sick_in;    /* from a start to unhealthy, when it is not healthy by then */
	uint64_t fails_in;   /* from healthy to unhealthy; NEVER */
	uint64_t exits_in;   /* from its start; NEVER */
	uint64_t revived_in; /* by its own restart policy, from such an exit; NEVER */
	/* what the engine does with it */
	enum job job;
	bool job_ours;
	unsigned job_step;
	enum fate fate;
	uint64_t call; /* number of our request whose answer is awaited; 0 none */
	uint64_t requests, restarts_done;
};

enum entry_kind {
	ENTRY_JOB,
	ENTRY_PROBE_GOOD,
	ENTRY_PROBE_BAD,
	ENTRY_EXIT,
	ENTRY_REVIVE, /* the engine's own restart policy */
	ENTRY_BREAK,  /* our connection */
	ENTRY_BEGIN,  /* our request reaches the engine */
	ENTRY_LOOK,   /* an inspect reaches it */
	ENTRY_LOOKED,
	ENTRY_LOOK_FAILED,
	ENTRY_GONE, /* a request for one that was removed */
	ENTRY_READ, /* of the stream */
	ENTRY_LIST,
	ENTRY_AUDIT, /* a list out of turn */
};

struct entry {
	uint64_t at, order;
	enum entry_kind kind;
	unsigned body;
	unsigned engine;
	uint64_t number; /* of the run, or of the call */
	uint8_t id[32];
	bool start; /* ENTRY_BEGIN: a start */
	struct policy_facts facts;
};

struct stream_event {
	unsigned body;
	uint8_t id[32];
	bool destroyed;
	bool ours; /* caused by a request of ours */
	struct policy_event event;
	uint64_t at;
};

struct world {
	struct simulation sim; /* first: carry_out gets it */
	struct body bodies[WORLD_BODIES];
	unsigned bodies_count;
	struct entry entries[WORLD_ENTRIES]; /* a heap */
	size_t entries_count;
	struct stream_event stream[WORLD_STREAM];
	size_t stream_count;
	bool reading; /* an ENTRY_READ is planned */
	uint64_t orders, calls, ids;
	uint64_t lag; /* of the stream */
	uint64_t look_takes;
	bool new_order; /* engine 28: stop before die */
	bool deaf;      /* the stream is cut, and what happens meanwhile is lost */
	bool backlog;   /* what is read now is no proof */
	bool replay;    /* and it is told when it happened */
	bool no_looks;  /* inspects fail */
	/* what a test wants to know; each may be NULL */
	enum fate (*choose)(struct world *w, struct body *b);
	void (*requested)(struct world *w, struct body *b, const struct action *a);
	void (*told)(struct world *w, struct body *b, const struct action *a);
	void (*saw)(struct world *w, struct body *b, const struct policy_event *e, bool ours);
	void (*answered)(struct world *w, struct body *b, const struct policy_answer *a);
	/* of kin.h */
	void (*kin_wanted)(struct world *w, const struct action *a);
	void (*listed)(struct world *w);
	void (*ended)(struct world *w, struct body *b);
	const char *(*cannot_start)(struct world *w, struct body *b);
};

/* ---- what is planned --------------------------------------------------------------------------- */

static inline bool entry_before(const struct entry *a, const struct entry *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static inline void plan(struct world *w, struct entry e)
{
	size_t at = w->entries_count++;

	assert_true(w->entries_count <= WORLD_ENTRIES);
	e.order = w->orders++;
	while (at && entry_before(&e, &w->entries[(at - 1) / 2])) {
		w->entries[at] = w->entries[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	w->entries[at] = e;
}

static inline struct entry next_entry(struct world *w)
{
	struct entry first = w->entries[0], last = w->entries[--w->entries_count];
	size_t at = 0, child;

	while ((child = at * 2 + 1) < w->entries_count) {
		if (child + 1 < w->entries_count &&
		    entry_before(&w->entries[child + 1], &w->entries[child]))
			child++;
		if (!entry_before(&w->entries[child], &last))
			break;
		w->entries[at] = w->entries[child];
		at = child;
	}
	w->entries[at] = last;
	return first;
}

static inline unsigned body_number(const struct world *w, const struct body *b)
{
	return (unsigned)(b - w->bodies);
}

static inline void plan_for(
    struct world *w, const struct body *b, enum entry_kind kind, uint64_t in, uint64_t number)
{
	struct entry e = {
	    .kind = kind, .body = body_number(w, b), .engine = b->engine, .number = number};

	if (in == NEVER)
		return;
	e.at = w->sim.now + in;
	memcpy(e.id, b->id, 32);
	plan(w, e);
}

/* ---- what the policy believes ------------------------------------------------------------------ */

static inline struct container *container_of(const struct world *w, const struct body *b)
{
	return containers_find(&w->sim.policy.containers, b->engine, b->id);
}

static inline struct body *body_of(struct world *w, const struct container *c)
{
	for (unsigned i = 0; i < w->bodies_count; i++)
		if (w->bodies[i].engine == c->engine && !memcmp(w->bodies[i].id, c->id, 32))
			return &w->bodies[i];
	return NULL;
}

static inline void give(
    struct world *w, struct body *b, struct container *c, const struct policy_event *e, bool ours)
{
	if (w->saw && !memcmp(c->id, b->id, 32)) /* else of one that was there before */
		w->saw(w, b, e, ours);
	sim_event(&w->sim, c, e);
}

static inline bool is_watched(const struct body *b)
{
	return !b->unlabelled && !b->excluded;
}

static inline void forget(struct world *w, struct container *c, bool gone)
{
	policy_forget(&w->sim.policy, c, gone, w->sim.now);
}

/* As the monitor does it: a living container keeps its identity, a newcomer goes by another. */
static inline struct container *take_up(struct world *w, struct body *b)
{
	struct containers *t = &w->sim.policy.containers;
	struct identity *identity = containers_identity(t, span_of(b->name), true);
	struct container *c;
	char other[64];

	if (identity->holder && !identity->holder->running &&
	    identity->holder->state != STATE_RESTARTING)
		forget(w, identity->holder, true);
	if (identity->holder) {
		snprintf(other, sizeof other, "%s@%llu", b->name, (unsigned long long)w->ids);
		identity = containers_identity(t, span_of(other), true);
	}
	c = containers_add(t, b->engine, b->id, span_of(b->name), identity);
	assert_non_null(c);
	assert_true(containers_set_own(c, &b->own));
	if (identity->heal && identity->heal->quarantined)
		c->state = STATE_QUARANTINED;
	return c;
}

static inline struct policy_facts facts_of(const struct world *w, const struct body *b, bool whole)
{
	struct policy_facts f = {.asked = w->sim.now,
	    .whole = whole,
	    .running = b->running || b->paused,
	    .paused = b->paused,
	    .health = b->health,
	    .streak = b->streak,
	    .stop_timeout = WATCH_UNSET,
	    .age_ms = -1};

	if (!whole)
		return f;
	f.check_retries = b->retries;
	f.check_time = (uint32_t)(b->sick_in == NEVER ? 30 : b->sick_in / 1000);
	f.stop_timeout = b->stop_timeout;
	f.age_ms = (int64_t)(w->sim.now - b->started);
	f.exit_code = b->exit_code;
	f.restart_policy = b->revived_in == NEVER ? RESTARTS_NEVER : RESTARTS_ALWAYS;
	return f;
}

/* ---- the stream -------------------------------------------------------------------------------- */

static inline void emit_event(struct world *w, const struct body *b, struct stream_event e)
{
	if (w->deaf)
		return;
	assert_true(w->stream_count < WORLD_STREAM);
	e.body = body_number(w, b);
	e.at = w->sim.now;
	memcpy(e.id, b->id, 32);
	w->stream[w->stream_count++] = e;
	if (!w->reading && !w->backlog)
		plan(w, (struct entry){.at = w->sim.now + w->lag, .kind = ENTRY_READ});
	w->reading |= !w->backlog;
}

static inline void emit(struct world *w, const struct body *b, enum policy_event_kind kind, bool ours)
{
	emit_event(w, b, (struct stream_event){.event.kind = kind, .ours = ours});
}

static inline void look_soon_at(struct world *w, const struct body *b)
{
	plan_for(w, b, w->no_looks ? ENTRY_LOOK_FAILED : ENTRY_LOOK, w->look_takes / 2, 0);
}

static inline void read_event(struct world *w, struct stream_event *e)
{
	struct body *b = &w->bodies[e->body];
	struct container *c = containers_find(&w->sim.policy.containers, b->engine, e->id);

	if (e->destroyed) {
		if (c)
			forget(w, c, true);
		return;
	}
	e->event.live = !w->backlog && !w->sim.policy.engines[b->engine].asks_first;
	if (w->backlog && w->replay && e->at < w->sim.now)
		e->event.happened = e->at;
	if (!c && e->event.kind == EVENT_START && !memcmp(e->id, b->id, 32)) {
		if (!is_watched(b))
			return;
		c = take_up(w, b);
		give(w, b, c, &e->event, e->ours);
		c->looking = true;
		look_soon_at(w, b);
		return;
	}
	if (c)
		give(w, b, c, &e->event, e->ours);
}

/* All that has come, as one read. */
static inline void read_stream(struct world *w)
{
	for (size_t i = 0; i < w->stream_count; i++)
		read_event(w, &w->stream[i]);
	w->stream_count = 0;
	w->reading = false;
	sim_turn(&w->sim);
}

static inline void list(struct world *w)
{
	struct container *c;
	size_t at = 0;

	for (unsigned i = 0; i < w->bodies_count; i++) {
		struct body *b = &w->bodies[i];
		struct policy_facts f = facts_of(w, b, false);

		if (!b->there)
			continue;
		c = container_of(w, b);
		if (c && !is_watched(b)) {
			forget(w, c, false);
			continue;
		}
		if (!c && b->running && is_watched(b))
			c = take_up(w, b);
		if (c)
			c->dropped = false;
		if (c)
			give(w, b, c, &(struct policy_event){.kind = EVENT_FACTS, .facts = &f},
			    false);
	}
	while ((c = containers_next(&w->sim.policy.containers, &at))) {
		const struct body *b = body_of(w, c);

		if ((b && b->there) || c->state == STATE_RESTARTING || c->looking)
			continue;
		forget(w, c, true);
		at--;
	}
	if (w->listed)
		w->listed(w);
	sim_turn(&w->sim);
}

/* ---- what happens to a body --------------------------------------------------------------------- */

static inline void body_starts(struct world *w, struct body *b, bool ours)
{
	b->running = true;
	b->paused = false;
	b->started = w->sim.now;
	b->run++;
	b->streak = 0;
	b->ill = b->heals_in == NEVER;
	if (b->health != HEALTH_NONE) {
		b->health = HEALTH_STARTING;
		plan_for(w, b, ENTRY_PROBE_GOOD, b->heals_in, b->run);
		if (b->heals_in > b->sick_in)
			plan_for(w, b, ENTRY_PROBE_BAD, b->sick_in, b->run);
	}
	plan_for(w, b, ENTRY_EXIT, b->exits_in, b->run);
	emit(w, b, EVENT_START, ours);
}

static inline void body_ends(struct world *w, struct body *b, int code, bool ours, bool stopped)
{
	struct stream_event die = {
	    .ours = ours, .event = {.kind = EVENT_DIE, .has_exit_code = true, .exit_code = code}};

	b->running = b->paused = false;
	b->exit_code = code;
	b->run++;
	if (b->health != HEALTH_NONE)
		b->health = HEALTH_BAD; /* moby#46203: an exit fakes it, without an event */
	b->streak = 0;
	if (stopped && w->new_order)
		emit(w, b, EVENT_STOP, ours);
	emit_event(w, b, die);
	if (stopped && !w->new_order)
		emit(w, b, EVENT_STOP, ours);
	if (w->ended)
		w->ended(w, b);
}

/* By itself. */
static inline void body_exits(struct world *w, struct body *b)
{
	body_ends(w, b, 1, false, false);
	plan_for(w, b, ENTRY_REVIVE, b->revived_in, b->run);
}

static inline void body_pauses(struct world *w, struct body *b)
{
	b->paused = true;
	if (b->health != HEALTH_NONE)
		b->health = HEALTH_BAD; /* the same */
	b->streak = 0;
	b->run++;
	emit(w, b, EVENT_PAUSE, false);
}

static inline void body_goes_on(struct world *w, struct body *b)
{
	b->paused = false;
	emit(w, b, EVENT_UNPAUSE, false);
	if (b->health != HEALTH_NONE)
		plan_for(w, b, b->ill ? ENTRY_PROBE_BAD : ENTRY_PROBE_GOOD, 10 * SECOND, b->run);
}

/* Its probes fail from now on, or succeed. */
static inline void body_probed(struct world *w, struct body *b, bool ill)
{
	enum container_health health = ill ? HEALTH_BAD : HEALTH_GOOD;

	if (!b->running || b->paused || b->health == HEALTH_NONE)
		return;
	b->ill = ill;
	b->streak = ill ? b->retries : 0;
	if (b->health == health && !w->sim.policy.engines[b->engine].asks_first)
		return; /* Docker tells a change alone */
	b->health = health;
	emit(w, b, ill ? EVENT_UNHEALTHY : EVENT_HEALTHY, false);
	if (!ill)
		plan_for(w, b, ENTRY_PROBE_BAD, b->fails_in, b->run);
}

static inline void answer_in_words(
    struct world *w, struct body *b, enum policy_answer_kind kind, int status, const char *words)
{
	struct policy_answer a = {.kind = kind, .status = status, .message = span_of(words)};
	struct container *c = container_of(w, b);

	b->call = 0;
	if (w->answered)
		w->answered(w, b, &a);
	if (!c)
		return;
	sim_event(&w->sim, c, &(struct policy_event){.kind = EVENT_ANSWER, .answer = &a});
	policy_keep(&w->sim.policy, c, w->sim.now);
	sim_turn(&w->sim);
}

static inline void answer_call(
    struct world *w, struct body *b, enum policy_answer_kind kind, int status)
{
	answer_in_words(w, b, kind, status, "so it is");
}

/* Why it cannot be started, in the engine's words, or NULL. */
static inline const char *cannot_start(struct world *w, struct body *b)
{
	return w->cannot_start ? w->cannot_start(w, b) : NULL;
}

static inline void begin_job(struct world *w, struct body *b, enum job job, bool ours)
{
	b->job = job;
	b->job_ours = ours;
	b->job_step = 0;
	plan_for(w, b, ENTRY_JOB, 1, 0);
}

static inline void job_step(struct world *w, struct body *b)
{
	uint64_t stop = b->stop_timeout * 1000ull;
	bool podman = w->sim.policy.engines[b->engine].asks_first;
	bool ours = b->job_ours;
	const char *why;

	switch (b->job_step++) {
	case 0:
		if (b->job == JOB_RESTART && podman)
			emit(w, b, EVENT_RESTARTED, ours);
		if (!b->running) {
			b->job_step = 2;
			plan_for(w, b, ENTRY_JOB, 1, 0);
			return;
		}
		if (!podman)
			emit(w, b, EVENT_KILL, ours);
		plan_for(w, b, ENTRY_JOB, b->stops_in < stop ? b->stops_in : stop, 0);
		return;
	case 1:
		body_ends(w, b, b->stops_in < stop ? 143 : 137, ours, b->job != JOB_REMOVE);
		plan_for(w, b, ENTRY_JOB, 5, 0);
		return;
	case 2:
		if (b->job == JOB_REMOVE) {
			b->there = false;
			emit_event(w, b, (struct stream_event){.destroyed = true});
		}
		if (b->job == JOB_REMOVE || b->job == JOB_STOP) {
			b->job = JOB_NONE;
			return;
		}
		if (ours && b->fate == FATE_LEFT_DOWN) {
			b->job = JOB_NONE;
			if (b->call)
				answer_call(w, b, ANSWER_REFUSED, 500);
			return;
		}
		if ((why = cannot_start(w, b))) {
			b->job = JOB_NONE;
			if (ours && b->call)
				answer_in_words(w, b, ANSWER_REFUSED, 500, why);
			return;
		}
		body_starts(w, b, ours);
		b->restarts_done += ours;
		if (b->job == JOB_RESTART && !podman)
			emit(w, b, EVENT_RESTARTED, ours);
		plan_for(w, b, ENTRY_JOB, 3, 0);
		return;
	default:
		b->job = JOB_NONE;
		if (ours && b->call)
			answer_call(w, b, ANSWER_DONE, 204);
	}
}

/* ---- our requests -------------------------------------------------------------------------------- */

/* It reaches the engine, which does one thing with a container at a time. */
static inline void begin_request(struct world *w, struct body *b, const struct entry *e)
{
	bool awaited = b->call == e->number;

	if (!b->there || memcmp(b->id, e->id, 32)) {
		if (awaited)
			answer_call(w, b, ANSWER_REFUSED, 404);
	} else if (b->job) {
		struct entry later = *e;

		later.at = w->sim.now + 100;
		plan(w, later);
	} else if (b->fate == FATE_REFUSED) {
		if (awaited)
			answer_call(w, b, ANSWER_REFUSED, 500);
	} else {
		begin_job(w, b, e->start ? JOB_START : JOB_RESTART, true);
	}
}

static inline void request(struct world *w, struct body *b, const struct action *a)
{
	struct entry begin = {.at = w->sim.now + 1,
	    .kind = ENTRY_BEGIN,
	    .body = body_number(w, b),
	    .engine = b->engine,
	    .number = ++w->calls,
	    .start = a->kind == ACTION_START};

	memcpy(begin.id, b->id, 32);
	if (w->requested)
		w->requested(w, b, a);
	b->requests++;
	b->call = begin.number;
	b->fate = w->choose ? w->choose(w, b) : FATE_DONE;
	if (b->fate == FATE_UNSENT) {
		/* as the monitor does where it cannot even begin */
		struct policy_answer unsent = {.kind = ANSWER_UNSENT};

		b->call = 0;
		b->requests--;
		if (w->answered)
			w->answered(w, b, &unsent);
		sim_event(&w->sim, a->container,
		    &(struct policy_event){.kind = EVENT_ANSWER, .answer = &unsent});
		return;
	}
	if (b->fate == FATE_LATE)
		begin.at += HOUR + MINUTE;
	if (b->fate == FATE_LOST || b->fate == FATE_LOST_EARLY)
		plan_for(w, b, ENTRY_BREAK, w->calls % 7 * 300, begin.number);
	if (b->fate != FATE_LOST_EARLY && b->fate != FATE_SILENT)
		plan(w, begin);
}

/* Something is wanted of a container that the engine has no more: 404. */
static inline void want_of_nobody(struct world *w, const struct action *a)
{
	struct entry e = {.at = w->sim.now + 1, .kind = ENTRY_LOOK, .engine = a->container->engine};

	memcpy(e.id, a->container->id, 32);
	if (a->kind == ACTION_RESTART || a->kind == ACTION_START)
		e.kind = ENTRY_GONE;
	else if (a->kind != ACTION_INSPECT)
		return;
	plan(w, e);
}

static inline void world_carry_out(struct simulation *s, const struct action *a)
{
	struct world *w = (struct world *)s;
	struct body *b = body_of(w, a->container);

	if (a->kind == ACTION_DEPENDENTS) {
		if (w->kin_wanted)
			w->kin_wanted(w, a);
		return;
	}
	if (!b) {
		want_of_nobody(w, a);
		return;
	}
	switch (a->kind) {
	case ACTION_RESTART:
	case ACTION_START:
	case ACTION_STOP:
	case ACTION_KILL:
		request(w, b, a);
		return;
	case ACTION_ABANDON:
		b->call = 0;
		return;
	case ACTION_INSPECT:
		look_soon_at(w, b);
		return;
	case ACTION_TELL:
		if (w->told)
			w->told(w, b, a);
		return;
	case ACTION_LOG:
	case ACTION_DEPENDENTS:
		return;
	}
}

/* ---- time goes by --------------------------------------------------------------------------------- */

static inline void looked(struct world *w, struct body *b, const struct entry *e)
{
	struct container *c = containers_find(&w->sim.policy.containers, e->engine, e->id);
	struct policy_event event = {.kind = EVENT_FACTS, .facts = &e->facts};

	if (!c || !c->looking)
		return;
	if (e->kind == ENTRY_LOOK_FAILED)
		event.kind = EVENT_LOOK_FAILED;
	give(w, b, c, &event, false);
	sim_turn(&w->sim);
}

static inline void look(struct world *w, struct body *b, const struct entry *e)
{
	struct container *c = containers_find(&w->sim.policy.containers, e->engine, e->id);
	struct entry answer = *e;

	if (c && (!b->there || memcmp(b->id, e->id, 32))) {
		c->looking = false; /* 404: it is gone */
		forget(w, c, true);
		sim_turn(&w->sim);
		return;
	}
	answer.kind = ENTRY_LOOKED;
	answer.at = w->sim.now + w->look_takes / 2;
	answer.facts = facts_of(w, b, true);
	answer.facts.asked = e->at - w->look_takes / 2;
	plan(w, answer);
}

static inline void gone(struct world *w, const struct entry *e)
{
	struct policy_answer a = {.kind = ANSWER_REFUSED, .status = 404};
	struct container *c = containers_find(&w->sim.policy.containers, e->engine, e->id);

	if (!c || c->state != STATE_RESTARTING)
		return;
	sim_event(&w->sim, c, &(struct policy_event){.kind = EVENT_ANSWER, .answer = &a});
	policy_keep(&w->sim.policy, c, w->sim.now);
	sim_turn(&w->sim);
}

static inline void carry_on(struct world *w)
{
	struct entry e = next_entry(w);
	struct body *b = &w->bodies[e.body];

	switch (e.kind) {
	case ENTRY_READ:
		read_stream(w);
		return;
	case ENTRY_GONE:
		gone(w, &e);
		return;
	case ENTRY_LIST:
		plan(w, (struct entry){.at = w->sim.now + 30 * SECOND, .kind = ENTRY_LIST});
		list(w);
		return;
	case ENTRY_AUDIT:
		list(w);
		return;
	case ENTRY_JOB:
		job_step(w, b);
		return;
	case ENTRY_BEGIN:
		begin_request(w, b, &e);
		return;
	case ENTRY_BREAK:
		if (b->call == e.number)
			answer_call(w, b, ANSWER_LOST, 0);
		return;
	case ENTRY_LOOK:
		look(w, b, &e);
		return;
	case ENTRY_LOOKED:
	case ENTRY_LOOK_FAILED:
		looked(w, b, &e);
		return;
	case ENTRY_PROBE_GOOD:
	case ENTRY_PROBE_BAD:
		if (b->run == e.number)
			body_probed(w, b, e.kind == ENTRY_PROBE_BAD);
		return;
	case ENTRY_EXIT:
		if (b->run == e.number && !b->job)
			body_exits(w, b);
		return;
	case ENTRY_REVIVE:
		if (b->run == e.number && !b->job && b->there && !cannot_start(w, b))
			body_starts(w, b, false);
		return;
	}
}

static inline void world_wait(struct world *w, uint64_t ms)
{
	uint64_t end = w->sim.now + ms;

	for (;;) {
		uint64_t policy = policy_next(&w->sim.policy);
		uint64_t entry = w->entries_count ? w->entries[0].at : NEVER;
		uint64_t next = policy < entry ? policy : entry;

		if (next > end)
			break;
		if (next > w->sim.now)
			w->sim.now = next;
		if (entry <= policy)
			carry_on(w);
		else
			sim_turn(&w->sim);
	}
	w->sim.now = end;
}

static inline struct body *world_add(struct world *w, const char *name)
{
	struct body *b = &w->bodies[w->bodies_count++];

	assert_true(w->bodies_count <= WORLD_BODIES);
	*b = (struct body){.own = sim_no_labels,
	    .there = true,
	    .running = true,
	    .health = HEALTH_GOOD,
	    .retries = 3,
	    .stop_timeout = 10,
	    .started = w->sim.now,
	    .stops_in = 1 * SECOND,
	    .heals_in = 5 * SECOND,
	    .sick_in = 30 * SECOND,
	    .fails_in = NEVER,
	    .exits_in = NEVER,
	    .revived_in = NEVER};
	snprintf(b->name, sizeof b->name, "%s", name);
	sim_id(b->id, ++w->ids);
	return b;
}

/* Settings as in sim_begin; the first list is asked for. */
static inline void world_begin(struct world *w)
{
	w->sim.carry_out = world_carry_out;
	w->look_takes = 4;
	plan(w, (struct entry){.at = w->sim.now, .kind = ENTRY_LIST});
}

#endif

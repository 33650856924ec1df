/* story.h - the words in which the tests of the policy tell their stories: a container falls ill, an
 * engine answers, time goes by. `web` is the container of a story with one. */
#ifndef STORY_H
#define STORY_H

#include "simulation.h"

static struct simulation s;
static bool begun;
static struct container *web;

/* A story begins: settings as in the environment, ending with NULL; `web` is known and healthy. */
#define begin(...) (end(), sim_begin(&s, __VA_ARGS__), begun = true, web = known("web"))

static inline struct container *known(const char *name);

static inline void end(void)
{
	if (begun)
		sim_end(&s);
	begun = false;
}

static inline int teardown(void **state)
{
	(void)state;
	end();
	return 0;
}

static inline void forget_what_happened(void)
{
	s.happened[0] = 0;
	s.length = 0;
}

static inline void expect_at(const char *words, const char *file, int line)
{
	if (strcmp(s.happened, words)) {
		print_error("happened: \"%s\"\nexpected: \"%s\"\nat %llu ms\n", s.happened, words,
		    (unsigned long long)(s.now - SIM_BEGINS));
		_fail(file, line);
	}
	forget_what_happened();
}
/* What the policy wanted done and told since the last expect(), all of it. */
#define expect(words) expect_at(words, __FILE__, __LINE__)

static inline void wait_for(uint64_t ms)
{
	sim_wait(&s, ms);
}

/* Until `ms` after `then`. */
static inline void wait_until(uint64_t then, uint64_t ms)
{
	assert_true(s.now <= then + ms);
	sim_wait(&s, then + ms - s.now);
}

/* One event of a read that goes on. */
static inline void event(struct container *c, enum policy_event_kind kind)
{
	sim_event(&s, c, &(struct policy_event){.kind = kind, .live = true});
}

static inline void turn(void)
{
	sim_turn(&s);
}

/* An event that is told again, or late: it happened then. */
static inline void happened_at(struct container *c, enum policy_event_kind kind, uint64_t then)
{
	sim_event(&s, c, &(struct policy_event){.kind = kind, .happened = then});
}

/* An event that is a read of its own. */
static inline void happens(struct container *c, enum policy_event_kind kind)
{
	event(c, kind);
	turn();
}

static inline void dies(struct container *c, int code)
{
	sim_event(&s, c,
	    &(struct policy_event){.kind = EVENT_DIE, .has_exit_code = true, .exit_code = code});
	turn();
}

static inline void sick(struct container *c)
{
	happens(c, EVENT_UNHEALTHY);
}

/* Unhealthy out of a replay or a backlog, or from Podman: no proof. */
static inline void sick_they_say(struct container *c)
{
	sim_event(&s, c, &(struct policy_event){.kind = EVENT_UNHEALTHY});
	turn();
}

/* The answer to an inspect of a running container: a healthcheck of 10 s x 3, a stop timeout of 10 s. */
static inline struct policy_facts inspected(enum container_health health)
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

static inline struct policy_facts exited(void)
{
	struct policy_facts f = inspected(HEALTH_BAD);

	f.running = false;
	f.streak = 0;
	f.exit_code = 1;
	return f;
}

/* An element of the list. */
static inline struct policy_facts listed(enum container_health health)
{
	return (struct policy_facts){
	    .running = true, .health = health, .stop_timeout = WATCH_UNSET, .age_ms = -1};
}

static inline void facts(struct container *c, struct policy_facts f)
{
	sim_event(&s, c, &(struct policy_event){.kind = EVENT_FACTS, .facts = &f});
	turn();
}

/* The inspect that was asked for says: running and unhealthy, its probes fail. */
static inline void still_sick(struct container *c)
{
	assert_true(c->looking);
	facts(c, inspected(HEALTH_BAD));
}

static inline void look_failed(struct container *c)
{
	assert_true(c->looking);
	happens(c, EVENT_LOOK_FAILED);
}

/* false: the record is gone, as it was to be forgotten. */
static inline bool answer(
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

static inline void done(struct container *c)
{
	assert_true(answer(c, ANSWER_DONE, 204, ""));
}

static inline void refused(struct container *c)
{
	assert_true(answer(c, ANSWER_REFUSED, 500, "it will not"));
}

static inline void lost(struct container *c)
{
	assert_true(answer(c, ANSWER_LOST, 0, "connection reset"));
}

static inline void unsent(struct container *c)
{
	assert_true(answer(c, ANSWER_UNSENT, 0, "no such file"));
}

/* Reads the next word of "kill die stop". */
static inline bool next_event(struct span *words, enum policy_event_kind *kind)
{
	static const char *const names[] = {
	    "start", "die", "stop", "kill", "pause", "unpause", "restart", "healthy", "unhealthy"};
	struct span word;

	if (!span_next(words, ' ', &word))
		return false;
	for (*kind = 0; !span_is(word, names[*kind]);)
		assert_true(++*kind < COUNT(names));
	return true;
}

/* What a Docker engine's stream says of a restart, ours or anybody's (20.10). */
static inline void restarts(struct container *c)
{
	happens(c, EVENT_KILL);
	dies(c, 143);
	happens(c, EVENT_STOP);
	happens(c, EVENT_START);
	happens(c, EVENT_RESTARTED);
}

static inline void stops(struct container *c)
{
	happens(c, EVENT_KILL);
	dies(c, 143);
	happens(c, EVENT_STOP);
}

/* Our request is carried out at once. */
static inline void restarted(struct container *c)
{
	restarts(c);
	done(c);
}

/* Sick, restarted, healthy again; nothing else happens. */
static inline void healed(struct container *c)
{
	char words[200];
	const char *of = s.policy.containers.count > 1 ? c->name : "", *blank = *of ? " " : "";

	sick(c);
	snprintf(words, sizeof words, "RESTART%s%s", blank, of);
	expect_at(words, __FILE__, __LINE__);
	restarted(c);
	happens(c, EVENT_HEALTHY);
	snprintf(words, sizeof words, "restart:success%s%s, recovered:healthy%s%s", blank, of,
	    blank, of);
	expect_at(words, __FILE__, __LINE__);
}

/* A container of which everything is known: it runs and is healthy. */
static inline struct container *known(const char *name)
{
	struct container *c = sim_add(&s, 0, name);

	facts(c, inspected(HEALTH_GOOD));
	expect("");
	return c;
}

static inline void says(const char *words)
{
	if (!strstr(s.told.message, words))
		fail_msg("it says \"%s\", not \"%s\"", s.told.message, words);
}

#define state_is(c, wanted) \
	assert_string_equal(policy_state_name((c)->state), policy_state_name(wanted))

static inline void labels(struct container *c, struct label_settings own)
{
	assert_true(containers_set_own(c, &own));
}

/* Facts of one that is sick become those of another: "paused", "exited", ... */
static inline void change(struct policy_facts *f, const char *what)
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

#define STORY(name) cmocka_unit_test_teardown(test_##name, teardown)

/* A story begins with one that falls ill while nobody knows how long its stop may take: that is asked for beside
 * its restart. */
static inline struct container *of_unknown_stop_timeout(void)
{
	struct container *c;

	begin(NULL);
	policy_forget(&s.policy, web, true, s.now);
	c = sim_add(&s, 0, "db");
	sick(c);
	expect("RESTART, INSPECT");
	return c;
}

#endif

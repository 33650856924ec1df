/* policy_probe.c - PURE: what others than the engine say of a container: a probe of its own, and an outside monitor.
 * Both are heard as health is; of policy_parts.h. */
#include <string.h>

#include "policy_parts.h"

/* Its own probe says something, and it has no healthcheck, beside which that is not heard. */
static bool hears_its_probe(const struct container *c)
{
	return c->word > WORD_UNTRIED && c->health <= HEALTH_NONE;
}

enum container_health policy_health(const struct container *c)
{
	static const uint8_t of[] = {[WORD_UNTRIED] = HEALTH_NONE,
	    [WORD_STARTING] = HEALTH_STARTING,
	    [WORD_FAILING] = HEALTH_STARTING,
	    [WORD_GOOD] = HEALTH_GOOD,
	    [WORD_BAD] = HEALTH_BAD};

	if (c->down)
		return HEALTH_BAD;
	if (hears_its_probe(c))
		return (enum container_health)of[c->word];
	return (enum container_health)c->health;
}

const char *policy_word_name(const struct container *c)
{
	static const char *const words[] = {
	    [WORD_UNTRIED] = "it has not passed yet: its failures do not count",
	    [WORD_STARTING] = "it has not passed since the last start",
	    [WORD_FAILING] = "it fails, and has not passed since the last start",
	    [WORD_GOOD] = "it did so last",
	    [WORD_BAD] = "it fails"};

	return words[c->word];
}

/* What the next incident of c is about. */
enum heal_cause policy_cause_of(const struct container *c)
{
	if (c->down)
		return CAUSE_VERDICT;
	return c->word == WORD_BAD && hears_its_probe(c) ? CAUSE_PROBE : CAUSE_UNHEALTHY;
}

const char *policy_cause_name(const struct heal *h)
{
	static const char names[][10] = {
	    [CAUSE_UNHEALTHY] = "unhealthy", [CAUSE_CRASH] = "crash", [CAUSE_PROBE] = "probe", [CAUSE_VERDICT] = "verdict"};

	return names[h->cause];
}

/* It was started: what was said of it is about the time before. */
void policy_begins_anew(struct container *c)
{
	c->down = false;
	if (c->word > WORD_UNTRIED)
		c->word = WORD_STARTING;
}

/* Its recovery time is over: a probe that fails since is what shows that our restart did not help, and counts. */
void policy_heal_timed_out(struct container *c)
{
	if (c->word == WORD_FAILING)
		c->word = WORD_BAD;
}

/* Whether failures of its probe count: it has passed since the last start, or that start was a heal of ours which has
 * failed. */
static bool failures_count(const struct container *c)
{
	const struct heal *h = c->identity->heal;

	if (c->word >= WORD_GOOD)
		return true;
	if (!h || c->word == WORD_UNTRIED || c->state == STATE_RESTARTING ||
	    c->state == STATE_VERIFYING)
		return false;
	return h->quarantined || (h->open && h->acted);
}

/* The output of a command, which not everybody may read, stands behind a line end. */
static void tell_failure(struct container *c, const char *words, struct actions *out)
{
	const char *end = strchrnul(words, '\n');
	struct action *a = policy_tell(out, c, AUDIT_HEALTH_CHECK_FAILED, "failure",
	    "Its own probe fails: %.*s", (int)(end - words), words);

	a->level = LOG_WARNING;
	a->output = *end ? end + 1 : words;
}

static bool probed(struct container *c, struct policy_event *e, struct actions *out)
{
	if (!c->word)
		return false;
	if (e->says == SAYS_NOTHING) {
		c->word = WORD_UNTRIED;
		return false;
	}
	if (e->says == SAYS_UP) {
		c->word = WORD_GOOD;
		e->kind = EVENT_HEALTHY;
		return policy_health(c) == HEALTH_GOOD;
	}
	if (!failures_count(c)) {
		if (c->word == WORD_STARTING)
			c->word = WORD_FAILING;
		return false;
	}
	if (c->word != WORD_BAD)
		tell_failure(c, e->words, out);
	c->word = WORD_BAD;
	e->kind = EVENT_UNHEALTHY;
	e->live = true;
	return policy_health(c) == HEALTH_BAD;
}

bool policy_heeds_verdict(const struct container *c)
{
	return c->running && !c->paused && c->state != STATE_HANDS_OFF && !c->dropped;
}

static bool judged(struct container *c, struct policy_event *e, struct actions *out)
{
	bool down = e->says == SAYS_DOWN, was_down = c->down;

	if (down && !policy_heeds_verdict(c))
		return false; /* and it must not be taken up when somebody starts it */
	if (down != was_down)
		policy_tell(out, c, AUDIT_VERDICT, down ? "down" : "up",
		    "An outside monitor says that it is %s%s%.200s", down ? "down" : "up",
		    *e->words ? ": " : "", e->words)
		    ->level = down ? LOG_WARNING : LOG_INFO;
	c->down = down;
	e->kind = down ? EVENT_UNHEALTHY : EVENT_HEALTHY;
	e->live = true;
	if (down)
		return true;
	/* up: news of its trouble or its restart, unless somebody else says otherwise or does not know yet */
	return (was_down || c->state == STATE_VERIFYING) &&
	    (policy_health(c) <= HEALTH_NONE || policy_health(c) == HEALTH_GOOD);
}

/* Makes of *e what it means for the table, by all that is said of c; false: nothing. facts is room for those that
 * *e is to point at then. */
bool policy_hear(
    struct container *c, struct policy_event *e, struct policy_facts *facts, struct actions *out)
{
	if (e->kind == EVENT_PROBED)
		return probed(c, e, out);
	if (e->kind == EVENT_VERDICT)
		return judged(c, e, out);
	if (e->kind == EVENT_HEALTHY)
		return !c->down;
	if (e->kind == EVENT_FACTS && (c->down || hears_its_probe(c))) {
		*facts = *e->facts;
		facts->health = policy_health(c);
		facts->streak = UINT32_MAX; /* it is the proof */
		e->facts = facts;
	}
	return true;
}

/* policy.c - what to do next, of policy.h. Read the table first: it is the program. Its functions stand in
 * policy_steps.c and policy_restart.c, what those are made of in policy_moves.c and policy_times.c. */
#include "policy.h"

#include "policy_parts.h"

/* ---- the table --------------------------------------------------------------------------- */

/* Every pair has its function. */
static step *const table[STATE_COUNT][EVENT_COUNT] = {
    [STATE_WATCHING] =
	{
	    [EVENT_START] = step_watching_start,
	    [EVENT_DIE] = step_on_die,
	    [EVENT_STOP] = step_on_stop,
	    [EVENT_KILL] = step_on_kill,
	    [EVENT_PAUSE] = step_on_pause,
	    [EVENT_UNPAUSE] = step_ignore,
	    [EVENT_RESTARTED] = step_on_foreign_restart,
	    [EVENT_HEALTHY] = step_watching_healthy,
	    [EVENT_UNHEALTHY] = step_watching_unhealthy,
	    [EVENT_FACTS] = step_watching_facts,
	    [EVENT_LOOK_FAILED] = step_watching_look_failed,
	    [EVENT_ANSWER] = step_ignore,
	    [EVENT_DUE] = step_watching_due,
	    [EVENT_RELEASE] = step_ignore,
	    [EVENT_PARENT] = step_on_parent,
	},
    [STATE_WAITING] =
	{
	    [EVENT_START] = step_waiting_start,
	    [EVENT_DIE] = step_on_die,
	    [EVENT_STOP] = step_on_stop,
	    [EVENT_KILL] = step_on_kill,
	    [EVENT_PAUSE] = step_on_pause,
	    [EVENT_UNPAUSE] = step_ignore,
	    [EVENT_RESTARTED] = step_on_foreign_restart,
	    [EVENT_HEALTHY] = step_waiting_healthy,
	    [EVENT_UNHEALTHY] = step_ignore,
	    [EVENT_FACTS] = step_waiting_facts,
	    [EVENT_LOOK_FAILED] = step_waiting_look_failed,
	    [EVENT_ANSWER] = step_ignore,
	    [EVENT_DUE] = step_waiting_due,
	    [EVENT_RELEASE] = step_release_trial,
	    [EVENT_PARENT] = step_on_parent,
	},
    [STATE_RESTARTING] =
	{
	    [EVENT_START] = step_restarting_start,
	    [EVENT_DIE] = step_restarting_die,
	    [EVENT_STOP] = step_restarting_kill,
	    [EVENT_KILL] = step_restarting_kill,
	    [EVENT_PAUSE] = step_ignore,
	    [EVENT_UNPAUSE] = step_ignore,
	    [EVENT_RESTARTED] = step_restarting_restarted,
	    [EVENT_HEALTHY] = step_restarting_healthy,
	    [EVENT_UNHEALTHY] = step_ignore,
	    [EVENT_FACTS] = step_restarting_facts,
	    [EVENT_LOOK_FAILED] = step_restarting_look_failed,
	    [EVENT_ANSWER] = step_restarting_answer,
	    [EVENT_DUE] = step_restarting_due,
	    [EVENT_RELEASE] = step_release_trial,
	    [EVENT_PARENT] = step_ignore,
	},
    [STATE_VERIFYING] =
	{
	    [EVENT_START] = step_echo_ends,
	    [EVENT_DIE] = step_verifying_die,
	    [EVENT_STOP] = step_on_stop,
	    [EVENT_KILL] = step_on_kill,
	    [EVENT_PAUSE] = step_on_pause,
	    [EVENT_UNPAUSE] = step_ignore,
	    [EVENT_RESTARTED] = step_on_foreign_restart,
	    [EVENT_HEALTHY] = step_verifying_healthy,
	    [EVENT_UNHEALTHY] = step_ignore,
	    [EVENT_FACTS] = step_verifying_facts,
	    [EVENT_LOOK_FAILED] = step_verifying_look_failed,
	    [EVENT_ANSWER] = step_ignore,
	    [EVENT_DUE] = step_verifying_due,
	    [EVENT_RELEASE] = step_release_trial,
	    [EVENT_PARENT] = step_on_parent,
	},
    [STATE_QUARANTINED] =
	{
	    [EVENT_START] = step_quarantined_start,
	    [EVENT_DIE] = step_quarantined_die,
	    [EVENT_STOP] = step_quarantined_die,
	    [EVENT_KILL] = step_on_kill,
	    [EVENT_PAUSE] = step_quarantined_not_healthy,
	    [EVENT_UNPAUSE] = step_ignore,
	    [EVENT_RESTARTED] = step_on_foreign_restart,
	    [EVENT_HEALTHY] = step_quarantined_healthy,
	    [EVENT_UNHEALTHY] = step_quarantined_not_healthy,
	    [EVENT_FACTS] = step_quarantined_facts,
	    [EVENT_LOOK_FAILED] = step_quarantined_look_failed,
	    [EVENT_ANSWER] = step_ignore,
	    [EVENT_DUE] = step_quarantined_due,
	    [EVENT_RELEASE] = step_quarantined_release,
	    [EVENT_PARENT] = step_on_parent,
	},
    [STATE_HANDS_OFF] =
	{
	    [EVENT_START] = step_hands_off_start,
	    [EVENT_DIE] = step_hands_off_die,
	    [EVENT_STOP] = step_hands_off_die,
	    [EVENT_KILL] = step_on_kill,
	    [EVENT_PAUSE] = step_ignore,
	    [EVENT_UNPAUSE] = step_hands_off_unpause,
	    [EVENT_RESTARTED] = step_on_foreign_restart,
	    [EVENT_HEALTHY] = step_ignore,
	    [EVENT_UNHEALTHY] = step_ignore,
	    [EVENT_FACTS] = step_hands_off_facts,
	    [EVENT_LOOK_FAILED] = step_ignore,
	    [EVENT_ANSWER] = step_ignore,
	    [EVENT_DUE] = step_ignore,
	    [EVENT_RELEASE] = step_release_trial,
	    [EVENT_PARENT] = step_ignore,
	},
};

/* What every event says of the container, whatever the state. */
static void note(struct policy *p, struct container *c, const struct policy_event *e)
{
	static const unsigned ends_or_starts = 1u << EVENT_KILL | 1u << EVENT_DIE |
	    1u << EVENT_STOP | 1u << EVENT_START;
	struct heal *h = c->identity->heal;

	/* whoever did it: what was proven before is proven no more */
	if (h && ends_or_starts & 1u << e->kind)
		h->proven = false;
	switch (e->kind) {
	case EVENT_START:
		c->running = true;
		c->paused = false;
		c->started = policy_seconds_of(p, p->now + 999);
		if (c->health != HEALTH_NONE && c->health != HEALTH_UNKNOWN)
			c->health = HEALTH_STARTING;
		policy_begins_anew(c);
		if (h) {
			h->killed_at = 0;
			h->orphan = h->stranded_told = false;
			h->down_by_us &= c->state == STATE_WAITING;
			h->may_be_down &= c->state == STATE_RESTARTING;
		}
		return;
	case EVENT_DIE:
	case EVENT_STOP:
		if (h)
			h->unseen = false;
		c->running = false;
		c->flipped = true;
		return;
	case EVENT_PAUSE:
	case EVENT_UNPAUSE:
		c->paused = e->kind == EVENT_PAUSE;
		c->flipped = true;
		return;
	case EVENT_HEALTHY:
	case EVENT_UNHEALTHY:
		c->health = e->kind == EVENT_HEALTHY ? HEALTH_GOOD : HEALTH_BAD;
		c->flipped = false;
		return;
	case EVENT_FACTS:
		policy_learn(p, c, e->facts);
		return;
	case EVENT_LOOK_FAILED:
		c->looking = false;
		return;
	case EVENT_KILL:
	case EVENT_RESTARTED:
	case EVENT_ANSWER:
	case EVENT_DUE:
	case EVENT_RELEASE:
	case EVENT_PARENT:
	case EVENT_PROBED:
	case EVENT_VERDICT:
		return;
	}
}

#define STALE_MAX_MS (10 * 60 * 1000u) /* no list or inspect is under way so long */

bool policy_is_stale(const struct container *c, const struct policy_facts *f)
{
	uint32_t behind = c->changed - (uint32_t)f->asked;

	return f->asked && behind && behind < STALE_MAX_MS;
}

/* Not watched, and here for a restart with what it hangs on. */
static bool is_guest(const struct container *c)
{
	return c->identity->heal && c->identity->heal->guest && c->identity->heal->open;
}

/* What was told again after a cut, and was over before we asked for the restart that is under way or on trial. */
static bool is_old_news(const struct container *c, const struct policy_event *e)
{
	return e->happened && (c->state == STATE_RESTARTING || c->state == STATE_VERIFYING) &&
	    e->happened < c->identity->heal->requested;
}

void policy_on_event(struct policy *p, struct container *c, const struct policy_event *event,
    uint64_t now, struct actions *out)
{
	struct policy_event heard = *event;
	struct policy_facts facts;

	p->now = now;
	if (event->kind == EVENT_FACTS && policy_is_stale(c, event->facts)) {
		if (!event->facts->whole)
			return; /* the next list will tell */
		c->looking = false;
		policy_ask(c, out);
		return;
	}
	if (is_old_news(c, event))
		return;
	if (event->kind != EVENT_FACTS && event->kind != EVENT_DUE &&
	    event->kind != EVENT_LOOK_FAILED && event->kind < EVENT_PARENT)
		c->changed = (uint32_t)(event->happened ? event->happened : now);
	note(p, c, event);
	if (c->dropped && c->state != STATE_RESTARTING && event->kind != EVENT_PARENT && !is_guest(c))
		return;
	if (event->kind == EVENT_FACTS)
		policy_see_probes(p, c, event->facts, out);
	if (policy_hear(c, &heard, &facts, out))
		table[c->state][heard.kind](p, c, &heard, out);
}

/* Whether an inspect is to stand in for the list's word on c. While a request of ours is under way, its answer
 * tells more. */
static bool wants_look(const struct container *c, unsigned engine)
{
	return c->engine == engine && c->silent && !c->looking && c->state != STATE_RESTARTING;
}

/* Well, as far as known: what no event tells can wait for its turn. One without a healthcheck has nothing to
 * tell. */
static bool seems_well(const struct container *c)
{
	return c->health == HEALTH_GOOD && c->state == STATE_WATCHING;
}

/* No event would tell that it is not probed any more, or that it is sick where events are no proof. */
static bool is_in_turn(const struct container *c, unsigned engine)
{
	return c->engine == engine && c->running && !c->paused && !c->looking && !c->dropped &&
	    c->state == STATE_WATCHING && (c->health == HEALTH_GOOD || c->health == HEALTH_STARTING);
}

/* Asks the next that seems well; false when nobody is left. */
static bool look_at_next(struct policy *p, unsigned engine, struct actions *out)
{
	struct policy_engine *e = &p->engines[engine];
	struct container *c;

	for (int rounds = 0; rounds < 2; rounds++) {
		while ((c = containers_next(&p->containers, &e->turn))) {
			if (!is_in_turn(c, engine))
				continue;
			policy_ask(c, out);
			return true;
		}
		e->turn = 0;
	}
	return false;
}

bool policy_list_ended(struct policy *p, unsigned engine, struct policy_round *round, uint64_t now,
    struct actions *out)
{
	struct container *c;

	p->now = now;
	if (p->stopping)
		return false;
	while (out->count < out->room && (c = containers_next(&p->containers, &round->at))) {
		if (wants_look(c, engine) && !seems_well(c) && c->health != HEALTH_NONE) {
			policy_ask(c, out);
		} else if (round->in_turn && is_in_turn(c, engine) && policy_may_be_stale(p, c)) {
			policy_ask(c, out);
			round->in_turn--;
		}
	}
	while (out->count < out->room && round->in_turn) {
		if (!look_at_next(p, engine, out))
			return false;
		round->in_turn--;
	}
	return out->count == out->room;
}

bool policy_run(struct policy *p, uint64_t now, struct actions *out)
{
	static const struct policy_event due = {.kind = EVENT_DUE};
	struct container *c;

	policy_maintenance_over(p, now);
	p->now = now;
	while (out->room - out->count >= POLICY_ACTIONS_MAX) {
		c = containers_pop(&p->containers, now);
		if (!c)
			return false;
		table[c->state][EVENT_DUE](p, c, &due, out);
	}
	return containers_next_due(&p->containers) <= now;
}

uint64_t policy_next(const struct policy *p)
{
	uint64_t due = containers_next_due(&p->containers), end = p->maintenance_until;

	for (uint64_t storms = p->storms; storms; storms &= storms - 1) {
		const struct policy_engine *e = &p->engines[__builtin_ctzll(storms)];

		if (e->storm.look_at < due)
			due = e->storm.look_at;
	}
	return p->maintenance && end && end < due ? end : due;
}

void policy_init(struct policy *p, const struct settings *settings, uint64_t now, uint64_t seed,
    uint64_t first_incident)
{
	p->settings = settings;
	p->now = p->started = now;
	p->incidents = first_incident;
	p->slots = UINT32_MAX;
	containers_init(&p->containers, seed, now);
}

void policy_free(struct policy *p)
{
	containers_free(&p->containers);
}

bool policy_keep(struct policy *p, struct container *c, uint64_t now)
{
	struct heal *h = c->identity->heal;

	p->now = now;
	if (!c->gone && !c->dropped)
		return true;
	if (c->state == STATE_RESTARTING && !(h->lost && c->gone))
		return true; /* what became of the request is yet to be told */
	if (is_guest(c) && !c->gone)
		return true;
	policy_go(p, c, STATE_WATCHING, 0);
	if (h) {
		h->stays_up = h->crashed_at = 0;
		h->unseen = h->ended = h->looping = false;
		h->left = LEFT_NOTHING;
		/* the history stays with the identity; what was heard of this one container does not */
		policy_close_incident(h);
		h->own_until = 0;
		h->late = h->guest = h->orphan = h->stranded_told = false;
		if (c->gone)
			h->look_at = h->killed_at = h->given_until = 0;
	}
	containers_remove(&p->containers, c, now);
	return false;
}

void policy_forget(struct policy *p, struct container *c, bool gone, uint64_t now)
{
	c->gone |= gone;
	c->dropped |= !gone;
	policy_keep(p, c, now);
}

const char *policy_next_action(
    const struct policy *p, const struct container *c, uint64_t *at, const char **why)
{
	const struct heal *h = c->identity->heal;
	uint64_t until;
	const struct policy_storm *storm = &p->engines[c->engine].storm;
	enum wait_reason hold;

	if (!h)
		return NULL;
	hold = policy_hold(p, c, &until);
	if (!hold && h->waiting == WAIT_STORM && storm->on) {
		hold = WAIT_STORM;
		until = storm->until > p->now ? storm->until : 0;
	}
	if (!c->heap_place && !(hold && c->state == STATE_WAITING))
		return NULL;
	*at = c->heap_place ? c->due : until;
	*why = policy_wait_words[h->waiting == WAIT_STORM && !hold ? WAIT_SLOT : h->waiting];
	switch ((enum container_state)c->state) {
	case STATE_WAITING:
		return policy_request_word(c);
	case STATE_VERIFYING:
		*why = "its recovery time is over then";
		return "check";
	case STATE_QUARANTINED:
		if (hold && c->due == until) {
			*why = policy_wait_words[hold];
			return "restart";
		}
		*why = c->due == h->retry_at ? "one further try out of quarantine"
					     : "it will have stayed healthy";
		return c->due == h->retry_at ? policy_request_word(c) : "release";
	case STATE_WATCHING:
		if (!h->look_at || c->due != h->look_at)
			return NULL;
		if (h->crashed_at)
			*why = "it has just exited; a stop may follow";
		else
			*why = h->killed_at ? policy_wait_words[WAIT_KILL]
					    : policy_wait_words[WAIT_PROOF];
		return "check";
	case STATE_RESTARTING:
	case STATE_HANDS_OFF:
	case STATE_COUNT:
		break;
	}
	return NULL;
}

const char *policy_state_name(enum container_state state)
{
	static const char names[STATE_COUNT][12] = {
	    "watching", "waiting", "restarting", "verifying", "quarantined", "hands_off"};

	return names[state];
}

const char *policy_health_name(enum container_health health)
{
	static const char names[][12] = {"unknown", "none", "starting", "healthy", "unhealthy"};

	return names[health];
}

/* policy_storm.c - PURE: the brake for when many fail at once (AUTOHEAL_STORM); of policy_parts.h.
 *
 * Each engine has its own: the share is one of what is watched there, and so are the two slots. What fails together has
 * a cause on one host as a rule, and none that hangs may hold up another. Nothing is counted but while one wish to act
 * follows another, so that a healthy host pays nothing. */
#include "policy_parts.h"

/* Who is given up, or left alone, counts on neither side. */
static bool counts(const struct container *c, unsigned engine)
{
	const struct heal *h = c->identity->heal;

	return c->engine == engine && !c->dropped && c->state != STATE_HANDS_OFF &&
	    !(h && h->quarantined);
}

/* Counts the watched, and those of them that fail: whose trouble was seen since then, and is not known to be over.
 * Returns whether these are a storm. */
static bool count(struct policy *p, unsigned engine, uint64_t since)
{
	struct policy_storm *s = &p->engines[engine].storm;
	uint64_t share = config_storm_share(p->settings);
	const struct container *c;
	size_t at = 0;

	s->counted = p->now;
	s->wishes = s->watched = s->failing = 0;
	while ((c = containers_next(&p->containers, &at))) {
		const struct heal *h = c->identity->heal;

		if (!counts(c, engine))
			continue;
		s->watched++;
		s->failing += h && h->open && !h->along && h->detected >= since;
	}
	s->bound = (uint32_t)((s->watched * share + 99) / 100);
	if (s->bound < POLICY_STORM_LEAST)
		s->bound = POLICY_STORM_LEAST;
	return share && s->failing >= s->bound;
}

void policy_storm_note(struct policy *p, const struct container *c)
{
	struct policy_storm *s = &p->engines[c->engine].storm;

	p->stirred |= 1ull << c->engine;
	s->wishes++;
	s->last[s->last_at] = p->now;
	s->last_at = (uint8_t)((s->last_at + 1) % POLICY_STORM_LEAST);
}

/* Asked before every decision: the table is gone through only where so many wishes came up that it may be a storm. */
static bool begins(struct policy *p, unsigned engine)
{
	const struct policy_storm *s = &p->engines[engine].storm;
	uint64_t tenth = s->last[s->last_at];
	uint64_t since = p->now > POLICY_STORM_WITHIN_MS ? p->now - POLICY_STORM_WITHIN_MS : 1;

	if (s->on || tenth < since)
		return false;
	if (s->failing + s->wishes < s->bound && p->now < s->counted + POLICY_STORM_LOOK_MS)
		return false;
	return count(p, engine, since);
}

/* What has a slot and has not been sent gives it back, and all that waits is put into the order of storms. */
static void hold(struct policy *p, unsigned engine)
{
	struct container *c;
	size_t at = 0;

	while ((c = containers_next(&p->containers, &at)))
		if (c->engine == engine && c->state == STATE_WAITING && !c->identity->heal->half_done)
			policy_wait_anew(p, c);
}

/* false: neither did it begin nor end. */
static bool turns(struct policy *p, unsigned engine)
{
	struct policy_storm *s = &p->engines[engine].storm;

	if (begins(p, engine)) {
		s->on = true;
		s->until = s->look_at = p->now + POLICY_STORM_HOLD_MS;
		hold(p, engine);
		return true;
	}
	if (!s->on || p->now < s->look_at)
		return false;
	s->look_at = p->now + POLICY_STORM_LOOK_MS;
	s->on = count(p, engine, 0);
	policy_hand_out(p);
	return !s->on;
}

int policy_storm(struct policy *p, uint64_t now)
{
	p->now = now;
	for (uint64_t left = p->storms | p->stirred; left; left &= left - 1) {
		int engine = __builtin_ctzll(left);

		p->stirred &= ~(1ull << engine);
		if (turns(p, (unsigned)engine)) {
			p->storms ^= 1ull << engine;
			return engine;
		}
	}
	return -1;
}

bool policy_storm_brakes(const struct policy *p, const struct policy_engine *engine)
{
	const struct policy_storm *s = &engine->storm;

	return s->on && (p->now < s->until || engine->busy >= POLICY_STORM_SLOTS);
}

void policy_storm_say(const struct policy_storm *s, char *out, size_t cap)
{
	if (s->on)
		text_print(out, cap,
		    "%u of %u watched containers fail at once. What was sent stays; nothing more is sent for %u s, "
		    "then each is looked at anew and at most %u are restarted at a time, parents first",
		    s->failing, s->watched, POLICY_STORM_HOLD_MS / 1000, POLICY_STORM_SLOTS);
	else
		text_print(out, cap,
		    "%u of %u watched containers fail, fewer than %u: they are healed as ever",
		    s->failing, s->watched, s->bound);
}

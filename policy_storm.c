/* policy_storm.c - PURE: the brake for when many fail at once (AUTOHEAL_STORM); of policy_parts.h.
 *
 * The share is one of all that is watched, over all engines, and so are the two slots: what fails together has one
 * cause as a rule, wherever it runs. Nothing is counted but while incidents open one after another, so that a
 * healthy host pays nothing. */
#include "policy_parts.h"

/* Failing: known to be in trouble, and not yet known to be out of it. Who is given up or left alone counts on neither
 * side. */
static bool counts(const struct container *c)
{
	const struct heal *h = c->identity->heal;

	return !c->dropped && !c->gone && c->state != STATE_HANDS_OFF && !(h && h->quarantined);
}

/* Counts the watched, and those of them whose trouble was seen since then. Returns whether these are a storm. */
static bool count(struct policy *p, uint64_t since)
{
	struct policy_storm *s = &p->storm;
	uint64_t share = config_storm_share(p->settings);
	const struct container *c;
	size_t at = 0;

	s->counted = p->now;
	s->opened = s->watched = s->failing = 0;
	while ((c = containers_next(&p->containers, &at))) {
		const struct heal *h = c->identity->heal;

		if (!counts(c))
			continue;
		s->watched++;
		s->failing += h && h->open && !h->along && h->detected >= since;
	}
	s->bound = (uint32_t)((s->watched * share + 99) / 100);
	if (s->bound < POLICY_STORM_LEAST)
		s->bound = POLICY_STORM_LEAST;
	return share && s->failing >= s->bound;
}

void policy_storm_opened(struct policy *p)
{
	struct policy_storm *s = &p->storm;

	s->opened++;
	s->last[s->last_at] = p->now;
	s->last_at = (uint8_t)((s->last_at + 1) % POLICY_STORM_LEAST);
}

/* Asked before every decision: the table is gone through only where so many have opened that it may be a storm. */
static bool begins(struct policy *p)
{
	struct policy_storm *s = &p->storm;
	uint64_t since = p->now - POLICY_STORM_WITHIN_MS, tenth = s->last[s->last_at];

	if (p->now < POLICY_STORM_WITHIN_MS)
		since = 0;
	if (!s->opened || !tenth || tenth < since)
		return false;
	if (s->failing + s->opened < s->bound && p->now < s->counted + POLICY_STORM_LOOK_MS)
		return false;
	return count(p, since);
}

/* What has a slot and has not been sent gives it back, and all that waits is put into the order of storms. */
static void hold(struct policy *p)
{
	struct container *c;
	size_t at = 0;

	while ((c = containers_next(&p->containers, &at)))
		if (c->state == STATE_WAITING && !c->identity->heal->half_done)
			policy_wait_anew(p, c);
}

bool policy_storm(struct policy *p, uint64_t now)
{
	struct policy_storm *s = &p->storm;

	p->now = now;
	if (!s->on && begins(p)) {
		s->on = true;
		s->until = s->look_at = now + POLICY_STORM_HOLD_MS;
		hold(p);
		return true;
	}
	if (!s->on || now < s->look_at)
		return false;
	s->look_at = now + POLICY_STORM_LOOK_MS;
	s->on = count(p, 0);
	policy_hand_out(p);
	return !s->on;
}

bool policy_storm_brakes(const struct policy *p)
{
	return p->storm.on && (p->now < p->storm.until || p->busy >= POLICY_STORM_SLOTS);
}

void policy_storm_say(const struct policy *p, char *out, size_t cap)
{
	const struct policy_storm *s = &p->storm;

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

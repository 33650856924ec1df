/* policy_people.c - PURE: what people want of the policy: maintenance, snooze, a restart by hand; of policy.h. */
#include "policy_parts.h"

enum wait_reason policy_hold(const struct policy *p, const struct container *c, uint64_t *until)
{
	const struct heal *h = c->identity->heal;
	uint64_t snoozed = h && h->snoozed_until > p->now ? h->snoozed_until : 0;
	uint64_t end = p->maintenance_until;

	*until = end;
	if (p->maintenance && (!end || (end > p->now && end >= snoozed)))
		return WAIT_MAINTENANCE;
	*until = snoozed;
	return snoozed ? WAIT_SNOOZED : WAIT_NOTHING;
}

/* Something holds c, or holds it no more: what waits is weighed anew. */
static void weigh_anew(struct policy *p, struct container *c)
{
	if (c->state == STATE_WAITING)
		containers_due(&p->containers, c, p->now);
	else if (c->state == STATE_QUARANTINED)
		policy_rest(p, c); /* when its further try comes */
}

static void weigh_all_anew(struct policy *p)
{
	struct container *c;
	size_t at = 0;

	p->changes++;
	while ((c = containers_next(&p->containers, &at)))
		weigh_anew(p, c);
}

void policy_settings_changed(struct policy *p, uint64_t now)
{
	struct container *c;
	uint64_t trial;
	size_t at = 0;

	p->now = now;
	trial = policy_next_trial(p);
	while ((c = containers_next(&p->containers, &at))) {
		struct heal *h = c->identity->heal;

		if (h && h->quarantined && (!trial || !h->retry_at || h->retry_at > trial))
			h->retry_at = trial;
	}
	weigh_all_anew(p);
}

void policy_begin_maintenance(struct policy *p, uint64_t until, uint64_t now)
{
	p->now = now;
	p->maintenance = true;
	p->maintenance_until = until;
	weigh_all_anew(p);
}

void policy_end_maintenance(struct policy *p, uint64_t now)
{
	p->now = now;
	p->maintenance = false;
	p->maintenance_until = 0;
	weigh_all_anew(p);
}

bool policy_maintenance_over(struct policy *p, uint64_t now)
{
	if (!p->maintenance || !p->maintenance_until || now < p->maintenance_until)
		return false;
	policy_end_maintenance(p, now);
	return true;
}

bool policy_snooze(struct policy *p, struct identity *identity, uint64_t until, uint64_t now)
{
	struct heal *h = until > now ? containers_heal(identity) : identity->heal;

	p->now = now;
	if (!h)
		return until <= now; /* nothing to end */
	h->snoozed_until = until > now ? until : 0;
	p->changes++;
	if (identity->holder)
		weigh_anew(p, identity->holder);
	return true;
}

/* Why a person's restart of c cannot be now, or NULL. */
static const char *hindrance(const struct policy *p, const struct container *c)
{
	if (p->stopping)
		return "autoheal is ending";
	if (p->maintenance)
		return "maintenance is on: end it first (POST /api/maintenance/disable)";
	if (p->settings->dry_run)
		return "AUTOHEAL_DRY_RUN is set, so nothing is changed";
	if (c->state == STATE_RESTARTING)
		return "a restart of it is under way";
	return NULL;
}

const char *policy_restart_by_person(
    struct policy *p, struct container *c, uint64_t now, struct actions *out)
{
	const char *why;
	struct heal *h;

	policy_maintenance_over(p, now);
	p->now = now;
	why = hindrance(p, c);
	if (why)
		return why;
	h = containers_heal(c->identity);
	if (!h)
		return "there is no memory left for it";
	if (!policy_take_slot(p, c, false))
		return policy_wait_words[WAIT_SLOT];
	/* a look that was planned, a signal, a proof that it is well: the person knows better */
	h->look_at = h->killed_at = h->given_until = h->probation_until = 0;
	if (h->bond)
		policy_close_incident(h); /* this restart serves for that as well */
	if (!h->open) {
		h->along = true;
		policy_open_incident(p, h, false);
		h->by_person = true;
	}
	policy_send(p, c, out, true);
	return NULL;
}

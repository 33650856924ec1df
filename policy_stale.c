/* policy_stale.c - PURE: probes that do not come any more, so that a health means nothing; of policy_parts.h. */
#include "policy_parts.h"

/* Overdue once proves nothing: after a pause, or when the engine was away, the first probe takes its time. So it is
 * told when the same is seen again after the longest time that one can take. */
bool policy_may_be_stale(const struct policy *p, const struct container *c)
{
	const struct heal *h = c->identity->heal;

	return h && h->stale_at && !h->stale_told && p->now >= h->stale_at;
}

void policy_see_probes(
    struct policy *p, struct container *c, const struct policy_facts *f, struct actions *out)
{
	bool overdue = f->probe_due && f->probe_age > f->probe_due;
	struct heal *h = overdue ? containers_heal(c->identity) : c->identity->heal;

	if (!f->whole || !h)
		return;
	h->stale_told &= overdue;
	if (!overdue || !f->running || f->paused || c->state != STATE_WATCHING || c->dropped) {
		h->stale_at = 0;
		return;
	}
	if (!h->stale_at)
		h->stale_at = p->now + f->probe_due;
	if (h->stale_told || p->now < h->stale_at)
		return;
	h->stale_told = true;
	policy_tell(out, c, AUDIT_STALE_PROBE, "stale",
	    "No probe has ended for %llu s, %llu s at most are due: its health '%s' is an old one. The engine probes "
	    "no more, as after its restart with live-restore (moby#41871); restart the container, or the engine",
	    (unsigned long long)f->probe_age / 1000, (unsigned long long)f->probe_due / 1000,
	    policy_health_name((enum container_health)c->health))
	    ->level = LOG_WARNING;
}

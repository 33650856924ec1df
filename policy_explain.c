/* policy_explain.c - PURE: what holds a watched container back and what does not, in words; of policy.h. It asks the
 * very functions that decide. */
#include "policy_parts.h"

void policy_explain(struct policy *p, const struct container *c, uint64_t now,
    void (*say)(void *owner, const char *what, bool holds, const char *because), void *owner)
{
	const struct heal *h = c->identity->heal;
	const char *only_tells = policy_only_tells(p, c);
	uint64_t gates[WAIT_COUNT] = {0}, until;
	enum wait_reason why;
	const struct policy_storm *storm = &p->engines[c->engine].storm;
	char because[160];

	p->now = now;
	say(owner, "it needs help", h && h->open, policy_health_name(policy_health(c)));
	if (c->word)
		say(owner, "its own probe passes", c->word == WORD_GOOD, policy_word_name(c));
	if (c->down)
		say(owner, "an outside monitor says that it is down", true,
		    "that holds until it says up, or the next start");
	text_print(because, sizeof(because),
	    "%u heals in a row did not end healthy, %llu restarts were made within %llu s; the limit is %llu",
	    h ? h->failures : 0, h ? (unsigned long long)policy_restarts_in_window(p, h) : 0,
	    (unsigned long long)p->settings->restart_window / 1000,
	    (unsigned long long)policy_limit_of(p, c));
	say(owner, "it is in quarantine", h && h->quarantined, because);
	if (h)
		policy_gate(p, c, &why, gates);
	if (h && !h->open)
		gates[WAIT_UNHEALTHY_FOR] = 0; /* counted from a trouble that is over */
	if (!c->has_slot && !policy_may_have_slot(p, &p->engines[c->engine]))
		gates[storm->on ? WAIT_STORM : WAIT_SLOT] = storm->on && storm->until > now
		    ? storm->until
		    : UINT64_MAX;
	if (h && policy_parent_is_busy(p, c))
		gates[WAIT_PARENT] = UINT64_MAX;
	why = policy_hold(p, c, &until);
	if (why)
		gates[why] = until ? until : UINT64_MAX;
	for (int i = WAIT_NOTHING + 1; i < WAIT_COUNT; i++) {
		text_print(because, sizeof(because), "%llu s are left",
		    (unsigned long long)(gates[i] - now + 999) / 1000);
		say(owner, policy_wait_words[i], gates[i] > now,
		    gates[i] == UINT64_MAX ? "until that changes"
			: gates[i] > now   ? because
					   : "it does not hold it back");
	}
	say(owner, "it is only told about", only_tells != NULL,
	    only_tells ? only_tells : "neither a dry run nor a label wants that");
}

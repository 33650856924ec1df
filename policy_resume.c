/* policy_resume.c - PURE: what becomes of what autoheal knew when it ended: counts, quarantine, incidents open, and a
 * restart that was under way; of policy.h. */
#include <string.h>

#include "policy_parts.h"

static uint64_t at_most(uint64_t at, uint64_t latest)
{
	return at < latest ? at : latest;
}

/* Whatever the wall clock did meanwhile: nothing of ours lies further ahead than it can. What a person set does. */
void policy_resume(struct policy *p, struct identity *identity, uint64_t now)
{
	const struct settings *s = p->settings;
	struct heal *h = identity->heal;

	identity->choice = identity->announced ? CHOICE_LABEL : CHOICE_NONE;
	if (!h)
		return;
	h->kept = true;
	h->patience = h->patience ? h->patience : 1;
	h->retry_at = at_most(h->retry_at, now + s->quarantine_retry);
	h->probation_until = at_most(h->probation_until, now + s->recovery_timeout);
	h->given_until = at_most(h->given_until, now + POLICY_PATIENCE_MAX_MS);
	h->deadline = at_most(h->deadline, now + POLICY_ANSWER_FOREVER_MS);
	if (h->incident > p->incidents)
		p->incidents = h->incident;
}

static bool is_under_way(const struct heal *h)
{
	return h->kept && (h->phase == STATE_RESTARTING || h->half_done);
}

void policy_was_answered(struct heal *h, bool success)
{
	if (!h->kept || h->phase != STATE_RESTARTING)
		return;
	h->phase = STATE_WATCHING;
	h->half_done = success && h->kill_first;
	h->down_by_us = h->may_be_down = !success || h->kill_first;
	if (!success || h->kill_first)
		return; /* a look will tell how it is */
	if (h->stop_only)
		policy_close_incident(h);
	else
		h->phase = STATE_VERIFYING;
	h->answered = h->requested;
}

bool policy_is_unfinished(const struct identity *identity, const uint8_t id[32], bool *guest)
{
	const struct heal *h = identity ? identity->heal : NULL;

	if (!h || !h->kept || memcmp(h->of, id, 32))
		return false;
	*guest = h->guest;
	return is_under_way(h) || h->phase == STATE_VERIFYING || h->down_by_us || h->crashed_at;
}

/* What was known of the container that held the identity before. */
static void forget_the_other(struct heal *h)
{
	policy_close_incident(h);
	h->crashed_at = h->given_until = 0;
}

const char *policy_abandon(struct policy *p, struct heal *h)
{
	bool under_way = is_under_way(h);

	h->kept = false;
	forget_the_other(h);
	p->changes++;
	return under_way ? "Its restart, cut off when autoheal ended, is not completed: it is gone, "
			   "or not watched any more"
			 : NULL;
}

/* What became of the request that was under way is asked, and asked again, as after a lost answer. */
static void take_up(struct policy *p, struct container *c)
{
	struct heal *h = c->identity->heal;

	if (h->half_done) {
		h->start_only = true; /* the kill is answered: its start may be done, or due */
		h->kill_first = false;
	}
	h->open = h->acted = h->lost = h->resumed = true;
	h->exits_seen = 0;
	policy_go(p, c, STATE_RESTARTING, p->now);
}

void policy_adopt(struct policy *p, struct container *c, uint64_t now, struct actions *out)
{
	struct heal *h = c->identity->heal;
	const char *why;

	p->now = now;
	if (!h)
		return;
	if (h->quarantined)
		c->state = STATE_QUARANTINED;
	if (!h->kept)
		return;
	if (memcmp(h->of, c->id, 32)) {
		why = policy_abandon(p, h);
		if (why)
			policy_tell(out, c, AUDIT_SKIPPED, "gone", "%s", why);
		policy_rest(p, c);
		return;
	}
	if (is_under_way(h)) {
		take_up(p, c);
	} else if (h->phase == STATE_VERIFYING) {
		policy_go(p, c, STATE_VERIFYING, h->deadline > now ? h->deadline : now);
	} else {
		if (h->open || h->down_by_us || h->crashed_at)
			h->look_at = now;
		policy_rest(p, c);
	}
	h->kept = false;
}

/* The engine says that it is down whose restart was under way when autoheal ended. false: it goes on as after any lost
 * answer. A stop and a kill are done then; a restart, and a start, are completed. */
bool policy_is_left_down(
    struct policy *p, struct container *c, const struct policy_facts *f, struct actions *out)
{
	struct heal *h = c->identity->heal;
	uint64_t since = p->now - h->requested;
	bool started = f->age_ms >= 0 && (uint64_t)f->age_ms <= since;
	bool ended = f->ended_ms >= 0 && (uint64_t)f->ended_ms <= since;

	if (!started && since <= POLICY_RESUME_MS && (ended || h->start_only)) {
		if (h->stop_only || h->kill_first)
			return false;
		if (++h->exits_seen < 2) {
			containers_due(&p->containers, c, p->now + POLICY_LOOK_AGAIN_MS);
			return true; /* the engine may be between stop and start */
		}
		h->half_done = h->down_by_us = h->proven = true;
		h->waiting = WAIT_NOTHING;
		policy_want(p, c);
		return true;
	}
	if (started) {
		policy_restarted(c, out, true, "Restarted; autoheal had ended before the answer");
		policy_skip(out, c, SKIP_STOPPED,
		    "Not restarted: it was started since autoheal had ended, and is down again");
	} else if (since > POLICY_RESUME_MS) {
		policy_skip(out, c, SKIP_STALE,
		    "Its restart is not completed: it was cut off more than 10 min ago");
	} else {
		policy_skip(out, c, SKIP_STOPPED,
		    "Its restart is not completed: it was stopped before that");
	}
	h->crashed_at = 0;
	policy_close_incident(h);
	policy_go(p, c, STATE_HANDS_OFF, 0);
	return true;
}

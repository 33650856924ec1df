/* policy_explain.c - PURE: what is decided about a watched container and why, in words; of policy.h. It asks the very
 * functions that decide. */
#include <string.h>

#include "policy_parts.h"

static const char *const gate_questions[WAIT_COUNT] = {
    [WAIT_START_PERIOD] = "is AUTOHEAL_START_PERIOD over?",
    [WAIT_OWN_START_PERIOD] = "is its own start period over?",
    [WAIT_UNHEALTHY_FOR] = "has it been unhealthy long enough?",
    [WAIT_KILL] = "is it clear what somebody's signal did to it?",
    [WAIT_COOLDOWN] = "is its cooldown over?",
    [WAIT_RECOVERY] = "is the time over in which somebody else's restart may help?",
    [WAIT_BACKOFF] = "is its back-off over?",
};

static const char *const phase_words[STATE_COUNT] = {
    [STATE_WATCHING] = "nothing is to be done",
    [STATE_WAITING] = "it needs a restart, which waits",
    [STATE_RESTARTING] = "a restart is under way, and the engine's answer is awaited",
    [STATE_VERIFYING] = "it was restarted, and whether that helped is being watched",
    [STATE_QUARANTINED] = "it is in quarantine: the restarts did not help",
    [STATE_HANDS_OFF] = "a person stopped or paused it: hands off until it is started or unpaused",
};

/* tells: it belongs into a summary. */
__attribute__((format(printf, 5, 6))) static void add(struct policy_reasons *out, bool tells,
    const char *question, const char *answer, const char *format, ...)
{
	struct policy_reason *r;
	va_list args;

	if (out->count == POLICY_REASONS_MAX)
		return;
	r = &out->list[out->count++];
	r->question = question;
	r->answer = answer;
	r->tells = tells;
	va_start(args, format);
	text_vprint(r->because, sizeof(r->because), format, args);
	va_end(args);
}

static unsigned long long seconds(uint64_t ms)
{
	return (unsigned long long)(ms + 999) / 1000;
}

static void explain_health(const struct container *c, struct policy_reasons *out)
{
	if (!c->running || c->paused || c->restarting)
		add(out, true, "does it run?", "no", "it is %s",
		    c->paused           ? "paused"
			: c->restarting ? "being restarted by the engine's own restart policy"
					: "not running");
	else if (c->health == HEALTH_NONE)
		add(out, true, "is it healthy?", "unknown",
		    "it has no healthcheck that could say so");
	else
		add(out, true, "is it healthy?",
		    c->health == HEALTH_GOOD      ? "yes"
			: c->health == HEALTH_BAD ? "no"
						  : "unknown",
		    "its healthcheck says %s", policy_health_name((enum container_health)c->health));
}

static void explain_counts(
    const struct policy *p, const struct container *c, struct policy_reasons *out)
{
	const struct heal *h = c->identity->heal;
	unsigned long long limit = policy_limit_of(p, c);
	unsigned failures = h ? h->failures : 0;
	unsigned long long in_window = h ? policy_restarts_in_window(p, h) : 0;

	if (!limit)
		add(out, false, "is it in quarantine?", "no",
		    "AUTOHEAL_MAX_RESTARTS or its label is 0");
	else
		add(out, h && h->quarantined, "is it in quarantine?",
		    h && h->quarantined ? "yes" : "no",
		    "%u heals in a row did not end healthy and %llu restarts were made in %llu s; %llu are "
		    "the limit of both",
		    failures, in_window, seconds(p->settings->restart_window), limit);
}

static void explain_hold(
    const struct policy *p, const struct container *c, struct policy_reasons *out)
{
	static const char *const question = "is it held by a person?";
	uint64_t until;
	enum wait_reason hold = policy_hold(p, c, &until);

	if (!hold)
		add(out, false, question, "no", "maintenance is off, and nobody snoozed it");
	else if (until)
		add(out, true, question, "yes", "%s; %llu s are left", policy_wait_words[hold],
		    seconds(until - p->now));
	else
		add(out, true, question, "yes", "%s", policy_wait_words[hold]);
}

static void explain_gates(
    const struct policy *p, const struct container *c, struct policy_reasons *out)
{
	uint64_t gates[WAIT_COUNT];
	enum wait_reason why;

	policy_gate(p, c, &why, gates);
	for (int i = WAIT_NOTHING + 1; i < WAIT_COUNT; i++) {
		if (!gates[i] || !gate_questions[i])
			continue;
		if (i == WAIT_UNHEALTHY_FOR && !c->identity->heal->open)
			continue; /* counted from the last trouble, which is over */
		if (gates[i] > p->now)
			add(out, c->state == STATE_WAITING, gate_questions[i], "no",
			    "%s; %llu s are left", policy_wait_words[i], seconds(gates[i] - p->now));
		else
			add(out, false, gate_questions[i], "yes", "it has been for %llu s",
			    (unsigned long long)(p->now - gates[i]) / 1000);
	}
}

void policy_explain(
    struct policy *p, const struct container *c, uint64_t now, struct policy_reasons *out)
{
	const struct heal *h = c->identity->heal;
	const char *only_tells = policy_only_tells(p, c);
	bool room;

	p->now = now;
	out->count = 0;
	out->phase = phase_words[c->state];
	explain_health(c, out);
	explain_counts(p, c, out);
	explain_hold(p, c, out);
	if (h)
		explain_gates(p, c, out);
	add(out, only_tells, "may autoheal act on it?", only_tells ? "no" : "yes", "%s",
	    only_tells ? only_tells : "neither a dry run nor a label is against it");
	if (c->state == STATE_RESTARTING)
		return;
	room = c->has_slot || policy_may_have_slot(p, &p->engines[c->engine]);
	add(out, !room, "is there room for one more restart at once?", room ? "yes" : "no",
	    "%u are under way on its engine, %llu at most", p->engines[c->engine].busy,
	    (unsigned long long)p->settings->max_parallel);
}

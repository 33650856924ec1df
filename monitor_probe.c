/* monitor_probe.c - what own probes and outside monitors say goes to the policy; of monitor.h. */
#include <string.h>

#include "monitor_parts.h"

static void warn(const struct container *c, const char *words)
{
	monitor_log(LOG_WARNING, "probe", c, words);
}

static void cannot(const struct container *c, const char *why)
{
	char words[PROBE_WORDS_MAX + 32];

	text_print(words, sizeof(words), "cannot be probed: %s", why);
	warn(c, words);
}

static void told(void *owner, struct docker *d, const uint8_t id[32], enum probe_result result,
    const char *words)
{
	struct monitor *m = owner;
	struct container *c = containers_find(&m->policy.containers, d->index, id);
	struct policy_event probed = {.kind = EVENT_PROBED, .words = words};

	if (!c || result == PROBE_BESIDE) {
		if (c) {
			warn(c,
			    c->label_check
				? "has a HEALTHCHECK, so its autoheal.check label is ignored"
				: "has a HEALTHCHECK, so its check of /api/healthchecks is ignored");
			c->word = WORD_NONE;
		}
		probes_drop(&m->probes, d, id);
		return;
	}
	if (result == PROBE_CANNOT && words[0])
		cannot(c, words);
	probed.says = result == PROBE_PASSED ? SAYS_UP
	    : result == PROBE_FAILED         ? SAYS_DOWN
					     : SAYS_NOTHING;
	monitor_give(m, c, &probed);
	monitor_settle(m);
}

void monitor_probes_init(struct monitor *m)
{
	probes_init(&m->probes, m->loop, told, m);
	m->probes.most = BUDGET_PROBES_MAX; /* until monitor_set_budget */
}

static void add(struct monitor *m, struct container *c, const struct watch_check *check)
{
	uint64_t time = (check->start_period + (uint64_t)check->interval * check->retries) / 1000;
	const char *why;

	m->probes.several = m->engines_count > 1;
	m->probes.at_home = !m->self_count;
	why = probes_add(&m->probes, &m->engines[c->engine], c->id, check);
	if (why) {
		cannot(c, why);
		return;
	}
	c->word = WORD_UNTRIED;
	c->check_time = time < 24 * 3600 ? (uint32_t)time : 24 * 3600;
}

void monitor_probe_add(struct monitor *m, struct container *c, const struct watch_check *check)
{
	const struct healthcheck *given = healthchecks_find(&m->checks, c->identity->name);

	if (check->several)
		warn(c, "has more than one autoheal.check label: only the first counts");
	c->label_check = check->kind != CHECK_NONE;
	if (c->label_check || given)
		add(m, c, c->label_check ? check : &given->check);
}

/* What was given for c is another one now, or none. */
static void renew(struct monitor *m, struct container *c)
{
	const struct healthcheck *given = healthchecks_find(&m->checks, c->identity->name);

	if (c->label_check || !watch_is_watched((enum watch_reason)c->reason))
		return;
	monitor_probe_drop(m, c);
	if (!given || c->health > HEALTH_NONE)
		return;
	add(m, c, &given->check);
	if (c->word)
		monitor_probe_follow(m, c, true);
}

static void changed(struct monitor *m, const char *stable_id)
{
	const struct identity *identity = containers_identity(
	    &m->policy.containers, span_of(stable_id), false);

	m->memory.chosen = true;
	if (identity && identity->holder && !identity->holder->dropped)
		renew(m, identity->holder);
}

const char *monitor_check_put(struct monitor *m, const struct healthcheck *h)
{
	const char *why = healthchecks_put(&m->checks, h);

	if (!why)
		changed(m, h->container);
	return why;
}

bool monitor_check_drop(struct monitor *m, const char *stable_id)
{
	char name[WATCH_NAME_MAX];

	span_copy(span_of(stable_id), name, sizeof(name)); /* it may be the one that goes */
	if (!healthchecks_drop(&m->checks, name))
		return false;
	changed(m, name);
	return true;
}

void monitor_checks_replace(struct monitor *m, struct healthchecks *all)
{
	struct healthchecks old = m->checks;
	const struct healthcheck *was, *is;

	m->checks = *all;
	*all = old;
	for (was = old.first; was; was = was->next)
		if (!healthchecks_find(&m->checks, was->container))
			changed(m, was->container);
	for (is = m->checks.first; is; is = is->next) {
		was = healthchecks_find(&old, is->container);
		if (!was || memcmp(&was->check, &is->check, sizeof(is->check)))
			changed(m, is->container);
	}
	healthchecks_free(all);
}

const char *monitor_check_idle(struct monitor *m, const char *stable_id)
{
	const struct identity *identity = containers_identity(
	    &m->policy.containers, span_of(stable_id), false);
	const struct container *c = identity ? identity->holder : NULL;

	if (!c || c->dropped)
		return "No watched container has this stable id now";
	if (c->label_check)
		return "Its label autoheal.check comes first: this one is not made";
	if (c->health > HEALTH_NONE)
		return "It has a HEALTHCHECK, beside which this one is not made";
	return c->word ? NULL : "It cannot be made: the log says why";
}

void monitor_probe_follow(struct monitor *m, const struct container *c, bool started)
{
	probes_follow(&m->probes, &m->engines[c->engine], c->id, monitor_probe_runs(c), started);
}

void monitor_probe_drop(struct monitor *m, struct container *c)
{
	if (c->word)
		probes_drop(&m->probes, &m->engines[c->engine], c->id);
	c->word = WORD_NONE;
}

uint32_t monitor_probe_streak(struct monitor *m, const struct container *c)
{
	return probes_streak(&m->probes, &m->engines[c->engine], c->id);
}

void monitor_verdict(struct monitor *m, struct container *c, bool down, const char *reason)
{
	monitor_give(m, c,
	    &(struct policy_event){
		.kind = EVENT_VERDICT, .says = down ? SAYS_DOWN : SAYS_UP, .words = reason});
}

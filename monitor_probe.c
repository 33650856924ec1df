/* monitor_probe.c - what own probes and outside monitors say goes to the policy; of monitor.h. */
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
			warn(c, "has a HEALTHCHECK, so its autoheal.check label is ignored");
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

void monitor_probe_add(struct monitor *m, struct container *c, const struct watch_check *check)
{
	uint64_t time = (check->start_period + (uint64_t)check->interval * check->retries) / 1000;
	const char *why;

	if (check->several)
		warn(c, "has more than one autoheal.check label: only the first counts");
	if (!check->kind)
		return;
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

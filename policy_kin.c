/* policy_kin.c - PURE: what hangs on a container that was restarted, and those that were left behind; of
 * policy_parts.h. */
#include <string.h>

#include "policy_parts.h"

/* ---- who hangs on whom -------------------------------------------------------------------- */

static struct container *parent_of(struct policy *p, unsigned engine, const struct graph_edge *edge)
{
	struct identity *identity;

	if (edge->bond == BOND_NETWORK)
		return containers_find(&p->containers, engine, (const uint8_t *)edge->parent.p);
	identity = containers_identity(&p->containers, edge->parent, false);
	return identity && identity->holder && identity->holder->engine == engine ? identity->holder
										  : NULL;
}

static bool next_edge_of(
    struct policy *p, const struct container *c, size_t *at, struct graph_edge *edge)
{
	const struct graph *g = p->engines[c->engine].graph;

	while (g && graph_next(g, at, edge))
		if (!memcmp(edge->child, c->id, 32))
			return true;
	return false;
}

/* Whether c hangs on the other, over however many in between; true also where that would take too long to find out. */
bool policy_hangs_on(
    struct policy *p, const struct container *c, const struct container *other, unsigned *steps)
{
	struct graph_edge edge;
	size_t at = 0;

	while (next_edge_of(p, c, &at, &edge)) {
		const struct container *parent = parent_of(p, c->engine, &edge);

		if (++*steps > GRAPH_STEPS_MAX || parent == other)
			return true;
		if (parent && policy_hangs_on(p, parent, other, steps))
			return true;
	}
	return false;
}

/* Healthy since a moment: the list that shows what follows it is on its way. */
static bool is_just_healed(const struct policy *p, const struct container *c)
{
	const struct heal *h = c->identity->heal;

	return h && h->probation_until && h->relapse_counts &&
	    h->probation_until + POLICY_KIN_MS > p->now + p->settings->recovery_timeout;
}

/* Whether anything hangs on c. */
bool policy_has_kin(struct policy *p, const struct container *c)
{
	const struct graph *g = p->engines[c->engine].graph;
	struct graph_edge edge;
	size_t at = 0;

	while (g && graph_next(g, &at, &edge))
		if (parent_of(p, c->engine, &edge) == c)
			return true;
	return false;
}

/* Being healed: its end is near, and known to come. So it is not while a person wants nothing done with it. */
static bool is_busy(const struct policy *p, const struct container *c)
{
	const struct heal *h = c->identity->heal;
	uint64_t until;

	if (!h)
		return false;
	if (c->state == STATE_WATCHING)
		return h->crashed_at != 0; /* it is about to be started */
	if (c->state == STATE_WAITING && policy_hold(p, c, &until))
		return false;
	return h->open &&
	    (c->state == STATE_WAITING || c->state == STATE_RESTARTING ||
		c->state == STATE_VERIFYING);
}

bool policy_is_dependent(const struct heal *h)
{
	return h->bond == BOND_NETWORK || h->bond == BOND_DEPENDS;
}

/* Whether what c hangs on is being healed, which will be followed by a restart of c. One that is to be restarted with
 * another waits only for those of that same cascade: so each follows all that it depends on, once. In a ring nobody
 * waits. */
bool policy_parent_is_busy(struct policy *p, const struct container *c)
{
	const struct heal *h = c->identity->heal;
	struct graph_edge edge;
	size_t at = 0;

	if (!p->settings->dependents || h->bond == BOND_NETWORK)
		return false;
	while (next_edge_of(p, c, &at, &edge)) {
		const struct container *parent = parent_of(p, c->engine, &edge);
		unsigned steps = 0;

		if (!parent || !(is_busy(p, parent) || (!h->bond && is_just_healed(p, parent))))
			continue;
		if (h->bond == BOND_DEPENDS && parent->identity->heal->cascade != h->cascade)
			continue;
		if (!policy_hangs_on(p, parent, c, &steps))
			return true;
	}
	return false;
}

/* ---- words ----------------------------------------------------------------------------------- */

void policy_bond_say(enum bond bond, const char *parent, char *out, size_t cap)
{
	switch (bond) {
	case BOND_NETWORK:
		text_print(out, cap, "it shares the network of '%s', which was restarted", parent);
		return;
	case BOND_DEPENDS:
		text_print(
		    out, cap, "it depends on '%s' with restart: true, which was restarted", parent);
		return;
	case BOND_STRANDED:
		text_print(out, cap,
		    "it was left in the network that '%s' had before its last start", parent);
		return;
	case BOND_ORPHAN:
	case BOND_NONE:
		break;
	}
	text_print(out, cap, "it is unhealthy");
}

/* ---- what is told to look after -------------------------------------------------------------- */

/* Whoever hangs on c is to be found; the caller asks the engine. */
void policy_find_kin(struct container *c, struct actions *out, unsigned bonds)
{
	const struct heal *h = c->identity->heal;
	struct action *a = NULL;

	if (!h->stop_only && !h->kill_first) /* else it was not started anew, or is yet to be */
		a = policy_add_action(out, c, ACTION_DEPENDENTS);
	if (a)
		a->bonds = (uint8_t)bonds;
}

/* Nothing of ours can help it: told once, and left alone until it is started anew. */
static void report(struct policy *p, struct container *c, struct actions *out, const char *reason)
{
	struct heal *h = c->identity->heal;

	if (!h->stranded_told)
		policy_tell(out, c, AUDIT_STRANDED, "reported", "%s", reason)->level = LOG_WARNING;
	h->stranded_told = true;
	policy_close_incident(h);
	policy_rest(p, c);
}

/* A restart would stop it for good: it is left as it is. */
void policy_orphaned(struct policy *p, struct container *c, struct actions *out, const char *parent)
{
	char reason[POLICY_MESSAGE_MAX];

	c->identity->heal->orphan = true;
	c->identity->heal->crashed_at = 0;
	text_print(reason, sizeof(reason),
	    "It shares the network of container %.64s, which is gone, so that the engine cannot start it "
	    "again. Recreate it: docker compose up -d --force-recreate %.64s",
	    parent, c->name);
	report(p, c, out, reason);
}

/* Engines say of a start "No such container: ID", be it for want of the container that it shares the network of (moby
 * daemon/container_operations.go): whether it is another's. */
bool policy_names_another(const struct container *c, struct span message, char id[65])
{
	static const char words[] = "No such container: ";
	uint8_t bytes[32];
	const char *at = span_find(message, words);

	if (!at)
		return false;
	at += sizeof(words) - 1;
	span_copy((struct span){at, (size_t)(message.p + message.n - at)}, id, 65);
	return text_unhex(span_of(id), bytes, 32) && memcmp(bytes, c->id, 32);
}

/* ---- steps ------------------------------------------------------------------------------------ */

/* Exited since the trouble of what it hangs on began, and not by a person. */
static bool exited_with(
    const struct policy *p, const struct container *c, const struct policy_bond *bond)
{
	const struct heal *h = c->identity->heal;

	if (h->late || (c->state == STATE_QUARANTINED && !h->ended && !h->down_by_us))
		return false; /* it may well have been a person's stop */
	return bond->kind == BOND_NETWORK && !c->dropped &&
	    c->changed - (uint32_t)bond->since <= (uint32_t)(p->now - bond->since);
}

static bool is_wanted(
    const struct policy *p, const struct container *c, const struct policy_bond *bond)
{
	const struct heal *h = c->identity->heal;

	if (p->stopping || c->paused || c->restarting || h->orphan || h->half_done)
		return false;
	if (bond->kind == BOND_STRANDED &&
	    policy_is_stale(c, &(struct policy_facts){.asked = bond->since}))
		return false; /* it may have been restarted since */
	if (bond->kind == BOND_STRANDED)
		return c->running && !h->quarantined && !h->bond && !h->stranded_told;
	if (bond->cascade && h->cascade == bond->cascade)
		return false; /* once in a cascade */
	return c->running || exited_with(p, c, bond);
}

/* What it hangs on was restarted, or is gone. */
void step_on_parent(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = containers_heal(c->identity);
	const struct policy_bond *bond = e->bond;
	char reason[200], message[POLICY_MESSAGE_MAX];

	if (!h)
		return;
	if (bond->kind == BOND_ORPHAN) {
		if (c->state != STATE_VERIFYING && c->running)
			policy_orphaned(p, c, out, bond->parent);
		return;
	}
	if (!is_wanted(p, c, bond))
		return;
	if (!p->settings->dependents) {
		policy_bond_say(bond->kind, bond->parent, reason, sizeof(reason));
		text_print(message, sizeof(message),
		    "Not restarted, as AUTOHEAL_DEPENDENTS is off: %s. Restart it: docker restart %.64s",
		    reason, c->name);
		report(p, c, out, message);
		return;
	}
	h->along |= !h->open;
	policy_open_incident(p, h, false);
	h->guest = c->dropped;
	h->bond = (uint8_t)bond->kind;
	span_copy(span_of(bond->parent), h->parent, sizeof(h->parent));
	if (bond->kind != BOND_STRANDED)
		h->cascade = bond->cascade;
	h->cause = CAUSE_UNHEALTHY; /* an exit was none of its own: it had lost what it hangs on */
	h->crashed_at = h->look_at = h->probation_until = 0;
	h->ended = false;
	h->left = LEFT_NOTHING;
	h->proven = true;
	policy_want(p, c);
}

/* It waits for its restart with another, and the engine says how it is. */
void policy_bond_facts(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;
	enum verdict verdict = policy_judge(e->facts);

	if (verdict == VERDICT_PAUSED) {
		policy_hands_off(p, c, out, true);
	} else if (verdict == VERDICT_RESTARTING) {
		policy_cancel(p, c, out, SKIP_RESTARTING,
		    "Not restarted: the engine's own restart policy is at work on it");
	} else if (!e->facts->whole) {
		if (h->waiting == WAIT_ENGINE)
			containers_due(&p->containers, c, p->now);
	} else if (verdict == VERDICT_STOPPED && h->bond != BOND_NETWORK && !h->down_by_us) {
		policy_cancel(p, c, out, SKIP_STOPPED, "Not restarted: it is not running any more");
	} else if (h->waiting == WAIT_PROOF) {
		h->proven = true;
		containers_due(&p->containers, c, p->now);
	}
}

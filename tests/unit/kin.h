/* kin.h - families for world.h: bodies that live in another's network, or depend on another. What hangs on a
 * restarted one is found by a list out of turn, those left behind after each list, as dependents.c does it. */
#ifndef KIN_H
#define KIN_H

#include "world.h"

#define KIN_ASKS 256
#define KIN_LIST_MS 20 /* until the list is there that was asked for */

struct kin {
	struct graph graphs[CONTAINERS_ENGINES_MAX];
	struct kin_ask {
		struct body *parent;
		uint8_t id[32];
		uint8_t bonds;
		uint64_t cascade, since;
	} asks[KIN_ASKS];
	size_t count;
};

static struct kin kin;

static inline bool hangs_in(const struct body *child, const struct body *parent)
{
	return child->bond == BOND_NETWORK && child->parent == parent &&
	    !memcmp(child->network, parent->id, 32);
}

/* The engine cannot join a network that is not there. */
static inline const char *kin_cannot_start(struct world *w, struct body *b)
{
	static char words[128];
	char hex[65];

	(void)w;
	if (b->bond != BOND_NETWORK)
		return NULL;
	text_hex(b->network, 32, hex);
	if (!b->parent->there || !hangs_in(b, b->parent)) {
		snprintf(words, sizeof words, "No such container: %s", hex);
		return words;
	}
	return b->parent->running ? NULL : "cannot join network of a non running container";
}

/* A child that falls with what it hangs on. */
static inline void kin_ended(struct world *w, struct body *b)
{
	for (unsigned i = 0; i < w->bodies_count; i++) {
		struct body *child = &w->bodies[i];

		if (child->running && !child->paused && hangs_in(child, b) && child->retries == 2)
			plan_for(w, child, ENTRY_EXIT, 5, child->run);
	}
}

static inline void kin_wanted(struct world *w, const struct action *a)
{
	const struct heal *h = a->container->identity->heal;
	struct kin_ask *ask = &kin.asks[kin.count];
	struct body *parent = body_of(w, a->container);

	if (!parent || w->sim.policy.stopping || kin.count == KIN_ASKS)
		return;
	*ask = (struct kin_ask){
	    .parent = parent, .bonds = a->bonds, .cascade = h->cascade, .since = h->detected};
	memcpy(ask->id, parent->id, 32);
	if (!kin.count++)
		plan(w, (struct entry){.at = w->sim.now + KIN_LIST_MS, .kind = ENTRY_AUDIT});
}

static inline void bond_event(struct world *w, struct body *child, const struct policy_bond *bond)
{
	struct container *c = container_of(w, child);
	struct policy_facts f = facts_of(w, child, false);

	if (!c && child->running && !child->paused && child->unlabelled && !child->excluded) {
		c = take_up(w, child);
		c->dropped = true; /* a guest */
	}
	if (!c)
		return;
	if (c->dropped)
		give(w, child, c, &(struct policy_event){.kind = EVENT_FACTS, .facts = &f}, false);
	give(w, child, c, &(struct policy_event){.kind = EVENT_PARENT, .bond = bond}, false);
	if (c->dropped)
		policy_keep(&w->sim.policy, c, w->sim.now);
}

static inline void kin_found(struct world *w, const struct kin_ask *ask)
{
	for (unsigned i = 0; i < w->bodies_count; i++) {
		struct body *child = &w->bodies[i];
		struct policy_bond bond = {child->bond, ask->cascade, ask->since, ask->parent->name};
		bool hangs = child->bond == BOND_NETWORK ? !memcmp(child->network, ask->id, 32)
							 : child->parent == ask->parent;

		if (child->there && !child->excluded && child->bond && hangs &&
		    ask->bonds & 1u << child->bond)
			bond_event(w, child, &bond);
	}
}

/* Watched, running, and in a network that is not what it was. */
static inline void kin_stranded(struct world *w)
{
	for (unsigned i = 0; i < w->bodies_count; i++) {
		struct body *child = &w->bodies[i];
		struct policy_bond bond = {.kind = BOND_STRANDED, .since = w->sim.now};

		if (child->bond != BOND_NETWORK || !child->running || child->paused ||
		    !is_watched(child))
			continue;
		bond.parent = child->parent->name;
		if (!child->parent->there || !hangs_in(child, child->parent))
			bond.kind = BOND_ORPHAN;
		else if (!child->parent->running || child->started >= child->parent->started)
			continue;
		bond_event(w, child, &bond);
	}
}

static inline void kin_listed(struct world *w)
{
	size_t count = kin.count;

	for (unsigned i = 0; i < w->sim.policy.engines_count; i++)
		graph_begin(&kin.graphs[i]);
	for (unsigned i = 0; i < w->bodies_count; i++) {
		struct body *b = &w->bodies[i];

		if (!b->there || !b->bond)
			continue;
		graph_add(&kin.graphs[b->engine], b->id, b->bond,
		    b->bond == BOND_NETWORK ? (struct span){(char *)b->network, 32}
					    : span_of(b->parent->name));
	}
	for (unsigned i = 0; i < w->sim.policy.engines_count; i++)
		assert_true(graph_end(&kin.graphs[i]));
	for (size_t i = 0; i < count; i++)
		kin_found(w, &kin.asks[i]);
	kin.count = 0;
	kin_stranded(w);
}

/* The child hangs on the parent from now on. */
static inline void kin_bind(struct body *child, enum bond bond, struct body *parent)
{
	child->bond = bond;
	child->parent = parent;
	memcpy(child->network, parent->id, 32);
}

static inline void kin_begin(struct world *w)
{
	w->kin_wanted = kin_wanted;
	w->listed = kin_listed;
	w->ended = kin_ended;
	w->cannot_start = kin_cannot_start;
	for (unsigned i = 0; i < w->sim.policy.engines_count; i++)
		w->sim.policy.engines[i].graph = &kin.graphs[i];
}

static inline void kin_end(struct world *w)
{
	for (unsigned i = 0; i < w->sim.policy.engines_count; i++)
		graph_free(&kin.graphs[i]);
	memset(&kin, 0, sizeof kin);
}

#endif

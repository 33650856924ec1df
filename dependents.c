/* dependents.c - asking what hangs on what, of dependents.h. */
#include "dependents.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"

#define PROJECT "com.docker.compose.project"

struct dependents_parent {
	uint8_t id[32];
	uint8_t bonds;
	uint16_t found;
	uint64_t cascade, since;
	char name[64];
	char project[WATCH_PROJECT_MAX], service[WATCH_PROJECT_MAX];
};

static void next(struct dependents *k);

/* ---- reading ---------------------------------------------------------------------------------- */

static void label(const struct json *j, int labels, const char *name, char *out, size_t cap)
{
	json_text(j, json_member(j, labels, span_of(name)), out, cap);
}

/* ---- what hangs on the restarted -------------------------------------------------------------- */

static void parent_value(struct call *call, const struct json *j)
{
	struct dependents *k = call->owner;
	struct dependents_parent *parent = &k->parents[k->known];
	int labels = json_get(j, 0, "Config.Labels");

	label(j, labels, PROJECT, parent->project, sizeof(parent->project));
	label(j, labels, "com.docker.compose.service", parent->service, sizeof(parent->service));
}

static void parent_done(struct call *call)
{
	struct dependents *k = call->owner;

	k->call = NULL;
	k->known++;
	next(k);
}

static const struct call_handler parent_handler = {.value = parent_value, .done = parent_done};

/* Of those that share its network nothing more is to be known. */
static void next(struct dependents *k)
{
	const char *error;

	while (!k->call && k->known < k->count) {
		const struct dependents_parent *parent = &k->parents[k->known];

		if (parent->bonds & 1u << BOND_DEPENDS)
			k->call = docker_inspect(k->docker, parent->id, &parent_handler, k, &error);
		k->known = (uint16_t)(k->known + !k->call);
	}
	if (k->known && !k->call)
		docker_audit(k->docker);
}

static void found(struct dependents *k, const struct json *j, const struct container_facts *facts,
    struct dependents_parent *parent, enum bond kind)
{
	struct policy_bond bond = {kind, parent->cascade, parent->since, parent->name};

	if (parent->found++ < DEPENDENTS_MAX)
		k->handler->found(k->owner, k->docker, j, facts, &bond);
	else
		log_line(LOG_WARNING, "monitor",
		    "Container '%s' is not restarted with '%s': %d others are already", facts->name,
		    parent->name, DEPENDENTS_MAX);
}

void dependents_ask(
    struct dependents *k, const uint8_t id[32], const struct policy_bond *parent, unsigned bonds)
{
	struct dependents_parent *p;

	if (!k->any)
		return;
	if (!k->parents)
		k->parents = malloc(DEPENDENTS_PARENTS_MAX * sizeof(k->parents[0]));
	if (!k->parents || k->count == DEPENDENTS_PARENTS_MAX) {
		log_line(LOG_WARNING, "monitor",
		    "What hangs on '%s' is not restarted with it: too many were restarted at once, or no "
		    "memory is left",
		    parent->parent);
		return;
	}
	p = &k->parents[k->count++];
	*p = (struct dependents_parent){
	    .bonds = (uint8_t)bonds, .cascade = parent->cascade, .since = parent->since};
	memcpy(p->id, id, 32);
	span_copy(span_of(parent->parent), p->name, sizeof(p->name));
	next(k);
}

/* ---- the audit -------------------------------------------------------------------------------- */

void dependents_created(struct dependents *k)
{
	k->any = k->created = true;
}

void dependents_list_begins(struct dependents *k)
{
	k->any_listed = k->created = false;
	k->asked = k->known;
	graph_begin(&k->graph);
}

/* Apart, so that its room on the stack is used only where something hangs on something. */
__attribute__((noinline)) static void take_edges(struct dependents *k, const struct json *j,
    const struct container_facts *facts, const uint8_t *network, struct span depends)
{
	struct watch_labels of = {0};
	char stable[WATCH_NAME_MAX];
	struct span service;

	k->any_listed = true;
	if (network)
		graph_add(
		    &k->graph, facts->id, BOND_NETWORK, (struct span){(const char *)network, 32});
	label(j, facts->labels, PROJECT, of.project, sizeof(of.project));
	for (unsigned i = 0; i < k->asked; i++) {
		struct dependents_parent *parent = &k->parents[i];

		if (network && parent->bonds & 1u << BOND_NETWORK && !memcmp(network, parent->id, 32))
			found(k, j, facts, parent, BOND_NETWORK);
		else if (parent->service[0] && !strcmp(of.project, parent->project) &&
		    graph_depends_on(depends, span_of(parent->service)))
			found(k, j, facts, parent, BOND_DEPENDS);
	}
	while (graph_next_service(&depends, &service)) {
		size_t n;

		span_copy(service, of.service, sizeof(of.service));
		n = watch_stable_id(stable, &of, service, k->docker->name);
		graph_add(&k->graph, facts->id, BOND_DEPENDS, (struct span){stable, n});
	}
}

void dependents_listed(
    struct dependents *k, const struct json *j, const struct container_facts *facts)
{
	/* names of services have nothing in them that JSON escapes */
	int depends = json_member(j, facts->labels, span_of("com.docker.compose.depends_on"));
	uint8_t id[32];
	bool network = graph_network_parent(
	    json_raw(j, json_get(j, 0, "HostConfig.NetworkMode")), id);

	if (network || depends >= 0)
		take_edges(k, j, facts, network ? id : NULL, json_raw(j, depends));
}

/* ---- those left behind: one that lives in another's network keeps the old one when that is started anew ---- */

static void search(struct dependents *k);

static void look_value(struct call *call, const struct json *j)
{
	struct dependents *k = call->owner;
	struct policy_bond bond = {
	    .kind = BOND_STRANDED, .since = call->started, .parent = k->parent_name};
	struct container_facts facts;

	if (!facts_read_inspected(j, call->date, &facts) || !facts.now.running || !facts.started)
		return;
	if (!k->at_child) {
		span_copy(span_of(facts.name), k->parent_name, sizeof(k->parent_name));
		k->parent_started = facts.started;
	} else if (facts.started < k->parent_started) {
		k->handler->stranded(k->owner, k->docker, k->child, &bond);
	}
}

static void look_done(struct call *call)
{
	struct dependents *k = call->owner;
	struct policy_bond bond = {.kind = BOND_ORPHAN, .parent = k->parent_name};

	k->look = NULL;
	if (call->end != CALL_ANSWERED) {
		k->edge = SIZE_MAX; /* the next audit begins anew */
		return;
	}
	if (!k->at_child && call->status == 404) {
		text_hex(k->parent, 6, k->parent_name);
		k->handler->stranded(k->owner, k->docker, k->child, &bond);
	}
	k->at_child = !k->at_child && k->parent_started;
	search(k);
}

static const struct call_handler look_handler = {.value = look_value, .done = look_done};

static bool next_child(struct dependents *k)
{
	struct graph_edge edge;
	size_t at = 0;

	for (size_t i = 0; graph_next(&k->graph, &at, &edge); i++) {
		if (i < k->edge || edge.bond != BOND_NETWORK)
			continue;
		k->edge = i + 1;
		if (!k->handler->watched(k->owner, k->docker, edge.child))
			continue;
		memcpy(k->child, edge.child, 32);
		memcpy(k->parent, edge.parent.p, 32);
		k->parent_started = 0;
		return true;
	}
	k->edge = SIZE_MAX;
	return false;
}

/* The parent first: what is read of the child after that is newer. */
static void search(struct dependents *k)
{
	const char *error;

	if (!k->at_child && !next_child(k))
		return;
	k->look = docker_inspect(
	    k->docker, k->at_child ? k->child : k->parent, &look_handler, k, &error);
}

/* The list has shown what hangs on them. */
static void drop_asked(struct dependents *k)
{
	if (!k->asked)
		return;
	k->count = (uint16_t)(k->count - k->asked);
	k->known = (uint16_t)(k->known - k->asked);
	memmove(k->parents, k->parents + k->asked, k->count * sizeof(k->parents[0]));
	k->asked = 0;
	if (k->count)
		return;
	free(k->parents);
	k->parents = NULL;
}

void dependents_list_ended(struct dependents *k)
{
	if (!graph_end(&k->graph) && !k->full_told) {
		k->full_told = true;
		log_line(LOG_WARNING, "monitor",
		    "Engine '%s': not all that hangs on others is looked after, for it is more than %d KiB",
		    k->docker->name, GRAPH_BYTES_MAX / 1024);
	}
	k->any = k->any_listed || k->created;
	drop_asked(k);
	if (k->look)
		return; /* the last search is not over */
	k->edge = 0;
	k->at_child = false;
	search(k);
}

/* ---- beginning and end ------------------------------------------------------------------------ */

void dependents_init(
    struct dependents *k, struct docker *d, const struct dependents_handler *handler, void *owner)
{
	k->docker = d;
	k->handler = handler;
	k->owner = owner;
}

void dependents_close(struct dependents *k)
{
	if (k->call)
		call_close(k->call);
	if (k->look)
		call_close(k->look);
	k->call = k->look = NULL;
	free(k->parents);
	k->parents = NULL;
	k->count = 0;
	graph_free(&k->graph);
}

/* dependents.h - finds what hangs on a container that was restarted, and looks for those that were left
 * behind in the network of one that was started anew without them. What hangs on what is not kept, but for the edges of
 * the last list (graph.h); where that shows none, nothing is asked. */
#ifndef AUTOHEAL_DEPENDENTS_H
#define AUTOHEAL_DEPENDENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "docker.h"

#define DEPENDENTS_PARENTS_MAX 64 /* restarted, and what hangs on them not asked for yet */
#define DEPENDENTS_MAX 64         /* restarted with one container; more are named in the log */

struct dependents_handler {
	/* The container that the list shows hangs on one that was restarted. */
	void (*found)(void *owner, struct docker *d, const struct json *j,
	    const struct container_facts *facts, const struct policy_bond *bond);
	/* Whether this one is worth a look: it is watched, and runs. */
	bool (*watched)(void *owner, struct docker *d, const uint8_t id[32]);
	/* It was left behind. */
	void (*stranded)(
	    void *owner, struct docker *d, const uint8_t id[32], const struct policy_bond *bond);
};

struct dependents_parent;

struct dependents {
	struct docker *docker;
	const struct dependents_handler *handler;
	void *owner;
	struct graph graph;
	struct dependents_parent *parents; /* NULL while there are none */
	struct call *call;            /* about the first of them that is not known, or the list */
	struct call *look;            /* the search for those left behind */
	uint16_t count, known, asked; /* parents; those whose service is known; those in the list */
	bool any;                     /* something hangs on something, or may: worth asking */
	bool any_listed;              /* in the list that is coming in */
	bool created;                 /* a container was, since that began */
	bool full_told;
	size_t edge; /* of the graph, the next one in the search */
	bool at_child;
	uint8_t child[32], parent[32];
	char parent_name[64];
	int64_t parent_started; /* ms, by the engine's clock */
};

/* Zeroed memory is expected. */
void dependents_init(
    struct dependents *k, struct docker *d, const struct dependents_handler *handler, void *owner);
/* Has what hangs on the parent found, by an audit at once; bonds: bits 1 << enum bond. */
void dependents_ask(
    struct dependents *k, const uint8_t id[32], const struct policy_bond *parent, unsigned bonds);
/* A container was made. */
void dependents_created(struct dependents *k);
/* The engine's audit: it shows what hangs on those asked for before it began. */
void dependents_list_begins(struct dependents *k);
void dependents_listed(
    struct dependents *k, const struct json *j, const struct container_facts *facts);
/* Begins the search. */
void dependents_list_ended(struct dependents *k);
void dependents_close(struct dependents *k);

#endif

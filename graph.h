/* graph.h - PURE: what hangs on what: containers that live in another's network, and Compose's depends_on with
 * restart: true. The edges of an engine's last list are kept in one run of bytes, so a host without such
 * containers pays nothing, and none costs more than its own text. */
#ifndef AUTOHEAL_GRAPH_H
#define AUTOHEAL_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "text.h"

#define GRAPH_BYTES_MAX (32 * 1024) /* of one engine's edges: some 450 */
#define GRAPH_STEPS_MAX 256         /* looked at to find out whether one hangs on another */

enum bond {
	BOND_NONE,
	BOND_NETWORK,  /* network_mode: container:X */
	BOND_DEPENDS,  /* depends_on: X with restart: true */
	BOND_STRANDED, /* in the network that X had before its last start */
	BOND_ORPHAN,   /* in the network of one that is gone */
};

struct graph_edge {
	const uint8_t *child; /* 32 bytes */
	enum bond bond;
	struct span parent; /* BOND_NETWORK: 32 bytes of its id; BOND_DEPENDS: its stable identity */
};

struct graph {
	struct buf edges; /* of the last whole list */
	struct buf next;  /* of the one that is coming in */
};

/* The id out of "container:ID", the network mode of one that lives in another's network. Engines put the whole id there,
 * whatever a person wrote (measured: Docker 20.10). */
bool graph_network_parent(struct span mode, uint8_t id[32]);
/* The next service with restart: true out of the label com.docker.compose.depends_on,
 * "db:service_healthy:true,cache:service_started:false"; false at its end. */
bool graph_next_service(struct span *label, struct span *service);
bool graph_depends_on(struct span label, struct span service);

void graph_begin(struct graph *g);
void graph_add(struct graph *g, const uint8_t child[32], enum bond bond, struct span parent);
/* The list is whole: its edges are those that count. false when not all of them found room. */
bool graph_end(struct graph *g);
void graph_free(struct graph *g);
/* Walks the edges: *at = 0 first; false at the end. */
bool graph_next(const struct graph *g, size_t *at, struct graph_edge *edge);

#endif

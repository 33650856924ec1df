/* graph.c - what hangs on what, of graph.h. */
#include "graph.h"

#include <string.h>

#define HEAD 34 /* the child's id, the bond, the length of the parent's text */

bool graph_network_parent(struct span mode, uint8_t id[32])
{
	static const char word[] = "container:";
	size_t n = sizeof(word) - 1;

	return span_starts(mode, word) && text_unhex((struct span){mode.p + n, mode.n - n}, id, 32);
}

bool graph_next_service(struct span *label, struct span *service)
{
	struct span entry, condition;

	while (span_next(label, ',', &entry))
		if (span_next(&entry, ':', service) && span_next(&entry, ':', &condition) &&
		    span_is(span_trim(entry), "true"))
			return true;
	return false;
}

bool graph_depends_on(struct span label, struct span service)
{
	struct span named;

	while (graph_next_service(&label, &named))
		if (span_equal(named, service))
			return true;
	return false;
}

void graph_begin(struct graph *g)
{
	buf_free(&g->next);
	buf_init(&g->next, GRAPH_BYTES_MAX);
}

void graph_add(struct graph *g, const uint8_t child[32], enum bond bond, struct span parent)
{
	char *p;

	if (parent.n > UINT8_MAX)
		return;
	p = buf_room(&g->next, HEAD + parent.n);
	if (!p)
		return;
	memcpy(p, child, 32);
	p[32] = (char)bond;
	p[33] = (char)parent.n;
	memcpy(p + HEAD, parent.p, parent.n);
	g->next.n += HEAD + parent.n;
}

bool graph_end(struct graph *g)
{
	bool whole = !g->next.failed;

	buf_free(&g->edges);
	g->edges = g->next;
	g->next = (struct buf){0};
	return whole;
}

void graph_free(struct graph *g)
{
	buf_free(&g->edges);
	buf_free(&g->next);
}

bool graph_next(const struct graph *g, size_t *at, struct graph_edge *edge)
{
	const char *p = g->edges.p + *at;

	if (*at >= g->edges.n)
		return false;
	edge->child = (const uint8_t *)p;
	edge->bond = (enum bond)p[32];
	edge->parent = (struct span){p + HEAD, (uint8_t)p[33]};
	*at += HEAD + edge->parent.n;
	return true;
}

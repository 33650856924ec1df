/* api.h - the JSON API and the page: a table of routes over the server (shapes: docs/api.md). */
#ifndef AUTOHEAL_API_H
#define AUTOHEAL_API_H

#include <stddef.h>

#include "config.h"
#include "monitor.h"
#include "server.h"

#define API_CHOICES_MAX 64   /* containers in one call of select */
#define API_CANDIDATES_MAX 8 /* named in an ambiguous answer */
#define API_PATIENCE_MS \
	3000 /* for one of several engines to bring (more of) its list; the others must not wait longer for it */
#define API_PATIENCE_LEAST_MS 500  /* and for each of the next, once so long was waited in vain */
#define API_PATIENCE_SLOW_MS 10000 /* at most for one whose lists are known to take long */
#define API_SILENT_MS \
	30000 /* one that brought none is not asked again so long, or until an audit of it succeeds */

struct api {
	struct monitor *monitor;
	const struct settings *settings;
	struct server *server;
	uint64_t silent_at[MONITOR_ENGINES_MAX]; /* when its list was waited for in vain, loop's clock; 0 never */
};

void api_init(struct api *api, struct monitor *monitor, const struct settings *settings,
    struct server *server);
/* The server's route function; owner is the struct api. */
void api_route(void *owner, struct server_client *c, struct server_request *r);

/* ---- api_containers.c: answers that ask the engines -------------------------------------- */

/* GET /api/containers */
void api_list_containers(struct api *api, struct server_client *c, struct server_request *r);
/* GET /api/containers/NAME */
void api_show_container(
    struct api *api, struct server_client *c, struct server_request *r, struct span name);
/* POST /api/containers/select */
void api_select_containers(struct api *api, struct server_client *c, struct server_request *r);

#endif

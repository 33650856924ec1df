/* api.h - the JSON API and the page: a table of routes over the server (shapes: docs/api.md). A new call is one row of
 * api_routes[] and its handler. */
#ifndef AUTOHEAL_API_H
#define AUTOHEAL_API_H

#include <stddef.h>

#include "config.h"
#include "monitor.h"
#include "sandbox.h"
#include "server.h"

#define API_CHOICES_MAX 64 /* containers in one call of select */
#define API_RETRY_MS \
	3000 /* before one that followed the events and lost its connection asks again */
#define API_READER_MS \
	30000 /* for another client's reading of events on disk to end; then 503, or the stream is closed */
#define API_CANDIDATES_MAX 8 /* named in an ambiguous answer */
#define API_VERDICTS_MAX 128 /* alerts read of one body; more are left out, which is said */
#define API_PATIENCE_MS \
	3000 /* for one of several engines to bring (more of) its list; the others must not wait longer for it */
#define API_PATIENCE_LEAST_MS 500  /* and for each of the next, once so long was waited in vain */
#define API_PATIENCE_SLOW_MS 10000 /* at most for one whose lists are known to take long */
#define API_SILENT_MS \
	30000 /* one that brought none is not asked again so long, or until an audit of it succeeds */

struct api_pending; /* an answer that waits for the disk */
struct events_job;

struct api {
	struct api_pending *pending;
	struct events_job *reader; /* for whom events are read off the disk */
	uint64_t turns;            /* of those that have waited to read events on disk */
	struct monitor *monitor;
	const struct settings *settings;
	struct sandbox sandbox; /* what the process gave up */
	struct server *server;
	int statm; /* /proc/self/statm, opened before the sandbox shuts it off; -1 without */
	uint64_t silent_at[MONITOR_ENGINES_MAX]; /* when its list was waited for in vain, loop's clock; 0 never */
};

void api_init(struct api *api, struct monitor *monitor, const struct settings *settings,
    struct server *server);

/* ---- api_routes.c: the table of calls ----------------------------------------------------- */

/* Who may call. READ: with AUTOHEAL_API_READS=token only who brings the token. WRITE: only who brings it, unless writes
 * are open. TOKEN: even then. */
enum api_need { API_NEED_NOTHING, API_NEED_READ, API_NEED_WRITE, API_NEED_TOKEN };
/* What a good answer is. */
enum api_gives { API_OBJECT, API_ARRAY, API_METRICS, API_STREAM };
/* r->wish: which of its calls a handler that has several is asked for. */
enum api_wish {
	API_SHOW, /* also for one that has no other */
	API_EXPLAIN,
	API_INCIDENTS,
	API_RESTART,
	API_RELEASE,
	API_SNOOZE,
	API_BEGIN,
	API_END,
};

/* One call. The texts stand in one, each ended by a zero:
 * - its method and path, in which a * stands for a name: the handler finds it in r->name;
 * - what it does, in a short sentence;
 * - what it takes, one a line: a name, then a blank and words (of `?host` none, it is the same everywhere). A name
 *   begins with ? where it is one of the query, else it is a member of the body. Behind it # says that it is a number,
 *   ! true or false, @ a list of texts, % an object, & a list of such, ~ a duration, nothing a text; and a last * that it is needed;
 * - the statuses it may answer with besides those that follow from the rest (400 of what it takes, 401 and 403); behind
 *   one of an error a + says that it is a good answer all the same. 411: it cannot be without a body. */
struct api_route {
	const char *texts;
	void (*handler)(struct api *api, struct server_client *c, struct server_request *r);
	uint8_t need, gives, wish;
};
enum { API_TEXT_CALL, API_TEXT_SUMMARY, API_TEXT_TAKES, API_TEXT_STATUSES };

extern const struct api_route api_routes[];
extern const size_t api_routes_count;

/* The server's route function; owner is the struct api. */
void api_route(void *owner, struct server_client *c, struct server_request *r);

/* ---- api.c: what the calls share, and the small ones -------------------------------------- */

/* A value of the query, decoded; "" when absent. false when it is empty, malformed, too long or there twice. */
bool api_query(const struct server_request *r, const char *name, char *out, size_t cap);
/* The body becomes the answer's. */
void api_answer(struct server_client *c, int status, struct buf *body);
/* Answers when what was changed is on disk, or 503 with the reason why it is not; at once where nothing is stored. The
 * body becomes the answer's. */
void api_answer_stored(struct api *api, struct server_client *c, int status, struct buf *body);

/* GET /health, /api/status */
void api_health(struct api *api, struct server_client *c, struct server_request *r);
void api_status(struct api *api, struct server_client *c, struct server_request *r);
struct page_file;
void api_page(struct server_client *c, const struct server_request *r, const struct page_file *file);

/* ---- api_events.c: the audit events -------------------------------------------------------- */

/* GET and DELETE /api/events */
void api_events(struct api *api, struct server_client *c, struct server_request *r);
void api_clear_events(struct api *api, struct server_client *c, struct server_request *r);
/* GET /api/events/stream: Server-Sent Events. */
void api_stream_events(struct api *api, struct server_client *c, struct server_request *r);
/* The monitor's told: there is an event for those that follow; owner is the struct api. */
void api_told(void *owner);
/* The store's may_read: whose turn it is next reads the disk; owner is the struct api. */
void api_may_read(void *owner);

/* ---- api_containers.c: answers that ask the engines -------------------------------------- */

/* GET /api/containers */
void api_list_containers(struct api *api, struct server_client *c, struct server_request *r);
/* /api/containers/NAME and what is below it */
void api_one_container(struct api *api, struct server_client *c, struct server_request *r);
/* "next_action" of a container, NULL where it is not watched. */
void api_print_next_action(struct json_writer *w, const struct monitor *m, const struct container *c);
/* Whether and why it is watched, in words; status: the engine's word for its state. */
bool api_say_watched(const struct monitor *m, const struct monitor_view *view, const char *status,
    char *reason, size_t cap);
/* POST /api/containers/select */
void api_select_containers(struct api *api, struct server_client *c, struct server_request *r);

/* ---- api_verdicts.c ------------------------------------------------------------------------ */

/* POST /api/verdicts */
void api_verdicts(struct api *api, struct server_client *c, struct server_request *r);

/* ---- api_healthchecks.c -------------------------------------------------------------------- */

/* /api/healthchecks, and that of one container below it */
void api_healthchecks(struct api *api, struct server_client *c, struct server_request *r);
void api_one_healthcheck(struct api *api, struct server_client *c, struct server_request *r);

/* ---- api_people.c: maintenance, and what is done with one container ----------------------- */

/* Reads the JSON body of a call that changes something; without one j is empty where none is needed. Answers and
 * returns false where it is none. example: what the body looks like. */
bool api_read_body(struct api *api, struct server_client *c, const struct server_request *r,
    struct json *j, const char *example, bool needed);
/* {"for":…} or {"until":…} as wall ms. 0: of a snooze its end, {"for":0}; else neither was given. Answers and returns
 * false where it is wrong. */
bool api_read_until(
    struct api *api, struct server_client *c, const struct json *j, bool snoozes, int64_t *until);
/* /api/maintenance/status, /enable, /disable */
void api_maintenance(struct api *api, struct server_client *c, struct server_request *r);
/* Does what is wished with the container that the engine just showed. Its answer goes into body; returns why it cannot
 * be, or NULL. */
const char *api_grant(struct api *api, enum api_wish wish, int64_t until, const struct docker *d,
    const struct monitor_view *view, const struct container_facts *facts, struct buf *body);

/* ---- api_config.c: the configuration ------------------------------------------------------ */

/* GET and PUT /api/config and /api/config/SECTION; /export, /import */
void api_config(struct api *api, struct server_client *c, struct server_request *r);
void api_export(struct api *api, struct server_client *c, struct server_request *r);
void api_import(struct api *api, struct server_client *c, struct server_request *r);
/* GET and PUT /api/notifications/config; POST /api/notifications/test/NAME, answered when its target has */
void api_notifications(struct api *api, struct server_client *c, struct server_request *r);
void api_notify_test(struct api *api, struct server_client *c, struct server_request *r);

/* ---- api_index.c -------------------------------------------------------------------------- */

/* GET /api */
void api_index(struct api *api, struct server_client *c, struct server_request *r);

/* ---- api_metrics.c ------------------------------------------------------------------------ */

/* GET /metrics: the text format of Prometheus, version 0.0.4. */
void api_metrics(struct api *api, struct server_client *c, struct server_request *r);

#endif

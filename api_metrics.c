/* api_metrics.c - GET /metrics: what there is one of, or a few, in the first piece; then the containers, piece by piece,
 * so that thousands of them take neither memory nor a turn of the loop for themselves. */
#include "api.h"

#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define PIECE_MAX (128 * 1024) /* bytes; the first holds up to 64 engines */
#define ZEROS_MAX \
	1000 /* watched containers up to which those that had no trouble yet are shown, with zeros: so the first restart is a rise */

/* The containers of one answer. */
struct walk {
	size_t at, slots;
};

static void sample(struct buf *b, const char *name, const char *help, uint64_t value)
{
	metrics_head(b, name, help, false);
	buf_print(b, "%s %llu\n", name, (unsigned long long)value);
}

static void host_sample(struct buf *b, const char *name, const struct docker *d, uint64_t value)
{
	buf_print(b, "%s{host=", name);
	metrics_label(b, d->name);
	buf_print(b, "} %llu\n", (unsigned long long)value);
}

/* ---- the engines ------------------------------------------------------------------------- */

static void print_engines(struct buf *b, const struct monitor *m)
{
	static const struct {
		uint16_t at; /* of a counter in struct docker */
		char name[40], help[68];
	} counters[] = {
	    {offsetof(struct docker, reconnects), "autoheal_engine_reconnects_total",
		"Times the engine's event stream was lost"},
	    {offsetof(struct docker, events), "autoheal_engine_events_total",
		"Events read from the engine"},
	    {offsetof(struct docker, audit_repairs), "autoheal_audit_repairs_total",
		"Times an audit found what the event stream had not brought"},
	};

	metrics_head(
	    b, "autoheal_engine_connected", "Whether the engine's event stream stands", false);
	for (size_t i = 0; i < m->engines_count; i++)
		host_sample(b, "autoheal_engine_connected", &m->engines[i], m->engines[i].connected);
	for (size_t k = 0; k < sizeof(counters) / sizeof(counters[0]); k++) {
		metrics_head(b, counters[k].name, counters[k].help, false);
		for (size_t i = 0; i < m->engines_count; i++) {
			uint64_t value;

			memcpy(&value, (const char *)&m->engines[i] + counters[k].at, sizeof(value));
			host_sample(b, counters[k].name, &m->engines[i], value);
		}
	}
}

static void print_watched(struct buf *b, const struct monitor *m)
{
	static const char names[2][32] = {
	    "autoheal_containers_monitored", "autoheal_containers_quarantined"};
	static const char helps[2][24] = {"Containers watched", "Of these in quarantine"};
	uint32_t counts[2][MONITOR_ENGINES_MAX] = {0};
	const struct container *c;
	size_t at = 0;

	while ((c = containers_next(&m->policy.containers, &at))) {
		counts[0][c->engine]++;
		counts[1][c->engine] += c->identity->heal && c->identity->heal->quarantined;
	}
	for (size_t k = 0; k < 2; k++) {
		metrics_head(b, names[k], helps[k], false);
		for (size_t i = 0; i < m->engines_count; i++)
			host_sample(b, names[k], &m->engines[i], counts[k][i]);
	}
}

/* Two targets that look alike where their secrets are left out are counted together: a series must be there once. */
static void print_notices(struct buf *b, const struct monitor *m)
{
	static const char results[3][8] = {"sent", "failed", "dropped"};
	const struct notify *n = m->notify;
	char shown[320], other[320];

	metrics_head(b, "autoheal_notifications_total", "Notices, by target and result", false);
	for (size_t i = 0; n && i < n->count; i++) {
		uint64_t counts[3] = {0};
		bool first = n->targets[i] != n->heartbeat;

		notice_show_target(&n->targets[i]->to, shown, sizeof(shown));
		for (size_t j = 0; first && j < n->count; j++) {
			const struct notify_target *t = n->targets[j];

			notice_show_target(&t->to, other, sizeof(other));
			if (t == n->heartbeat || strcmp(shown, other))
				continue;
			first = j >= i;
			counts[0] += t->sent;
			counts[1] += t->failed;
			counts[2] += t->dropped;
		}
		for (size_t k = 0; first && k < 3; k++) {
			buf_add_text(b, "autoheal_notifications_total{target=");
			metrics_label(b, shown);
			buf_print(
			    b, ",result=\"%s\"} %llu\n", results[k], (unsigned long long)counts[k]);
		}
	}
}

/* ---- the process, under the names that Prometheus's own libraries use ----------------------- */

/* Of those below `most`, as many as select() can hold: one call, and no folder of /proc, tells which are open. */
static unsigned open_files(rlim_t most)
{
	nfds_t n = most < LOOP_FD_MAX ? (nfds_t)most : LOOP_FD_MAX;
	struct pollfd files[LOOP_FD_MAX];
	unsigned count = 0;

	for (nfds_t i = 0; i < n; i++)
		files[i] = (struct pollfd){.fd = (int)i};
	if (poll(files, n, 0) < 0)
		return 0;
	for (nfds_t i = 0; i < n; i++)
		count += !(files[i].revents & POLLNVAL);
	return count;
}

/* The second number of statm; 0 where it cannot be read. */
static uint64_t resident_memory(int statm)
{
	char text[128];
	ssize_t n = pread(statm, text, sizeof(text), 0);
	struct span rest = {text, n < 0 ? 0 : (size_t)n}, pages = {0};
	uint64_t value = 0;

	if (span_next(&rest, ' ', &pages) && span_next(&rest, ' ', &pages) &&
	    text_number(pages, UINT32_MAX, &value))
		value *= (uint64_t)getpagesize();
	return value;
}

static void print_process(struct buf *b, const struct monitor *m, int statm)
{
	struct rlimit files = {0};
	uint64_t memory = resident_memory(statm);
	struct timespec cpu;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	prlimit(0, RLIMIT_NOFILE, NULL, &files);
	metrics_head(b, "process_cpu_seconds_total", "CPU time used", false);
	buf_add_text(b, "process_cpu_seconds_total ");
	metrics_seconds(b, (uint64_t)cpu.tv_sec * 1000000 + (uint64_t)cpu.tv_nsec / 1000);
	buf_add_text(b, "\n");
	if (memory)
		sample(b, "process_resident_memory_bytes",
		    "Memory in use, the program itself included", memory);
	sample(b, "process_open_fds", "Open descriptors", open_files(files.rlim_cur));
	sample(b, "process_max_fds", "Descriptors allowed", files.rlim_cur);
	metrics_head(b, "process_start_time_seconds", "Start, in seconds since 1970", false);
	buf_add_text(b, "process_start_time_seconds ");
	metrics_seconds(b, (uint64_t)m->metrics.born * 1000);
	buf_add_text(b, "\n");
}

/* ---- the containers ------------------------------------------------------------------------ */

static void print_results(struct buf *b, const struct monitor *m, const struct container *c)
{
	static const char results[METRICS_RESULTS][16] = {"recovered", "not_recovered", "refused"};
	const struct heal *h = c->identity->heal;

	size_t from = b->n, n;

	if (!h && m->policy.containers.count > ZEROS_MAX)
		return;
	buf_add_text(b, "autoheal_container_restarts_total{container_name=");
	metrics_label(b, c->name);
	buf_add_text(b, ",host=");
	metrics_label(b, m->engines[c->engine].name);
	n = b->n - from; /* the same for each result */
	for (size_t i = 0; i < METRICS_RESULTS && !b->failed; i++) {
		if (i && buf_room(b, n)) {
			memcpy(b->p + b->n, b->p + from, n);
			b->n += n;
		}
		buf_print(b, ",result=\"%s\"} %u\n", results[i], h ? h->results[i] : 0);
	}
}

static void gone(struct server_client *c)
{
	free(c->job);
}

/* Writes the next containers. A table that has grown since the last piece would show some twice: the answer ends there,
 * and the next one is whole. */
static bool more_containers(struct server_client *c)
{
	struct api *api = c->server->owner;
	const struct monitor *m = api->monitor;
	struct walk *walk = c->job;
	const struct container *next = NULL;
	struct buf piece;

	server_piece(c->server, &piece, PIECE_MAX);
	while (walk->slots == m->policy.containers.slots_count && piece.n < SERVER_PIECE &&
	    (next = containers_next(&m->policy.containers, &walk->at)))
		print_results(&piece, m, next);
	server_stream(c, (struct span){piece.p, piece.n});
	buf_free(&piece);
	if (!next) {
		free(walk);
		server_stream_end(c);
	}
	return true;
}

void api_metrics(struct api *api, struct server_client *c, struct server_request *r)
{
	const struct monitor *m = api->monitor;
	struct walk *walk = calloc(1, sizeof(*walk));
	struct buf b;

	(void)r;
	server_piece(c->server, &b, PIECE_MAX);
	print_watched(&b, m);
	metrics_print_histogram(&b, "autoheal_heal_duration_seconds",
	    "From the detection of trouble to health", &m->metrics.heal, metrics_heal_bounds);
	metrics_print_histogram(&b, "autoheal_detection_to_request_seconds",
	    "From the detection of trouble to the first request of its heal, waits included",
	    &m->metrics.request, metrics_request_bounds);
	print_engines(&b, m);
	print_notices(&b, m);
	sample(&b, "autoheal_log_lines_dropped_total", "Lines of the log that nobody took in time",
	    log_dropped());
	print_process(&b, m, api->statm);
	metrics_head(&b, "autoheal_container_restarts_total",
	    "Restarts by how they ended; one that helped and did not last counts as both", false);
	if (!walk || b.failed) {
		free(walk);
		server_error(c, 500, "There is not enough memory for this answer");
	} else {
		walk->slots = m->policy.containers.slots_count;
		server_stream_begin(c, 200, "text/plain; version=0.0.4; charset=utf-8");
		server_stream(c, (struct span){b.p, b.n});
		c->job = walk;
		c->more = more_containers;
		c->gone = gone;
	}
	buf_free(&b);
}
